"""The lists behind figures about people: a cohort's members, who left, renewals. A page at a time.

As in `drilldown.py` a page begins behind the last line of the one before. Supporters have numbers
here and no names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import TextClause, and_
from sqlalchemy.orm import Session

from billing.revenue.cells import Cells
from billing.revenue.days import day_of
from billing.revenue.drilldown import (
    PAGE,
    Place,
    bound,
    fitting,
    moves_counted,
    parameters,
)
from billing.revenue.filters import Filters
from billing.revenue.newest import Counted, day_batches, read_pages
from billing.revenue.tables import MoveKind, RevenuePromise, RevenueRenewals


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody of a cohort at the end of a month."""

    supporter_id: int
    pledge_id: int
    """The one that moved last."""
    yearly: dict[str, int]
    """What they promise by currency, in minor units a year; empty once they are gone."""
    last_moved: date


@dataclass(frozen=True, kw_only=True)
class Departure:
    """A movement by which revenue was lost with somebody who left, in minor units a year."""

    origin_id: int
    supporter_id: int
    pledge_id: int
    day: date
    kind: MoveKind
    reason: str
    currency: str
    yearly_minor: int
    cadence: str


class Outcome(StrEnum):
    """What became of renewals."""

    DUE = "due"
    """Any: all that were asked for."""
    FAILED = "failed"
    """The first attempt was refused, whatever came after."""
    RECOVERED = "recovered"
    UNPAID = "unpaid"
    """Refused, and not paid since."""


@dataclass(frozen=True, kw_only=True)
class RenewalLine:
    """A renewal by its first attempt."""

    attempt_id: int
    charge_id: int
    supporter_id: int
    pledge_id: int
    started_at: datetime
    reason: str
    """Stripe's word for the refusal; empty where it went through."""
    tries: int
    """Which attempt paid it; 0 where none has."""
    currency: str
    amount_minor: int
    cadence: str


def members(
    session: Session,
    filters: Filters,
    cohort: date,
    on: date,
    *,
    gone: bool = False,
    after: Place | None = None,
    limit: int = PAGE,
) -> list[Member]:
    """Who of a cohort stands at the end of a day, or does not any more. At most two queries."""
    given, query = _members(session, filters, cohort, on, gone=gone, after=after)
    return [
        Member(
            supporter_id=row.supporter_id,
            pledge_id=row.pledge_id,
            yearly=row.yearly or {},
            last_moved=row.last_moved,
        )
        for row in session.execute(bound(f"{query} LIMIT :limit", {**given, "limit": limit}))
    ]


def members_statement(
    session: Session, filters: Filters, cohort: date, on: date, *, gone: bool
) -> TextClause:
    """What finds all of them, with a row for each currency in which somebody promises."""
    given, query = _members(session, filters, cohort, on, gone=gone, after=None)
    return bound(
        f"""SELECT m.supporter_id, m.pledge_id, m.last_moved, each.currency, each.minor::bigint
            FROM ({query}) AS m
            LEFT JOIN LATERAL jsonb_each_text(m.yearly) AS each (currency, minor) ON true
            ORDER BY m.supporter_id, each.currency""",
        given,
    )


def _members(
    session: Session,
    filters: Filters,
    cohort: date,
    on: date,
    *,
    gone: bool,
    after: Place | None,
) -> tuple[dict[str, object], str]:
    given = {**parameters(session, filters), "cohort": cohort, "last": on}
    place = ""
    if after is not None:
        place, given["id"] = "AND v.supporter_id > :id", after.id
    chosen = fitting(filters, "v.cadence", "v.currency", "v.source_id", "v.country")
    query = f"""
        SELECT supporter_id, sum(yearly_minor)::bigint AS stands, max(last_moved) AS last_moved,
               jsonb_object_agg(currency, yearly_minor) FILTER (WHERE yearly_minor > 0) AS yearly,
               (array_agg(pledge_id ORDER BY last_moved DESC, pledge_id DESC))[1] AS pledge_id
        FROM (SELECT v.supporter_id, v.currency, sum(v.yearly_minor)::bigint AS yearly_minor,
                     max(v.day) AS last_moved,
                     (array_agg(v.pledge_id ORDER BY v.day DESC, v.origin_id DESC))[1] AS pledge_id
              FROM revenue_moves v
              WHERE v.cohort = :cohort AND v.day <= :last {place} AND {chosen}
              GROUP BY v.supporter_id, v.currency) AS each
        GROUP BY supporter_id HAVING sum(yearly_minor) {"<=" if gone else ">"} 0
        ORDER BY supporter_id"""
    return given, query


