"""Reminders by the newsroom's day on which they were asked for, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    and_,
    column,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.reminders.domain import ReminderStatus
from billing.reminders.tables import Reminder
from billing.revenue.days import Days
from billing.revenue.drilldown import Place
from billing.revenue.filters import Filters
from billing.revenue.periods import Period
from billing.revenue.viewers import Hidden, hidden_in
from billing.staff.suppression import is_small

_SENT = Reminder.status == ReminderStatus.SENT


class ReminderStep(StrEnum):
    """Which of the reminders asked for are counted, or listed; see `Reminded`."""

    ASKED = "asked"
    UNDER_WAY = "under_way"
    SENT = "sent"
    GAVE_BEFORE = "gave_before"
    NOT_WANTED = "not_wanted"
    GAVE = "gave"
    STILL_OPEN = "still_open"


_WHICH: dict[ReminderStep, ColumnElement[bool]] = {
    ReminderStep.ASKED: true(),
    ReminderStep.UNDER_WAY: Reminder.status.in_([ReminderStatus.WAITING, ReminderStatus.QUEUED]),
    ReminderStep.SENT: _SENT,
    ReminderStep.GAVE_BEFORE: Reminder.status == ReminderStatus.SKIPPED,
    ReminderStep.NOT_WANTED: Reminder.status.in_(
        [ReminderStatus.UNSUBSCRIBED, ReminderStatus.UNDELIVERED]
    ),
    ReminderStep.GAVE: and_(_SENT, Reminder.gave.is_(True)),
    ReminderStep.STILL_OPEN: and_(_SENT, Reminder.gave.is_(None), Reminder.erased_at.is_(None)),
}

OUTCOMES = frozenset(step.value for step in ReminderStep if step is not ReminderStep.ASKED)
"""What becomes of reminders."""


@dataclass(frozen=True, kw_only=True)
class Reminded:
    """What became of the reminders asked for in some days."""

    asked: int
    under_way: int
    """Not due yet, or its email waits."""
    sent: int
    gave_before: int
    """Gave before the email, which then did not go out."""
    not_wanted: int
    """Taken back before the email, or no mail server took it."""
    gave: int
    """Gave within 30 days of the email."""
    still_open: int
    """Sent less than 30 days ago, and nothing given yet."""
    hidden: Hidden = frozenset()
    """Which of these whoever looks is not shown."""

    @classmethod
    def together(cls, parts: Sequence[Reminded]) -> Reminded:
        """The sum of several."""
        names = [step.value for step in ReminderStep]
        return cls(**{name: sum(getattr(each, name) for each in parts) for name in names})


@dataclass(frozen=True, kw_only=True)
class ReminderLine:
    """One reminder. Whose it is, nobody on staff is told."""

    id: int
    asked_at: datetime
    status: ReminderStatus
    finished_at: datetime | None
    gave: bool | None
    erased: bool


def hidden_reminders(seen: Reminded) -> Hidden:
    """What viewers are not shown of the reminders asked for in a month.

    What became of them is told once nothing can change any more, and all of it or nothing.
    """
    outcomes = {
        "gave": seen.gave,
        "did not": seen.sent - seen.gave,
        "gave_before": seen.gave_before,
        "not_wanted": seen.not_wanted,
    }
    if is_small(seen.asked):
        return OUTCOMES | {"asked"}
    is_open = seen.under_way or seen.still_open
    return OUTCOMES if is_open or hidden_in(outcomes, "") else frozenset()


def reminded_for_viewers(exact: Reminded, hidden: Hidden) -> Reminded:
    """The same with nothing where something is hidden."""
    return replace(exact, **dict.fromkeys(hidden, 0), hidden=hidden)


def read_reminded(
    session: Session, filters: Filters, periods: Sequence[Period], zone: ZoneInfo
) -> list[Reminded]:
    """What became of the reminders asked for in each period. One query."""
    days = [Days(each.first, each.last, zone) for each in periods]
    rows: list[list[Any]] = [
        list(range(len(days))),
        [each.starts_at for each in days],
        [each.ends_at for each in days],
    ]
    types = {"place": Integer, "starts_at": UtcDateTime, "ends_at": UtcDateTime}
    literals: list[Any] = [
        literal(row, ARRAY(kind)) for row, kind in zip(rows, types.values(), strict=True)
    ]
    asked = (
        func.unnest(*literals)
        .table_valued(*(column(name, kind) for name, kind in types.items()))
        .render_derived(name="asked")
    )
    query = (
        select(
            asked.c.place,
            *(func.count().filter(which).label(step.value) for step, which in _WHICH.items()),
        )
        .join_from(
            asked,
            Reminder,
            and_(Reminder.asked_at >= asked.c.starts_at, Reminder.asked_at < asked.c.ends_at),
        )
        .where(*_of(filters))
        .group_by(asked.c.place)
    )
    found = {row["place"]: row for row in session.execute(query).mappings()}
    none = {step.value: 0 for step in ReminderStep}
    return [
        Reminded(hidden=frozenset(), **{name: found.get(place, none)[name] for name in none})
        for place in range(len(periods))
    ]


def reminder_lines(
    session: Session,
    filters: Filters,
    step: ReminderStep,
    zone: ZoneInfo,
    *,
    after: Place | None,
    limit: int,
) -> list[ReminderLine]:
    """Those asked for in a period that came as far as `step`, the latest first. One query."""
    query = reminder_statement(filters, step, zone).limit(limit)
    if after is not None:
        query = query.where(tuple_(Reminder.asked_at, Reminder.id) < (after.at, after.id))
    return [ReminderLine(**row) for row in session.execute(query).mappings()]


def reminder_statement(
    filters: Filters, step: ReminderStep, zone: ZoneInfo
) -> Select[*tuple[Any, ...]]:
    """What finds all of them."""
    days = Days(filters.period.first, filters.period.last, zone)
    return (
        select(
            Reminder.id,
            Reminder.asked_at,
            Reminder.status,
            Reminder.finished_at,
            Reminder.gave,
            Reminder.erased_at.is_not(None).label("erased"),
        )
        .where(
            Reminder.asked_at >= days.starts_at,
            Reminder.asked_at < days.ends_at,
            _WHICH[step],
            *_of(filters),
        )
        .order_by(Reminder.asked_at.desc(), Reminder.id.desc())
    )


def _of(filters: Filters) -> list[ColumnElement[bool]]:
    return [
        func.coalesce(Reminder.source[name].astext, "") == value
        for name, value in filters.names.items()
    ]
