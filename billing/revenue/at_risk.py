"""Pledges that are past due now: what is at stake, and what would help. Read as it stands.

Their last charge was refused and the window in which it is tried again is open; they still count as
income promised. This is the one revenue page about the present and not about days, so the period
does not narrow it; the other filters do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, TextClause
from sqlalchemy.orm import Session

from billing.charges.declines import WINDOW, Remedy
from billing.charges.domain import OPEN_ATTEMPTS
from billing.revenue.drilldown import PAGE, Place, bound, fitting, parameters
from billing.revenue.filters import Filters
from billing.revenue.fold_sql import SOURCE_OF

_PRECISION = 10**6
"""Rates are whole millionths, so that the order is one of whole numbers."""
_TOP = 9 * 10**16
"""Above every sum in millionths: what is worth most ranks lowest."""
_YEARLY = "(p.amount_minor - p.fee_cover_minor) * CASE p.cadence WHEN 'annual' THEN 1 ELSE 12 END"
_SINCE = "coalesce(p.past_due_since, p.created_at)"


class Order(StrEnum):
    """What comes first in the queue."""

    VALUE = "value"
    """What is worth most in a year."""
    CLOSING = "closing"
    """What is given up soonest."""


_RANKS = {
    Order.VALUE: f"{_TOP} - least({_TOP}, {_YEARLY} * coalesce(rate.weight, 0))",
    Order.CLOSING: f"extract(epoch FROM {_SINCE}) * 1000000",
}


@dataclass(frozen=True)
class Stake:
    """What is past due in one currency, in its minor units."""

    currency: str
    pledges: int
    owed_minor: int
    """What was not paid."""
    yearly_minor: int
    """What these pledges bring in a year."""


@dataclass(frozen=True, kw_only=True)
class AtRisk:
    """A pledge whose last charge was refused."""

    pledge_id: int
    supporter_id: int
    cadence: str
    currency: str
    owed_minor: int
    yearly_minor: int
    rank: int
    """Its place in the order asked for."""
    since: datetime
    reason: str | None
    held: bool
    """Nothing is taken until staff decide about a fraud warning."""
    has_card: bool
    charge_id: int | None
    next_try_at: datetime | None
    tries: int
    remedy: Remedy | None
    asking: bool
    """An attempt has not been answered yet."""

    @property
    def gives_up_at(self) -> datetime:
        """When the pledge lapses unless it is paid."""
        return self.since + WINDOW


def stakes(session: Session, filters: Filters) -> list[Stake]:
    """What is past due by currency. At most two queries."""
    given = parameters(session, filters)
    query = f"""
        SELECT p.currency, count(*) AS pledges, sum(p.amount_minor)::bigint AS owed_minor,
               sum({_YEARLY})::bigint AS yearly_minor
        FROM pledges p {_source(filters)}
        WHERE p.status = 'past_due' AND {_fitting(filters)} GROUP BY p.currency ORDER BY 1"""
    return [Stake(**row._mapping) for row in session.execute(bound(query, given))]  # noqa: SLF001


def queue(
    session: Session,
    filters: Filters,
    order: Order,
    rates: Mapping[str, Fraction],
    *,
    after: Place | None = None,
    limit: int = PAGE,
) -> list[AtRisk]:
    """The pledges that are past due, a page of them. At most two queries."""
    statement = queue_statement(session, filters, order, rates, after=after, limit=limit)
    return [line_of(row) for row in session.execute(statement)]


def queue_statement(
    session: Session,
    filters: Filters,
    order: Order,
    rates: Mapping[str, Fraction],
    *,
    after: Place | None = None,
    limit: int | None = None,
) -> TextClause:
    """What finds the pledges that are past due, all of them without a `limit`.

    `rates` make sums in several currencies comparable; what has none comes last.
    """
    given: dict[str, Any] = {
        **parameters(session, filters),
        "currencies": list(rates),
        "weights": [round(rate * _PRECISION) for rate in rates.values()],
        "limit": limit,
    }
    behind = "true"
    if after is not None:
        behind = "(rank, id) > (:wanted, :id)"
        given |= {"wanted": after.moment, "id": after.id}
    query = f"""
        WITH ranked AS MATERIALIZED (
            SELECT * FROM (
                SELECT p.id, {_YEARLY} AS yearly_minor, {_SINCE} AS since,
                       ({_RANKS[order]})::bigint AS rank
                FROM pledges p
                LEFT JOIN unnest(:currencies, :weights) AS rate (currency, weight)
                    ON rate.currency = p.currency
                {_source(filters)}
                WHERE p.status = 'past_due' AND {_fitting(filters)}) AS past_due
            WHERE {behind} ORDER BY rank, id LIMIT :limit)
        SELECT p.id AS pledge_id, p.supporter_id, p.cadence, p.currency,
               p.amount_minor AS owed_minor, ranked.yearly_minor, ranked.rank, ranked.since,
               p.past_due_reason AS reason, p.held_since IS NOT NULL AS held,
               p.stripe_payment_method_id IS NOT NULL AS has_card, charge.id AS charge_id,
               charge.next_attempt_at AS next_try_at, coalesce(tried.tries, 0) AS tries,
               tried.remedy, coalesce(tried.status = ANY(:asking), false) AS asking
        FROM ranked JOIN pledges p USING (id)
        LEFT JOIN LATERAL (
            SELECT c.id, c.next_attempt_at FROM charges c WHERE c.pledge_id = p.id
            ORDER BY c.period DESC LIMIT 1) AS charge ON true
        LEFT JOIN LATERAL (
            SELECT count(*) OVER () AS tries, a.remedy, a.status FROM attempts a
            WHERE a.charge_id = charge.id ORDER BY a.number DESC LIMIT 1) AS tried ON true
        ORDER BY ranked.rank, p.id"""
    given["asking"] = [each.value for each in OPEN_ATTEMPTS]
    return bound(query, given)


def place_of(line: AtRisk) -> Place:
    """Behind this line the next page begins."""
    return Place(line.rank, line.pledge_id)


def line_of(row: Row[Any]) -> AtRisk:
    """A row that `queue_statement` found."""
    remedy = Remedy(row.remedy) if row.remedy else None
    return AtRisk(**{**row._mapping, "remedy": remedy})  # noqa: SLF001 - a row as a mapping


def _source(filters: Filters) -> str:
    return SOURCE_OF.format(row="p") if filters.names else ""


def _fitting(filters: Filters) -> str:
    return fitting(filters, "p.cadence", "p.currency", "s.id", "coalesce(p.card_country, '')")
