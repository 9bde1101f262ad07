"""What the pages about people ask of the rollups: who left and why, and which try recovered.

Each function is one query; sums come for several periods at once, as in `figures.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, func, select, true
from sqlalchemy.orm import Session

from billing.revenue.bridge import CHURN
from billing.revenue.cells import Cells
from billing.revenue.figures import spans_of, within
from billing.revenue.periods import Period
from billing.revenue.recovery import Renewals
from billing.revenue.tables import MoveKind, RevenuePromise, RevenueRenewals


@dataclass(frozen=True, kw_only=True)
class Departed:
    """Pledges that ended, by why, in minor units a year; what was lost is negative."""

    kind: MoveKind
    reason: str
    """`EndReason`, or Stripe's word for the last refusal; empty where it is not known."""
    cadence: str
    currency: str
    moves: int
    yearly_minor: int


@dataclass(frozen=True, kw_only=True)
class Tried(Renewals):
    """Renewals, told apart by the attempt that succeeded as well; 0 where none has."""

    cadence: str
    tries: int


def departures(session: Session, cells: Cells, periods: Sequence[Period]) -> list[list[Departed]]:
    """Who left by their will or not, one list a period."""
    table = RevenuePromise
    keys = (table.kind, table.reason, table.cadence, table.currency)
    sums, churned = ("moves", "yearly_minor"), table.kind.in_(CHURN)
    found = _by_period(session, cells, table, periods, keys, sums, churned)
    return [[Departed(**_values(row)) for row in rows] for rows in found]


def yearly_by_currency(rows: Iterable[Departed]) -> dict[str, int]:
    """What pledges that ended would have brought a year, in minor units of each currency."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.currency] = found.get(row.currency, 0) + row.yearly_minor
    return found


def renewals_by_try(session: Session, cells: Cells, periods: Sequence[Period]) -> list[list[Tried]]:
    """Renewals by the day of their first attempt, one list a period."""
    table = RevenueRenewals
    keys = (table.cadence, table.currency, table.reason, table.tries)
    sums = ("renewals", "recovered", "amount_minor", "recovered_minor")
    found = _by_period(session, cells, table, periods, keys, sums, true())
    return [[Tried(**_values(row)) for row in rows if row.renewals] for rows in found]


def _by_period(
    session: Session,
    cells: Cells,
    table: Any,
    periods: Sequence[Period],
    keys: Sequence[Any],
    sums: Sequence[str],
    where: ColumnElement[bool],
) -> list[list[Row[Any]]]:
    """Rows of a rollup added up by keys within each period."""
    asked = spans_of(periods, cells)
    added = [func.sum(getattr(table, each)).cast(BigInteger).label(each) for each in sums]
    query = (
        select(asked.c.place, *keys, *added)
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of(table, level=asked.c.level), where)
        .group_by(asked.c.place, *keys)
    )
    found: list[list[Row[Any]]] = [[] for _ in periods]
    for row in session.execute(query):
        found[row.place - 1].append(row)
    return found


def _values(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)  # noqa: SLF001 - a row as a mapping
    del values["place"]
    return values
