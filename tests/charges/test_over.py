"""After a long outage: what was due before it is not charged beside the current period."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta

from billing.audit.report import audit
from billing.charges.attention import attention
from billing.charges.domain import AttemptStatus, ChargeKind, ChargeStatus
from billing.charges.due import claim_due_charges, create_due_charges
from billing.charges.opening import open_attempts
from billing.charges.resolve import resolve
from billing.charges.settle import record_payment
from billing.charges.submit import ask
from billing.charges.tables import Charge
from billing.gateway import Payment
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.tables import Pledge
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

Advance = Callable[[timedelta], datetime]


def create(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        create_due_charges(session, zone=zone, now=runtime.clock.now(), limit=100)


def take_what_is_due(runtime: Runtime) -> None:
    """One minute of a beat and a worker."""
    create(runtime)
    with runtime.database.transaction() as session:
        claimed = claim_due_charges(session, now=runtime.clock.now(), limit=100)
    for charge_id in claimed:
        submit(runtime, NoLimit(), charge_id)


def states(runtime: Runtime, pledge_id: int) -> list[tuple[int | None, ChargeStatus]]:
    return [(charge.period, charge.status) for charge in charges_of(runtime, pledge_id)]


def paid_at_stripe(stripe: StandIn, customer_id: str) -> int:
    payments = stripe_client(stripe).v1.payment_intents.list(params={"customer": customer_id})
    return sum(payment.amount_received for payment in payments.data)


@pytest.fixture
def pledge(runtime: Runtime, stripe: StandIn, now: datetime) -> tuple[int, str]:
    """A monthly pledge of $5, first paid now, and its customer."""
    customer_id, card_id = card_of(stripe)
    return (
        pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id),
        customer_id,
    )


def _charge_by_hand(pledge: Pledge, now: datetime) -> Charge:
    """The charge of an annual pledge, without its notice."""
    pledge.next_period, pledge.next_charge_at = 2, now + relativedelta(years=1)
    return Charge(
        kind=ChargeKind.PLEDGE,
        status=ChargeStatus.DUE,
        supporter_id=pledge.supporter_id,
        pledge_id=pledge.id,
        period=1,
        currency=pledge.currency,
        amount_minor=pledge.amount_minor,
        fee_cover_minor=0,
        due_at=now,
        next_attempt_at=now,
        created_at=now,
        stripe_customer_id=pledge.stripe_customer_id,
        source={},
    )


def _replace_card(runtime: Runtime, stripe: StandIn, pledge_id: int, customer_id: str) -> None:
    card = stripe_client(stripe).v1.payment_methods.attach(
        "pm_card_visa", params={"customer": customer_id}
    )
    with runtime.database.transaction() as session:
        session.get_one(Pledge, pledge_id).stripe_payment_method_id = card.id


def days_until_due(now: datetime, months: int) -> timedelta:
    return now + relativedelta(months=months) - now


def test_a_charge_that_waited_beyond_its_month_is_let_go(
    runtime: Runtime, stripe: StandIn, pledge: tuple[int, str], now: datetime, advance: Advance
) -> None:
    pledge_id, customer_id = pledge
    advance(days_until_due(now, 1))
    create(runtime)
    advance(timedelta(days=40))
    take_what_is_due(runtime)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.CANCELLED), (2, ChargeStatus.SUCCEEDED)]
    assert paid_at_stripe(stripe, customer_id) == 500
    with runtime.database.transaction() as session:
        [line] = attention(session, now=runtime.clock.now())
    assert line.startswith("A charge was let go of, as the next period had begun")
    assert [finding.line() for finding in audit(runtime) if finding.offenders] == []


def test_it_is_let_go_before_the_current_one_is_made(
    runtime: Runtime, pledge: tuple[int, str], now: datetime, advance: Advance
) -> None:
    pledge_id, _ = pledge
    advance(days_until_due(now, 1))
    create(runtime)
    [charge] = charges_of(runtime, pledge_id)
    advance(timedelta(days=40))
    submit(runtime, NoLimit(), charge.id)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.CANCELLED)]
    take_what_is_due(runtime)
    assert states(runtime, pledge_id)[1:] == [(2, ChargeStatus.SUCCEEDED)]


def test_a_charge_is_taken_as_long_as_its_month_lasts(
    runtime: Runtime, pledge: tuple[int, str], now: datetime, advance: Advance
) -> None:
    pledge_id, _ = pledge
    advance(days_until_due(now, 1))
    create(runtime)
    second = now + relativedelta(months=2)
    advance(second - runtime.clock.now() - timedelta(minutes=1))
    take_what_is_due(runtime)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.SUCCEEDED)]


def test_a_year_is_not_over_after_a_month(
    runtime: Runtime, stripe: StandIn, now: datetime, advance: Advance
) -> None:
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(
        runtime,
        anchor=now,
        customer_id=customer_id,
        payment_method_id=card_id,
        cadence=Cadence.ANNUAL,
    )
    advance(days_until_due(now, 12))
    with runtime.database.transaction() as session:
        charge = _charge_by_hand(session.get_one(Pledge, pledge_id), runtime.clock.now())
        session.add(charge)
        session.flush()
        charge_id = charge.id
    advance(timedelta(days=60))
    submit(runtime, NoLimit(), charge_id)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.SUCCEEDED)]


def test_an_attempt_that_never_reached_stripe_is_not_sent_when_its_month_is_over(
    runtime: Runtime, stripe: StandIn, pledge: tuple[int, str], now: datetime, advance: Advance
) -> None:
    pledge_id, customer_id = pledge
    advance(days_until_due(now, 1))
    create(runtime)
    [charge] = charges_of(runtime, pledge_id)
    with runtime.database.transaction() as session:
        [ready] = open_attempts(session, runtime, [charge.id])
    advance(timedelta(days=40))
    resolve(runtime, NoLimit(), ready.attempt_id)
    [attempt] = attempts_of(runtime, charge.id)
    assert attempt.status is AttemptStatus.ABSENT
    take_what_is_due(runtime)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.CANCELLED), (2, ChargeStatus.SUCCEEDED)]
    assert paid_at_stripe(stripe, customer_id) == 500


def test_a_payment_that_was_taken_in_its_month_is_found_after_it(
    runtime: Runtime, stripe: StandIn, pledge: tuple[int, str], now: datetime, advance: Advance
) -> None:
    pledge_id, customer_id = pledge
    advance(days_until_due(now, 1))
    create(runtime)
    [charge] = charges_of(runtime, pledge_id)
    with runtime.database.transaction() as session:
        [ready] = open_attempts(session, runtime, [charge.id])
    assert isinstance(ask(runtime, NoLimit(), ready), Payment)
    advance(timedelta(days=40))
    resolve(runtime, NoLimit(), ready.attempt_id)
    take_what_is_due(runtime)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.SUCCEEDED), (2, ChargeStatus.SUCCEEDED)]
    assert paid_at_stripe(stripe, customer_id) == 1000


def test_a_refusal_heard_of_when_its_month_is_over_stops_nothing(
    runtime: Runtime, stripe: StandIn, now: datetime, advance: Advance
) -> None:
    customer_id, card_id = card_of(stripe, "pm_card_chargeCustomerFail")
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    advance(days_until_due(now, 1))
    create(runtime)
    [charge] = charges_of(runtime, pledge_id)
    with runtime.database.transaction() as session:
        [ready] = open_attempts(session, runtime, [charge.id])
    refused = ask(runtime, NoLimit(), ready)
    assert isinstance(refused, Payment)
    advance(timedelta(days=40))
    with runtime.database.transaction() as session:
        record_payment(session, runtime, ready.attempt_id, refused)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.DECLINED)]
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE
    [charge] = charges_of(runtime, pledge_id)
    assert charge.next_attempt_at is None
    take_what_is_due(runtime)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.DECLINED), (2, ChargeStatus.DECLINED)]
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.PAST_DUE


def test_a_retry_that_never_reached_stripe_counts_for_the_month_in_which_it_is_sent_again(
    runtime: Runtime, stripe: StandIn, now: datetime, advance: Advance
) -> None:
    customer_id, card_id = card_of(stripe, "pm_card_chargeCustomerFail")
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    advance(days_until_due(now, 1))
    take_what_is_due(runtime)
    _replace_card(runtime, stripe, pledge_id, customer_id)
    advance(timedelta(days=14))
    [charge] = charges_of(runtime, pledge_id)
    with runtime.database.transaction() as session:
        [ready] = open_attempts(session, runtime, [charge.id])
    advance(timedelta(days=26))
    resolve(runtime, NoLimit(), ready.attempt_id)
    take_what_is_due(runtime)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.SUCCEEDED)]
    assert get_pledge(runtime, pledge_id).next_period == 3
    assert paid_at_stripe(stripe, customer_id) == 500


def test_what_was_refused_and_is_paid_a_month_late_counts_for_the_current_month(
    runtime: Runtime, stripe: StandIn, now: datetime, advance: Advance
) -> None:
    customer_id, card_id = card_of(stripe, "pm_card_chargeCustomerFail")
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    advance(days_until_due(now, 1))
    take_what_is_due(runtime)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.PAST_DUE
    _replace_card(runtime, stripe, pledge_id, customer_id)
    advance(timedelta(days=40))
    take_what_is_due(runtime)
    assert states(runtime, pledge_id) == [(1, ChargeStatus.SUCCEEDED)]
    take_what_is_due(runtime)
    found = get_pledge(runtime, pledge_id)
    assert (found.status, found.next_period) == (PledgeStatus.ACTIVE, 3)
    assert paid_at_stripe(stripe, customer_id) == 500
    found_wrong = [finding for finding in audit(runtime) if finding.offenders]
    assert {finding.invariant for finding in found_wrong} == {6}  # no worker sends its letter here
