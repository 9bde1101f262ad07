"""Refunds as Stripe shows them, whoever began them: rows made or moved on, books, letters.

Step 4 of `refunds.py`: one transaction with the charge locked, undone whole if the process dies.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from billing.charges.books import post_movements
from billing.charges.domain import GIVEN_BACK, REFUND_TRANSITIONS, RefundStatus
from billing.charges.letters import put_letter
from billing.charges.locks import find_charge_id, lock_charge
from billing.charges.tables import Charge
from billing.charges.tables_after import Refund
from billing.gateway_after import RefundAtStripe, get_charge, get_refund, list_refunds
from billing.outbox import drop
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

LETTER_WITHIN = timedelta(days=30)
"""A refund found later than this is no news to its supporter any more: no letter."""

MARK = "tuppence_refund"
"""Under which our key stands in a refund's metadata at Stripe."""

_STATUSES = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}


def note_refund(runtime: Runtime, stripe_refund_id: str) -> bool:
    """Handle an event about a refund, whoever began it.

    Returns:
        Whether its charge is one of ours.

    Raises:
        NotKnownYetError: when the charge bears our mark and is not recorded yet.
    """
    seen = get_refund(runtime.gateway, stripe_refund_id)
    if seen.charge_id is None:
        return False
    with runtime.database.transaction() as session:
        known = session.scalar(select(Charge.id).where(Charge.stripe_charge_id == seen.charge_id))
    if known is None:
        at_stripe = get_charge(runtime.gateway, seen.charge_id)
        with runtime.database.transaction() as session:
            if find_charge_id(session, at_stripe) is None:
                return False
    take_over(runtime, seen.charge_id, seen)
    return True


def take_over(runtime: Runtime, stripe_charge_id: str, seen: RefundAtStripe | None = None) -> None:
    """Record every refund that Stripe has of a charge of ours, in one transaction.

    `seen` is what Stripe said a moment ago; its list goes before it.
    """
    listed = list(list_refunds(runtime.gateway, charge_id=stripe_charge_id))
    if seen is not None and seen.id not in {refund.id for refund in listed}:
        listed.append(seen)
    with runtime.database.transaction() as session:
        charge_id = session.scalars(
            select(Charge.id).where(Charge.stripe_charge_id == stripe_charge_id)
        ).one()
        charge, pledge = lock_charge(session, charge_id)
        now = runtime.clock.now()
        changed = [_record(session, charge, refund, now) for refund in reversed(listed)]
        session.flush()
        charge.refunded_minor = _given_back(session, charge)
        for row in changed:
            if row is not None:
                _write(session, charge, pledge, row, now)


def become(refund: Refund, status: RefundStatus, now: datetime) -> None:
    """Move a refund on whose charge is locked."""
    refund.status = status
    refund.next_try_at = None
    refund.changed_at = now


def _record(session: Session, charge: Charge, seen: RefundAtStripe, now: datetime) -> Refund | None:
    """One refund as Stripe shows it: its row made or moved on, its money posted.

    Returns:
        The row, where that was news.
    """
    refund, is_new = _row(session, charge, seen, now)
    status = _STATUSES[seen.status]
    post_movements(
        session,
        charge,
        seen.movements,
        original_amount=seen.amount,
        original_currency=seen.currency,
        now=now,
    )
    if status in REFUND_TRANSITIONS[refund.status]:
        become(refund, status, now)
        refund.failure_code = seen.failure_reason
        return refund
    return refund if is_new else None


def _row(
    session: Session, charge: Charge, seen: RefundAtStripe, now: datetime
) -> tuple[Refund, bool]:
    """The row of a refund of a locked charge, and whether it was made just now."""
    key = seen.metadata.get(MARK)
    known = Refund.stripe_refund_id == seen.id
    refund = session.scalars(
        select(Refund)
        .where(known if key is None else or_(known, Refund.idempotency_key == key))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if refund is not None:
        refund.stripe_refund_id = seen.id
        return refund, False
    refund = Refund(
        charge_id=charge.id,
        status=_STATUSES[seen.status],
        amount_minor=seen.amount,
        currency=seen.currency,
        params={},
        requested_at=seen.created,
        changed_at=now,
        failure_code=seen.failure_reason,
        stripe_refund_id=seen.id,
    )
    session.add(refund)
    return refund, True


def _given_back(session: Session, charge: Charge) -> int:
    query = select(func.sum(Refund.amount_minor)).where(
        Refund.charge_id == charge.id, Refund.status.in_(GIVEN_BACK)
    )
    return min(int(session.scalar(query) or 0), charge.amount_minor)


def _write(
    session: Session, charge: Charge, pledge: Pledge | None, refund: Refund, now: datetime
) -> None:
    """Tell the supporter once that the money is on its way back; not any more if it bounced."""
    key = f"refunded:refund:{refund.id}"
    if refund.status is RefundStatus.FAILED:
        drop(session, key)
    if refund.status is not RefundStatus.SUCCEEDED or refund.requested_at < now - LETTER_WITHIN:
        return
    put_letter(
        session,
        key=key,
        template="refunded",
        supporter_id=charge.supporter_id,
        language=pledge.language if pledge else None,
        context={
            "amount_minor": refund.amount_minor,
            "currency": refund.currency,
            "full": charge.refunded_minor == charge.amount_minor,
            "refunded_at": now.isoformat(),
            "charge_amount_minor": charge.amount_minor,
        },
        now=now,
    )
