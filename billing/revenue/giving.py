"""What the pages about gifts and sources ask of the rollups. Each function is one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.orm import Session

from billing.revenue.bridge import Rates
from billing.revenue.cells import Cells
from billing.revenue.figures import spans_of, within
from billing.revenue.filters import Filters
from billing.revenue.gifts import WINDOWS, Given, Givers
from billing.revenue.periods import Period
from billing.revenue.tables import MONTHS, RevenueLabel, RevenueMoney, RevenueSource, Slice
from billing.revenue.tables_giving import (
    RevenueBegun,
    RevenueConversions,
    RevenueGifts,
    RevenueSteps,
)

DIMENSIONS = {
    "campaign": Slice.CAMPAIGN,
    "appeal": Slice.APPEAL,
    "variant": Slice.VARIANT,
    "article": Slice.ARTICLE,
    "referrer": Slice.REFERRER,
}
"""By what supporters are told apart on the page of sources, and the slice that knows it."""

_PAIRED = {"campaign", "appeal"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Whose sums are wanted, by the name of which part of a source."""

    filters: Filters
    cells: Cells
    by: str
    sources: tuple[int, ...] | None
    """The sources that have all the parts that are asked for; None where none is asked for."""

    @property
    def stranger(self) -> Wanted:
        """The same of readers who have not paid: they have no country, currency or rhythm."""
        nothing = replace(self.filters, country=None, currency=None, cadence=None)
        return replace(self, filters=nothing)


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Pledges that began, of one name and currency."""

    name: str
    currency: str
    pledges: int
    yearly_minor: int
    stayed: int


@dataclass(frozen=True, kw_only=True)
class Brought:
    """Money of one name, settled in one currency."""

    name: str
    settled_currency: str
    gifts: int
    gross: int
    net: int


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """What readers of one name did before they paid."""

    name: str
    shown: int
    opened: int
    began: int


def amounts(session: Session, cells: Cells, period: Period, rates: Rates) -> list[Given]:
    """How many gifts of how much, valued at `rates`; of a currency without one none."""
    asked, table = spans_of([period], cells), RevenueGifts
    query = (
        select(table.currency, table.amount_minor, _total(table.gifts, "gifts"))
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of_gifts(table, level=asked.c.level))
        .group_by(table.currency, table.amount_minor)
    )
    return [
        Given(row.amount_minor * Fraction(rates[row.currency]), row.gifts)
        for row in session.execute(query)
        if row.currency in rates
    ]


def givers(session: Session, cells: Cells, periods: Sequence[Period]) -> list[Givers]:
    """What became of those whose first gift was in each period."""
    asked, table = spans_of(periods, cells), RevenueConversions
    names = ("givers", "again", "had_pledged", *(f"within_{days}" for days in WINDOWS))
    query = (
        select(asked.c.place, *(_total(getattr(table, name), name) for name in names))
        .join_from(asked, table, within(asked, table.day))
        .where(cells.of_gifts(table, level=asked.c.level))
        .group_by(asked.c.place)
    )
    rows = {row.place: row for row in session.execute(query)}
    return [_givers(rows.get(place)) for place in range(1, len(periods) + 1)]


def brought(session: Session, wanted: Wanted, period: Period) -> list[Brought]:
    """Money by name."""
    table = RevenueMoney
    net = table.gross - table.refunds - table.disputes - table.fees
    once = func.sum(table.payments).filter(table.cadence == "once")
    columns = [
        table.settled_currency,
        func.coalesce(once, 0).cast(BigInteger).label("gifts"),
        _total(table.gross, "gross"),
        _total(net, "net"),
    ]
    chosen = [
        true() if wanted.filters.cadence is None else table.cadence == wanted.filters.cadence.value,
        true()
        if wanted.filters.currency is None
        else table.paid_currency == wanted.filters.currency,
    ]
    query = _by_name(wanted, period, table, columns, chosen)
    return [Brought(**row) for row in session.execute(query).mappings()]


def begun(session: Session, wanted: Wanted, period: Period) -> list[Begun]:
    """Pledges that began in a period, by name."""
    table = RevenueBegun
    sums = ("pledges", "yearly_minor", "stayed")
    columns = [table.currency, *(_total(getattr(table, name), name) for name in sums)]
    chosen = [
        true() if wanted.filters.cadence is None else table.cadence == wanted.filters.cadence.value,
        true() if wanted.filters.currency is None else table.currency == wanted.filters.currency,
    ]
    query = _by_name(wanted, period, table, columns, chosen)
    return [Begun(**row) for row in session.execute(query).mappings()]


def stepped(session: Session, wanted: Wanted, period: Period) -> list[Stepped]:
    """Readers' steps by name; nothing but names and days is known of them."""
    table = RevenueSteps
    columns = [_total(getattr(table, name), name) for name in ("shown", "opened", "began")]
    query = _by_name(wanted.stranger, period, table, columns, [])
    return [Stepped(**row) for row in session.execute(query).mappings()]


