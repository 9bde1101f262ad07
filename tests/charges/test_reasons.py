"""What a payer is told about each way in which a payment can fail."""

from __future__ import annotations

import pytest

from billing.charges.declines import DECLINE_CODES, ERROR_CODES
from billing.charges.opening import NO_PAYMENT_METHOD
from billing.charges.reasons import REASONS, Reason, reason_for
from billing.revenue.reasons import IN_GENERAL, reason_in_words


@pytest.mark.parametrize("code", sorted({*DECLINE_CODES, *ERROR_CODES, NO_PAYMENT_METHOD}))
def test_every_code_that_we_judge_has_a_reason(code: str) -> None:
    assert code in REASONS


@pytest.mark.parametrize("code", sorted({*DECLINE_CODES, *ERROR_CODES, NO_PAYMENT_METHOD}))
def test_staff_read_a_sentence_about_every_code_that_we_judge(code: str) -> None:
    assert "Stripe gives" not in reason_in_words(code)


def test_staff_see_an_unknown_code_as_it_is() -> None:
    assert "something_new" in reason_in_words("something_new")
    assert set(IN_GENERAL) == set(Reason)


def test_no_reason_is_given_for_a_code_that_we_do_not_judge() -> None:
    assert set(REASONS) <= {*DECLINE_CODES, *ERROR_CODES, NO_PAYMENT_METHOD}


def test_every_reason_is_given_for_some_code() -> None:
    assert set(REASONS.values()) == set(Reason)


@pytest.mark.parametrize("code", [None, "", "unknown", "something_new"])
def test_nothing_is_made_up_about_an_unknown_code(code: str | None) -> None:
    assert reason_for(code) is Reason.REFUSED


def test_each_family_is_found_by_its_codes() -> None:
    assert reason_for("insufficient_funds") is Reason.MONEY
    assert reason_for("expired_card") is Reason.EXPIRED


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent", "merchant_blacklist"])
def test_what_stripe_asks_not_to_tell_is_not_told(code: str) -> None:
    assert reason_for(code) is Reason.REFUSED
