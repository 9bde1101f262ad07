"""What comes after a payment: news from Stripe heard, a renewal paid, lines of the ledger read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from billing.audit.report import audit
from billing.charges.books import reconcile
from billing.charges.due import create_due_charges
from billing.charges.errors import NotKnownYetError
from billing.charges.events import backfill, claim_events, process
from billing.charges.tables import Charge
from billing.money import Money
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.webhooks import HANDLERS
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

MONTH = timedelta(days=31)
Advance = Callable[[timedelta], datetime]
EUR = Money(500, "eur")


def sepa(iban: str) -> dict[str, Any]:
    """A bank account as a payment method."""
    owner = {"name": "A Reader", "email": "reader@example.org"}
    return {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": owner}


def hear(runtime: Runtime) -> None:
    """Take in every event at Stripe, and act on each."""
    backfill(runtime)
    with runtime.database.transaction() as session:
        waiting = claim_events(session, now=runtime.clock.now(), limit=1000)
    for event_id in waiting:
        try:
            process(runtime, HANDLERS, event_id)
        except NotKnownYetError:
            continue  # It is tried again later.


def the_charge(runtime: Runtime, charge_id: int) -> Charge:
    """The charge as it stands."""
    with runtime.database.transaction() as session:
        return session.get_one(Charge, charge_id)


def rows(runtime: Runtime, query: str) -> list[tuple[Any, ...]]:
    """What a query finds, as plain tuples."""
    with runtime.database.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def run_sql(runtime: Runtime, *statements: str) -> None:
    """Change rows behind the application's back."""
    with runtime.database.transaction() as session:
        for statement in statements:
            session.execute(text(statement))


def balance_of(runtime: Runtime, account: str) -> int:
    """What an account of the ledger stands at, in US cents."""
    lines = rows(runtime, "SELECT account, amount_minor FROM ledger_entries WHERE currency = 'usd'")
    return sum(int(minor) for name, minor in lines if name == account)


def wrong(runtime: Runtime) -> list[str]:
    """Everything that the audit names once the sweep over the balance has run.

    Save that nobody sends the mail in these tests.
    """
    reconcile(runtime)
    named = [offender for finding in audit(runtime) for offender in finding.offenders]
    return [offender for offender in named if "has been waiting since" not in offender]


@dataclass
class Reader:
    """A reader with a pledge, renewed once or about to be."""

    runtime: Runtime
    stripe: StandIn
    pledge_id: int
    charge_id: int

    @property
    def pledge(self) -> Pledge:
        return get_pledge(self.runtime, self.pledge_id)

    @property
    def charge(self) -> Charge:
        return the_charge(self.runtime, self.charge_id)

    def pay(self) -> None:
        submit(self.runtime, NoLimit(), self.charge_id)

    def control(self, what: str, **body: Any) -> Any:
        """Make something happen to the Stripe charge: `dispute`, `early_fraud_warning`."""
        path = f"/_standin/charges/{self.charge.stripe_charge_id}/{what}"
        return self.stripe.ask("POST", path, body)

    def refund_on_stripe(self, amount: int | None = None) -> Any:
        """What staff do in Stripe's dashboard."""
        params: Any = {"charge": self.charge.stripe_charge_id}
        if amount is not None:
            params["amount"] = amount
        return stripe_client(self.stripe).v1.refunds.create(params=params)


def due_renewal(
    runtime: Runtime,
    stripe: StandIn,
    advance: Advance,
    token: str = "pm_card_visa",
    *,
    method: dict[str, Any] | None = None,
    amount: Money = Money(500, "usd"),  # noqa: B008 - frozen
) -> Reader:
    """A pledge on a test card (or another payment method), moved on until its renewal is due."""
    client = stripe_client(stripe)
    if method is None:
        customer_id, method_id = card_of(stripe, token)
    else:
        customer_id = client.v1.customers.create(params={}).id
        method_id = client.v1.payment_methods.create(params=method).id  # type: ignore[arg-type]
        client.v1.payment_methods.attach(method_id, params={"customer": customer_id})
    pledge_id = pledge_of(
        runtime,
        anchor=runtime.clock.now(),
        customer_id=customer_id,
        payment_method_id=method_id,
        amount=amount,
    )
    moment = advance(MONTH)
    zone = runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=moment, limit=10)
    [charge] = charges_of(runtime, pledge_id)
    return Reader(runtime, stripe, pledge_id, charge.id)


def paid_renewal(
    runtime: Runtime, stripe: StandIn, advance: Advance, token: str = "pm_card_visa"
) -> Reader:
    """A pledge of $5 that was renewed a moment ago."""
    reader = due_renewal(runtime, stripe, advance, token)
    reader.pay()
    return reader
