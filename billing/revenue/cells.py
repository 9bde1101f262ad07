"""Which rows of the rollups answer to a page's filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.orm import Session

from billing.revenue.filters import Filters
from billing.revenue.tables import RevenueLabel, RevenueSource, Slice


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A slice and what of it: rows of any rollup that keeps that slice."""

    slice: Slice
    members: tuple[int, ...] | None
    """Labels or sources; None where the slice has none, or all of them are meant."""
    country: str | None
    cadence: str | None
    currency: str | None

    def of(self, table: Any, *, paid: bool = False) -> ColumnElement[bool]:
        """The condition on a rollup whose sums can be added up over cadences and currencies.

        `paid` names the currency's column of the money rollup.
        """
        currency = table.paid_currency if paid else table.currency
        return and_(
            self._place(table),
            true() if self.cadence is None else table.cadence == self.cadence,
            true() if self.currency is None else currency == self.currency,
        )

    def of_people(self, table: Any, *, any_currency: bool = True) -> ColumnElement[bool]:
        """The condition on a rollup that has rows of its own for all cadences and currencies."""
        conditions = [self._place(table), table.cadence == (self.cadence or "")]
        if self.currency is not None or any_currency:
            conditions.append(table.currency == (self.currency or ""))
        else:
            conditions.append(table.currency != "")
        return and_(*conditions)

    def _place(self, table: Any) -> ColumnElement[bool]:
        conditions = [table.slice == self.slice]
        if self.slice in (Slice.ALL, Slice.COUNTRY):
            conditions.append(table.member_id == 0)
        elif self.members is not None:
            conditions.append(table.member_id.in_(self.members))
        if self.slice in (Slice.ALL, Slice.CAMPAIGN, Slice.APPEAL):
            conditions.append(table.country == "")
        elif self.country is not None:
            conditions.append(table.country == self.country)
        return and_(*conditions)


def find_cells(session: Session, filters: Filters) -> Cells:
    """The smallest slice that answers to all the filters at once. At most one query."""
    named = {name for name in ("campaign", "appeal", "article") if getattr(filters, name)}
    if named == {"campaign"} and filters.country is None:
        return _cells(filters, Slice.CAMPAIGN, _labels(session, "campaign", filters.campaign))
    if named == {"appeal"} and filters.country is None:
        return _cells(filters, Slice.APPEAL, _labels(session, "appeal", filters.appeal))
    if named:
        return _cells(filters, Slice.JOINT, find_sources(session, filters))
    return _cells(filters, Slice.ALL if filters.country is None else Slice.COUNTRY, None)


def find_sources(session: Session, filters: Filters) -> tuple[int, ...]:
    """The sources that a campaign, an appeal and an article have in common."""
    query = select(RevenueSource.id)
    for name in ("campaign", "appeal", "article"):
        wanted = getattr(filters, name)
        if wanted is not None:
            query = query.where(getattr(RevenueSource, name) == wanted)
    return tuple(session.scalars(query))


def _cells(filters: Filters, slice_: Slice, members: tuple[int, ...] | None) -> Cells:
    return Cells(
        slice=slice_,
        members=members,
        country=filters.country,
        cadence=filters.cadence,
        currency=filters.currency,
    )


def _labels(session: Session, kind: str, name: str | None) -> tuple[int, ...]:
    query = select(RevenueLabel.id).where(RevenueLabel.kind == kind, RevenueLabel.name == name)
    return tuple(session.scalars(query))
