"""An old bank debit whose end is heard of weeks later: months were skipped, the pledge has lapsed.

Period 1 is debited and its bank says nothing; period 2 is skipped; period 3 is asked of a card
that is declined until the pledge lapses.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from billing.charges.attention import attention
from billing.charges.books import reconcile
from billing.charges.domain import ChargeStatus
from billing.charges.dunning import lapse_overdue
from billing.charges.events import settle_payment
from billing.checkout.mend import start_mending
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from tests.support.after import EUR, Advance, Reader, due_renewal, hear, rows, run_sql, sepa, wrong
from tests.support.changes import movements_of, run_day, skip
from tests.support.people import charges_of, stripe_client
from tests.support.standin import StandIn

DAY = timedelta(days=1)
PAYS, FAILS = "AT321904300235473204", "AT051904300235473205"


def debited(runtime: Runtime, stripe: StandIn, advance: Advance, iban: str) -> Reader:
    """Period 1 is with the bank, and its supporter has skipped the next."""
    reader = due_renewal(runtime, stripe, advance, method=sepa(iban), amount=EUR)
    reader.pay()
    assert reader.charge.status is ChargeStatus.PROCESSING
    skip(runtime, reader.pledge_id)
    return reader


def put_card(reader: Reader, token: str) -> None:
    """The pledge is charged on this card from now on."""
    client = stripe_client(reader.stripe)
    customer = reader.pledge.stripe_customer_id
    card = client.v1.payment_methods.attach(token, params={"customer": customer})
    with reader.runtime.database.transaction() as session:
        session.get_one(Pledge, reader.pledge_id).stripe_payment_method_id = card.id


def lapse(reader: Reader, advance: Advance) -> None:
    """Period 3 is declined on another card, until nothing is tried any more."""
    runtime = reader.runtime
    put_card(reader, "pm_card_chargeCustomerFail")
    pass_by(reader, advance, 2)
    pass_by(reader, advance, 3)
    for _ in range(20):
        run_day(runtime)
        reconcile(runtime)
        with runtime.database.transaction() as session:
            lapse_overdue(session, runtime, now=runtime.clock.now(), limit=10)
        advance(DAY)
    assert reader.pledge.status is PledgeStatus.LAPSED


def states(reader: Reader) -> list[tuple[int | None, ChargeStatus]]:
    return [(each.period, each.status) for each in charges_of(reader.runtime, reader.pledge_id)]


def hear_of_the_debit(reader: Reader) -> None:
    """Its event comes at last, long after Stripe's list of events has forgotten it."""
    assert settle_payment(reader.runtime, str(reader.charge.stripe_payment_intent_id))
    hear(reader.runtime)