def departed(
    session: Session,
    filters: Filters,
    cells: Cells,
    kind: MoveKind,
    reasons: Sequence[str],
    *,
    after: Place | None = None,
    limit: int = PAGE,
) -> list[Departure]:
    """Who left in the period for any of some reasons, the latest first. Four queries.

    Each reason is walked down its own index, so that rare ones cost no more than frequent ones.
    """
    given = {**parameters(session, filters), "kind": kind.value, "reasons": list(reasons)}
    place = ""
    if after is not None:
        place = "AND (v.day, v.origin_id) < (:day, :id)"
        given |= {"day": after.day, "id": after.id}
    query = _departed_query(filters, f"v.day = ANY(:days) {place}")

    def read(days: list[date], limit: int) -> list[Departure]:
        found = session.execute(bound(query, {**given, "days": days, "limit": limit}))
        return [
            Departure(**{**row._mapping, "kind": MoveKind(row.kind)})  # noqa: SLF001
            for row in found
        ]

    table = RevenuePromise
    counted = moves_counted(cells, and_(table.kind == kind, table.reason.in_(reasons)))
    begun = None if after is None else after.day
    return read_pages(
        day_batches(session, counted, filters.period, after=begun, wanted=limit), read, limit
    )


def departed_statement(
    session: Session, filters: Filters, kind: MoveKind, reasons: Sequence[str]
) -> TextClause:
    """What finds all of them."""
    given = {
        **parameters(session, filters),
        "kind": kind.value,
        "reasons": list(reasons),
        "first": filters.period.first,
        "last": filters.period.last,
        "limit": None,
    }
    return bound(_departed_query(filters, "v.day >= :first AND v.day <= :last"), given)


def _departed_query(filters: Filters, when: str) -> str:
    chosen = fitting(filters, "v.cadence", "v.currency", "v.source_id", "v.country")
    return f"""
        SELECT line.* FROM unnest(:reasons) AS why (reason) CROSS JOIN LATERAL (
            SELECT v.origin_id, v.supporter_id, v.pledge_id, v.day, v.kind, v.reason, v.currency,
                   v.yearly_minor, v.cadence
            FROM revenue_moves v
            WHERE v.kind = :kind AND v.kind IN ('churn_voluntary', 'churn_involuntary')
              AND v.reason = why.reason AND {when} AND {chosen}
            ORDER BY v.day DESC, v.origin_id DESC LIMIT :limit) AS line
        ORDER BY line.day DESC, line.origin_id DESC LIMIT :limit"""


def renewal_lines(
    session: Session,
    filters: Filters,
    cells: Cells,
    outcome: Outcome,
    reasons: Sequence[str],
    *,
    zone: ZoneInfo,
    tries: int | None = None,
    after: Place | None = None,
    limit: int = PAGE,
) -> list[RenewalLine]:
    """Renewals of the period, the latest first, as far as they are counted. Four queries.

    `reasons` are Stripe's words for refusals; those that went through are listed for `DUE` only,
    whose reasons are not looked at. `tries` names the attempt that paid.
    """
    given = _renewals(session, filters, outcome, reasons, tries)
    if after is not None:
        given |= {"moment": after.at, "id": after.id}
    query = _renewal_query(filters, outcome, given, page=True)

    def read(days: list[date], limit: int) -> list[RenewalLine]:
        found = session.execute(bound(query, {**given, "days": days, "limit": limit}))
        return [RenewalLine(**row._mapping) for row in found]  # noqa: SLF001 - a row as a mapping

    begun = None if after is None else day_of(after.at, zone)
    counted = _renewals_counted(cells, outcome, reasons, tries)
    return read_pages(
        day_batches(session, counted, filters.period, after=begun, wanted=limit), read, limit
    )


