"""What a figure is made of: ledger transactions or movements, a page at a time, newest first.

A page begins behind the last line of the one before (its day or moment, and its id), so that each
costs the same however deep, and what is added meanwhile moves nothing. The lines are chosen by the
same rules as the sums (`fold_sql`, `fold_moves`): a test adds them up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, BigInteger, Date, String, TextClause, bindparam, text
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.revenue.cells import find_sources
from billing.revenue.days import Days
from billing.revenue.filters import FilterError, Filters
from billing.revenue.fold_sql import CADENCE_AT, RECEIVED, SAME_SOURCE, SIDES
from billing.revenue.tables import MoveKind

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
    figure: MoneyFigure,
    *,
    settled_currency: str,
    zone: ZoneInfo,
    after: Place | None,
    limit: int = PAGE,
) -> list[MoneyLine]:
    """The ledger transactions of a figure. At most two queries."""
    statement = money_statement(
        session,
        filters,
        figure,
        settled_currency=settled_currency,
        zone=zone,
        after=after,
        limit=limit,
    )
    return [
        MoneyLine(**row._mapping)  # noqa: SLF001 - a row as a mapping
        for row in session.execute(statement)
    ]


def money_statement(
    session: Session,
    filters: Filters,
    figure: MoneyFigure,
    *,
    settled_currency: str,
    zone: ZoneInfo,
    after: Place | None = None,
    limit: int | None = None,
) -> TextClause:
    """What finds the ledger transactions of a figure, all of them without a `limit`."""
    days = Days(filters.period.first, filters.period.last, zone)
    given = {
        **parameters(session, filters),
        "starts_at": days.starts_at,
        "ends_at": days.ends_at,
        "settled": settled_currency,
        "accounts": list(_ACCOUNTS.get(figure, ())),
        "limit": limit,
    }
    if after is not None:
        given["moment"] = after.at
        given["id"] = after.id
    return bound(_money_query(filters, figure, after=after is not None), given)


def move_lines(
    session: Session,
    filters: Filters,
    kind: MoveKind | None,
    *,
    after: Place | None,
    limit: int = PAGE,
) -> list[MoveLine]:
    """The movements of a bridge, all or of one kind. At most two queries."""
    statement = move_statement(session, filters, kind, after=after, limit=limit)
    return [
        MoveLine(**{**row._mapping, "kind": MoveKind(row.kind)})  # noqa: SLF001
        for row in session.execute(statement)
    ]


def move_statement(
    session: Session,
    filters: Filters,
    kind: MoveKind | None,
    *,
    after: Place | None = None,
    limit: int | None = None,
) -> TextClause:
    """What finds the movements of a bridge, all of them without a `limit`."""
    given = {
        **parameters(session, filters),
        "first": filters.period.first,
        "last": filters.period.last,
        "limit": limit,
    }
    conditions = [fitting(filters, "v.cadence", "v.currency", "v.source_id", "v.country")]
    if kind is not None:
        conditions.append("v.kind = :kind")
        given["kind"] = kind.value
    if after is not None:
        conditions.append("(v.day, v.origin_id, v.part) < (:day, :id, :part)")
        given |= {"day": after.day, "id": after.id, "part": after.part}
    where = " AND ".join(conditions)
    query = f"""
        SELECT v.origin_id, v.part, v.supporter_id, v.pledge_id, v.day, v.kind, v.currency,
               v.yearly_minor, v.cadence
        FROM revenue_moves v WHERE v.day >= :first AND v.day <= :last AND {where}
        ORDER BY v.day DESC, v.origin_id DESC, v.part DESC LIMIT :limit"""
    return bound(query, given)


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


def _money_query(filters: Filters, figure: MoneyFigure, *, after: bool) -> str:
    """Walks down the index of moments, of one account where it is one, line after line."""
    below = "AND (t.occurred_at, t.id) < (:moment, :id)" if after else ""
    part = {
        MoneyFigure.FEES: "CASE WHEN line.account = 'other' THEN 0 ELSE line.fee END",
        MoneyFigure.NET: "CASE WHEN line.account = 'other' THEN 0 ELSE line.net END",
        MoneyFigure.OTHER: "line.net",
        MoneyFigure.REFUNDS: "-(line.net + line.fee)",
        MoneyFigure.DISPUTES: "-(line.net + line.fee)",
    }.get(figure, "line.net + line.fee")
    of_account = "AND line.account = ANY(:accounts)" if figure in _ACCOUNTS else ""
    chosen = fitting(
        filters, "known.cadence", "line.paid_currency", "s.id", "coalesce(c.card_country, '')"
    )
    source = f"JOIN revenue_sources s ON {SAME_SOURCE.format(row='c')}"
    walked = "ledger_transactions t"
    if len(_ACCOUNTS.get(figure, ())) == 1:
        walked = f"""(
            SELECT t.* FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
            WHERE e.account = '{_ACCOUNTS[figure][0]}'
              AND e.occurred_at >= :starts_at AND e.occurred_at < :ends_at) AS t"""
    return f"""
        SELECT t.id, t.charge_id, c.supporter_id, t.category, t.occurred_at, known.cadence,
               line.settled_currency, ({part})::bigint AS minor, line.paid_currency,
               line.paid::bigint AS paid_minor
        FROM {walked}
        CROSS JOIN LATERAL ({_LINE}) AS line
        LEFT JOIN charges c ON c.id = t.charge_id
        LEFT JOIN pledges p ON p.id = c.pledge_id
        {source if "sources" in chosen else ""}
        CROSS JOIN LATERAL (SELECT CASE WHEN line.account = 'gifts' THEN 'once'
            WHEN c.id IS NULL THEN '' WHEN p.id IS NULL THEN 'once'
            ELSE {CADENCE_AT.format(moment="c.created_at")} END AS cadence) AS known
        WHERE t.occurred_at >= :starts_at AND t.occurred_at < :ends_at {below}
          AND t.category NOT IN ('payout', 'payout_reversal')
          AND line.settled_currency = :settled AND ({part}) <> 0 {of_account} AND {chosen}
        ORDER BY t.occurred_at DESC, t.id DESC LIMIT :limit"""


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
