"""Reminders by the newsroom's day on which they were asked for, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    and_,
    column,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.reminders.domain import ReminderStatus
from billing.reminders.tables import Reminder
from billing.revenue.cells import Cells
from billing.revenue.days import Days, day_of
from billing.revenue.drilldown import Place
from billing.revenue.figures import spans_of, within
from billing.revenue.filters import Filters
from billing.revenue.fold_reminders import WHICH, ReminderStep
from billing.revenue.newest import Counted, day_batches, read_pages, without_gaps
from billing.revenue.periods import Period
from billing.revenue.tables_giving import RevenueReminders
from billing.revenue.viewers import Hidden, hidden_in
from billing.staff.suppression import is_small

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


def read_reminded(session: Session, cells: Cells, periods: Sequence[Period]) -> list[Reminded]:
    """What became of the reminders asked for in each period. One query."""
    asked, table = spans_of(periods, cells), RevenueReminders
    names = [step.value for step in ReminderStep]
    query = (
        select(
            asked.c.place,
            *(func.sum(getattr(table, name)).cast(BigInteger).label(name) for name in names),
        )
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of_readers(table, level=asked.c.level))
        .group_by(asked.c.place)
    )
    found = {row["place"]: row for row in session.execute(query).mappings()}
    none: dict[str, Any] = dict.fromkeys(names, 0)
    return [
        Reminded(**{name: found.get(place, none)[name] for name in names})
        for place in range(1, len(periods) + 1)
    ]


def reminder_lines(
    session: Session,
    filters: Filters,
    cells: Cells,
    step: ReminderStep,
    zone: ZoneInfo,
    *,
    after: Place | None,
    limit: int,
) -> list[ReminderLine]:
    """Those asked for in a period that came as far as `step`, the latest first.

    Lists what is counted by now. Three queries at most, where the first batch fills the page.
    """
    table = RevenueReminders
    lines = getattr(table, step.value)
    counted = Counted(
        table=table,
        cells=cells,
        of=lambda level: and_(cells.of_readers(table, level=level), lines > 0),
        lines=lines,
    )

    def read(days: list[date], limit: int) -> list[ReminderLine]:
        query = _statement(filters, step, without_gaps(days), zone).limit(limit)
        if after is not None:
            query = query.where(tuple_(Reminder.asked_at, Reminder.id) < (after.at, after.id))
        return [ReminderLine(**row) for row in session.execute(query).mappings()]

    begun = None if after is None else day_of(after.at, zone)
    return read_pages(
        day_batches(session, counted, filters.period, after=begun, wanted=limit), read, limit
    )


def reminder_statement(
    filters: Filters, step: ReminderStep, zone: ZoneInfo
) -> Select[*tuple[Any, ...]]:
    """What finds all of them."""
    return _statement(filters, step, [filters.period], zone)


def _statement(
    filters: Filters, step: ReminderStep, periods: Sequence[Period], zone: ZoneInfo
) -> Select[*tuple[Any, ...]]:
    spans = [Days(each.first, each.last, zone) for each in periods]
    asked = (
        func.unnest(
            literal([each.starts_at for each in spans], ARRAY(UtcDateTime)),
            literal([each.ends_at for each in spans], ARRAY(UtcDateTime)),
        )
        .table_valued(column("begins", UtcDateTime), column("ends", UtcDateTime))
        .render_derived(name="asked")
    )
    return (
        select(
            Reminder.id,
            Reminder.asked_at,
            Reminder.status,
            Reminder.finished_at,
            Reminder.gave,
            Reminder.erased_at.is_not(None).label("erased"),
        )
        .join_from(
            asked,
            Reminder,
            and_(Reminder.asked_at >= asked.c.begins, Reminder.asked_at < asked.c.ends),
        )
        .where(text(WHICH[step]), *_of(filters))
        .order_by(Reminder.asked_at.desc(), Reminder.id.desc())
    )


def _of(filters: Filters) -> list[ColumnElement[bool]]:
    return [
        func.coalesce(Reminder.source[name].astext, "") == value
        for name, value in filters.names.items()
    ]