def lines(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return attention(session, now=runtime.clock.now())


def pledges_account(runtime: Runtime) -> int:
    [(minor,)] = rows(
        runtime,
        "SELECT coalesce(-sum(amount_minor), 0) FROM ledger_entries WHERE account = 'pledges'",
    )
    return int(minor)


def due_of(reader: Reader, period: int) -> datetime:
    return reader.pledge.calendar(reader.runtime.settings.newsroom.timezone).due_at(period)


def pass_by(reader: Reader, advance: Advance, period: int) -> None:
    """A period's day comes; Stripe's balance is looked at, and of the debit nothing is heard."""
    advance(due_of(reader, period) - reader.runtime.clock.now() + timedelta(minutes=1))
    reconcile(reader.runtime)


def go_on(reader: Reader, advance: Advance, period: int) -> None:
    """Move on to a period's day, and ask for what is due."""
    advance(due_of(reader, period) - reader.runtime.clock.now() + timedelta(minutes=1))
    run_day(reader.runtime)
    hear(reader.runtime)


def test_paid_before_anything_else_went_wrong_the_skipped_month_stays_out(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debited(runtime, stripe, advance, PAYS)
    advance(20 * DAY)
    hear(runtime)
    assert states(reader) == [(1, ChargeStatus.SUCCEEDED)]
    assert (reader.pledge.status, reader.pledge.next_period) == (PledgeStatus.ACTIVE, 3)
    assert pledges_account(runtime) == 500
    assert wrong(runtime) == []


def test_failed_in_the_skipped_month_it_is_dunned_and_the_month_stays_out(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debited(runtime, stripe, advance, FAILS)
    go_on(reader, advance, 2)
    assert states(reader) == [(1, ChargeStatus.DECLINED)]
    assert (reader.pledge.status, reader.pledge.next_period) == (PledgeStatus.PAST_DUE, 3)
    assert pledges_account(runtime) == 0
    assert wrong(runtime) == []


def test_paid_after_the_pledge_lapsed_for_a_later_month_it_makes_good_its_own_only(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debited(runtime, stripe, advance, PAYS)
    lapse(reader, advance)
    hear_of_the_debit(reader)
    assert states(reader) == [(1, ChargeStatus.SUCCEEDED), (3, ChargeStatus.DECLINED)]
    assert (reader.pledge.status, reader.pledge.next_charge_at) == (PledgeStatus.LAPSED, None)
    assert movements_of(runtime, reader.pledge_id)[-1][0] == "churn_involuntary"
    assert pledges_account(runtime) == 500
    assert (
        "Charge 1 of pledge 1 was paid after the pledge had lapsed; the pledge is lapsed now, and "
        "its supporter has a receipt." in lines(runtime)
    )
    assert wrong(runtime) == []


def test_failed_after_the_pledge_lapsed_nothing_more_is_asked_for(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debited(runtime, stripe, advance, FAILS)
    lapse(reader, advance)
    hear_of_the_debit(reader)
    assert states(reader) == [(1, ChargeStatus.DECLINED), (3, ChargeStatus.DECLINED)]
    assert reader.pledge.status is PledgeStatus.LAPSED
    assert reader.charge.next_attempt_at is None
    assert pledges_account(runtime) == 0
    assert (
        "The bank debit of charge 1 failed (insufficient_funds) after pledge 1 had lapsed; nothing "
        "more is asked for it." in lines(runtime)
    )
    assert wrong(runtime) == []


def test_paid_and_come_back_after_the_lapse_it_has_left_the_books(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debited(runtime, stripe, advance, PAYS)
    lapse(reader, advance)
    hear_of_the_debit(reader)
    intent = reader.charge.stripe_payment_intent_id
    stripe.ask("POST", f"/_standin/payment_intents/{intent}/return", {"code": "account_closed"})
    hear_of_the_debit(reader)
    assert states(reader) == [(1, ChargeStatus.DECLINED), (3, ChargeStatus.DECLINED)]
    assert reader.pledge.status is PledgeStatus.LAPSED
    assert pledges_account(runtime) == 0
    assert "The bank debit of charge 1 came back after it was paid (account_closed)." in lines(
        runtime
    )
    assert wrong(runtime) == []


def test_while_a_later_month_is_past_due_an_older_debit_does_not_make_it_good(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    """Else the later month would be neither asked for again nor left to lapse."""
    reader = debited(runtime, stripe, advance, PAYS)
    run_sql(runtime, "UPDATE pledges SET stripe_payment_method_id = NULL, card_lost = 'detached'")
    pass_by(reader, advance, 2)
    pass_by(reader, advance, 3)
    run_day(runtime)
    assert reader.pledge.status is PledgeStatus.PAST_DUE
    hear_of_the_debit(reader)
    assert states(reader) == [(1, ChargeStatus.SUCCEEDED), (3, ChargeStatus.DECLINED)]
    assert reader.pledge.status is PledgeStatus.PAST_DUE
    assert wrong(runtime) == []


@pytest.fixture
def lapsed_for_the_debit(runtime: Runtime, stripe: StandIn, advance: Advance) -> Reader:
    """The debit of period 1 failed in the skipped month, and for it the pledge lapsed."""
    reader = debited(runtime, stripe, advance, FAILS)
    advance(timedelta(minutes=5))
    hear(runtime)
    run_sql(runtime, "UPDATE pledges SET past_due_since = past_due_since - interval '15 days'",
            "UPDATE charges SET next_attempt_at = NULL")  # fmt: skip
    with runtime.database.transaction() as session:
        assert lapse_overdue(session, runtime, now=runtime.clock.now(), limit=10) == 1
    go_on(reader, advance, 2)
    advance(DAY)
    return reader


def pay_again(reader: Reader) -> None:
    """The same payment goes through after all, on Stripe's side."""
    put_card(reader, "pm_card_visa")
    client = stripe_client(reader.stripe)
    intent = str(reader.charge.stripe_payment_intent_id)
    client.v1.payment_intents.confirm(intent, params={"payment_method": "pm_card_visa"})
    hear(reader.runtime)


def test_paid_after_it_had_made_the_pledge_lapse_the_pledge_returns_after_the_skipped_month(
    runtime: Runtime, stripe: StandIn, advance: Advance, lapsed_for_the_debit: Reader
) -> None:
    reader = lapsed_for_the_debit
    pay_again(reader)
    pledge = reader.pledge
    assert (pledge.status, pledge.next_period) == (PledgeStatus.ACTIVE, 3)
    assert pledge.next_charge_at == due_of(reader, 3)
    assert any("charge 1 of pledge 1 was paid after" in x.lower() for x in lines(runtime))
    assert pledges_account(runtime) == 500
    assert wrong(runtime) == []


def test_a_page_for_the_next_month_and_the_old_debit_both_paid_move_the_calendar_once(
    runtime: Runtime, stripe: StandIn, advance: Advance, lapsed_for_the_debit: Reader
) -> None:
    reader = lapsed_for_the_debit
    url = start_mending(runtime, reader.pledge_id, title="Monthly")
    pay_again(reader)
    stripe.pay(url)
    hear(runtime)
    assert states(reader) == [(1, ChargeStatus.SUCCEEDED), (3, ChargeStatus.SUCCEEDED)]
    pledge = reader.pledge
    assert (pledge.status, pledge.next_period) == (PledgeStatus.ACTIVE, 4)
    assert pledge.next_charge_at == due_of(reader, 4)
    go_on(reader, advance, 3)
    assert pledges_account(runtime) == 1000
    go_on(reader, advance, 4)
    assert states(reader)[2:] == [(4, ChargeStatus.SUCCEEDED)]
    assert wrong(runtime) == []


def test_the_other_way_round_it_is_the_same(
    runtime: Runtime, stripe: StandIn, advance: Advance, lapsed_for_the_debit: Reader
) -> None:
    reader = lapsed_for_the_debit
    stripe.pay(start_mending(runtime, reader.pledge_id, title="Monthly"))
    hear(runtime)
    pay_again(reader)
    assert states(reader) == [(1, ChargeStatus.SUCCEEDED), (3, ChargeStatus.SUCCEEDED)]
    assert (reader.pledge.status, reader.pledge.next_period) == (PledgeStatus.ACTIVE, 4)
    assert pledges_account(runtime) == 1000
    assert wrong(runtime) == []


@pytest.mark.parametrize("closed_first", [True, False])
def test_a_page_that_nobody_paid_forgets_no_month_of_a_pledge_that_returned(
    runtime: Runtime,
    stripe: StandIn,
    advance: Advance,
    lapsed_for_the_debit: Reader,
    *,
    closed_first: bool,
) -> None:
    reader = lapsed_for_the_debit
    if not closed_first:
        advance(due_of(reader, 3) - runtime.clock.now() - timedelta(minutes=30))
    start_mending(runtime, reader.pledge_id, title="Monthly")
    pay_again(reader)
    go_on(reader, advance, 3)
    advance(2 * timedelta(hours=1))
    hear(runtime)
    run_day(runtime)
    hear(runtime)
    assert states(reader) == [(1, ChargeStatus.SUCCEEDED), (3, ChargeStatus.SUCCEEDED)]
    assert reader.pledge.next_period == 4
    assert wrong(runtime) == []
