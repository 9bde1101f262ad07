"""Pledges paused, resumed, skipped and changed: what is taken, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from billing.charges.books import reconcile
from billing.charges.domain import ChargeStatus
from billing.charges.errors import PaymentUnderWayError
from billing.charges.notices import put_notices
from billing.charges.opening import open_attempt
from billing.charges.resolve import claim_unsettled, resolve
from billing.charges.submit import send
from billing.checkout.mend import start_mending
from billing.money import Money
from billing.outbox import OutboxStatus
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.errors import ChangedMeanwhileError, DoneAlreadyError, NotPossibleError
from billing.pledges.service import cancel
from billing.runtime import Runtime
from tests.support.after import due_renewal, hear, wrong
from tests.support.changes import (
    agree,
    changes_of,
    movements_of,
    pause,
    resume,
    run_day,
    skip,
)
from tests.support.letters import deliver_all, letters
from tests.support.people import (
    NoLimit,
    attempts_of,
    card_of,
    charges_of,
    get_pledge,
    pledge_of,
)
from tests.support.standin import StandIn

Advance = Callable[[timedelta], datetime]
DAY, MONTH = timedelta(days=1), timedelta(days=31)


@pytest.fixture
def pledge_id(runtime: Runtime, stripe: StandIn, now: datetime) -> int:
    customer_id, card_id = card_of(stripe)
    return pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)


def taken(runtime: Runtime, pledge_id: int) -> list[tuple[int | None, int]]:
    """Period and sum of every charge that was paid."""
    return [
        (charge.period, charge.amount_minor)
        for charge in charges_of(runtime, pledge_id)
        if charge.status is ChargeStatus.SUCCEEDED
    ]


def live(runtime: Runtime, advance: Advance, days: int) -> None:
    """Let days go by, with what happens every few days."""
    for passed in range(0, days, 5):
        advance(min(5, days - passed) * DAY)
        run_day(runtime)
        reconcile(runtime)


def test_a_pause_takes_nothing_and_makes_up_for_nothing(
    runtime: Runtime, advance: Advance, pledge_id: int, now: datetime
) -> None:
    pause(runtime, pledge_id, now + timedelta(days=75))
    paused = get_pledge(runtime, pledge_id)
    assert paused.status is PledgeStatus.PAUSED
    first_after = paused.next_charge_at
    live(runtime, advance, 74)
    assert charges_of(runtime, pledge_id) == []
    live(runtime, advance, 40)
    assert taken(runtime, pledge_id) == [(3, 500)]
    assert charges_of(runtime, pledge_id)[0].due_at == first_after
    [_, resumed] = changes_of(runtime, pledge_id)
    assert (resumed.spared_from, resumed.spared_until) == (1, 3)
    assert movements_of(runtime, pledge_id)[1:] == [("paused", -6000), ("resumed", 6000)]
    hear(runtime)
    assert wrong(runtime) == []


def test_a_pause_ended_early_goes_on_with_the_next_payment(
    runtime: Runtime, advance: Advance, pledge_id: int, now: datetime
) -> None:
    planned = get_pledge(runtime, pledge_id).next_charge_at
    pause(runtime, pledge_id, now + timedelta(days=75))
    live(runtime, advance, 3)
    resume(runtime, pledge_id)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.status, pledge.next_charge_at) == (PledgeStatus.ACTIVE, planned)
    live(runtime, advance, 32)
    assert taken(runtime, pledge_id) == [(1, 500)]


def test_a_pause_whose_end_falls_into_an_outage_ended_when_it_was_to_end(
    runtime: Runtime, advance: Advance, pledge_id: int, now: datetime
) -> None:
    pause(runtime, pledge_id, now + timedelta(days=40))
    advance(timedelta(days=70))  # nothing runs; the second month falls due meanwhile
    run_day(runtime)
    assert taken(runtime, pledge_id) == [(2, 500)]
    hear(runtime)
    assert wrong(runtime) == []


def test_pausing_what_is_past_due_stops_the_retries(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance, "pm_card_chargeCustomerFail")
    reader.pay()
    assert reader.pledge.status is PledgeStatus.PAST_DUE
    pause(runtime, reader.pledge_id, runtime.clock.now() + MONTH)
    assert reader.pledge.status is PledgeStatus.PAUSED
    assert reader.charge.status is ChargeStatus.CANCELLED
    live(runtime, advance, 14)
    assert len(charges_of(runtime, reader.pledge_id)) == 1
    hear(runtime)
    assert wrong(runtime) == []


def test_a_page_left_open_before_a_pause_asks_for_nothing_after_it(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance, "pm_card_chargeCustomerFail")
    reader.pay()
    start_mending(runtime, reader.pledge_id, title="Monthly")
    pause(runtime, reader.pledge_id, runtime.clock.now() + 5 * DAY)
    advance(timedelta(hours=2))
    hear(runtime)
    assert reader.charge.status is ChargeStatus.DECLINED
    assert reader.charge.next_attempt_at is None
    live(runtime, advance, 10)
    assert len(attempts_of(runtime, reader.charge_id)) == 2
    hear(runtime)
    assert wrong(runtime) == []


def test_a_payment_under_way_is_not_called_back_by_a_pause(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, reader.charge_id)
    pause(runtime, reader.pledge_id, runtime.clock.now() + 2 * MONTH)
    assert ready is not None
    send(runtime, NoLimit(), ready)
    assert reader.charge.status is ChargeStatus.SUCCEEDED
    assert reader.pledge.status is PledgeStatus.PAUSED
    hear(runtime)
    assert wrong(runtime) == []


def test_what_was_due_and_not_asked_for_is_let_go(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    pause(runtime, reader.pledge_id, runtime.clock.now() + MONTH)
    reader.pay()
    assert reader.charge.status is ChargeStatus.CANCELLED


def test_a_skip_leaves_out_exactly_one_payment(
    runtime: Runtime, advance: Advance, pledge_id: int
) -> None:
    skip(runtime, pledge_id)
    live(runtime, advance, 100)
    assert [period for period, _ in taken(runtime, pledge_id)] == [2, 3]
    assert movements_of(runtime, pledge_id) == [("new", 6000)]
    hear(runtime)
    assert wrong(runtime) == []


def test_a_button_pressed_twice_changes_things_once(runtime: Runtime, pledge_id: int) -> None:
    skip(runtime, pledge_id, seen=0)
    with pytest.raises(DoneAlreadyError):
        skip(runtime, pledge_id, seen=0)
    assert get_pledge(runtime, pledge_id).next_period == 2
    assert len(letters(runtime, "pledge_changed")) == 1


def test_nobody_agrees_to_what_they_did_not_see(runtime: Runtime, pledge_id: int) -> None:
    agree(runtime, pledge_id, 900)
    with pytest.raises(ChangedMeanwhileError):
        skip(runtime, pledge_id, seen=0)
    assert get_pledge(runtime, pledge_id).next_period == 1


def test_what_a_renewal_has_taken_meanwhile_is_neither_skipped_nor_paused(
    runtime: Runtime, advance: Advance, pledge_id: int
) -> None:
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    shown = {"seen": 0, "turn": 1}
    advance(due - runtime.clock.now() + timedelta(minutes=1))
    run_day(runtime)
    with pytest.raises(ChangedMeanwhileError):
        skip(runtime, pledge_id, **shown)
    with pytest.raises(ChangedMeanwhileError):
        pause(runtime, pledge_id, runtime.clock.now() + MONTH, **shown)
    assert taken(runtime, pledge_id) == [(1, 500)]
    assert get_pledge(runtime, pledge_id).next_period == 2
    assert changes_of(runtime, pledge_id) == []


def test_a_raise_counts_from_the_next_payment_on(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    agree(runtime, reader.pledge_id, 900)
    reader.pay()
    live(runtime, advance, 32)
    assert taken(runtime, reader.pledge_id) == [(1, 500), (2, 900)]
    [letter] = letters(runtime, "amount_changed")
    assert (letter.context["old_amount_minor"], letter.context["amount_minor"]) == (500, 900)
    hear(runtime)
    assert wrong(runtime) == []


def test_a_lower_sum_counts_for_what_was_not_asked_for_yet(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    agree(runtime, reader.pledge_id, 300)
    reader.pay()
    assert taken(runtime, reader.pledge_id) == [(1, 300)]
    hear(runtime)
    assert wrong(runtime) == []


def test_a_lower_sum_counts_for_the_next_try_of_what_was_declined(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance, "pm_card_chargeCustomerFail")
    reader.pay()
    with pytest.raises(NotPossibleError):
        agree(runtime, reader.pledge_id, 900)
    agree(runtime, reader.pledge_id, 300)
    assert reader.charge.amount_minor == 300
    live(runtime, advance, 2)
    hear(runtime)
    assert wrong(runtime) == []


@pytest.mark.parametrize("minutes", [5, 25 * 60])
def test_a_lower_sum_while_an_attempt_is_without_an_outcome_takes_money_once(
    runtime: Runtime, stripe: StandIn, advance: Advance, minutes: int
) -> None:
    """The first request is only late: it reaches Stripe, if at all, under the same key."""
    reader = due_renewal(runtime, stripe, advance)
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, reader.charge_id)
    agree(runtime, reader.pledge_id, 300)
    moment = advance(timedelta(minutes=minutes))
    with runtime.database.transaction() as session:
        [attempt_id] = claim_unsettled(session, now=moment, limit=10)
    resolve(runtime, NoLimit(), attempt_id)
    assert ready is not None
    send(runtime, NoLimit(), ready)  # the frozen worker wakes
    run_day(runtime)
    late = minutes > 23 * 60
    assert taken(runtime, reader.pledge_id) == [(1, 300 if late else 500)]
    hear(runtime)
    assert wrong(runtime) == []


def test_monthly_becomes_annual_when_the_paid_month_ends(
    runtime: Runtime, advance: Advance, pledge_id: int
) -> None:
    planned = get_pledge(runtime, pledge_id).next_charge_at
    agree(runtime, pledge_id, 6000, Cadence.ANNUAL)
    pledge = get_pledge(runtime, pledge_id)
    assert pledge.next_charge_at == planned
    assert (pledge.from_period, pledge.from_month) == (1, 1)
    assert movements_of(runtime, pledge_id) == [("new", 6000)]
    live(runtime, advance, 40)
    assert taken(runtime, pledge_id) == []  # not announced yet


def test_another_rhythm_waits_for_the_payment_under_way(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    with pytest.raises(PaymentUnderWayError):
        agree(runtime, reader.pledge_id, 6000, Cadence.ANNUAL)
    reader.pay()
    agree(runtime, reader.pledge_id, 6000, Cadence.ANNUAL)
    assert reader.pledge.cadence is Cadence.ANNUAL


def test_cancelling_in_a_pause_is_churn(runtime: Runtime, pledge_id: int, now: datetime) -> None:
    pause(runtime, pledge_id, now + 2 * MONTH)
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        assert cancel(session, pledge_id, zone=zone, now=now + DAY)
    kinds = movements_of(runtime, pledge_id)
    assert kinds[1:] == [("paused", -6000), ("resumed", 6000), ("churn_voluntary", -6000)]


@pytest.mark.parametrize("days", [0, -1, 400])
def test_a_pause_ends_within_a_year(
    runtime: Runtime, pledge_id: int, now: datetime, days: int
) -> None:
    with pytest.raises(NotPossibleError):
        pause(runtime, pledge_id, now + timedelta(days=days))


def test_what_has_ended_cannot_be_changed(runtime: Runtime, pledge_id: int, now: datetime) -> None:
    with pytest.raises(NotPossibleError):
        resume(runtime, pledge_id)
    with pytest.raises(NotPossibleError):
        agree(runtime, pledge_id, 500)
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=now)
    for attempt in (
        lambda: pause(runtime, pledge_id, now + MONTH),
        lambda: skip(runtime, pledge_id),
        lambda: agree(runtime, pledge_id, 900),
    ):
        with pytest.raises(NotPossibleError):
            attempt()


def announce(runtime: Runtime) -> list[int]:
    """Write what has to be announced by now: the sums that were named, oldest first."""
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        put_notices(session, runtime, now=now, limit=10)
    return [letter.context["amount_minor"] for letter in letters(runtime, "renewal_notice")]


@pytest.fixture
def yearly(runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime) -> int:
    """An annual pledge of $60, ten days before its next payment, announced."""
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(
        runtime,
        anchor=now,
        customer_id=customer_id,
        payment_method_id=card_id,
        cadence=Cadence.ANNUAL,
        amount=Money(6000, "usd"),
    )
    advance(timedelta(days=355))
    assert announce(runtime) == [6000]
    return pledge_id


def test_a_sum_changed_after_its_notice_is_announced_again_before_it_is_taken(
    runtime: Runtime, advance: Advance, yearly: int
) -> None:
    deliver_all(runtime, runtime.clock.now())
    advance(5 * DAY)
    agree(runtime, yearly, 9000, Cadence.ANNUAL)
    assert announce(runtime) == [6000, 9000]
    deliver_all(runtime, runtime.clock.now())
    advance(6 * DAY)
    run_day(runtime)
    assert taken(runtime, yearly) == []
    advance(2 * DAY)
    run_day(runtime)
    assert taken(runtime, yearly) == [(1, 9000)]


def test_a_notice_that_has_not_gone_is_taken_back(runtime: Runtime, yearly: int) -> None:
    agree(runtime, yearly, 3000, Cadence.ANNUAL)
    agree(runtime, yearly, 6000, Cadence.ANNUAL)
    assert announce(runtime) == [6000, 6000]
    states = [letter.status for letter in letters(runtime, "renewal_notice")]
    assert states == [OutboxStatus.DROPPED, OutboxStatus.WAITING]


def test_an_annual_payment_skipped_is_not_taken_on_its_old_notice(
    runtime: Runtime, advance: Advance, yearly: int
) -> None:
    deliver_all(runtime, runtime.clock.now())
    skip(runtime, yearly)
    advance(20 * DAY)
    run_day(runtime)
    assert charges_of(runtime, yearly) == []
    assert get_pledge(runtime, yearly).next_period == 2


def test_a_pause_over_an_annual_payment_moves_its_year(
    runtime: Runtime, advance: Advance, yearly: int
) -> None:
    pause(runtime, yearly, runtime.clock.now() + 2 * MONTH)
    advance(63 * DAY)
    run_day(runtime)
    pledge = get_pledge(runtime, yearly)
    assert (pledge.status, pledge.next_period) == (PledgeStatus.ACTIVE, 1)
    assert pledge.from_month in (14, 15)
    assert announce(runtime)[-1] == 6000


def test_making_good_asks_for_the_lower_sum(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance, "pm_card_chargeCustomerFail")
    reader.pay()
    agree(runtime, reader.pledge_id, 300)
    stripe.pay(start_mending(runtime, reader.pledge_id, title="Monthly"))
    hear(runtime)
    assert taken(runtime, reader.pledge_id) == [(1, 300)]
    assert reader.pledge.status is PledgeStatus.ACTIVE
    assert wrong(runtime) == []


def test_a_pause_and_a_worker_at_once_take_nothing_or_once(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    until = runtime.clock.now() + 2 * MONTH
    with ThreadPoolExecutor(2) as both:
        worker = both.submit(reader.pay)
        pausing = both.submit(pause, runtime, reader.pledge_id, until)
        worker.result()
        pausing.result()
    assert reader.pledge.status is PledgeStatus.PAUSED
    assert reader.charge.status in (ChargeStatus.SUCCEEDED, ChargeStatus.CANCELLED)
    hear(runtime)
    assert wrong(runtime) == []


def test_a_skip_in_an_outage_leaves_out_the_payment_that_would_be_taken(
    runtime: Runtime, advance: Advance, pledge_id: int
) -> None:
    advance(timedelta(days=70))  # two months fell due, and nothing ran
    skip(runtime, pledge_id)
    run_day(runtime)
    assert charges_of(runtime, pledge_id) == []
    assert get_pledge(runtime, pledge_id).next_period == 3
