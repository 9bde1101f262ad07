"""What is still to be charged in the running month, and the month against its goal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import Date, bindparam, text
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.money import Money
from billing.revenue.bridge import TWELFTHS, Rates
from billing.revenue.days import DAY, begins, day_of
from billing.revenue.domain import after_fees, valued
from billing.revenue.figures import MoneyRow
from billing.revenue.months import Month

_EXPECTED = text(
    """
    SELECT due.currency, sum(due.minor)::bigint FROM (
        SELECT currency, amount_minor AS minor FROM revenue_expected
        WHERE day >= :tomorrow AND day < :following
        UNION ALL
        SELECT currency, amount_minor FROM pledges
        WHERE status = 'active' AND next_charge_at < :day_ends
        UNION ALL
        (SELECT currency, amount_minor FROM charges WHERE id IN (
            SELECT id FROM charges WHERE next_attempt_at IS NOT NULL
                AND status IN ('due', 'submitted', 'processing') AND due_at < :month_ends
            UNION SELECT c.id FROM attempts a JOIN charges c ON c.id = a.charge_id
            WHERE a.status IN ('in_flight', 'unknown', 'processing')
                AND c.status IN ('due', 'submitted', 'processing') AND c.due_at < :month_ends))
    ) AS due GROUP BY due.currency
    """
).bindparams(
    bindparam("tomorrow", type_=Date),
    bindparam("following", type_=Date),
    bindparam("day_ends", type_=UtcDateTime),
    bindparam("month_ends", type_=UtcDateTime),
)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """This month against what being free of ads costs, all in the goal's currency."""

    goal: Money
    received: Money
    """Net cash so far."""
    expected: Money
    """Still to be charged this month, after fees at the usual share."""
    committed: Money
    """MRR, after fees at the usual share."""
    unvalued: dict[str, int]
    """Expected in currencies that have no rate yet, in their minor units, before fees."""

    @property
    def gap(self) -> Money:
        """What is missing if nothing more came in: max(0, goal − received)."""
        return self.gap_to(self.received)

    def gap_to(self, measure: Money) -> Money:
        """max(0, goal − the chosen measure)."""
        return Money(max(0, self.goal.minor - measure.minor), self.goal.currency)

    @property
    def foreseen(self) -> Money:
        """Received and expected together."""
        return self.received + self.expected

    def share(self, part: Money) -> Fraction:
        """A sum as a share of the goal, never below 0."""
        return Fraction(max(0, part.minor), self.goal.minor)


def expected(session: Session, month: Month, *, zone: ZoneInfo, now: datetime) -> dict[str, int]:
    """What is still to be charged in the running month, by currency, before fees. One query.

    These are the charges not paid yet that fell due by the month's end, and the next charge of
    every active pledge whose turn comes before it: by the end of today as they stand, on later days
    as they were counted a few minutes ago. Past-due pledges count when they have paid.
    """
    today = now.astimezone(zone).date()
    moments = {
        "tomorrow": today + DAY,
        "following": day_of(month.ends, zone),
        "day_ends": begins(today + DAY, zone),
        "month_ends": month.ends,
    }
    return {currency: int(total) for currency, total in session.execute(_EXPECTED, moments)}


def goal_of(
    goal: Money, *, net: int, mrr: int, due: dict[str, int], share: Fraction, rates: Rates
) -> Goal:
    """The month against its goal; `mrr` in twelfths, `share` is that of fees."""
    return Goal(
        goal=goal,
        received=Money(net, goal.currency),
        expected=Money(after_fees(valued(due, rates), share), goal.currency),
        committed=Money(after_fees(round(Fraction(mrr, TWELFTHS)), share), goal.currency),
        unvalued={each: minor for each, minor in due.items() if each not in rates},
    )


def fee_share(rows: Iterable[MoneyRow], currency: str) -> Fraction:
    """The part of what supporters paid that Stripe kept, of what was settled in `currency`."""
    rows = [row for row in rows if row.settled_currency == currency]
    gross, fees = sum(row.gross for row in rows), sum(row.fees for row in rows)
    return min(Fraction(1), Fraction(fees, gross)) if gross > 0 else Fraction(0)
