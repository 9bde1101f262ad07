"""How far the day's renewals have come.

A *run* is every renewal that is asked for on one of the newsroom's days: all charges whose saved
card was asked since that day began, those that are due by now and still wait (from whatever day),
those asked for earlier and still without an answer, and active pledges that are due and get their
charge within the minute. A charge counts once, by what became of it last. So a retry is part of the
run of the day on which it is made, and until then of none. A charge for which nobody was asked (its
pledge was cancelled meanwhile, or has no payment method) leaves the run.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from billing.charges.domain import (
    ASKABLE,
    MEASURED_OVER,
    AttemptKind,
    AttemptStatus,
    ChargeStatus,
    Run,
)
from billing.charges.due import may_be_charged
from billing.charges.tables import Attempt, Charge
from billing.pledges.tables import Pledge

_UNANSWERED = (AttemptStatus.IN_FLIGHT, AttemptStatus.UNKNOWN)
_COUNTED_AS = {
    AttemptStatus.IN_FLIGHT: "under_way",
    AttemptStatus.UNKNOWN: "unknown",
    AttemptStatus.PROCESSING: "with_bank",
    AttemptStatus.SUCCEEDED: "done",
    AttemptStatus.DECLINED: "declined",
    AttemptStatus.REFUSED: "declined",
}
"""An attempt that Stripe never made counts as nothing: its charge waits again, or has ended."""


def progress(session: Session, *, zone: ZoneInfo, limit: float, now: datetime) -> Run:
    """Count the run of the newsroom's day. Two queries.

    `limit` is the setting, in calls a second.
    """
    begins, ends = _day_of(now, zone)
    counted = [*_waiting(now), *_later(now, ends), _pace(begins, now)]
    parts = [query.subquery() for query in counted]
    joined: FromClause = parts[0]
    for each in parts[1:]:
        joined = joined.join(each, true())
    row = session.execute(select(*(c for part in parts for c in part.c)).select_from(joined)).one()
    charges, charges_since, pledges, pledges_since, retries, firsts, answered, first = row
    since = [moment for moment in (charges_since, pledges_since) if moment is not None]
    return Run(
        waiting=charges + pledges,
        waiting_since=min(since, default=None),
        later_today=retries + firsts,
        answered=answered,
        measured=now - max(now - MEASURED_OVER, first) if first else timedelta(0),
        limit=limit,
        **_asked(session, begins, now),
    )


def _day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the newsroom's day began, and when the next one does."""
    today = now.astimezone(zone).date()
    first, last = today, today + timedelta(days=1)
    return datetime.combine(first, time(), zone), datetime.combine(last, time(), zone)


def _waits(now: datetime) -> ColumnElement[bool]:
    return and_(Charge.status.in_(ASKABLE), Charge.next_attempt_at <= now)


def _waiting(now: datetime) -> list[Select[*tuple[Any, ...]]]:
    """Charges that wait and pledges that get theirs within the minute, counted; since when."""
    return [
        select(func.count(), func.min(Charge.next_attempt_at)).where(_waits(now)),
        select(func.count(), func.min(Pledge.next_charge_at)).where(
            may_be_charged(now), Pledge.next_charge_at <= now
        ),
    ]


def _later(now: datetime, ends: datetime) -> list[Select[*tuple[Any, ...]]]:
    """Retries and first charges that fall due before the day ends, counted."""
    return [
        select(func.count()).where(
            Charge.status.in_(ASKABLE), Charge.next_attempt_at > now, Charge.next_attempt_at < ends
        ),
        select(func.count()).where(
            may_be_charged(now), Pledge.next_charge_at > now, Pledge.next_charge_at < ends
        ),
    ]


def _asked(session: Session, begins: datetime, now: datetime) -> dict[str, int]:
    """Charges asked for since the day began, or earlier without an answer, by what became of them.

    One that a Checkout page made good in the end is done, whatever its card had said.
    """
    last = _last_attempts(begins)
    outcome = case(
        (Charge.status == ChargeStatus.SUCCEEDED, AttemptStatus.SUCCEEDED.value),
        else_=last.c.status,
    ).label("outcome")
    query = (
        select(outcome, func.count())
        .select_from(last)
        .join(Charge, Charge.id == last.c.charge_id)
        .where(or_(Charge.next_attempt_at.is_(None), ~_waits(now)))
        .group_by(outcome)
    )
    counts: dict[str, int] = {}
    for status, count in session.execute(query):
        name = _COUNTED_AS.get(AttemptStatus(status))
        if name is not None:
            counts[name] = counts.get(name, 0) + int(count)
    return counts


def _last_attempts(begins: datetime) -> Subquery:
    """Each charge's last attempt at its saved card, of those that belong to the run."""
    return (
        select(Attempt.charge_id, Attempt.status)
        .ext(distinct_on(Attempt.charge_id))
        .where(
            Attempt.kind == AttemptKind.OFF_SESSION,
            or_(Attempt.started_at >= begins, Attempt.status.in_(_UNANSWERED)),
        )
        .order_by(Attempt.charge_id, Attempt.number.desc())
        .subquery()
    )


def _pace(begins: datetime, now: datetime) -> Select[*tuple[Any, ...]]:
    """How many attempts were answered lately, and when the first of them was made.

    What is measured begins with it, so that a run that has just begun is not made to look slow.
    """
    since = now - MEASURED_OVER
    return select(func.count(), func.min(Attempt.started_at)).where(
        Attempt.kind == AttemptKind.OFF_SESSION,
        Attempt.started_at >= min(begins, since),
        Attempt.finished_at > since,
        Attempt.finished_at <= now,
    )