def renewal_statement(
    session: Session,
    filters: Filters,
    outcome: Outcome,
    reasons: Sequence[str],
    *,
    tries: int | None = None,
) -> TextClause:
    """What finds all of them."""
    given = _renewals(session, filters, outcome, reasons, tries)
    return bound(_renewal_query(filters, outcome, given, page=False), given)


def _renewals(
    session: Session, filters: Filters, outcome: Outcome, reasons: Sequence[str], tries: int | None
) -> dict[str, Any]:
    """What a query of renewals is given."""
    given: dict[str, Any] = {
        **parameters(session, filters),
        "first": filters.period.first,
        "last": filters.period.last,
    }
    if outcome is not Outcome.DUE:
        given["reasons"] = list(reasons)
    if tries is not None:
        given["wanted"] = tries
    return given


def place_of_member(line: Member) -> Place:
    """Behind this line the next page begins."""
    return Place(0, line.supporter_id)


def place_of_departure(line: Departure) -> Place:
    """Behind this line the next page begins."""
    return Place(line.day.toordinal(), line.origin_id)


def place_of_renewal(line: RenewalLine) -> Place:
    """Behind this line the next page begins."""
    whole = int(line.started_at.replace(microsecond=0).timestamp())
    return Place(whole * 10**6 + line.started_at.microsecond, line.attempt_id)


def _renewals_counted(
    cells: Cells, outcome: Outcome, reasons: Sequence[str], tries: int | None
) -> Counted:
    """How many renewals there are of an outcome, by day."""
    table = RevenueRenewals
    lines: Any = {
        Outcome.RECOVERED: table.recovered,
        Outcome.UNPAID: table.renewals - table.recovered,
    }.get(outcome, table.renewals)
    which = [lines > 0]
    if outcome is not Outcome.DUE:
        which.append(table.reason.in_(reasons))
    if tries is not None:
        which.append(table.tries == tries)
    return Counted(
        table=table,
        cells=cells,
        of=lambda level: and_(cells.of(table, level=level), *which),
        lines=lines,
    )


_OUTCOMES = {Outcome.RECOVERED: "r.tries > 0", Outcome.UNPAID: "r.tries = 0"}


def _renewal_query(
    filters: Filters, outcome: Outcome, given: Mapping[str, Any], *, page: bool
) -> str:
    """A page walks through some days; a whole list through the period."""
    chosen = [
        "r.day = ANY(:days)" if page else "r.day >= :first AND r.day <= :last",
        fitting(filters, "r.cadence", "r.currency", "r.source_id", "r.country"),
        _OUTCOMES.get(outcome, "true"),
    ]
    if "reasons" in given:
        chosen.append("r.reason <> '' AND r.reason = ANY(:reasons)")
    if "wanted" in given:
        chosen.append("r.tries = :wanted")
    if "moment" in given:
        chosen.append("(r.started_at, r.attempt_id) < (:moment, :id)")
    order = "r.started_at DESC, r.attempt_id DESC"
    return f"""
        SELECT r.attempt_id, c.id AS charge_id, c.supporter_id, c.pledge_id, r.started_at, r.reason,
               r.tries, r.currency, c.amount_minor, r.cadence
        FROM (SELECT * FROM revenue_renewal_lines r WHERE {" AND ".join(chosen)}
              ORDER BY {order}{" LIMIT :limit" if page else ""}) AS r
        JOIN attempts a ON a.id = r.attempt_id JOIN charges c ON c.id = a.charge_id
        ORDER BY {order}"""
