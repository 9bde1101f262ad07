"""A worker that stands still between deciding and sending, longer than Stripe keeps a key.

Found by the chaos harness: the clock jumped while a replay waited for its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from billing.charges.domain import ChargeStatus
from billing.charges.due import create_due_charges
from billing.charges.opening import open_attempt
from billing.charges.resolve import resolve
from billing.charges.submit import send
from billing.charges.tables import Attempt
from billing.runtime import Runtime
from tests.support.people import NoLimit, attempts_of, card_of, charges_of, pledge_of, stripe_client
from tests.support.standin import StandIn

Advance = Callable[[timedelta], datetime]
FROZEN_FOR = timedelta(days=3)


class Freezes(NoLimit):
    """A pace that lets the worker stand still for days before its turn comes."""

    def __init__(self, advance: Advance) -> None:
        super().__init__()
        self._advance = advance

    def acquire(self, *, ahead: float = 0.0) -> None:
        self._advance(FROZEN_FOR)


@pytest.fixture
def due(runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime) -> tuple[int, int]:
    """A pledge and its charge that is due."""
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    moment = advance(timedelta(days=31))
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        create_due_charges(session, zone=zone, now=moment, limit=10)
    return pledge_id, charges_of(runtime, pledge_id)[0].id


def payments_at(stripe: StandIn) -> list[str]:
    client = stripe_client(stripe)
    return [intent.status for intent in client.v1.payment_intents.list(params={"limit": 100})]


def test_a_replay_that_comes_when_the_key_has_run_out_is_not_sent(
    runtime: Runtime, stripe: StandIn, advance: Advance, due: tuple[int, int]
) -> None:
    _, charge_id = due
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    runtime.gateway.charge_off_session(ready.params, ready.idempotency_key)  # answer lost
    advance(timedelta(minutes=10))
    resolve(runtime, Freezes(advance), ready.attempt_id)
    assert payments_at(stripe) == ["succeeded"]
    resolve(runtime, NoLimit(), ready.attempt_id)
    assert payments_at(stripe) == ["succeeded"]
    assert charges_of(runtime, due[0])[0].status is ChargeStatus.SUCCEEDED


def test_a_first_request_that_comes_days_late_is_looked_for_before_it_is_sent(
    runtime: Runtime, stripe: StandIn, advance: Advance, due: tuple[int, int]
) -> None:
    _, charge_id = due
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    send(runtime, Freezes(advance), ready)
    assert payments_at(stripe) == []
    with runtime.database.transaction() as session:
        session.execute(update(Attempt).values(last_sent_at=runtime.clock.now()))
    resolve(runtime, NoLimit(), ready.attempt_id)
    assert payments_at(stripe) == ["succeeded"]
    assert len(attempts_of(runtime, charge_id)) == 1
