"""What the revenue pages ask of the rollups. Each function is one query; none changes anything.

Sums come for several periods at once: the one that is shown and those it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    and_,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Session

from billing.revenue.cells import Cells, spans
from billing.revenue.churn import Amount
from billing.revenue.cohorts import Change
from billing.revenue.days import DAY
from billing.revenue.periods import Period
from billing.revenue.recovery import Renewals
from billing.revenue.tables import (
    MoveKind,
    RevenueAmounts,
    RevenueMoney,
    RevenueMove,
    RevenuePromise,
    RevenueRenewals,
    RevenueRetention,
    RevenueState,
    RevenueSupporters,
    Slice,
)

MONEY = (
    "payments", "periods", "gross_paid", "covered_paid", "gross", "refunds", "disputes", "fees",
    "other",
)  # fmt: skip
_ONCE = "once"
BEGINNING = date(1970, 1, 1)
"""Before anything that is counted."""


@dataclass(frozen=True, kw_only=True)
class MoneyRow:
    """What moved in a period; sums in minor units of `settled_currency`, save those called paid."""

    cadence: str
    paid_currency: str
    settled_currency: str
    payments: int
    periods: int
    gross_paid: int
    covered_paid: int
    gross: int
    refunds: int
    disputes: int
    fees: int
    other: int

    @property
    def is_gift(self) -> bool:
        """Whether it was given once."""
        return self.cadence == _ONCE


@dataclass(frozen=True)
class Moved:
    """Movements of a kind in one currency, in minor units a year."""

    kind: MoveKind
    currency: str
    moves: int
    yearly_minor: int


def money(session: Session, cells: Cells, periods: Sequence[Period]) -> list[list[MoneyRow]]:
    """What came in and went, one list a period."""
    asked, table = spans_of(periods, cells), RevenueMoney
    query = (
        select(
            asked.c.place,
            table.cadence,
            table.paid_currency,
            table.settled_currency,
            *(_sum(getattr(table, name), name) for name in MONEY),
        )
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of(table, paid=True, level=asked.c.level))
        .group_by(asked.c.place, table.cadence, table.paid_currency, table.settled_currency)
    )
    found: list[list[MoneyRow]] = [[] for _ in periods]
    for row in session.execute(query):
        values = dict(row._mapping)  # noqa: SLF001 - a row as a mapping
        found[values.pop("place") - 1].append(MoneyRow(**values))
    return found


def promised(session: Session, cells: Cells, days: Sequence[date]) -> list[dict[str, int]]:
    """What stood at the beginning of each day, by currency, in minor units a year."""
    table, ends = RevenuePromise, [day - DAY for day in days]
    asked = spans_of(_between(ends), cells)
    query = (
        select(asked.c.place, table.currency, _sum(table.yearly_minor, "yearly"))
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of(table, level=asked.c.level))
        .group_by(asked.c.place, table.currency)
    )
    changes: list[dict[str, int]] = [{} for _ in days]
    for place, currency, yearly in session.execute(query):
        changes[place - 1][currency] = yearly
    stood: dict[date, dict[str, int]] = {}
    stands: dict[str, int] = {}
    for end, change in zip(sorted(set(ends)), changes, strict=False):
        stands = {each: stands.get(each, 0) + change.get(each, 0) for each in stands | change}
        stood[end] = stands
    return [stood[end] for end in ends]


def moves(session: Session, cells: Cells, periods: Sequence[Period]) -> list[list[Moved]]:
    """Movements of monthly recurring revenue, one list a period."""
    asked, table = spans_of(periods, cells), RevenuePromise
    query = (
        select(
            asked.c.place,
            table.kind,
            table.currency,
            _sum(table.moves, "moves"),
            _sum(table.yearly_minor, "yearly"),
        )
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of(table, level=asked.c.level))
        .group_by(asked.c.place, table.kind, table.currency)
    )
    found: list[list[Moved]] = [[] for _ in periods]
    for row in session.execute(query):
        found[row.place - 1].append(Moved(row.kind, row.currency, row.moves, row.yearly))
    return found


def supporters(session: Session, cells: Cells, days: Sequence[date]) -> list[int]:
    """How many people had a running pledge at the end of each day."""
    if cells.people is None:
        return _supporters_of_moves(session, cells, days)
    table = RevenueSupporters
    asked = spans_of(_between(days), cells)
    query = (
        select(asked.c.place, _sum(table.supporters, "people"))
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of_people(table, level=asked.c.level))
        .group_by(asked.c.place)
    )
    changes = {row.place: row.people for row in session.execute(query)}
    ends, stand, stood = sorted(set(days)), 0, {}
    for place, end in enumerate(ends, start=1):
        stand += changes.get(place, 0)
        stood[end] = stand
    return [stood[day] for day in days]


def people_by_rhythm(session: Session, cells: Cells, day: date) -> dict[str, int]:
    """How many people had a running pledge at the end of a day, by cadence; of all of them ""."""
    table = RevenueSupporters
    asked = spans_of([Period(BEGINNING, day)], cells)
    query = (
        select(table.cadence, _sum(table.supporters, "people"))
        .join_from(asked, table, within(asked, table.day))
        .where(
            table.slice == Slice.ALL + asked.c.level,
            table.member_id == 0,
            table.country == "",
            table.currency == "",
        )
        .group_by(table.cadence)
    )
    return {row.cadence: row.people for row in session.execute(query)}


def amounts(session: Session, cells: Cells, day: date) -> dict[str, list[Amount]]:
    """How many people promised how much at the end of a day, by currency, in twelfths of MRR."""
    query = _amounts_of_moves(cells, day) if cells.people is None else _amounts(cells, day)
    found: dict[str, list[Amount]] = {}
    for row in session.execute(query):
        found.setdefault(row.currency, []).append(Amount(int(row.yearly_minor), int(row.people)))
    return found


def renewals(session: Session, cells: Cells, periods: Sequence[Period]) -> list[list[Renewals]]:
    """Renewals by the day of their first attempt, one list a period."""
    asked, table = spans_of(periods, cells), RevenueRenewals
    sums = ("renewals", "recovered", "amount_minor", "recovered_minor")
    query = (
        select(
            asked.c.place,
            table.currency,
            table.reason,
            *(_sum(getattr(table, name), name) for name in sums),
        )
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of(table, level=asked.c.level))
        .group_by(asked.c.place, table.currency, table.reason)
    )
    found: list[list[Renewals]] = [[] for _ in periods]
    for row in session.execute(query):
        values = dict(row._mapping)  # noqa: SLF001 - a row as a mapping
        found[values.pop("place") - 1].append(Renewals(**values))
    return found


def retention(session: Session, cells: Cells) -> list[tuple[str, Change]]:
    """How cohorts changed month by month: people with an empty currency, money with its own.

    Where one currency is asked for, people stand with an empty one all the same.
    """
    table = RevenueRetention
    if cells.people is None:
        return _retention_of_moves(session, cells)
    place = cells.of_people(table)
    if cells.currency is None:
        place = place | cells.of_people(table, any_currency=False)
    query = (
        select(
            table.currency,
            table.cohort,
            table.month,
            _sum(table.supporters, "supporters"),
            _sum(table.yearly_minor, "yearly"),
        )
        .where(place)
        .group_by(table.currency, table.cohort, table.month)
    )
    found = []
    for row in session.execute(query):
        of = {"cohort": row.cohort, "month": row.month}
        if row.currency == (cells.currency or ""):
            found.append(("", Change(**of, supporters=row.supporters, twelfths=0)))
        if row.currency:
            found.append((row.currency, Change(**of, supporters=0, twelfths=row.yearly)))
    return found


def told(session: Session) -> tuple[datetime | None, date]:
    """Up to when the figures are told (None before the first time); the end of summed months."""
    row = session.execute(select(RevenueState.folded_at, RevenueState.months_until)).first()
    return (None, date.min) if row is None else (row.folded_at, row.months_until)


def spans_of(periods: Sequence[Period], cells: Cells) -> FromClause:
    """Periods as rows, numbered from 1; of each, whole months and the days around them."""
    rows = [
        (place, level, span.first, span.last)
        for place, each in enumerate(periods, start=1)
        for level, span in spans(each, cells.months_until)
    ]
    types: dict[str, Any] = {"place": Integer, "level": Integer, "first": Date, "last": Date}
    columns: list[Any] = [
        literal([row[number] for row in rows], ARRAY(type_))
        for number, type_ in enumerate(types.values())
    ]
    table = func.unnest(*columns).table_valued(
        *(column(name, type_) for name, type_ in types.items())
    )
    return table.render_derived(name="asked")


def _between(ends: Iterable[date]) -> list[Period]:
    """The periods that end on these days, in their order: each begins where one ends."""
    found, first = [], BEGINNING
    for end in sorted(set(ends)):
        found.append(Period(first, end))
        first = end + DAY
    return found


def within(asked: FromClause, day: Any) -> ColumnElement[bool]:
    """Whether a day belongs to a row of `spans_of`."""
    return and_(day >= asked.c.first, day <= asked.c.last)


def _sum(of: Any, name: str) -> ColumnElement[int]:
    """A sum of whole numbers as a whole number: PostgreSQL makes a numeric of it."""
    return func.sum(of).cast(RevenueMoney.gross.type).label(name)


def _lines(cells: Cells) -> ColumnElement[bool]:
    """The condition on moves where no rollup knows: a source, and perhaps a country."""
    table = RevenueMove
    return and_(
        table.source_id.in_(cells.sources or ()),
        *([] if cells.country is None else [table.country == cells.country]),
        *([] if cells.cadence is None else [table.cadence == cells.cadence]),
        *([] if cells.currency is None else [table.currency == cells.currency]),
    )


def _supporters_of_moves(session: Session, cells: Cells, days: Sequence[date]) -> list[int]:
    table = RevenueMove
    stands = [
        func.sum(table.yearly_minor).filter(table.day <= day).label(f"on_{place}")
        for place, day in enumerate(days)
    ]
    each = select(*stands).where(_lines(cells)).group_by(table.supporter_id).subquery()
    row = session.execute(select(*(func.count().filter(on > 0) for on in each.c))).one()
    return [int(total) for total in row]


def _amounts(cells: Cells, day: date) -> Any:
    asked, table = spans_of([Period(BEGINNING, day)], cells), RevenueAmounts
    people = func.sum(table.supporters)
    return (
        select(table.currency, table.yearly_minor, people.label("people"))
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of_people(table, any_currency=False, level=asked.c.level))
        .group_by(table.currency, table.yearly_minor)
        .having(people > 0)
    )


def _amounts_of_moves(cells: Cells, day: date) -> Any:
    table = RevenueMove
    each = (
        select(table.currency, func.sum(table.yearly_minor).label("yearly_minor"))
        .where(_lines(cells), table.day <= day)
        .group_by(table.supporter_id, table.currency)
        .having(func.sum(table.yearly_minor) > 0)
        .subquery()
    )
    people = func.count().label("people")
    return select(each.c.currency, each.c.yearly_minor, people).group_by(
        each.c.currency, each.c.yearly_minor
    )


def _retention_of_moves(session: Session, cells: Cells) -> list[tuple[str, Change]]:
    """People and money of one source: counted from the moves."""
    month = func.date_trunc("month", RevenueMove.day).cast(Date).label("month")
    names = (RevenueMove.supporter_id, RevenueMove.cohort, RevenueMove.currency)
    lines = select(*names, month, RevenueMove.yearly_minor).where(_lines(cells)).cte("lines")
    # By itself, or all moves are walked through in the order in which the sums want them.
    table = lines.prefix_with("MATERIALIZED", dialect="postgresql").c
    change = func.sum(table.yearly_minor)
    lived = (
        select(
            table.cohort,
            table.month,
            change.label("change"),
            func.sum(change)
            .over(partition_by=(table.supporter_id, table.cohort), order_by=table.month)
            .label("stands"),
        )
        .group_by(table.supporter_id, table.cohort, table.month)
        .subquery()
    )
    step = (lived.c.stands > 0).cast(Integer) - (lived.c.stands - lived.c.change > 0).cast(Integer)
    people = select(
        literal("").label("currency"),
        lived.c.cohort,
        lived.c.month,
        func.sum(step).label("supporters"),
        literal(0).label("yearly"),
    ).group_by(lived.c.cohort, lived.c.month)
    sums = select(table.currency, table.cohort, table.month, literal(0), change).group_by(
        table.currency, table.cohort, table.month
    )
    return [
        (
            currency,
            Change(cohort=cohort, month=on, supporters=int(people_), twelfths=int(yearly)),
        )
        for currency, cohort, on, people_, yearly in session.execute(people.union_all(sums))
    ]
