"""Step 1 of a renewal: create the charges that have fallen due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.charges.domain import ASKABLE, ChargeKind, ChargeStatus
from billing.charges.notices import is_announced
from billing.charges.tables import Charge
from billing.db import Json
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge

REQUEUE_AFTER = timedelta(minutes=10)
"""How long a task may be under way before its charge is queued once more.

A task too many does no harm: the charge's state decides, not the task.
"""


@dataclass(frozen=True)
class Batch:
    """How many pledges were looked at; fewer than the limit means that none is left."""

    pledges: int


def create_due_charges(session: Session, *, zone: ZoneInfo, now: datetime, limit: int) -> Batch:
    """Create the charges of up to `limit` active pledges that are due, and move their calendars.

    After an outage each pledge is charged for its current period only (invariant 7). Two beats at
    once share the work: rows locked by one are skipped by the other, and (pledge, period) is
    unique. An annual pledge waits until its supporter has known for a week; each notice is good for
    one charge.
    """
    pledges = session.scalars(
        select(Pledge)
        .where(
            Pledge.status == PledgeStatus.ACTIVE,
            Pledge.next_charge_at <= now,
            Pledge.held_since.is_(None),
            is_announced(now),
        )
        .order_by(Pledge.next_charge_at, Pledge.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not pledges:
        return Batch(0)
    turns = [(pledge, pledge.turn(zone, now)) for pledge in pledges]
    session.execute(
        insert(Charge).on_conflict_do_nothing(index_elements=[Charge.pledge_id, Charge.period]),
        [_charge_for(pledge, period, zone, now) for pledge, period in turns],
    )
    session.execute(
        update(Pledge),
        [
            {
                "id": pledge.id,
                "next_period": period + 1,
                "next_charge_at": pledge.calendar(zone).due_at(period + 1),
                "renewal_notice_id": None,
            }
            for pledge, period in turns
        ],
    )
    return Batch(len(pledges))


def claim_due_charges(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of up to `limit` charges to be asked for by now, first or again, marked as queued.

    A charge whose task was lost is found again after `REQUEUE_AFTER` (invariant 7).
    """
    due = (
        select(Charge.id)
        .where(
            Charge.status.in_(ASKABLE),
            Charge.next_attempt_at <= now,
            or_(Charge.queued_at.is_(None), Charge.queued_at < now - REQUEUE_AFTER),
        )
        .order_by(Charge.next_attempt_at, Charge.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = update(Charge).where(Charge.id.in_(due)).values(queued_at=now).returning(Charge.id)
    return sorted(session.scalars(claimed).all())


def _charge_for(pledge: Pledge, period: int, zone: ZoneInfo, now: datetime) -> Json:
    due = pledge.calendar(zone).due_at(period)
    return {
        "kind": ChargeKind.PLEDGE,
        "status": ChargeStatus.DUE,
        "supporter_id": pledge.supporter_id,
        "pledge_id": pledge.id,
        "period": period,
        "currency": pledge.currency,
        "amount_minor": pledge.amount_minor,
        "fee_cover_minor": pledge.fee_cover_minor,
        "refunded_minor": 0,
        "due_at": due,
        "next_attempt_at": due,
        "created_at": now,
        "stripe_customer_id": pledge.stripe_customer_id,
        "source": pledge.source,
    }
