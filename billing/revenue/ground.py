"""What lies under the figures: one charge, or one pledge, with everything that happened to it.

Numbers, sums, moments and Stripe's ids; no names and no addresses. Whoever looks is written down in
the audit trail all the same: it is one person's giving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges.declines import Remedy
from billing.charges.tables import Attempt, Charge, WebhookEvent
from billing.charges.tables_after import Dispute, FraudWarning, Refund
from billing.checkout.tables import Checkout
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.outbox import OutboxMessage
from billing.pledges.tables import Pledge, PledgeChange, PledgeMovement

T = TypeVar("T", Attempt, Checkout, Refund, Dispute, FraudWarning)

MOST = 60
"""How many lines of a kind are shown; hardly any charge has ten."""
_COMES_BACK = 5
"""A debit that came back more often than this has letters that are not listed."""


@dataclass(frozen=True)
class Posted:
    """A ledger transaction with its lines."""

    transaction: LedgerTransaction
    entries: list[LedgerEntry] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChargeSeen:
    """A charge, and everything that is known about it."""

    charge: Charge
    pledge: Pledge | None
    attempts: Sequence[Attempt]
    checkouts: Sequence[Checkout]
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]
    warnings: Sequence[FraudWarning]
    posted: list[Posted]
    events: Sequence[WebhookEvent]
    """Those of Stripe's events that were about any object of this charge."""
    letters: Sequence[OutboxMessage]


@dataclass(frozen=True, kw_only=True)
class PledgeHistory:
    """A pledge, its history, and its charges, the newest first."""

    pledge: Pledge
    movements: Sequence[PledgeMovement]
    changes: Sequence[PledgeChange]
    charges: Sequence[Charge]
    earlier: int | None
    """The last period shown, where there are charges before it."""


def find_charge(session: Session, charge_id: int) -> ChargeSeen | None:
    """A charge with all that belongs to it; None where there is none. Ten queries at most."""
    charge = session.get(Charge, charge_id)
    if charge is None:
        return None
    attempts = _of(session, Attempt, charge_id)
    checkouts = _of(session, Checkout, charge_id)
    refunds = _of(session, Refund, charge_id)
    disputes = _of(session, Dispute, charge_id)
    warnings = _of(session, FraudWarning, charge_id)
    objects = {
        charge.stripe_payment_intent_id,
        charge.stripe_charge_id,
        *(each.stripe_payment_intent_id for each in attempts),
        *(each.stripe_session_id for each in checkouts),
        *(each.stripe_refund_id for each in refunds),
        *(each.stripe_dispute_id for each in disputes),
        *(each.stripe_warning_id for each in warnings),
    }
    return ChargeSeen(
        charge=charge,
        pledge=None if charge.pledge_id is None else session.get(Pledge, charge.pledge_id),
        attempts=attempts,
        checkouts=checkouts,
        refunds=refunds,
        disputes=disputes,
        warnings=warnings,
        posted=_posted(session, charge_id),
        events=_events(session, [each for each in objects if each]),
        letters=_letters(session, charge, refunds),
    )


def find_pledge(
    session: Session, pledge_id: int, before: int | None = None
) -> PledgeHistory | None:
    """A pledge with its history, and its charges below a period. Four queries."""
    pledge = session.get(Pledge, pledge_id)
    if pledge is None:
        return None
    movements = (
        select(PledgeMovement)
        .where(PledgeMovement.pledge_id == pledge_id)
        .order_by(PledgeMovement.occurred_at.desc(), PledgeMovement.id.desc())
        .limit(MOST)
    )
    changes = (
        select(PledgeChange)
        .where(PledgeChange.pledge_id == pledge_id)
        .order_by(PledgeChange.version.desc())
        .limit(MOST)
    )
    charges = select(Charge).where(Charge.pledge_id == pledge_id)
    if before is not None:
        charges = charges.where(Charge.period < before)
    found = session.scalars(charges.order_by(Charge.period.desc()).limit(MOST + 1)).all()
    return PledgeHistory(
        pledge=pledge,
        movements=session.scalars(movements).all(),
        changes=session.scalars(changes).all(),
        charges=found[:MOST],
        earlier=found[MOST - 1].period if len(found) > MOST else None,
    )


def _of(session: Session, table: type[T], charge_id: int) -> Sequence[T]:
    """Rows of a table that belong to a charge, in the order in which they came."""
    query = select(table).where(table.charge_id == charge_id)
    return session.scalars(query.order_by(table.id).limit(MOST)).all()


def _posted(session: Session, charge_id: int) -> list[Posted]:
    """The ledger's transactions of a charge, each with its lines; two queries."""
    query = select(LedgerTransaction).where(LedgerTransaction.charge_id == charge_id)
    ordered = query.order_by(LedgerTransaction.occurred_at, LedgerTransaction.id).limit(MOST)
    found = {each.id: Posted(each) for each in session.scalars(ordered)}
    entries = select(LedgerEntry).where(LedgerEntry.transaction_id.in_(found))
    for entry in session.scalars(entries.order_by(LedgerEntry.id)):
        found[entry.transaction_id].entries.append(entry)
    return list(found.values())


def _events(session: Session, objects: list[str]) -> Sequence[WebhookEvent]:
    query = select(WebhookEvent).where(WebhookEvent.object_id.in_(objects))
    ordered = query.order_by(WebhookEvent.created_at, WebhookEvent.id).limit(MOST)
    return session.scalars(ordered).all()


def _letters(
    session: Session, charge: Charge, refunds: Sequence[Refund]
) -> Sequence[OutboxMessage]:
    """Emails about a charge. Their keys are known, so that no letter is read to find them."""
    keys = [f"receipt:charge:{charge.id}"]
    keys += [f"receipt:charge:{charge.id}:{again}" for again in range(1, _COMES_BACK)]
    keys += [f"payment_failed:charge:{charge.id}:{each.value}" for each in Remedy]
    keys += [f"confirm_payment:charge:{charge.id}:confirm"]
    keys += [f"refunded:refund:{each.id}" for each in refunds]
    if charge.pledge_id is not None and charge.period is not None:
        keys.append(f"lapsed:pledge:{charge.pledge_id}:{charge.period + 1}")
    query = select(OutboxMessage).where(OutboxMessage.unique_key.in_(keys))
    return session.scalars(query.order_by(OutboxMessage.created_at, OutboxMessage.id)).all()
