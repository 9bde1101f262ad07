"""Another card, put in on Stripe's page: taken over once, and asked at once where money is due."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from billing.charges.cards import miss_customer
from billing.charges.domain import ChargeStatus
from billing.charges.due import claim_due_charges, create_due_charges
from billing.charges.events import backfill, claim_events, process
from billing.charges.opening import open_attempt
from billing.charges.submit import send
from billing.charges.tables import Charge
from billing.checkout.cards import (
    close_update,
    find_overdue_updates,
    finish_session,
    look_at_update,
    start_card_update,
)
from billing.checkout.errors import CheckoutUnavailableError, PledgeEndedError
from billing.checkout.mend import start_mending
from billing.checkout.tables import CardUpdate, CardUpdateStatus
from billing.gateway import Gateway
from billing.pledges.domain import PledgeStatus
from billing.pledges.service import cancel
from billing.runtime import Runtime
from billing.webhooks import HANDLERS
from tests.support.after import rows, run_sql
from tests.support.letters import letters
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
NEW_CARD = "5555555555554444"


@pytest.fixture
def pledge(runtime: Runtime, stripe: StandIn, now: datetime) -> int:
    customer_id, card_id = card_of(stripe)
    return pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)


@pytest.fixture
def past_due(runtime: Runtime, stripe: StandIn, pledge: int, advance: Advance) -> int:
    """The pledge, its renewal declined for good on the old card."""
    card_id = get_pledge(runtime, pledge).stripe_payment_method_id
    decline = {"decline_code": "stolen_card", "times": 99}
    stripe.ask("POST", f"/_standin/payment_methods/{card_id}/decline", decline)
    advance(timedelta(days=31))
    ask(runtime)
    assert get_pledge(runtime, pledge).status is PledgeStatus.PAST_DUE
    return pledge


def ask(runtime: Runtime) -> None:
    """What the workers do every minute."""
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        create_due_charges(session, zone=zone, now=now, limit=10)
        due = claim_due_charges(session, now=now, limit=10)
    for charge_id in due:
        submit(runtime, NoLimit(), charge_id)


def the_update(runtime: Runtime) -> CardUpdate:
    with runtime.database.transaction() as session:
        return session.scalars(select(CardUpdate).order_by(CardUpdate.id.desc()).limit(1)).one()


def updates(runtime: Runtime) -> int:
    with runtime.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(CardUpdate)) or 0


def hear_of_everything(runtime: Runtime) -> None:
    backfill(runtime)
    with runtime.database.transaction() as session:
        waiting = claim_events(session, now=runtime.clock.now(), limit=100)
    for event_id in waiting:
        process(runtime, HANDLERS, event_id)


def payments(stripe: StandIn) -> list[str]:
    found = stripe_client(stripe).v1.payment_intents.list(params={"limit": 100})
    return [payment.status for payment in found]


def test_another_card_is_saved_and_nothing_is_charged(
    runtime: Runtime, stripe: StandIn, pledge: int
) -> None:
    before = get_pledge(runtime, pledge)
    answer = stripe.pay(start_card_update(runtime, pledge), number=NEW_CARD, exp="11/31")
    assert "/card/saved" in answer.headers["Location"]
    result = look_at_update(runtime, the_update(runtime).id)
    assert result.status is CardUpdateStatus.SAVED
    after = get_pledge(runtime, pledge)
    assert after.stripe_payment_method_id != before.stripe_payment_method_id
    assert after.stripe_customer_id == before.stripe_customer_id
    assert (after.card_brand, after.card_last4) == ("mastercard", "4444")
    assert after.card_expires_on is not None
    assert after.card_expires_on.isoformat() == "2031-11-30"
    assert payments(stripe) == []


def test_the_next_charge_is_made_on_it(
    runtime: Runtime, stripe: StandIn, pledge: int, advance: Advance
) -> None:
    stripe.pay(start_card_update(runtime, pledge), number=NEW_CARD)
    hear_of_everything(runtime)
    advance(timedelta(days=31))
    ask(runtime)
    [payment] = list(stripe_client(stripe).v1.payment_intents.list())
    assert payment.status == "succeeded"
    assert payment.payment_method == get_pledge(runtime, pledge).stripe_payment_method_id


def test_what_is_past_due_is_asked_for_at_once(
    runtime: Runtime, stripe: StandIn, past_due: int
) -> None:
    stripe.pay(start_card_update(runtime, past_due), number=NEW_CARD)
    hear_of_everything(runtime)
    ask(runtime)
    assert get_pledge(runtime, past_due).status is PledgeStatus.ACTIVE
    assert [charge.status for charge in charges_of(runtime, past_due)] == [ChargeStatus.SUCCEEDED]
    assert sorted(payments(stripe)) == ["requires_payment_method", "succeeded"]
    assert [letter.template for letter in letters(runtime)] == ["payment_failed", "receipt"]


def test_webhook_page_and_sweep_at_once_take_it_over_once(
    runtime: Runtime, stripe: StandIn, past_due: int
) -> None:
    stripe.pay(start_card_update(runtime, past_due), number=NEW_CARD)
    page = the_update(runtime)
    ways: list[Callable[[], object]] = [
        lambda: look_at_update(runtime, page.id),
        lambda: finish_session(runtime, str(page.stripe_session_id)),
        lambda: close_update(runtime, page.id),
    ]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda way: way(), ways * 3))
    for _ in range(2):
        ask(runtime)
        hear_of_everything(runtime)
    assert payments(stripe).count("succeeded") == 1


def test_two_clicks_open_one_page(runtime: Runtime, stripe: StandIn, pledge: int) -> None:
    with ThreadPoolExecutor(5) as pool:
        urls = list(pool.map(lambda _: start_card_update(runtime, pledge), range(5)))
    assert len(set(urls)) == 1
    assert updates(runtime) == 1


def test_a_page_that_closed_saved_nothing_and_another_can_be_opened(
    runtime: Runtime, stripe: StandIn, pledge: int, advance: Advance
) -> None:
    first = start_card_update(runtime, pledge)
    now = advance(timedelta(hours=2))
    with runtime.database.transaction() as session:
        [overdue] = find_overdue_updates(session, now=now, limit=10)
    close_update(runtime, overdue)
    assert the_update(runtime).status is CardUpdateStatus.EXPIRED
    assert look_at_update(runtime, overdue).status is CardUpdateStatus.EXPIRED
    assert start_card_update(runtime, pledge) != first
    with runtime.database.transaction() as session:
        assert find_overdue_updates(session, now=now, limit=10) == []


def test_a_card_that_the_bank_refuses_is_not_saved(
    runtime: Runtime, stripe: StandIn, pledge: int
) -> None:
    before = get_pledge(runtime, pledge).stripe_payment_method_id
    stripe.pay(start_card_update(runtime, pledge), number="4000000000000002")
    hear_of_everything(runtime)
    result = look_at_update(runtime, the_update(runtime).id)
    assert result.status is CardUpdateStatus.OPEN
    assert result.stripe_url
    assert get_pledge(runtime, pledge).stripe_payment_method_id == before


def test_a_pledge_whose_customer_was_deleted_gets_a_new_one(
    runtime: Runtime, stripe: StandIn, pledge: int, advance: Advance
) -> None:
    before = get_pledge(runtime, pledge).stripe_customer_id
    stripe_client(stripe).v1.customers.delete(before)
    miss_customer(runtime, before)
    stripe.pay(start_card_update(runtime, pledge))
    hear_of_everything(runtime)
    after = get_pledge(runtime, pledge)
    assert after.card_lost is None
    assert after.stripe_customer_id not in ("", before)
    advance(timedelta(days=31))
    ask(runtime)
    assert payments(stripe) == ["succeeded"]


def test_a_pledge_that_ended_takes_no_card(runtime: Runtime, stripe: StandIn, pledge: int) -> None:
    url = start_card_update(runtime, pledge)
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    before = get_pledge(runtime, pledge).stripe_payment_method_id
    with runtime.database.transaction() as session:
        cancel(session, pledge, zone=zone, now=now)
    stripe.pay(url, number=NEW_CARD)
    hear_of_everything(runtime)
    assert get_pledge(runtime, pledge).stripe_payment_method_id == before
    with pytest.raises(PledgeEndedError):
        start_card_update(runtime, pledge)


def test_without_stripe_nothing_changes_and_the_same_request_is_sent_later(
    runtime: Runtime, stripe: StandIn, pledge: int
) -> None:
    away = replace(runtime.settings.stripe, api_base="http://127.0.0.1:9")
    cut_off = replace(runtime, gateway=Gateway(away))
    with pytest.raises(CheckoutUnavailableError):
        start_card_update(cut_off, pledge)
    key = the_update(runtime).idempotency_key
    assert look_at_update(cut_off, the_update(runtime).id).status is None
    assert start_card_update(runtime, pledge).startswith(stripe.url)
    assert the_update(runtime).idempotency_key == key
    assert updates(runtime) == 1


def test_a_card_put_in_while_the_old_one_is_being_asked_is_asked_next(
    runtime: Runtime, stripe: StandIn, past_due: int, advance: Advance
) -> None:
    charge_id = charges_of(runtime, past_due)[-1].id
    with runtime.database.transaction() as session:
        session.execute(update(Charge).values(next_attempt_at=runtime.clock.now()))
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    stripe.pay(start_card_update(runtime, past_due), number=NEW_CARD)
    hear_of_everything(runtime)
    send(runtime, NoLimit(), ready)
    ask(runtime)
    assert [charge.status for charge in charges_of(runtime, past_due)] == [ChargeStatus.SUCCEEDED]
    assert len(attempts_of(runtime, charge_id)) == 3
    assert [letter.template for letter in letters(runtime)] == ["payment_failed", "receipt"]


def test_a_card_put_in_beside_an_open_page_is_asked_when_that_page_has_closed(
    runtime: Runtime, stripe: StandIn, past_due: int, advance: Advance
) -> None:
    start_mending(runtime, past_due, title="Support")
    stripe.pay(start_card_update(runtime, past_due), number=NEW_CARD)
    hear_of_everything(runtime)
    ask(runtime)
    assert payments(stripe).count("succeeded") == 0
    advance(timedelta(hours=2))
    hear_of_everything(runtime)
    ask(runtime)
    assert payments(stripe).count("succeeded") == 1
    assert get_pledge(runtime, past_due).status is PledgeStatus.ACTIVE


def test_a_page_that_stripe_did_not_open_at_first_is_opened_later(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge: int
) -> None:
    away = replace(runtime.settings.stripe, api_base="http://127.0.0.1:9")
    with pytest.raises(CheckoutUnavailableError):
        start_card_update(replace(runtime, gateway=Gateway(away)), pledge)
    advance(timedelta(minutes=35))
    assert start_card_update(runtime, pledge).startswith(stripe.url)


def test_a_page_that_stripe_does_not_know_is_written_off(
    runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime
) -> None:
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    start_card_update(runtime, pledge_id)
    run_sql(runtime, "UPDATE card_updates SET stripe_session_id = 'cs_gone'")
    advance(timedelta(hours=2))
    close_update(runtime, 1)
    assert rows(runtime, "SELECT status FROM card_updates") == [("expired",)]
