"""What is still to be charged in the running month, and the month against its goal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import Date, TextClause, bindparam, text
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.money import Money
from billing.reminders.brake import SHOWN_FOR
from billing.revenue.bridge import TWELFTHS, Rates
from billing.revenue.days import DAY, begins, day_of
from billing.revenue.domain import after_fees, valued
from billing.revenue.figures import MoneyRow
from billing.revenue.months import Month

_EXPECTED = """
    SELECT due.currency, sum(due.minor)::bigint AS minor FROM (
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
    ) AS due GROUP BY due.currency"""
_WAITING = f"""
    SELECT (SELECT jsonb_object_agg(e.currency, e.minor) FROM ({_EXPECTED}) AS e) AS expected,
        (SELECT count(*) FROM reminders WHERE status = 'waiting') AS reminders,
        (SELECT min(due_at) FROM reminders WHERE status = 'waiting') AS next_reminder_at,
        (SELECT count(*) FROM pledges WHERE status = 'past_due') AS past_due,
        (SELECT sum(turned_away) FROM reminder_hours WHERE hour > :lately) AS turned_away"""
_TYPES = {
    "tomorrow": Date,
    "following": Date,
    "day_ends": UtcDateTime,
    "month_ends": UtcDateTime,
    "lately": UtcDateTime,
}


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What is going to happen by itself."""

    expected: dict[str, int]
    """Still to be charged this month, by currency, in minor units and before fees."""
    reminders: int
    next_reminder_at: datetime | None
    past_due: int
    turned_away: int
    """Requests for reminders, lately."""


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
    found = session.execute(_typed(_EXPECTED), _moments(month, zone, now))
    return {currency: int(total) for currency, total in found}


def read_waiting(session: Session, month: Month, *, zone: ZoneInfo, now: datetime) -> Waiting:
    """The same beside all else that waits, counted. One query."""
    given = {**_moments(month, zone, now), "lately": now - SHOWN_FOR}
    row = session.execute(_typed(_WAITING), given).one()
    return Waiting(
        expected={currency: int(total) for currency, total in (row.expected or {}).items()},
        reminders=row.reminders,
        next_reminder_at=row.next_reminder_at,
        past_due=row.past_due,
        turned_away=int(row.turned_away or 0),
    )


def _moments(month: Month, zone: ZoneInfo, now: datetime) -> dict[str, object]:
    tomorrow = day_of(now, zone) + DAY
    return {
        "tomorrow": tomorrow,
        "following": day_of(month.ends, zone),
        "day_ends": begins(tomorrow, zone),
        "month_ends": month.ends,
    }


def _typed(statement: str) -> TextClause:
    used = {name: type_ for name, type_ in _TYPES.items() if f":{name}" in statement}
    return text(statement).bindparams(
        *(bindparam(name, type_=type_) for name, type_ in used.items())
    )


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
