"""What a figure is made of: ledger transactions or movements, a page at a time, newest first.

A page begins behind the last line of the one before (its day or moment, and its id), so that each
costs the same however deep, and what is added meanwhile moves nothing. It reads the days only on
which the rollups have lines (`newest.py`). The lines are chosen by the same rules as the sums
(`fold_sql`, `fold_moves`): a test adds them up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    String,
    TextClause,
    and_,
    bindparam,
    case,
    func,
    text,
    true,
)
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.pledges.domain import Cadence
from billing.revenue.cells import Cells, find_sources
from billing.revenue.days import Days, day_of
from billing.revenue.filters import FilterError, Filters
from billing.revenue.fold_sql import RECEIVED, SIDES
from billing.revenue.newest import Counted, day_batches, read_pages
from billing.revenue.tables import MoveKind, RevenueMoney, RevenuePromise

PAGE = 50
_AFTER = re.compile(r"(\d{1,17})-(\d{1,19})-(-1|0|1)", re.ASCII)


class MoneyFigure(StrEnum):
    """Sums of the ledger that can be opened."""

    GROSS = "gross"
    GIFTS = "gifts"
    PLEDGES = "pledges"
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    FEES = "fees"
    NET = "net"
    OTHER = "other"


_ACCOUNTS = {
    MoneyFigure.GROSS: ("gifts", "pledges"),
    MoneyFigure.GIFTS: ("gifts",),
    MoneyFigure.PLEDGES: ("pledges",),
    MoneyFigure.REFUNDS: ("refunds",),
    MoneyFigure.DISPUTES: ("disputes",),
    MoneyFigure.OTHER: ("other",),
}
_RARE = (MoneyFigure.REFUNDS, MoneyFigure.DISPUTES, MoneyFigure.OTHER)
"""So few, however long the period, that they are walked through by an index of their own."""


@dataclass(frozen=True)
class Place:
    """Behind which line a page begins: a moment in microseconds or a day, an id, a part."""

    moment: int
    id: int
    part: int = 0

    def __str__(self) -> str:
        return f"{self.moment}-{self.id}-{self.part}"

    @property
    def at(self) -> datetime:
        """The moment, where it is one."""
        whole, rest = divmod(self.moment, 10**6)
        return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest)

    @property
    def day(self) -> date:
        """The day, where it is one.

        Raises:
            FilterError: where it is not.
        """
        try:
            return date.fromordinal(self.moment)
        except (ValueError, OverflowError):
            raise FilterError(f"“{self}” is no place in this list.") from None

    @classmethod
    def after_moment(cls, at: datetime, id_: int) -> Place:
        """Behind a line of that moment."""
        whole = int(at.replace(microsecond=0).timestamp())
        return cls(whole * 10**6 + at.microsecond, id_)


@dataclass(frozen=True, kw_only=True)
class MoneyLine:
    """A ledger transaction, by its part in a figure; `minor` in the settled currency."""

    id: int
    charge_id: int | None
    supporter_id: int | None
    category: str
    occurred_at: datetime
    cadence: str
    settled_currency: str
    minor: int
    paid_currency: str
    paid_minor: int


@dataclass(frozen=True, kw_only=True)
class MoveLine:
    """A movement, by its part in a bridge; in minor units a year."""

    origin_id: int
    part: int
    supporter_id: int
    pledge_id: int
    day: date
    kind: MoveKind
    currency: str
    yearly_minor: int
    cadence: str


def read_place(written: str | None) -> Place | None:
    """Where a page begins.

    Raises:
        FilterError: for what was not written by `Place`.
    """
    if not written:
        return None
    found = _AFTER.fullmatch(written)
    if found is None:
        raise FilterError(f"“{written[:40]}” is no place in the list.")
    return Place(*map(int, found.groups()))


def money_lines(
    session: Session,
    filters: Filters,
    cells: Cells,
    figure: MoneyFigure,
    *,
    settled_currency: str,
    zone: ZoneInfo,
    after: Place | None,
    limit: int = PAGE,
) -> list[MoneyLine]:
    """The ledger transactions of a figure, as far as they are in the rollups. Four queries."""
    given = _of_money(session, filters, figure, settled_currency, zone)
    if after is not None:
        given |= {"moment": after.at, "id": after.id}

    def read(days: list[date], limit: int) -> list[MoneyLine]:
        query = _money_query(filters, figure, page=True, after=after is not None)
        rows = session.execute(bound(query, {**given, "days": days, "limit": limit}))
        return [MoneyLine(**row._mapping) for row in rows]  # noqa: SLF001 - a row as a mapping

    if figure in _RARE:
        return read([], limit)
    counted = Counted(
        table=RevenueMoney,
        cells=cells,
        of=lambda level: and_(
            cells.of(RevenueMoney, paid=True, level=level),
            RevenueMoney.settled_currency == settled_currency,
            _RHYTHM.get(figure, true()),
        ),
        lines=_payments(figure),
    )
    begun = None if after is None else day_of(after.at, zone)
    batches = day_batches(session, counted, filters.period, after=begun, wanted=limit)
    return read_pages(batches, read, limit)


def money_statement(
    session: Session,
    filters: Filters,
    figure: MoneyFigure,
    *,
    settled_currency: str,
    zone: ZoneInfo,
) -> TextClause:
    """What finds all ledger transactions of a figure."""
    given = _of_money(session, filters, figure, settled_currency, zone)
    return bound(_money_query(filters, figure, page=False, after=False), given)


def move_lines(
    session: Session,
    filters: Filters,
    cells: Cells,
    kind: MoveKind | None,
    *,
    after: Place | None,
    limit: int = PAGE,
) -> list[MoveLine]:
    """The movements of a bridge, all or of one kind. Four queries."""
    given, conditions = _of_moves(session, filters, kind)
    if after is not None:
        conditions.append("(v.day, v.origin_id, v.part) < (:day, :id, :part)")
        given |= {"day": after.day, "id": after.id, "part": after.part}

    def read(days: list[date], limit: int) -> list[MoveLine]:
        query = f"{_move_query([*conditions, 'v.day = ANY(:days)'])} LIMIT :limit"
        return [
            MoveLine(**{**row._mapping, "kind": MoveKind(row.kind)})  # noqa: SLF001
            for row in session.execute(bound(query, {**given, "days": days, "limit": limit}))
        ]

    counted = moves_counted(cells, true() if kind is None else RevenuePromise.kind == kind)
    begun = None if after is None else after.day
    return read_pages(
        day_batches(session, counted, filters.period, after=begun, wanted=limit), read, limit
    )


def move_statement(session: Session, filters: Filters, kind: MoveKind | None) -> TextClause:
    """What finds all movements of a bridge, or all of one kind."""
    given, conditions = _of_moves(session, filters, kind)
    return bound(_move_query([*conditions, "v.day >= :first AND v.day <= :last"]), given)


def moves_counted(cells: Cells, which: ColumnElement[bool]) -> Counted:
    """How many movements there are, by day."""
    table = RevenuePromise
    return Counted(
        table=table,
        cells=cells,
        of=lambda level: and_(cells.of(table, level=level), which, table.moves > 0),
        lines=table.moves,
    )


def place_of_money(line: MoneyLine) -> Place:
    """Behind this line the next page begins."""
    return Place.after_moment(line.occurred_at, line.id)


def place_of_move(line: MoveLine) -> Place:
    """Behind this line the next page begins."""
    return Place(line.day.toordinal(), line.origin_id, line.part)


def parameters(session: Session, filters: Filters) -> dict[str, object]:
    """What the conditions of `fitting` are given. At most one query."""
    given: dict[str, object] = {}
    if filters.names:
        given["sources"] = list(find_sources(session, filters))
    for name in ("cadence", "currency", "country"):
        if (value := getattr(filters, name)) is not None:
            given[name] = str(value)
    return given


def fitting(filters: Filters, cadence: str, currency: str, source: str, country: str) -> str:
    """The conditions that the filters make; `true` where there are none."""
    conditions = ["true"]
    if filters.names:
        conditions.append(f"{source} = ANY(:sources)")
    for name, column in (("cadence", cadence), ("currency", currency), ("country", country)):
        if getattr(filters, name) is not None:
            conditions.append(f"{column} = :{name}")
    return " AND ".join(conditions)


_RHYTHM = {
    MoneyFigure.GIFTS: RevenueMoney.cadence == Cadence.ONCE,
    MoneyFigure.PLEDGES: RevenueMoney.cadence != Cadence.ONCE,
}


def _payments(figure: MoneyFigure) -> ColumnElement[int]:
    """How many lines a row of sums stands for: a payment each, and one where it has no more.

    Not every payment has a fee: where there are no fees, nothing is relied on.
    """
    lines: ColumnElement[int] = func.greatest(func.abs(RevenueMoney.payments), 1)
    if figure is MoneyFigure.FEES:
        return case((RevenueMoney.fees == 0, 0), else_=lines)
    return lines


def _of_money(
    session: Session, filters: Filters, figure: MoneyFigure, settled_currency: str, zone: ZoneInfo
) -> dict[str, object]:
    """What the conditions of a list of money are given. At most one query."""
    days = Days(filters.period.first, filters.period.last, zone)
    return {
        **parameters(session, filters),
        "first": days.first,
        "last": days.last,
        "starts_at": days.starts_at,
        "ends_at": days.ends_at,
        "settled": settled_currency,
        "accounts": list(_ACCOUNTS.get(figure, ())),
    }


def _money_query(filters: Filters, figure: MoneyFigure, *, page: bool, after: bool) -> str:
    """A page walks through some days; a whole list through the period, day after day."""
    chosen = [fitting(filters, "r.cadence", "r.paid_currency", "r.source_id", "r.country")]
    order = "r.occurred_at DESC, r.transaction_id DESC"
    if figure in _RARE:
        rare = ", ".join(f"'{each}'" for each in _RARE)
        chosen.append(f"r.account = '{figure}' AND r.account IN ({rare})")
        chosen.append("r.occurred_at >= :starts_at AND r.occurred_at < :ends_at")
    elif page:
        chosen.append("r.day = ANY(:days)")
    else:
        chosen.append("r.day >= :first AND r.day <= :last")
        order = f"r.day DESC, {order}"
    if after:
        chosen.append("(r.occurred_at, r.transaction_id) < (:moment, :id)")
    part = {
        MoneyFigure.FEES: "CASE WHEN line.account = 'other' THEN 0 ELSE line.fee END",
        MoneyFigure.NET: "CASE WHEN line.account = 'other' THEN 0 ELSE line.net END",
        MoneyFigure.OTHER: "line.net",
        MoneyFigure.REFUNDS: "-(line.net + line.fee)",
        MoneyFigure.DISPUTES: "-(line.net + line.fee)",
    }.get(figure, "line.net + line.fee")
    of_account = "AND line.account = ANY(:accounts)" if figure in _ACCOUNTS else ""
    return f"""
        SELECT t.id, t.charge_id, c.supporter_id, t.category, t.occurred_at, r.cadence,
               line.settled_currency, ({part})::bigint AS minor, line.paid_currency,
               line.paid::bigint AS paid_minor
        FROM (SELECT * FROM revenue_lines r WHERE {" AND ".join(chosen)} ORDER BY {order}) AS r
        JOIN ledger_transactions t ON t.id = r.transaction_id
        CROSS JOIN LATERAL ({_LINE}) AS line
        LEFT JOIN charges c ON c.id = t.charge_id
        WHERE line.settled_currency = :settled AND ({part}) <> 0 {of_account}
        ORDER BY {order}{" LIMIT :limit" if page else ""}"""


def _of_moves(
    session: Session, filters: Filters, kind: MoveKind | None
) -> tuple[dict[str, object], list[str]]:
    """What the conditions of a list of movements are given, and these. At most one query."""
    given = parameters(session, filters)
    given |= {"first": filters.period.first, "last": filters.period.last}
    conditions = [fitting(filters, "v.cadence", "v.currency", "v.source_id", "v.country")]
    if kind is not None:
        conditions.append("v.kind = :kind")
        given["kind"] = kind.value
    return given, conditions


def _move_query(conditions: list[str]) -> str:
    return f"""
        SELECT v.origin_id, v.part, v.supporter_id, v.pledge_id, v.day, v.kind, v.currency,
               v.yearly_minor, v.cadence
        FROM revenue_moves v WHERE {" AND ".join(conditions)}
        ORDER BY v.day DESC, v.origin_id DESC, v.part DESC"""


_LINE = f"""
    SELECT max(e.account) FILTER (WHERE e.account NOT IN {SIDES})
               AS account,
           coalesce(sum(e.amount_minor) FILTER (WHERE e.account IN {RECEIVED}), 0) AS net,
           coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'fees'), 0) AS fee,
           coalesce(max(e.currency) FILTER (WHERE e.account IN ('stripe', 'fees')),
                    max(e.currency)) AS settled_currency,
           coalesce(max(e.currency) FILTER (
                        WHERE e.account NOT IN {SIDES}),
                    max(e.currency) FILTER (WHERE e.account IN ('stripe', 'fees')))
               AS paid_currency,
           coalesce(-sum(e.amount_minor) FILTER (
                        WHERE e.account NOT IN {SIDES}), 0) AS paid
    FROM ledger_entries e WHERE e.transaction_id = t.id"""

_TYPES: dict[str, Any] = {
    "starts_at": UtcDateTime,
    "ends_at": UtcDateTime,
    "moment": UtcDateTime,
    "accounts": ARRAY(String),
    "sources": ARRAY(BigInteger),
    "first": Date,
    "last": Date,
    "day": Date,
    "days": ARRAY(Date),
    "id": BigInteger,
    "part": BigInteger,
    "limit": BigInteger,
    "cohort": Date,
    "reasons": ARRAY(String),
    "wanted": BigInteger,
    "currencies": ARRAY(String),
    "weights": ARRAY(BigInteger),
    "asking": ARRAY(String),
}


def bound(query: str, given: dict[str, object]) -> TextClause:
    """A statement whose parameters have their types and values, as far as it uses them."""
    used = [name for name in given if f":{name}" in query]
    return text(query).bindparams(
        *(bindparam(name, given[name], type_=_TYPES.get(name, String)) for name in used)
    )
