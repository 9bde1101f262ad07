"""On which days of a period a list has lines, the newest first: asked of the rollups.

A list that filters leave few lines of would be looked for through the whole period. Rollups know
for all filters at once on which days something is; only these are read, until a page is full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import ColumnElement, SQLColumnExpression, func, select
from sqlalchemy.orm import Session

from billing.revenue.cells import Cells
from billing.revenue.days import DAY
from billing.revenue.figures import spans_of, within
from billing.revenue.periods import Period

_MORE = 4
"""Each batch asks for so many times as many lines as the one before."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A rollup that counts a list's lines by day."""

    table: Any
    cells: Cells
    of: Callable[[ColumnElement[int]], ColumnElement[bool]]
    """Which of its rows, at a level (`Cells.of`)."""
    lines: SQLColumnExpression[int]
    """How many lines a row stands for, about: what is 0 is looked at, but not relied on."""


@dataclass(frozen=True)
class _Unit:
    """A day, or the first day of a month that is summed up."""

    level: int
    day: date
    lines: int


def day_batches(
    session: Session, counted: Counted, period: Period, *, after: date | None, wanted: int
) -> Iterator[list[date]]:
    """The days of a period that have any line, the newest first, until whoever asks has enough.

    Each batch has about `wanted` lines or all that are left: the first is nearly always enough.
    The day `after`, of which some lines were shown already, comes along with it. Two queries a
    batch at most.
    """
    begun: list[date] = []
    if after is not None:
        begun = [after] if period.first <= after <= period.last else []
        period = Period(period.first, min(period.last, after - DAY))
    by_day = replace(counted, cells=replace(counted.cells, months_until=date.min))
    units = deque(_units(session, counted, period))
    while units or begun:
        taken = _take(units, wanted)
        if months := [each.day for each in taken if each.level]:
            whole = Period(months[-1], months[0] + relativedelta(months=1) - DAY)
            days = deque(each for each in taken if not each.level and each.day > months[0])
            days.extend(_units(session, by_day, whole))
            days.extend(each for each in taken if not each.level and each.day < months[-1])
            taken = _take(days, wanted)
            units.extendleft(reversed(days))
        yield [*begun, *(each.day for each in taken)]
        begun, wanted = [], wanted * _MORE


def read_pages(
    batches: Iterator[list[date]], read: Callable[[list[date], int], list[Any]], limit: int
) -> list[Any]:
    """The first lines of all that `read` finds on each batch of days, up to a limit."""
    found: list[Any] = []
    for days in batches:
        found += read(days, limit - len(found))
        if len(found) >= limit:
            break
    return found


def without_gaps(days: list[date]) -> list[Period]:
    """Days, the newest first, as periods without a gap."""
    found: list[Period] = []
    for day in days:
        if found and found[-1].first - DAY == day:
            found[-1] = Period(day, found[-1].last)
        else:
            found.append(Period(day, day))
    return found


def _take(units: deque[_Unit], wanted: int) -> list[_Unit]:
    """Take units away until they hold so many lines."""
    taken, held = [], 0
    while units and held < wanted:
        taken.append(units.popleft())
        held += taken[-1].lines
    return taken


def _units(session: Session, counted: Counted, period: Period) -> list[_Unit]:
    """The days of a period that have rows, the newest first; whole months as one."""
    if period.last < period.first:
        return []
    asked, table = spans_of([period], counted.cells), counted.table
    query = (
        select(asked.c.level, table.day, func.sum(counted.lines).label("lines"))
        .join_from(asked, table, within(asked, table.day))
        .where(counted.of(asked.c.level))
        .group_by(asked.c.level, table.day)
    )
    found = [_Unit(row.level, row.day, int(row.lines)) for row in session.execute(query)]
    return sorted(found, key=lambda each: each.day, reverse=True)
