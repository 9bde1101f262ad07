"""Several months paid at once: nothing is charged in them, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from billing.charges.attention import attention
from billing.charges.cancelling import cancel_pledge
from billing.charges.domain import ChargeStatus
from billing.charges.errors import PaymentUnderWayError
from billing.charges.notices import put_notices
from billing.charges.refunds import claim_refunds, request_refund, send as send_refund
from billing.checkout.errors import CheckoutUnavailableError
from billing.checkout.fulfil import Outcome, look
from billing.checkout.mend import start_mending
from billing.checkout.prepay import start_prepaying, ways_ahead
from billing.gateway import Gateway
from billing.pledges.domain import Cadence, EndReason, PledgeStatus
from billing.pledges.errors import ChangedMeanwhileError, NotPossibleError
from billing.runtime import Runtime
from tests.support.after import Reader, due_renewal, hear, run_sql, wrong
from tests.support.changes import agree, changes_of, movements_of, pause, run_day, turn_of
from tests.support.letters import deliver_all, letters, written
from tests.support.people import NoLimit, card_of, charges_of, get_pledge, pledge_of
from tests.support.standin import StandIn

Advance = Callable[[timedelta], datetime]
DAY, MONTH = timedelta(days=1), timedelta(days=31)


@pytest.fixture
def pledge_id(runtime: Runtime, stripe: StandIn, now: datetime) -> int:
    customer_id, card_id = card_of(stripe)
    return pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)


def open_page(runtime: Runtime, pledge_id: int, months: int = 6) -> str:
    seen, turn = get_pledge(runtime, pledge_id).version, turn_of(runtime, pledge_id)
    return start_prepaying(
        runtime, pledge_id, months=months, seen=seen, turn=turn, title="Six months"
    )


def pay_ahead(runtime: Runtime, stripe: StandIn, pledge_id: int, months: int = 6) -> None:
    stripe.pay(open_page(runtime, pledge_id, months))
    hear(runtime)


def paid(runtime: Runtime, pledge_id: int) -> list[tuple[int | None, int, int]]:
    return [
        (charge.period, charge.months, charge.amount_minor)
        for charge in charges_of(runtime, pledge_id)
        if charge.status is ChargeStatus.SUCCEEDED
    ]


def lines(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return attention(session, now=runtime.clock.now())


def test_months_paid_ahead_are_not_charged_and_then_it_goes_on(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    planned = get_pledge(runtime, pledge_id).next_charge_at
    pay_ahead(runtime, stripe, pledge_id)
    assert paid(runtime, pledge_id) == [(1, 6, 3000)]
    pledge = get_pledge(runtime, pledge_id)
    assert pledge.next_period == 7
    assert pledge.next_charge_at == pledge.calendar(runtime.settings.newsroom.timezone).due_at(7)
    assert planned == charges_of(runtime, pledge_id)[0].due_at
    for _ in range(15):
        advance(timedelta(days=15))
        run_day(runtime)
        hear(runtime)
    assert paid(runtime, pledge_id) == [(1, 6, 3000), (7, 1, 500)]
    assert movements_of(runtime, pledge_id) == [("new", 6000)]
    assert wrong(runtime) == []


def test_its_receipt_says_what_was_paid_and_when_it_goes_on(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    pay_ahead(runtime, stripe, pledge_id, 12)
    [receipt] = letters(runtime)
    text = written(runtime, receipt).text
    assert "12 months" in text
    assert "$60" in text
    assert "$5 a month" in text


def test_the_saved_fees_are_those_of_stripes_price_list(runtime: Runtime, pledge_id: int) -> None:
    with runtime.database.transaction():
        ways = ways_ahead(runtime, get_pledge(runtime, pledge_id), runtime.clock.now())
    # One by one $5 costs 2.9 % + 30 cents = 44 cents (rounded half to even); $60 at once $2.04.
    assert [(way.months, way.total.minor, way.saved.minor) for way in ways] == [
        (3, 1500, 3 * 44 - 74),
        (6, 3000, 6 * 44 - 117),
        (12, 6000, 12 * 44 - 204),
    ]


def test_two_clicks_open_one_page(runtime: Runtime, pledge_id: int) -> None:
    assert open_page(runtime, pledge_id) == open_page(runtime, pledge_id)
    assert open_page(runtime, pledge_id, 3) != open_page(runtime, pledge_id)


def test_a_page_that_stripe_did_not_open_at_first_is_opened_later(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    away = replace(runtime.settings.stripe, api_base="http://127.0.0.1:9")
    with pytest.raises(CheckoutUnavailableError):
        open_page(replace(runtime, gateway=Gateway(away)), pledge_id, 3)
    advance(timedelta(minutes=35))
    pay_ahead(runtime, stripe, pledge_id, 3)
    assert paid(runtime, pledge_id) == [(1, 3, 1500)]


def test_a_month_that_falls_due_while_the_page_is_open_is_not_paid_twice(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    advance(due - runtime.clock.now() - timedelta(minutes=10))
    url = open_page(runtime, pledge_id, 3)
    advance(timedelta(minutes=20))
    run_day(runtime)
    stripe.pay(url)
    hear(runtime)
    assert paid(runtime, pledge_id) == [(1, 1, 500), (2, 3, 1500)]
    assert get_pledge(runtime, pledge_id).next_period == 5
    assert wrong(runtime) == []


def test_a_decline_that_the_payer_made_up_for_ahead_is_not_asked_for_again(
    runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime
) -> None:
    customer_id, card_id = card_of(stripe, "pm_card_chargeCustomerFail")
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    advance(due - now - timedelta(minutes=10))
    url = open_page(runtime, pledge_id, 3)
    advance(timedelta(minutes=11))
    run_day(runtime)
    start_mending(runtime, pledge_id, title="Monthly")
    stripe.pay(url)
    hear(runtime)
    for _ in range(8):
        advance(DAY)
        hear(runtime)
        run_day(runtime)
    assert [(charge.period, charge.status) for charge in charges_of(runtime, pledge_id)] == [
        (1, ChargeStatus.DECLINED),
        (2, ChargeStatus.SUCCEEDED),
    ]
    assert wrong(runtime) == []


def test_told_twice_it_counts_once(runtime: Runtime, stripe: StandIn, pledge_id: int) -> None:
    pay_ahead(runtime, stripe, pledge_id)
    result = look(runtime, 1)
    assert (result.outcome, result.months) == (Outcome.PAID, 6)
    assert get_pledge(runtime, pledge_id).next_period == 7
    assert len(changes_of(runtime, pledge_id)) == 1


def test_while_a_payment_is_due_it_has_to_wait(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    with pytest.raises(PaymentUnderWayError):
        open_page(runtime, reader.pledge_id)


def test_only_what_was_offered_and_seen_can_be_paid(
    runtime: Runtime, stripe: StandIn, now: datetime, pledge_id: int
) -> None:
    with pytest.raises(NotPossibleError):
        open_page(runtime, pledge_id, 7)
    with pytest.raises(ChangedMeanwhileError):
        start_prepaying(runtime, pledge_id, months=3, seen=1, turn=1, title="x")
    with pytest.raises(ChangedMeanwhileError):  # its page was made before the last renewal
        start_prepaying(runtime, pledge_id, months=3, seen=0, turn=0, title="x")
    pause(runtime, pledge_id, now + MONTH)
    with pytest.raises(NotPossibleError):
        open_page(runtime, pledge_id)


def test_what_is_held_for_a_fraud_warning_is_not_paid_ahead(
    runtime: Runtime, pledge_id: int
) -> None:
    run_sql(runtime, "UPDATE pledges SET held_since = created_at")
    with pytest.raises(NotPossibleError):
        open_page(runtime, pledge_id)


def test_paid_while_it_became_annual_the_year_begins_later(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    url = open_page(runtime, pledge_id, 3)
    agree(runtime, pledge_id, 6000, Cadence.ANNUAL)
    stripe.pay(url)
    hear(runtime)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.next_period, pledge.from_period, pledge.from_month) == (4, 4, 4)
    assert wrong(runtime) == []


def test_the_year_that_follows_months_paid_ahead_is_none_of_them(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    url = open_page(runtime, pledge_id, 3)
    agree(runtime, pledge_id, 6000, Cadence.ANNUAL)
    stripe.pay(url)
    hear(runtime)
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    while runtime.clock.now() < due - 20 * DAY:
        advance(10 * DAY)
        hear(runtime)
    now = advance(due - runtime.clock.now() - 10 * DAY)
    with runtime.database.transaction() as session:
        put_notices(session, runtime, now=now, limit=10)
    deliver_all(runtime, now)
    advance(11 * DAY)
    run_day(runtime)
    hear(runtime)
    assert paid(runtime, pledge_id) == [(1, 3, 1500), (4, 1, 6000)]
    assert wrong(runtime) == []


def test_paid_in_a_pause_the_months_begin_after_it(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int, now: datetime
) -> None:
    url = open_page(runtime, pledge_id, 3)
    pause(runtime, pledge_id, now + 10 * DAY)
    stripe.pay(url)
    hear(runtime)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.PAUSED
    advance(11 * DAY)
    run_day(runtime)
    hear(runtime)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.status, pledge.next_period) == (PledgeStatus.ACTIVE, 4)
    assert wrong(runtime) == []


def test_cancelling_what_is_prepaid_ends_it_and_staff_are_told(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    pay_ahead(runtime, stripe, pledge_id)
    with runtime.database.transaction() as session:
        cancel_pledge(session, runtime, pledge_id, now=runtime.clock.now())
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.CANCELLED
    assert any("was cancelled in months that charge 1 had paid ahead" in x for x in lines(runtime))
    assert wrong(runtime) == []


def test_paid_for_what_was_cancelled_meanwhile_it_stays_cancelled(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    url = open_page(runtime, pledge_id)
    with runtime.database.transaction() as session:
        cancel_pledge(session, runtime, pledge_id, now=runtime.clock.now())
    stripe.pay(url)
    hear(runtime)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.status, pledge.next_charge_at) == (PledgeStatus.CANCELLED, None)
    assert paid(runtime, pledge_id) == [(1, 6, 3000)]
    assert any("charge 1 had paid ahead" in line for line in lines(runtime))
    assert "write to us" in written(runtime, letters(runtime, "prepaid")[0]).text
    assert wrong(runtime) == []


def test_given_back_the_next_payment_stays_where_it_was_announced(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    pay_ahead(runtime, stripe, pledge_id)
    planned = get_pledge(runtime, pledge_id).next_charge_at
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        refund_id = request_refund(session, runtime, 1, asked_by="Anna", now=now)
        assert claim_refunds(session, now=now, limit=1) == [refund_id]
    send_refund(runtime, NoLimit(), refund_id)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.status, pledge.next_charge_at) == (PledgeStatus.ACTIVE, planned)
    assert any("Charge 1 paid 6 months of pledge 1 ahead and was given back" in line
               for line in lines(runtime))  # fmt: skip
    hear(runtime)
    assert wrong(runtime) == []


def test_disputed_it_ends(runtime: Runtime, stripe: StandIn, pledge_id: int) -> None:
    pay_ahead(runtime, stripe, pledge_id)
    Reader(runtime, stripe, pledge_id, 1).control("dispute")
    hear(runtime)
    assert get_pledge(runtime, pledge_id).end_reason is EndReason.DISPUTED
    assert wrong(runtime) == []


def test_a_page_that_nobody_pays_changes_nothing(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    before = get_pledge(runtime, pledge_id).next_charge_at
    open_page(runtime, pledge_id)
    advance(timedelta(hours=2))
    hear(runtime)
    assert look(runtime, 1).outcome is Outcome.EXPIRED
    assert get_pledge(runtime, pledge_id).next_charge_at == before
    assert before is not None
    assert before > datetime(2026, 1, 1, tzinfo=UTC)


def test_after_an_outage_nobody_pays_ahead_for_months_gone_by(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    advance(timedelta(days=70))  # two months fell due, and nothing ran
    stripe.pay(open_page(runtime, pledge_id, 3))
    hear(runtime)
    assert paid(runtime, pledge_id) == [(2, 3, 1500)]
    assert get_pledge(runtime, pledge_id).next_period == 5
    assert wrong(runtime) == []
