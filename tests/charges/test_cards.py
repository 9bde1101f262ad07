"""Saved cards: renewed by the bank, removed at Stripe, and about to expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from billing.charges.cards import follow_card, miss_card, put_expiring
from billing.charges.domain import ChargeStatus
from billing.charges.due import create_due_charges
from billing.charges.events import backfill, claim_events, process
from billing.outbox import OutboxMessage
from billing.pledges.domain import CardLoss, PledgeStatus
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.webhooks import HANDLERS
from tests.support.letters import letters, written
from tests.support.people import (
    NoLimit,
    card_of,
    charges_of,
    get_pledge,
    pledge_of,
    stripe_client,
)
from tests.support.standin import StandIn
from tests.support.taking import submit

Advance = Callable[[timedelta], datetime]
DAY = timedelta(days=1)


def hear_of_everything(runtime: Runtime) -> None:
    """Stripe's events are found in its list, and acted upon."""
    backfill(runtime)
    with runtime.database.transaction() as session:
        waiting = claim_events(session, now=runtime.clock.now(), limit=100)
    for event_id in waiting:
        process(runtime, HANDLERS, event_id)


def renew(runtime: Runtime, pledge_id: int) -> ChargeStatus:
    """Create the newest charge and ask for it: what became of it."""
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        create_due_charges(session, zone=zone, now=runtime.clock.now(), limit=10)
    charge = charges_of(runtime, pledge_id)[-1]
    submit(runtime, NoLimit(), charge.id)
    return charges_of(runtime, pledge_id)[-1].status


@pytest.fixture
def saved(runtime: Runtime, stripe: StandIn, now: datetime) -> tuple[int, str, str]:
    """A pledge on a saved card: its id, the customer's and the card's."""
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    return pledge_id, customer_id, card_id


Saved = tuple[int, str, str]


def test_a_payment_tells_what_the_card_looks_like(
    runtime: Runtime, saved: Saved, advance: Advance
) -> None:
    advance(timedelta(days=31))
    assert renew(runtime, saved[0]) is ChargeStatus.SUCCEEDED
    pledge = get_pledge(runtime, saved[0])
    assert (pledge.card_brand, pledge.card_last4) == ("visa", "4242")
    assert pledge.card_expires_on is not None
    assert (pledge.card_expires_on + DAY).day == 1


def test_a_card_that_the_bank_renews_is_taken_over_silently(
    runtime: Runtime, saved: Saved, stripe: StandIn
) -> None:
    change = {"exp_month": 2, "exp_year": 2032, "last4": "1881"}
    stripe.ask("POST", f"/_standin/payment_methods/{saved[2]}/auto_update", change)
    hear_of_everything(runtime)
    pledge = get_pledge(runtime, saved[0])
    assert (pledge.card_last4, pledge.card_expires_on) == ("1881", date(2032, 2, 29))
    assert letters(runtime) == []


def test_a_date_corrected_at_stripe_is_taken_over(
    runtime: Runtime, saved: Saved, stripe: StandIn
) -> None:
    stripe_client(stripe).v1.payment_methods.update(
        saved[2], params={"card": {"exp_month": 4, "exp_year": 2033}}
    )
    hear_of_everything(runtime)
    assert get_pledge(runtime, saved[0]).card_expires_on == date(2033, 4, 30)


def test_a_renewed_card_is_asked_at_once_for_what_is_past_due(
    runtime: Runtime, saved: Saved, stripe: StandIn, advance: Advance
) -> None:
    pledge_id, _, card_id = saved
    follow_card(runtime, card_id)
    decline = {"decline_code": "expired_card", "times": 1}
    stripe.ask("POST", f"/_standin/payment_methods/{card_id}/decline", decline)
    advance(timedelta(days=31))
    assert renew(runtime, pledge_id) is ChargeStatus.DECLINED
    assert charges_of(runtime, pledge_id)[-1].next_attempt_at is None
    follow_card(runtime, card_id)
    assert charges_of(runtime, pledge_id)[-1].next_attempt_at is None, "it is the same card"
    stripe.ask("POST", f"/_standin/payment_methods/{card_id}/auto_update", {"last4": "1881"})
    hear_of_everything(runtime)
    assert renew(runtime, pledge_id) is ChargeStatus.SUCCEEDED
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE


def test_a_card_that_was_removed_is_missed_and_another_is_asked_for_once(
    runtime: Runtime, saved: Saved, stripe: StandIn
) -> None:
    pledge_id, _, card_id = saved
    stripe_client(stripe).v1.payment_methods.detach(card_id)
    hear_of_everything(runtime)
    miss_card(runtime, card_id)
    follow_card(runtime, card_id)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.stripe_payment_method_id, pledge.card_lost) == (None, CardLoss.DETACHED)
    [letter] = letters(runtime)
    assert letter.template == "card_needed"
    for language in ("en", "ru"):
        assert "/card" in written(runtime, letter, language).text


