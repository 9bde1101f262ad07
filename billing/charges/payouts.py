"""Payouts reconciled to the cent: the bank was sent what the ledger says it was sent for.

1. `note_payout` fetches the payout and writes its row and its own movements, the row locked; a
   status moves onwards only.
2. For an automatic payout, Stripe's list of the movements in it is read, with nothing locked; those
   that the ledger lacks are posted, a transaction each, under the unique id of each.
3. In one transaction, the row locked, the ledger's sum of them is held against the payout. Only a
   difference of 0 with nothing missing is `reconciled` (a CHECK); otherwise the difference stands
   in the row, staff see a line, and the sweep comes again.

If the process dies on any line, what was written stands by itself, and the stored event or the
sweep over rows not reconciled does all of it again. Once reconciled a payout is not looked at
again, save to note that the bank sent it back: then its reversal is posted, and Stripe puts the
money into the next one.

Payouts made by hand are not tied to movements by Stripe; for those only their own is posted.
Source: https://docs.stripe.com/payouts/reconciliation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.charges.books import post_moved
from billing.charges.domain import PayoutStatus
from billing.charges.tables_after import Payout, PayoutLine
from billing.gateway import MoneyMoved
from billing.gateway_after import PayoutAtStripe, get_payout, list_paid_out
from billing.ledger.domain import Account
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.runtime import Runtime

LOOK_AGAIN_FOR = timedelta(days=30)
"""How long the sweep comes back to a payout that does not add up; after that it is for people."""

_STANDING = (PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT, PayoutStatus.PAID)
_CHUNK = 1000
_ORDER = tuple(PayoutStatus)


def note_payout(runtime: Runtime, stripe_payout_id: str) -> bool:
    """Handle an event about a payout, and hold it against the ledger once Stripe can list it.

    Returns:
        True: every payout of the account concerns us.
    """
    seen = get_payout(runtime.gateway, stripe_payout_id)
    with runtime.database.transaction() as session:
        payout = _record(session, seen)
        wanted = payout.status in _STANDING and payout.reconciled_at is None
    post_moved(runtime, _own_movements(seen))
    if wanted and seen.complete:
        _reconcile(runtime, seen)
    return True


def find_open(session: Session, *, now: datetime, limit: int) -> Sequence[str]:
    """Stripe's ids of automatic payouts that are not reconciled yet, those paid lately first."""
    query = (
        select(Payout.stripe_payout_id)
        .where(
            Payout.reconciled_at.is_(None),
            Payout.automatic,
            Payout.status.in_(_STANDING),
            Payout.arrives_at <= now,
            Payout.arrives_at > now - LOOK_AGAIN_FOR,
        )
        .order_by(Payout.arrives_at.desc())
        .limit(limit)
    )
    return session.scalars(query).all()


def _record(session: Session, seen: PayoutAtStripe) -> Payout:
    """The payout's row, locked, made if there is none."""
    session.execute(
        insert(Payout)
        .values(
            stripe_payout_id=seen.id,
            status=PayoutStatus(seen.status),
            automatic=seen.automatic,
            amount_minor=seen.amount,
            currency=seen.currency,
            created_at=seen.created,
            arrives_at=seen.arrives,
        )
        .on_conflict_do_nothing(index_elements=[Payout.stripe_payout_id])
    )
    payout = _lock(session, seen.id)
    told = PayoutStatus(seen.status)
    if _ORDER.index(told) > _ORDER.index(payout.status):
        payout.status = told
    payout.arrives_at = seen.arrives
    payout.failure_code = seen.failure_code
    return payout


def _lock(session: Session, stripe_payout_id: str) -> Payout:
    query = select(Payout).where(Payout.stripe_payout_id == stripe_payout_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _own_movements(seen: PayoutAtStripe) -> list[MoneyMoved]:
    return [
        MoneyMoved(
            transaction=transaction,
            stripe_charge_id=None,
            original_amount=transaction.amount,
            original_currency=transaction.currency,
            charge_metadata=None,
        )
        for transaction in seen.movements
    ]


def _reconcile(runtime: Runtime, seen: PayoutAtStripe) -> None:
    moved = list(list_paid_out(runtime.gateway, seen.id))
    own = {transaction.id for transaction in seen.movements}
    paid_out = [movement for movement in moved if movement.transaction.id not in own]
    post_moved(runtime, reversed(moved))
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        payout = _lock(session, seen.id)
        names = [movement.transaction.id for movement in paid_out]
        known, total = _in_ledger(session, names, payout)
        payout.movements = len(names)
        payout.unposted = len(names) - known
        payout.difference_minor = total - payout.amount_minor
        if payout.unposted == 0 and payout.difference_minor == 0:
            payout.reconciled_at = now


def _in_ledger(session: Session, names: list[str], payout: Payout) -> tuple[int, int]:
    """How many of these movements the ledger holds, and what they left on Stripe's balance.

    Those that it holds are noted as the payout's.
    """
    known = total = 0
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        ours = LedgerTransaction.stripe_balance_transaction_id.in_(chunk)
        known += session.scalar(select(func.count()).where(ours)) or 0
        session.execute(
            insert(PayoutLine)
            .from_select(
                ["payout_id", "transaction_id"],
                select(literal(payout.id), LedgerTransaction.id).where(ours),
            )
            .on_conflict_do_nothing()
        )
        total += int(
            session.scalar(
                select(func.sum(LedgerEntry.amount_minor))
                .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
                .where(
                    ours,
                    LedgerEntry.account == Account.STRIPE,
                    LedgerEntry.currency == payout.currency,
                )
            )
            or 0
        )
    return known, total
