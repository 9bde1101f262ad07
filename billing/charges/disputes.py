"""Disputes: opened, argued, won or lost, as the bank decides.

One event, one transaction: pledge, then charge, then dispute locked; the dispute's row, the end of
the pledge and the ledger's lines are written together. If the process dies before the commit, the
stored event is processed again; told twice, nothing changes, and old news read late is ignored,
because a status only moves onwards.

- A dispute ends the pledge of its charge at once (`cancelled`, reason `disputed`, involuntary churn
  of that day): whoever asks a bank for money back must not be charged again. It stays ended when
  the dispute is won; the supporter may pledge anew.
- No letter is sent. The one that confirms a cancellation would claim that the supporter had asked
  us for it, and where a card was stolen the address may be the thief's. The payer's bank writes.
- An inquiry (`warning_…`) takes no money and stops nothing; staff see a line, since refunding at
  once usually keeps it from becoming a dispute.
- A lost dispute stays as it is: the money left when it was opened, and the ledger shows it then.
  Won, it comes back on the day it does.

Sources: https://docs.stripe.com/disputes/how-disputes-work,
https://docs.stripe.com/api/disputes/object.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing.charges.books import post_movements
from billing.charges.domain import (
    INQUIRIES,
    OPEN_DISPUTES,
    DisputeStatus,
    WarningDecision,
    dispute_advances,
)
from billing.charges.locks import find_charge_id, lock_charge, moment_under_lock
from billing.charges.tables import Charge
from billing.charges.tables_after import Dispute, FraudWarning
from billing.gateway_after import DisputeAtStripe, get_dispute
from billing.pledges.domain import EndReason
from billing.pledges.service import cancel
from billing.runtime import Runtime


def note_dispute(runtime: Runtime, stripe_dispute_id: str) -> bool:
    """Handle an event about a dispute, of any kind and in any order.

    Returns:
        Whether its charge is one of ours.

    Raises:
        NotKnownYetError: when the charge bears our mark and is not recorded yet.
    """
    seen = get_dispute(runtime.gateway, stripe_dispute_id)
    with runtime.database.transaction() as session:
        charge_id = find_charge_id(session, seen.charge)
        if charge_id is None:
            return False
        charge, pledge = lock_charge(session, charge_id)
        now = runtime.clock.now()
        dispute = _record(session, charge, seen, now)
        if dispute.status not in INQUIRIES:
            if pledge is not None:
                zone = runtime.settings.newsroom.timezone
                ended_at = moment_under_lock(session, pledge.id, runtime.clock)
                cancel(session, pledge.id, zone=zone, now=ended_at, reason=EndReason.DISPUTED)
            _settle_warnings(session, charge, now)
        post_movements(
            session,
            charge,
            seen.movements,
            original_amount=seen.amount,
            original_currency=seen.currency,
            now=now,
        )
    return True


def _record(session: Session, charge: Charge, seen: DisputeAtStripe, now: datetime) -> Dispute:
    told = DisputeStatus(seen.status)
    dispute = session.scalars(
        select(Dispute).where(Dispute.stripe_dispute_id == seen.id).with_for_update()
    ).one_or_none()
    if dispute is None:
        dispute = Dispute(
            stripe_dispute_id=seen.id,
            charge_id=charge.id,
            status=told,
            reason=seen.reason[:64],
            amount_minor=seen.amount,
            currency=seen.currency,
            opened_at=seen.created,
            closed_at=None if told in OPEN_DISPUTES else now,
        )
        session.add(dispute)
    elif dispute_advances(dispute.status, told):
        dispute.status = told
        dispute.closed_at = None if told in OPEN_DISPUTES else now
    dispute.respond_by = seen.respond_by
    return dispute


def _settle_warnings(session: Session, charge: Charge, now: datetime) -> None:
    """What staff were still to decide about this charge, the bank has decided."""
    session.execute(
        update(FraudWarning)
        .where(FraudWarning.charge_id == charge.id, FraudWarning.decision.is_(None))
        .values(decision=WarningDecision.DISPUTED, decided_at=now)
    )
