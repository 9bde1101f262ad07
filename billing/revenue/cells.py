"""Which rows of the rollups answer to a page's filters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import ColumnElement, Select, and_, false, select, true
from sqlalchemy.orm import Session

from billing.revenue.filters import Filters
from billing.revenue.fold_sql import pair
from billing.revenue.periods import Period
from billing.revenue.tables import MONTHS, RevenueSource, Slice

_WITH_COUNTRY = {
    Slice.COUNTRY, Slice.JOINT, Slice.PAIR_COUNTRY, Slice.CAMPAIGN_COUNTRY, Slice.APPEAL_COUNTRY,
}  # fmt: skip
_NEVER = date.min


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A slice and what of it: rows of any rollup that keeps that slice."""

    slice: Slice
    """Where sums are added up."""
    members: tuple[int, ...] | None
    """Labels, pairs or sources; None where the slice has none."""
    people: Slice | None = None
    """Where people are counted; None where they are counted from the moves."""
    person_of: int = 0
    """The member of that slice."""
    sources: tuple[int, ...] | None = None
    """Whose moves are counted where people are counted from these."""
    country: str | None
    cadence: str | None
    currency: str | None
    months_until: date = _NEVER
    """Before this day whole months are read as one (`RevenueState.months_until`)."""

    def of(
        self, table: Any, *, paid: bool = False, level: ColumnElement[int] | int = 0
    ) -> ColumnElement[bool]:
        """The condition on a rollup whose sums can be added up over cadences and currencies.

        `paid` names the currency's column of the money rollup; `level` is 0 for rows by day and
        `MONTHS` for those by month.
        """
        currency = table.paid_currency if paid else table.currency
        return and_(
            self._place(table, level),
            true() if self.cadence is None else table.cadence == self.cadence,
            true() if self.currency is None else currency == self.currency,
        )

    def of_gifts(self, table: Any, *, level: ColumnElement[int] | int = 0) -> ColumnElement[bool]:
        """The condition on a rollup of gifts, which have no rhythm but that of being given once."""
        return and_(
            self._place(table, level),
            true() if self.cadence in (None, "once") else false(),
            true() if self.currency is None else table.currency == self.currency,
        )

    def of_readers(self, table: Any, *, level: ColumnElement[int] | int = 0) -> ColumnElement[bool]:
        """The condition on a rollup of those who pay nothing, whatever country is asked for.

        Nobody's country, currency or rhythm is known before they pay.
        """
        wider = {Slice.COUNTRY: Slice.ALL, Slice.PAIR_COUNTRY: Slice.PAIR}
        place = wider.get(self.slice, self.slice)
        anywhere = replace(self, slice=place, country=None)
        return anywhere._place(table, level)  # noqa: SLF001 - of its own kind

    def of_people(
        self, table: Any, *, any_currency: bool = True, level: ColumnElement[int] | int = 0
    ) -> ColumnElement[bool]:
        """The condition on a rollup that has rows of its own for all cadences and currencies."""
        if self.people is None:
            raise ValueError("These people are counted from the moves.")
        conditions = [
            table.slice == self.people + level,
            table.member_id == self.person_of,
            self._country(table, self.people),
            table.cadence == (self.cadence or ""),
        ]
        if self.currency is not None or any_currency:
            conditions.append(table.currency == (self.currency or ""))
        else:
            conditions.append(table.currency != "")
        return and_(*conditions)

    def _place(self, table: Any, level: ColumnElement[int] | int = 0) -> ColumnElement[bool]:
        return and_(
            table.slice == self.slice + level,
            self._country(table, self.slice),
            table.member_id == 0 if self.members is None else table.member_id.in_(self.members),
        )

    def _country(self, table: Any, slice_: Slice) -> ColumnElement[bool]:
        if slice_ in _WITH_COUNTRY and self.country is None:
            return true()
        return and_(table.country == (self.country if slice_ in _WITH_COUNTRY else ""))


