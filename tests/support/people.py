"""Readers and pledges, made quickly."""

from __future__ import annotations

from datetime import datetime

import stripe as sdk
from sqlalchemy import select

from billing.charges.tables import Attempt, Charge
from billing.money import Money
from billing.pledges.domain import Cadence
from billing.pledges.service import make_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.service import get_or_create
from tests.support.standin import StandIn


class NoLimit:
    """A pace that never waits, and counts how often it was told to slow down."""

    def __init__(self) -> None:
        self.slowed = 0

    def acquire(self, *, ahead: float = 0.0) -> None:
        return

    def leave(self) -> None:
        return

    def sent(self, at: float) -> None:
        return

    def slow_down(self) -> None:
        self.slowed += 1


def stripe_client(standin: StandIn) -> sdk.StripeClient:
    """The official library, pointed at the stand-in."""
    return sdk.StripeClient("sk_test_tuppence", base_addresses={"api": standin.url})


def card_of(standin: StandIn, token: str = "pm_card_visa") -> tuple[str, str]:
    """A customer at the stand-in with a saved card: their ids."""
    client = stripe_client(standin)
    customer = client.v1.customers.create(params={})
    card = client.v1.payment_methods.attach(token, params={"customer": customer.id})
    return customer.id, card.id


def pledge_of(
    runtime: Runtime,
    *,
    anchor: datetime,
    customer_id: str = "cus_1",
    payment_method_id: str | None = "pm_1",
    cadence: Cadence = Cadence.MONTHLY,
    amount: Money = Money(500, "usd"),  # noqa: B008 - frozen
    address: str = "reader@example.org",
) -> int:
    """A pledge whose first payment was made at `anchor`: its id."""
    with runtime.database.transaction() as session:
        supporter = get_or_create(
            session, runtime.vault, address=address, name=None, language="en", now=anchor
        )
        return make_pledge(
            session,
            supporter_id=supporter.id,
            cadence=cadence,
            amount=amount,
            fee_cover=Money(0, amount.currency),
            anchor=anchor,
            zone=runtime.settings.newsroom.timezone,
            stripe_customer_id=customer_id,
            stripe_payment_method_id=payment_method_id,
            language="en",
            source={},
            now=anchor,
        ).id


def get_pledge(runtime: Runtime, pledge_id: int) -> Pledge:
    """The pledge as it stands."""
    with runtime.database.transaction() as session:
        return session.get_one(Pledge, pledge_id)


def charges_of(runtime: Runtime, pledge_id: int) -> list[Charge]:
    """The pledge's charges, oldest period first."""
    with runtime.database.transaction() as session:
        query = select(Charge).where(Charge.pledge_id == pledge_id).order_by(Charge.period)
        return list(session.scalars(query).all())


def attempts_of(runtime: Runtime, charge_id: int) -> list[Attempt]:
    """The charge's attempts, first to last."""
    with runtime.database.transaction() as session:
        query = select(Attempt).where(Attempt.charge_id == charge_id).order_by(Attempt.number)
        return list(session.scalars(query).all())
