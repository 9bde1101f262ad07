"""Making good what was declined: on-session, the same charge, never twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.audit.report import audit
from billing.charges.books import reconcile
from billing.charges.domain import AttemptStatus, ChargeStatus
from billing.charges.due import claim_due_charges, create_due_charges
from billing.charges.dunning import lapse_overdue
from billing.charges.opening import open_attempt
from billing.checkout.errors import CheckoutUnavailableError, NothingDueError, UnderWayError
from billing.checkout.fulfil import close_overdue, find_overdue_checkouts, look
from billing.checkout.mend import Mending, start_mending, view_mending
from billing.checkout.prepay import start_prepaying
from billing.gateway import Gateway
from billing.pledges.domain import PledgeStatus
from billing.pledges.service import cancel
from billing.runtime import Runtime
from tests.support.after import run_sql
from tests.support.changes import agree
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


def ask(runtime: Runtime) -> None:
    """What the workers do every minute."""
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=RIGA, now=now, limit=10)
        due = claim_due_charges(session, now=now, limit=10)
    for charge_id in due:
        submit(runtime, NoLimit(), charge_id)
    with runtime.database.transaction() as session:
        lapse_overdue(session, runtime, now=now, limit=10)


@pytest.fixture
def past_due(
    runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime
) -> Callable[[str], int]:
    """A pledge whose renewal was declined for this reason."""

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
        advance(timedelta(days=31))
        ask(runtime)
        assert get_pledge(runtime, pledge_id).status is PledgeStatus.PAST_DUE
        return pledge_id

    return make


def start(runtime: Runtime, pledge_id: int) -> str:
    return start_mending(runtime, pledge_id, title="Monthly support")


def state(runtime: Runtime, pledge_id: int) -> Mending:
    with runtime.database.transaction() as session:
        return view_mending(session, pledge_id).state


def succeeded(stripe: StandIn) -> int:
    payments = stripe_client(stripe).v1.payment_intents.list(params={"limit": 100})
    return sum(1 for payment in payments if payment.status == "succeeded")


def test_the_payer_finishes_the_very_charge_that_was_declined(
    runtime: Runtime, stripe: StandIn, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("authentication_required")
    assert state(runtime, pledge_id) is Mending.DUE
    before = get_pledge(runtime, pledge_id)
    stripe.pay(start(runtime, pledge_id))
    look(runtime, 1)
    [charge] = charges_of(runtime, pledge_id)
    pledge = get_pledge(runtime, pledge_id)
    assert (charge.period, charge.status) == (1, ChargeStatus.SUCCEEDED)
    assert pledge.status is PledgeStatus.ACTIVE
    assert pledge.next_charge_at == before.next_charge_at
    assert pledge.stripe_payment_method_id != before.stripe_payment_method_id
    assert pledge.stripe_customer_id == before.stripe_customer_id
    assert [attempt.status for attempt in attempts_of(runtime, charge.id)] == [
        AttemptStatus.DECLINED,
        AttemptStatus.SUCCEEDED,
    ]
    assert state(runtime, pledge_id) is Mending.NOTHING_DUE
    assert {f.invariant for f in audit(runtime) if f.offenders} == set()


def test_while_the_payers_page_is_open_no_retry_takes_the_money(
    runtime: Runtime, stripe: StandIn, advance: Advance, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("insufficient_funds")
    retry_at = charges_of(runtime, pledge_id)[0].next_attempt_at
    assert retry_at is not None
    advance(retry_at - runtime.clock.now() - timedelta(minutes=10))
    url = start(runtime, pledge_id)
    advance(timedelta(minutes=20))
    ask(runtime)
    [charge] = charges_of(runtime, pledge_id)
    assert len(attempts_of(runtime, charge.id)) == 2
    stripe.pay(url)
    look(runtime, 1)
    ask(runtime)
    assert succeeded(stripe) == 1
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE


def test_a_page_nobody_paid_gives_the_charge_back_to_its_retries(
    runtime: Runtime, stripe: StandIn, advance: Advance, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("insufficient_funds")
    retry_at = charges_of(runtime, pledge_id)[0].next_attempt_at
    start(runtime, pledge_id)
    now = advance(timedelta(hours=2))
    with runtime.database.transaction() as session:
        overdue = find_overdue_checkouts(session, now=now, limit=10)
    for checkout_id in overdue:
        close_overdue(runtime, checkout_id)
    [charge] = charges_of(runtime, pledge_id)
    assert charge.status is ChargeStatus.DECLINED
    assert charge.next_attempt_at == retry_at
    assert state(runtime, pledge_id) is Mending.DUE
    assert start(runtime, pledge_id)


def test_two_clicks_open_one_page(
    runtime: Runtime, stripe: StandIn, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("expired_card")
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(lambda _: start(runtime, pledge_id), range(4)))
    assert len(urls) == 1
    assert len(list(stripe_client(stripe).v1.checkout.sessions.list())) == 1


def test_a_pledge_in_order_has_nothing_to_mend(
    runtime: Runtime, stripe: StandIn, now: datetime
) -> None:
    pledge_id = pledge_of(runtime, anchor=now)
    assert state(runtime, pledge_id) is Mending.NOTHING_DUE
    with pytest.raises(NothingDueError):
        start(runtime, pledge_id)


def test_a_cancelled_pledge_is_not_brought_back(
    runtime: Runtime, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("expired_card")
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=RIGA, now=runtime.clock.now())
    assert state(runtime, pledge_id) is Mending.CANCELLED
    with pytest.raises(NothingDueError):
        start(runtime, pledge_id)


def test_who_pays_just_before_cancelling_has_paid(
    runtime: Runtime, stripe: StandIn, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("expired_card")
    url = start(runtime, pledge_id)
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=RIGA, now=runtime.clock.now())
    stripe.pay(url)
    look(runtime, 1)
    assert charges_of(runtime, pledge_id)[0].status is ChargeStatus.SUCCEEDED
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.CANCELLED


def test_a_lapsed_pledge_comes_back_with_its_history_and_only_the_current_period(
    runtime: Runtime, stripe: StandIn, advance: Advance, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("expired_card")
    advance(timedelta(days=15))
    ask(runtime)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.LAPSED
    advance(timedelta(days=80))
    ask(runtime)
    assert state(runtime, pledge_id) is Mending.LAPSED
    anchor = get_pledge(runtime, pledge_id).anchor_at
    stripe.pay(start(runtime, pledge_id))
    look(runtime, 1)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.status, pledge.anchor_at) == (PledgeStatus.ACTIVE, anchor)
    periods = [(charge.period, charge.status) for charge in charges_of(runtime, pledge_id)]
    assert periods == [(1, ChargeStatus.DECLINED), (4, ChargeStatus.SUCCEEDED)]
    assert pledge.next_period == 5
    ask(runtime)
    assert succeeded(stripe) == 1
    advance(timedelta(days=31))
    ask(runtime)
    assert succeeded(stripe) == 2
    reconcile(runtime)
    assert {f.invariant for f in audit(runtime) if f.offenders} <= {6, 8}


@pytest.mark.parametrize("answered", [True, False])
def test_a_page_at_the_old_sum_is_closed_when_less_was_agreed_to(
    runtime: Runtime, stripe: StandIn, past_due: Callable[[str], int], answered: bool
) -> None:
    pledge_id = past_due("insufficient_funds")
    old = start(runtime, pledge_id)
    if not answered:
        run_sql(runtime, "UPDATE checkouts SET stripe_session_id = NULL, stripe_url = NULL")
    agree(runtime, pledge_id, 300)
    new = start(runtime, pledge_id)
    assert new != old
    client = stripe_client(stripe)
    assert [page.status for page in client.v1.checkout.sessions.list()] == ["open", "expired"]
    stripe.pay(new)
    look(runtime, 2)
    [charge] = charges_of(runtime, pledge_id)
    assert (charge.amount_minor, charge.status) == (300, ChargeStatus.SUCCEEDED)
    assert client.v1.payment_intents.list(params={"limit": 1}).data[0].amount == 300
    assert succeeded(stripe) == 1


def test_a_page_paid_at_the_old_sum_is_not_paid_again(
    runtime: Runtime, stripe: StandIn, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("insufficient_funds")
    old = start(runtime, pledge_id)
    agree(runtime, pledge_id, 300)
    stripe.pay(old)
    with pytest.raises(NothingDueError):
        start(runtime, pledge_id)
    [charge] = charges_of(runtime, pledge_id)
    assert (charge.amount_minor, charge.status) == (500, ChargeStatus.SUCCEEDED)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE


@pytest.mark.parametrize("reached", [False, True])
def test_a_page_that_stripe_did_not_open_at_first_is_opened_later(
    runtime: Runtime,
    stripe: StandIn,
    advance: Advance,
    past_due: Callable[[str], int],
    reached: bool,
) -> None:
    """Whether Stripe had made it and only the answer was lost, or not."""
    pledge_id = past_due("insufficient_funds")
    away = replace(runtime.settings.stripe, api_base="http://127.0.0.1:9")
    first = ""
    if reached:
        first = start(runtime, pledge_id)
        run_sql(runtime, "UPDATE checkouts SET stripe_session_id = NULL, stripe_url = NULL")
    else:
        with pytest.raises(CheckoutUnavailableError):
            start(replace(runtime, gateway=Gateway(away)), pledge_id)
    advance(timedelta(minutes=35))
    with pytest.raises(CheckoutUnavailableError):
        start(replace(runtime, gateway=Gateway(away)), pledge_id)
    second = start(runtime, pledge_id)
    assert (second == first) is reached
    stripe.pay(second)
    look(runtime, 1 if reached else 2)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE
    assert succeeded(stripe) == 1
    assert {f.invariant for f in audit(runtime) if f.offenders} == set()


@pytest.mark.parametrize("opened", [False, True])
def test_what_is_held_for_a_fraud_warning_is_not_paid(
    runtime: Runtime, past_due: Callable[[str], int], opened: bool
) -> None:
    pledge_id = past_due("insufficient_funds")
    if opened:
        start(runtime, pledge_id)
    run_sql(runtime, "UPDATE pledges SET held_since = created_at")
    assert state(runtime, pledge_id) is Mending.HELD
    with pytest.raises(NothingDueError):
        start(runtime, pledge_id)


@pytest.fixture
def lapsed_in_a_skipped_month(
    runtime: Runtime, advance: Advance, past_due: Callable[[str], int]
) -> int:
    """A pledge whose first renewal was never paid, and whose second had been left out before."""
    pledge_id = past_due("insufficient_funds")
    run_sql(runtime, "UPDATE pledges SET next_period = 3")
    for _ in range(9):
        advance(timedelta(days=2))
        ask(runtime)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.LAPSED
    advance(timedelta(days=20))
    return pledge_id


def test_taken_up_in_a_skipped_month_the_next_payment_follows_the_one_made(
    runtime: Runtime, stripe: StandIn, lapsed_in_a_skipped_month: int
) -> None:
    pledge_id = lapsed_in_a_skipped_month
    stripe.pay(start(runtime, pledge_id))
    look(runtime, 1)
    pledge = get_pledge(runtime, pledge_id)
    assert [charge.period for charge in charges_of(runtime, pledge_id)] == [1, 3]
    assert (pledge.status, pledge.next_period) == (PledgeStatus.ACTIVE, 4)
    assert pledge.next_charge_at == pledge.calendar(RIGA).due_at(4)
    stripe.pay(start_prepaying(runtime, pledge_id, months=3, seen=0, turn=4, title="Ahead"))
    look(runtime, 2)
    assert get_pledge(runtime, pledge_id).next_period == 7
    assert charges_of(runtime, pledge_id)[-1].period == 4


def test_a_page_that_ran_out_in_a_skipped_month_can_be_opened_again(
    runtime: Runtime, stripe: StandIn, advance: Advance, lapsed_in_a_skipped_month: int
) -> None:
    pledge_id = lapsed_in_a_skipped_month
    start(runtime, pledge_id)
    advance(timedelta(hours=2))
    close_overdue(runtime, 1)
    stripe.pay(start(runtime, pledge_id))
    look(runtime, 2)
    assert [charge.period for charge in charges_of(runtime, pledge_id)] == [1, 3]
    assert get_pledge(runtime, pledge_id).next_period == 4


def test_the_saved_card_being_asked_is_told(
    runtime: Runtime, past_due: Callable[[str], int]
) -> None:
    pledge_id = past_due("insufficient_funds")
    [charge] = charges_of(runtime, pledge_id)
    with runtime.database.transaction() as session:
        again = session.merge(charge)
        again.next_attempt_at = runtime.clock.now()
    with runtime.database.transaction() as session:
        assert open_attempt(session, runtime, charge.id) is not None
    assert state(runtime, pledge_id) is Mending.UNDER_WAY
    with pytest.raises(UnderWayError):
        start(runtime, pledge_id)
