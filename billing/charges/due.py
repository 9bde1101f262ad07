"""Step 1 of a renewal: create the charges that have fallen due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from billing.charges.domain import ASKABLE
from billing.charges.notices import is_announced
from billing.charges.tables import Charge
from billing.db import UtcDateTime
from billing.pledges.domain import Cadence, Calendar, PledgeStatus
from billing.pledges.tables import Pledge

REQUEUE_AFTER = timedelta(minutes=10)
"""How long a claim on a charge lasts before it is claimed once more.

One claim too many does no harm: the charge's state decides.
"""


@dataclass(frozen=True)
class Batch:
    """How many pledges were looked at; fewer than the limit means that none is left."""

    pledges: int


_CREATE = text(
    """
    WITH turn AS (
        SELECT * FROM unnest(:ids, :periods, :dues, :nexts)
            AS turn (pledge_id, period, due_at, next_charge_at)
    ), created AS (
        INSERT INTO charges (
            kind, status, supporter_id, pledge_id, period, currency, amount_minor, fee_cover_minor,
            refunded_minor, due_at, next_attempt_at, created_at, stripe_customer_id, source)
        SELECT
            'pledge', 'due', supporter_id, pledge_id, period, currency, amount_minor,
            fee_cover_minor, 0, due_at, due_at, :now, stripe_customer_id, source
        FROM turn JOIN pledges ON pledges.id = turn.pledge_id
        ORDER BY turn.pledge_id
        ON CONFLICT (pledge_id, period) DO UPDATE
        SET status = 'due', amount_minor = excluded.amount_minor,
            fee_cover_minor = excluded.fee_cover_minor, next_attempt_at = excluded.due_at,
            queued_at = NULL, stripe_customer_id = excluded.stripe_customer_id
        WHERE charges.status = 'declined' AND charges.first_declined_at IS NULL
            AND charges.months = 1
    )
    UPDATE pledges
    SET next_period = turn.period + 1, next_charge_at = turn.next_charge_at,
        renewal_notice_id = NULL
    FROM turn WHERE pledges.id = turn.pledge_id
    """
).bindparams(
    bindparam("now", type_=UtcDateTime),
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("periods", type_=ARRAY(BigInteger)),
    bindparam("dues", type_=ARRAY(UtcDateTime)),
    bindparam("nexts", type_=ARRAY(UtcDateTime)),
)
"""One statement for a batch of locked pledges: their charges, and their calendars moved on.

A charge that is there already was made for the page of a lapsed pledge. Where nobody paid there,
and the pledge was taken up again by another payment, it falls due like any other.
"""


def create_due_charges(session: Session, *, zone: ZoneInfo, now: datetime, limit: int) -> Batch:
    """Create the charges of up to `limit` active pledges that are due, and move their calendars.

    After an outage each pledge is charged for its current period only (invariant 7). Two beats at
    once share the work: rows locked by one are skipped by the other, and (pledge, period) is
    unique. An annual pledge waits until its supporter has known for a week; each notice is good for
    one charge.
    """
    found = session.execute(due_pledges(now, limit)).all()
    if found:
        rows = [_next(row, zone, now) for row in found]
        session.execute(
            _CREATE,
            {
                "now": now,
                "ids": [row.id for row in found],
                "periods": [row.period for row in rows],
                "dues": [row.due_at for row in rows],
                "nexts": [row.next_charge_at for row in rows],
            },
        )
    return Batch(len(found))


def may_be_charged(now: datetime) -> ColumnElement[bool]:
    """SQL: whether a pledge gets a charge at `now`, once its moment has come.

    The status is written into the statement, so that the index of active pledges always serves it.
    """
    active: ColumnElement[PledgeStatus] = bindparam(None, PledgeStatus.ACTIVE, literal_execute=True)
    return and_(Pledge.status == active, Pledge.held_since.is_(None), is_announced(now))


def claim_due_charges(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of up to `limit` charges to be asked for by now, first or again, claimed at `now`.

    A charge whose claim was lost with its worker is found again: `REQUEUE_AFTER` (invariant 7).
    """
    due = due_charges(now, limit).cte("due")  # computed once, so that the limit holds
    claimed = (
        update(Charge)
        .where(Charge.id.in_(select(due.c.id)))
        .values(queued_at=now)
        .returning(Charge.id)
    )
    return sorted(session.scalars(claimed).all())


def due_pledges(now: datetime, limit: int) -> Select[int, datetime, Cadence, int, int, int]:
    """The next pledges that are due, locked."""
    return (
        select(
            Pledge.id,
            Pledge.anchor_at,
            Pledge.cadence,
            Pledge.from_period,
            Pledge.from_month,
            Pledge.next_period,
        )
        .where(may_be_charged(now), Pledge.next_charge_at <= now)
        .order_by(Pledge.next_charge_at, Pledge.id)
        .limit(limit)
        .with_for_update(of=Pledge, skip_locked=True)
    )


def due_charges(now: datetime, limit: int) -> Select[int]:
    """The ids of the next charges that are to be asked for and are not claimed, locked."""
    return (
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


@dataclass(frozen=True)
class _Turn:
    """The period that a pledge is charged for, and when the next one comes."""

    period: int
    due_at: datetime
    next_charge_at: datetime


def _next(pledge: Any, zone: ZoneInfo, now: datetime) -> _Turn:
    """The first period without a charge, unless a later one is due by now: see `Pledge.turn`."""
    calendar = Calendar(
        anchor=pledge.anchor_at,
        cadence=pledge.cadence,
        zone=zone,
        from_period=pledge.from_period,
        from_month=pledge.from_month,
    )
    period = pledge.next_period
    following = calendar.due_at(period + 1)
    if following <= now:
        period = max(period, calendar.current(now))
        following = calendar.due_at(period + 1)
    return _Turn(period, calendar.due_at(period), following)
