"""A card that is removed, or expires, while its pledge is paused: found out before the charge."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from billing.charges.attention import attention
from billing.charges.cards import miss_customer, put_expiring
from billing.charges.domain import ChargeStatus
from billing.charges.letters import CARD_LINK
from billing.checkout.cards import look_at_update
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from tests.support.after import Advance, hear, wrong
from tests.support.changes import pause, run_day
from tests.support.letters import letters, written
from tests.support.people import card_of, charges_of, get_pledge, pledge_of, stripe_client
from tests.support.standin import StandIn

DAY = timedelta(days=1)
PAUSE = timedelta(days=100)


@pytest.fixture
def paused(runtime: Runtime, stripe: StandIn, now: datetime) -> int:
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    pause(runtime, pledge_id, now + PAUSE)
    return pledge_id


def remove_card(runtime: Runtime, stripe: StandIn, pledge_id: int) -> None:
    card_id = get_pledge(runtime, pledge_id).stripe_payment_method_id
    stripe_client(stripe).v1.payment_methods.detach(str(card_id))
    hear(runtime)


def lines(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return attention(session, now=runtime.clock.now())


def warn(runtime: Runtime, at: datetime) -> int:
    with runtime.database.transaction() as session:
        return put_expiring(session, runtime, now=at, limit=100)


def expires_on_the_day_of_its_charge(runtime: Runtime, pledge_id: int) -> datetime:
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    day = due.astimezone(runtime.settings.newsroom.timezone).date()
    with runtime.database.transaction() as session:
        session.execute(update(Pledge).values(card_last4="4242", card_expires_on=day))
    return due


def test_an_expiring_card_is_written_about_before_the_first_charge_after_the_pause(
    runtime: Runtime, paused: int
) -> None:
    due = expires_on_the_day_of_its_charge(runtime, paused)
    assert warn(runtime, due - 31 * DAY) == 0
    assert warn(runtime, due - 29 * DAY) == 1
    assert warn(runtime, due - 20 * DAY) == 0
    [letter] = letters(runtime, "card_expiring")
    for language in ("en", "ru"):
        text = written(runtime, letter, language).text
        assert "4242" in text
        assert text.count("/card") == 1


def test_a_removed_card_is_asked_for_at_once_and_staff_are_told(
    runtime: Runtime, stripe: StandIn, paused: int
) -> None:
    remove_card(runtime, stripe, paused)
    pledge = get_pledge(runtime, paused)
    assert (pledge.status, pledge.card_lost) == (PledgeStatus.PAUSED, "detached")
    [letter] = letters(runtime, "card_needed")
    assert "/card" in written(runtime, letter).text
    until = f"{pledge.paused_until:%Y-%m-%d}"
    assert (
        f"Pledge {paused} has no payment method (detached); its supporter was asked for one; it is "
        f"paused until {until}." in lines(runtime)
    )
    assert wrong(runtime) == []


def test_a_deleted_customer_is_told_of_in_the_same_way(
    runtime: Runtime, stripe: StandIn, paused: int
) -> None:
    customer_id = get_pledge(runtime, paused).stripe_customer_id
    stripe_client(stripe).v1.customers.delete(customer_id)
    miss_customer(runtime, customer_id)
    hear(runtime)
    assert len(letters(runtime, "card_needed")) == 1
    assert any("(customer_deleted)" in line and "paused until" in line for line in lines(runtime))


def test_another_card_can_be_put_in_during_the_pause_and_pays_after_it(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance, paused: int
) -> None:
    remove_card(runtime, stripe, paused)
    token = runtime.links.token(CARD_LINK, paused)
    answer = client.post(f"/pledges/{token}/card")
    assert answer.status_code == 303
    stripe.pay(answer.location, number="5555555555554444")
    look_at_update(runtime, 1)
    pledge = get_pledge(runtime, paused)
    assert (pledge.status, pledge.card_lost) == (PledgeStatus.PAUSED, None)
    assert pledge.stripe_payment_method_id is not None
    assert not any("no payment method" in line for line in lines(runtime))
    due = pledge.next_charge_at
    assert due is not None
    while runtime.clock.now() < due:
        advance(20 * DAY)
        run_day(runtime)
        hear(runtime)
    assert [charge.status for charge in charges_of(runtime, paused)] == [ChargeStatus.SUCCEEDED]
    assert wrong(runtime) == []


def test_without_another_card_the_first_charge_after_the_pause_is_declined_by_name(
    runtime: Runtime, stripe: StandIn, advance: Advance, paused: int
) -> None:
    remove_card(runtime, stripe, paused)
    due = get_pledge(runtime, paused).next_charge_at
    assert due is not None
    while runtime.clock.now() < due:
        advance(20 * DAY)
        run_day(runtime)
        hear(runtime)
    [charge] = charges_of(runtime, paused)
    assert (charge.status, charge.decline_code) == (ChargeStatus.DECLINED, "no_payment_method")
    assert get_pledge(runtime, paused).status is PledgeStatus.PAST_DUE
    assert any(line.endswith("its supporter was asked for one.") for line in lines(runtime))
