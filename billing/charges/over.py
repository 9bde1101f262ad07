"""Periods that are over: only the current one is charged (invariant 7).

A charge may be made and then wait for longer than its period lasts: no worker ran, or its pledge
was held. By then a later period is current, and that one is charged; two in one month never are.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeStatus
from billing.charges.tables import Charge
from billing.pledges.tables import Pledge

PERIOD_OVER = "period_over"
"""Why a charge was let go: written where a bank's reason would stand."""

_SHORTEST = timedelta(days=27)
"""No period is shorter: February, less an hour of daylight saving."""


def comes_too_late(session: Session, charge: Charge, pledge: Pledge, now: datetime) -> bool:
    """Whether a charge of a locked pledge may not be asked for any more, as its period is over.

    It is over when a later one has been charged, or is due to be: one that was skipped is neither.
    A charge that was declined in its time is past due: nothing later is charged beside it, and paid
    late it counts for the period that is current by then (`pledges.service.mark_paid`).
    """
    if charge.first_declined_at is not None or now - charge.due_at < _SHORTEST:
        return False
    if pledge.next_charge_at is not None and pledge.next_charge_at <= now:
        return True
    later = select(Charge.id).where(Charge.pledge_id == pledge.id, Charge.period > charge.period)
    return session.scalar(later.limit(1)) is not None


def let_go(charge: Charge) -> None:
    """Ask no more for a locked charge whose period is over; staff get a line."""
    charge.status = ChargeStatus.CANCELLED
    charge.decline_code = PERIOD_OVER
    charge.next_attempt_at = None
    charge.queued_at = None
