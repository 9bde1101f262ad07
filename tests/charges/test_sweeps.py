"""The sweeps over Stripe's lists see much that is long known: that must cost next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from billing.charges.books import reconcile
from billing.charges.events import backfill
from billing.runtime import Runtime
from tests.support.people import stripe_client
from tests.support.standin import StandIn

PAYMENTS = 15


def pay(stripe: StandIn) -> None:
    """Payments on the account, with their events and balance transactions."""
    for _ in range(PAYMENTS):
        stripe_client(stripe).v1.payment_intents.create(
            params={
                "amount": 500,
                "currency": "usd",
                "confirm": True,
                "payment_method": "pm_card_visa",
                "allowed_payment_method_types": ["card"],
            }
        )


@contextmanager
def listening(runtime: Runtime) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    heard: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        heard.append(statement)

    event.listen(runtime.database.engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", hear)


def test_events_that_are_known_are_not_stored_one_by_one(runtime: Runtime, stripe: StandIn) -> None:
    pay(stripe)
    assert backfill(runtime) == PAYMENTS
    with listening(runtime) as heard:
        assert backfill(runtime) == 0
    assert len(heard) < PAYMENTS


def test_movements_that_are_posted_are_not_looked_up_one_by_one(
    runtime: Runtime, stripe: StandIn
) -> None:
    pay(stripe)
    assert reconcile(runtime) == PAYMENTS
    with listening(runtime) as heard:
        assert reconcile(runtime) == 0
    assert len(heard) < PAYMENTS