def test_a_customer_that_was_deleted_is_missed_with_one_letter(
    runtime: Runtime, saved: Saved, stripe: StandIn, advance: Advance
) -> None:
    pledge_id, customer_id, _ = saved
    stripe_client(stripe).v1.customers.delete(customer_id)
    hear_of_everything(runtime)
    assert get_pledge(runtime, pledge_id).card_lost is CardLoss.CUSTOMER_DELETED
    assert [letter.template for letter in letters(runtime)] == ["card_needed"]
    advance(timedelta(days=31))
    assert renew(runtime, pledge_id) is ChargeStatus.DECLINED
    assert get_pledge(runtime, pledge_id).past_due_reason == "no_payment_method"


def test_a_card_that_is_still_there_is_not_missed(runtime: Runtime, saved: Saved) -> None:
    assert not miss_card(runtime, saved[2])
    assert get_pledge(runtime, saved[0]).stripe_payment_method_id == saved[2]


def test_news_of_a_card_that_is_not_ours_changes_nothing(
    runtime: Runtime, saved: Saved, stripe: StandIn
) -> None:
    _, other = card_of(stripe)
    assert not follow_card(runtime, other)
    assert not follow_card(runtime, "pm_of_nobody")


# The letter before a card expires.


def expiring(runtime: Runtime, now: datetime, **values: Any) -> tuple[int, datetime]:
    """A pledge whose card's last day is that of its next charge: its id and that charge."""
    pledge_id = pledge_of(runtime, anchor=now)
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    day = due.astimezone(runtime.settings.newsroom.timezone).date()
    facts = {"card_last4": "4242", "card_expires_on": day, **values}
    with runtime.database.transaction() as session:
        session.execute(update(Pledge).where(Pledge.id == pledge_id).values(**facts))
    return pledge_id, due


def warn(runtime: Runtime, now: datetime) -> int:
    with runtime.database.transaction() as session:
        return put_expiring(session, runtime, now=now, limit=100)


def test_a_card_that_expires_by_the_next_charge_is_written_about_once(
    runtime: Runtime, now: datetime
) -> None:
    _, due = expiring(runtime, now)
    assert warn(runtime, due - 7 * DAY) == 1
    assert warn(runtime, due - 7 * DAY) == 0
    [letter] = letters(runtime)
    for language in ("en", "ru"):
        text = written(runtime, letter, language).text
        assert "4242" in text
        assert f"{due:%Y}" in text
        assert text.count("/card") == 1


@pytest.mark.parametrize(
    ("before", "wanted"),
    [(30 * DAY + DAY / 2, 0), (30 * DAY, 1), (7 * DAY, 1), (7 * DAY - DAY / 2, 0)],
)
def test_it_is_written_7_to_30_days_before_the_charge(
    runtime: Runtime, now: datetime, before: timedelta, wanted: int
) -> None:
    _, due = expiring(runtime, now)
    assert warn(runtime, due - before) == wanted


def test_a_card_that_outlives_the_charge_is_left_alone(runtime: Runtime, now: datetime) -> None:
    pledge_id, due = expiring(runtime, now)
    later = due.astimezone(runtime.settings.newsroom.timezone).date() + DAY
    with runtime.database.transaction() as session:
        session.execute(update(Pledge).values(card_expires_on=later))
    assert warn(runtime, due - 10 * DAY) == 0
    assert get_pledge(runtime, pledge_id).card_expires_on == later


@pytest.mark.parametrize(
    "values",
    [
        {"card_expires_on": None},
        {"status": "past_due"},
        {"status": "cancelled", "next_charge_at": None},
    ],
)
def test_nobody_else_is_written_to(runtime: Runtime, now: datetime, values: dict[str, Any]) -> None:
    if values.get("status") == "cancelled":
        values["cancelled_at"] = now
    _, due = expiring(runtime, now, **values)
    assert warn(runtime, due - 10 * DAY) == 0


def test_another_card_that_expires_is_another_letter(runtime: Runtime, now: datetime) -> None:
    pledge_id, due = expiring(runtime, now)
    assert warn(runtime, due - 10 * DAY) == 1
    with runtime.database.transaction() as session:
        earlier = session.get_one(Pledge, pledge_id).card_expires_on
        assert earlier is not None
        session.execute(update(Pledge).values(card_expires_on=earlier - timedelta(days=40)))
    assert warn(runtime, due - 9 * DAY) == 1
    with runtime.database.transaction() as session:
        keys = session.scalars(select(OutboxMessage.unique_key)).all()
    assert len(set(keys)) == 2
