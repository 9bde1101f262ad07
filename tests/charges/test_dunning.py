"""After a decline: what is tried again and when, what is written, and when a pledge lapses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import stripe as sdk
from hypothesis import given, strategies as st
from sqlalchemy import text

from billing.audit.report import audit
from billing.charges.declines import (
    ADVICE_CODES,
    DECLINE_CODES,
    ERROR_CLASSES,
    ERROR_CODES,
    RETRY_DAYS,
    WINDOW,
    Remedy,
    is_mapped,
    next_retry,
    remedy_for,
)
from billing.charges.domain import AttemptStatus, ChargeStatus
from billing.charges.due import claim_due_charges, create_due_charges
from billing.charges.dunning import after_decline, lapse_overdue
from billing.charges.tables import Attempt, Charge
from billing.pledges.domain import PledgeStatus
from billing.pledges.service import cancel, get_pledge as get_for_update
from billing.runtime import Runtime
from tests.support.people import (
    NoLimit,
    attempts_of,
    card_of,
    charges_of,
    get_pledge,
    pledge_of,
    stripe_client,
)
from tests.support.standin import StandIn
from tests.support.taking import submit

RIGA = ZoneInfo("Europe/Riga")
Advance = Callable[[timedelta], datetime]

codes = st.sampled_from([None, "", "invented", *DECLINE_CODES, *ADVICE_CODES, *ERROR_CODES])


def test_the_codes_that_matter_most_have_their_remedies() -> None:
    retry = "insufficient_funds try_again_later processing_error issuer_not_available"
    careful = "generic_decline do_not_honor"
    payer = "authentication_required expired_card incorrect_number incorrect_cvc call_issuer"
    never = "lost_card stolen_card pickup_card fraudulent transaction_not_allowed"
    never += " revocation_of_authorization revocation_of_all_authorizations"
    for code in f"{retry} {careful}".split():
        assert remedy_for("card_declined", code, None) is Remedy.RETRY_LATER, code
    for code in payer.split():
        assert remedy_for("card_declined", code, None) is Remedy.NEEDS_PAYER, code
    for code in never.split():
        assert remedy_for("card_declined", code, None) is Remedy.NEVER_AGAIN, code


def test_every_error_class_of_the_library_is_in_the_table() -> None:
    source = Path(sdk.__file__).with_name("_error.py").read_text()
    of_version_one = source.partition("# classDefinitions")[0]
    classes = set(re.findall(r"^class (\w+)", of_version_one, re.MULTILINE))
    never_from_a_request = {
        "StripeError",
        "StripeErrorWithParamCode",
        "SignatureVerificationError",
    }
    assert set(ERROR_CLASSES) == classes - never_from_a_request


def test_every_payment_error_code_that_the_library_knows_is_in_the_table() -> None:
    source = Path(sdk.__file__).with_name("_payment_intent.py").read_text()
    start = source.index("code: Optional[", source.index("class LastPaymentError"))
    known = re.findall(r'"([a-z0-9_]+)"', source[start : source.index("]\n", start + 2000)])
    of_payments = [
        code
        for code in known
        if re.match(r"card_|payment_intent_|payment_method_|incorrect_|invalid_(cvc|exp|num)", code)
        and not re.search(
            r"microdeposit|konbini|configuration|invalid_parameter|already_verified"
            r"|action_required|billing_details",
            code,
        )
    ]
    missing = [code for code in of_payments if not is_mapped(code, None, None)]
    assert missing == []


def test_advice_goes_before_the_reason_but_never_softens_never() -> None:
    assert remedy_for("card_declined", "generic_decline", "do_not_try_again") is Remedy.NEVER_AGAIN
    assert remedy_for("card_declined", "do_not_honor", "confirm_card_data") is Remedy.NEEDS_PAYER
    assert remedy_for("card_declined", "stolen_card", "try_again_later") is Remedy.NEVER_AGAIN


@given(code=codes, decline_code=codes, advice_code=codes)
def test_there_is_an_answer_for_everything(
    code: str | None, decline_code: str | None, advice_code: str | None
) -> None:
    assert remedy_for(code, decline_code, advice_code) in Remedy
    if not is_mapped(code, decline_code, advice_code):
        assert remedy_for(code, decline_code, advice_code) is Remedy.RETRY_LATER


moments = st.datetimes(
    min_value=datetime(2020, 1, 1), max_value=datetime(2035, 1, 1), timezones=st.just(UTC)
)


@given(first=moments, zone=st.sampled_from([RIGA, ZoneInfo("America/New_York"), ZoneInfo("UTC")]))
def test_retries_fall_on_their_days_at_other_hours(first: datetime, zone: ZoneInfo) -> None:
    retries = [next_retry(first, number, zone) for number in range(1, 6)]
    assert retries[-1] is None
    moments = [retry.astimezone(zone) for retry in retries if retry is not None]
    first_day = first.astimezone(zone).date()
    assert [(moment.date() - first_day).days for moment in moments] == list(RETRY_DAYS)
    hours = [first.astimezone(zone).hour, *(moment.hour for moment in moments)]
    assert all(earlier != later for earlier, later in itertools.pairwise(hours))
    assert moments[-1] - first < WINDOW + timedelta(days=1)


def test_retries_by_example() -> None:
    first = datetime(2027, 3, 20, 7, 40, tzinfo=UTC)  # 9:40 in Riga, the hour of the first retry
    assert [next_retry(first, number, RIGA) for number in range(1, 5)] == [
        datetime(2027, 3, 21, 9, 40, tzinfo=UTC),  # 11:40
        datetime(2027, 3, 23, 11, 40, tzinfo=UTC),  # 13:40
        datetime(2027, 3, 27, 16, 40, tzinfo=UTC),  # 18:40
        datetime(2027, 4, 2, 18, 40, tzinfo=UTC),  # 21:40, in summer time
    ]
    at_noon = next_retry(datetime(2027, 3, 20, 10, 5, tzinfo=UTC), 1, RIGA)
    assert at_noon == datetime(2027, 3, 21, 7, 5, tzinfo=UTC)
    assert at_noon.tzinfo == ZoneInfo("UTC")
    careful = [next_retry(first, number, RIGA, mapped=False) for number in (1, 2)]
    assert careful == [
        datetime(2027, 3, 23, 9, 40, tzinfo=UTC),
        datetime(2027, 3, 27, 11, 40, tzinfo=UTC),
    ]


def test_a_reason_is_looked_for_in_every_table() -> None:
    assert is_mapped(None, None, "try_again_later")
    assert not is_mapped(None, None, None)
    assert not is_mapped("something_new", "something_new", "something_new")
    assert is_mapped("expired_card", None, None)
    assert remedy_for("expired_card", None, None) is Remedy.NEEDS_PAYER
    error = next(code for code, remedy in ERROR_CODES.items() if remedy is Remedy.NEVER_AGAIN)
    assert remedy_for(error, None, None) is Remedy.NEVER_AGAIN
    assert remedy_for(error, "insufficient_funds", None) is Remedy.RETRY_LATER


@given(first=moments)
def test_an_unknown_code_is_retried_with_care(first: datetime) -> None:
    assert next_retry(first, 1, RIGA, mapped=False) is not None
    assert next_retry(first, 2, RIGA, mapped=False) is not None
    assert next_retry(first, 3, RIGA, mapped=False) is None
    with pytest.raises(ValueError, match="first decline"):
        next_retry(first, 0, RIGA)


@pytest.fixture
def declined(
    runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime
) -> Callable[[str], int]:
    """A pledge whose first renewal was declined for this reason, as all later ones will be."""

    def make(decline_code: str) -> int:
        customer_id, card_id = card_of(stripe)
        pledge_id = pledge_of(
            runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id
        )
        stripe.ask(
            "POST",
            f"/_standin/payment_methods/{card_id}/decline",
            {"decline_code": decline_code, "times": 99},
        )
        moment = advance(timedelta(days=31))
        with runtime.database.transaction() as session:
            create_due_charges(session, zone=RIGA, now=moment, limit=10)
        run_due(runtime)
        return charges_of(runtime, pledge_id)[0].id

    return make


def run_due(runtime: Runtime) -> int:
    with runtime.database.transaction() as session:
        due = claim_due_charges(session, now=runtime.clock.now(), limit=10)
    for charge_id in due:
        submit(runtime, NoLimit(), charge_id)
    return len(due)


def the_charge(runtime: Runtime, charge_id: int) -> Charge:
    with runtime.database.transaction() as session:
        return session.get_one(Charge, charge_id)


def letters(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return list(session.execute(text("SELECT template FROM outbox ORDER BY id")).scalars())


def day_after_day(runtime: Runtime, advance: Advance, days: int) -> list[int]:
    """The days on which the saved card was asked."""
    asked = []
    for day in range(1, days + 1):
        advance(timedelta(days=1))
        if run_due(runtime):
            asked.append(day)
        with runtime.database.transaction() as session:
            lapse_overdue(session, runtime, now=runtime.clock.now(), limit=10)
    return asked


def test_a_card_without_money_is_asked_five_times_and_then_the_pledge_lapses(
    runtime: Runtime, stripe: StandIn, advance: Advance, declined: Callable[[str], int]
) -> None:
    charge_id = declined("insufficient_funds")
    day_after_day(runtime, advance, 20)
    charge = the_charge(runtime, charge_id)
    pledge = get_pledge(runtime, charge.pledge_id or 0)
    assert pledge.status is PledgeStatus.LAPSED
    assert pledge.next_charge_at is None
    attempts = attempts_of(runtime, charge_id)
    assert [attempt.status for attempt in attempts] == [AttemptStatus.DECLINED] * 5
    days = [(attempt.started_at - attempts[0].started_at).days for attempt in attempts]
    assert all(day - late in (0, 1) for day, late in zip(days, [0, 1, 3, 7, 13], strict=True))
    assert letters(runtime) == ["payment_failed", "lapsed"]
    with runtime.database.transaction() as session:
        moved = session.execute(text("SELECT kind, yearly_minor FROM pledge_movements ORDER BY id"))
        assert [tuple(row) for row in moved] == [("new", 6000), ("churn_involuntary", -6000)]
    unsent = 6  # nothing sends mail here
    assert {finding.invariant for finding in audit(runtime) if finding.offenders} <= {unsent}


def test_a_retry_that_succeeds_makes_the_pledge_good(
    runtime: Runtime, stripe: StandIn, advance: Advance, declined: Callable[[str], int]
) -> None:
    charge_id = declined("insufficient_funds")
    customer_id = the_charge(runtime, charge_id).stripe_customer_id
    client = stripe_client(stripe)
    good = client.v1.payment_methods.attach("pm_card_visa", params={"customer": customer_id or ""})
    with runtime.database.transaction() as session:
        session.execute(text("UPDATE pledges SET stripe_payment_method_id = :id"), {"id": good.id})
    day_after_day(runtime, advance, 3)
    charge = the_charge(runtime, charge_id)
    pledge = get_pledge(runtime, charge.pledge_id or 0)
    assert (charge.status, pledge.status) == (ChargeStatus.SUCCEEDED, PledgeStatus.ACTIVE)
    assert pledge.past_due_since is None
    assert letters(runtime) == ["payment_failed", "receipt"]


@pytest.mark.parametrize(
    ("code", "template"),
    [
        ("authentication_required", "confirm_payment"),
        ("expired_card", "payment_failed"),
        ("stolen_card", "payment_failed"),
    ],
)
def test_what_only_the_payer_can_mend_is_not_tried_again(
    runtime: Runtime,
    advance: Advance,
    declined: Callable[[str], int],
    code: str,
    template: str,
) -> None:
    charge_id = declined(code)
    assert day_after_day(runtime, advance, 16) == []
    assert len(attempts_of(runtime, charge_id)) == 1
    assert letters(runtime) == [template, "lapsed"]


def test_retries_stop_when_the_reader_cancels(
    runtime: Runtime, advance: Advance, declined: Callable[[str], int]
) -> None:
    charge_id = declined("insufficient_funds")
    pledge_id = the_charge(runtime, charge_id).pledge_id or 0
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=RIGA, now=runtime.clock.now())
    day_after_day(runtime, advance, 14)
    assert len(attempts_of(runtime, charge_id)) == 1
    assert the_charge(runtime, charge_id).status is ChargeStatus.CANCELLED
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.CANCELLED


def test_a_failure_in_no_table_is_reported(
    runtime: Runtime, declined: Callable[[str], int]
) -> None:
    charge_id = declined("insufficient_funds")
    charge, [attempt] = the_charge(runtime, charge_id), attempts_of(runtime, charge_id)
    assert (attempt.remedy, attempt.mapped) == (Remedy.RETRY_LATER, True)
    with runtime.database.transaction() as session:
        pledge = get_for_update(session, charge.pledge_id or 0, lock=True)
        again = session.get_one(Attempt, attempt.id)
        again.error_code, again.decline_code = "card_declined", "invented_yesterday"
        again.advice_code = None
        charge = session.get_one(Charge, charge_id)
        after_decline(session, runtime, charge, pledge, again, runtime.clock.now())
    [attempt] = attempts_of(runtime, charge_id)
    assert (attempt.remedy, attempt.mapped) == (Remedy.RETRY_LATER, False)