def find_cells(session: Session, filters: Filters, *, months_until: date = _NEVER) -> Cells:
    """The smallest slices that answer to all the filters at once. At most one query."""
    sources: tuple[int, ...] | None = None
    if filters.variant is not None or filters.referrer is not None:
        sums, sources = _of_few(session, filters)
        people: _People = (None, 0)
    elif filters.article is not None:
        sums, people = _of_article(session, filters)
    elif filters.campaign is not None or filters.appeal is not None:
        sums, people = _of_labels(session, filters)
    else:
        place = Slice.ALL if filters.country is None else Slice.COUNTRY
        sums, people = (place, None), (place, 0)
    return Cells(
        slice=sums[0],
        members=sums[1],
        people=people[0],
        person_of=people[1],
        country=filters.country,
        cadence=filters.cadence,
        currency=filters.currency,
        sources=sums[1] if sources is None else sources,
        months_until=months_until,
    )


def find_sources(session: Session, filters: Filters) -> tuple[int, ...]:
    """The sources that have all the parts that are asked for."""
    return tuple(session.scalars(_sources(filters, RevenueSource.id)))


def spans(period: Period, months_until: date) -> list[tuple[int, Period]]:
    """A period as whole months before a day (`MONTHS`), and the days around them (0). Pure."""
    first = period.first if period.first.day == 1 else _next_month(period.first)
    after = min((period.last + timedelta(days=1)).replace(day=1), months_until)
    if after <= first:
        return [(0, period)]
    found = [(MONTHS, Period(first, after - timedelta(days=1)))]
    if period.first < first:
        found.append((0, Period(period.first, first - timedelta(days=1))))
    if after <= period.last:
        found.append((0, Period(after, period.last)))
    return found


def _next_month(day: date) -> date:
    return day.replace(day=1) + relativedelta(months=1)


_Sums = tuple[Slice, tuple[int, ...] | None]
_People = tuple[Slice | None, int]
_NOBODY = -1


def _of_few(session: Session, filters: Filters) -> tuple[_Sums, tuple[int, ...]]:
    """Of a variant or a kind of referrer, of which there are few; and the sources that they have.

    People of these are counted from the moves, as is whatever else is asked for beside them.
    """
    columns = (RevenueSource.id, RevenueSource.variant_id, RevenueSource.referrer_id)
    found = session.execute(_sources(filters, *columns)).all()
    alone = len(filters.names) == 1 and filters.country is None
    sources = tuple(row.id for row in found)
    if alone and filters.variant is not None:
        return (Slice.VARIANT, tuple({row.variant_id for row in found})), sources
    if alone:
        return (Slice.REFERRER, tuple({row.referrer_id for row in found})), sources
    return (Slice.JOINT, sources), sources


def _of_article(session: Session, filters: Filters) -> tuple[_Sums, _People]:
    found = session.execute(_sources(filters, RevenueSource.id, RevenueSource.article_id)).all()
    if filters.campaign is filters.appeal is filters.country is None:
        articles = {row.article_id for row in found}
        return (Slice.ARTICLE, tuple(articles)), (Slice.ARTICLE, _only(articles))
    return (Slice.JOINT, tuple(row.id for row in found)), (None, 0)


def _of_labels(session: Session, filters: Filters) -> tuple[_Sums, _People]:
    """Of a campaign, an appeal or both; in a country they are added up from pairs."""
    columns = (RevenueSource.campaign_id, RevenueSource.appeal_id)
    found = session.execute(_sources(filters, *columns).distinct()).all()
    pairs = tuple(pair(row.campaign_id, row.appeal_id) for row in found)
    if filters.campaign is not None and filters.appeal is not None:
        slice_ = Slice.PAIR if filters.country is None else Slice.PAIR_COUNTRY
        return (slice_, pairs), (slice_, _only(pairs))
    if filters.campaign is not None:
        labels = {row.campaign_id for row in found}
        alone, abroad = Slice.CAMPAIGN, Slice.CAMPAIGN_COUNTRY
    else:
        labels = {row.appeal_id for row in found}
        alone, abroad = Slice.APPEAL, Slice.APPEAL_COUNTRY
    if filters.country is None:
        return (alone, tuple(labels)), (alone, _only(labels))
    return (Slice.PAIR_COUNTRY, pairs), (abroad, _only(labels))


def _only(members: Iterable[int]) -> int:
    return next(iter(members), _NOBODY)


def _sources(filters: Filters, *columns: Any) -> Select[Any]:
    query = select(*columns)
    for name, wanted in filters.names.items():
        query = query.where(getattr(RevenueSource, name) == wanted)
    return query