def _givers(row: Any) -> Givers:
    if row is None:
        return Givers(givers=0, again=0, had_pledged=0, within=dict.fromkeys(WINDOWS, 0))
    within = {days: getattr(row, f"within_{days}") for days in WINDOWS}
    return Givers(givers=row.givers, again=row.again, had_pledged=row.had_pledged, within=within)


def _by_name(
    wanted: Wanted,
    period: Period,
    table: Any,
    columns: Sequence[Any],
    chosen: Sequence[ColumnElement[bool]],
) -> Select[*tuple[Any, ...]]:
    """Sums by the name of one part of a source.

    The slice of that part answers where nothing else is asked for but rhythm and currency: it has a
    row for each name. Campaigns and appeals are added up from their pairs, whatever country is
    asked for. Else the joint slice does, read by source.
    """
    asked, country = spans_of([period], wanted.cells), wanted.filters.country
    narrowed = wanted.sources is not None or country is not None
    if narrowed and {wanted.by, *wanted.filters.names} <= _PAIRED:
        return _by_pair(wanted, asked, table, columns, chosen)
    if narrowed:
        name, member = getattr(RevenueSource, wanted.by), RevenueSource.id
        place = [table.slice == Slice.JOINT + asked.c.level]
        if wanted.sources is not None:
            place.append(table.member_id.in_(wanted.sources))
        if country is not None:
            place.append(table.country == country)
    else:
        name, member = RevenueLabel.name, RevenueLabel.id
        place = _in_slice(table, DIMENSIONS[wanted.by], asked)
    return (
        select(func.coalesce(name, "").label("name"), *columns)
        .join_from(asked, table, within(asked, table.day))
        .outerjoin(name.parent.entity, member == table.member_id)
        .where(*place, *chosen)
        .group_by(name, *_plain(columns))
    )


def _by_pair(
    wanted: Wanted,
    asked: Any,
    table: Any,
    columns: Sequence[Any],
    chosen: Sequence[ColumnElement[bool]],
) -> Select[*tuple[Any, ...]]:
    """Sums by the name of a campaign or an appeal, of the pairs that the filters let through."""
    country, source = wanted.filters.country, RevenueSource
    number = source.campaign_id.bitwise_lshift(literal(31, Integer)).bitwise_or(source.appeal_id)
    pairs = (
        select(number.label("number"), getattr(source, wanted.by).label("name"))
        .where(*(getattr(source, name) == value for name, value in wanted.filters.names.items()))
        .distinct()
        .subquery()
    )
    slice_ = Slice.PAIR if country is None else Slice.PAIR_COUNTRY
    of_pair = and_(
        table.slice == slice_ + asked.c.level,
        table.member_id == pairs.c.number,
        table.country == (country or ""),
        within(asked, table.day),
    )
    return (
        select(pairs.c.name, *columns)
        .select_from(asked)
        .join(pairs, true())
        .join(table, of_pair)
        .where(*chosen)
        .group_by(pairs.c.name, *_plain(columns))
    )


def _plain(columns: Sequence[Any]) -> list[Any]:
    """Those of the columns that are not added up."""
    return [each for each in columns if each.name in {"currency", "settled_currency"}]


def _in_slice(table: Any, slice_: Slice, asked: Any) -> list[ColumnElement[bool]]:
    """Rows of all members; the numbers are written out, so that the partial index serves."""
    numbers = [int(slice_), int(slice_) + MONTHS]
    written: Any = bindparam(None, numbers, expanding=True, literal_execute=True)
    return [table.slice == slice_ + asked.c.level, table.slice.in_(written)]


def _total(of: Any, name: str) -> Any:
    return func.coalesce(func.sum(of), 0).cast(BigInteger).label(name)
