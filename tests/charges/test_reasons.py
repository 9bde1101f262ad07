"""What a payer is told about each way in which a payment can fail."""

from __future__ import annotations

import pytest

from billing.charges.declines import DECLINE_CODES, ERROR_CODES
from billing.charges.opening import NO_PAYMENT_METHOD
from billing.charges.reasons import REASONS, Reason, reason_for


@pytest.mark.parametrize("code", sorted({*DECLINE_CODES, *ERROR_CODES, NO_PAYMENT_METHOD}))
def test_every_code_that_we_judge_has_a_reason(code: str) -> None:
    assert code in REASONS


def test_no_reason_is_given_for_a_code_that_we_do_not_judge() -> None:
    assert set(REASONS) <= {*DECLINE_CODES, *ERROR_CODES, NO_PAYMENT_METHOD}


def test_every_reason_is_given_for_some_code() -> None:
    assert set(REASONS.values()) == set(Reason)


@pytest.mark.parametrize("code", [None, "", "unknown", "something_new"])
def test_nothing_is_made_up_about_an_unknown_code(code: str | None) -> None:
    assert reason_for(code) is Reason.REFUSED


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent", "merchant_blacklist"])
def test_what_stripe_asks_not_to_tell_is_not_told(code: str) -> None:
    assert reason_for(code) is Reason.REFUSED
