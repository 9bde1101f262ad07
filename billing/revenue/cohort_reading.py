"""What the page of cohorts shows: who, and how much of their money, is still there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate

from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from billing.revenue import figures
from billing.revenue.cohorts import Change, Cohort, by_money, by_supporters
from billing.revenue.domain import valued
from billing.revenue.periods import Period
from billing.revenue.reading import Asked, MonthlyRates
from billing.revenue.viewers import coarse_cohorts

MOST = 24
"""How many cohorts are shown, and for how many months after their own: more is read by nobody."""


class Measure(StrEnum):
    """What of a cohort is kept."""

    SUPPORTERS = "supporters"
    MONEY = "money"
    """In twelfths of MRR in minor units of the reporting currency, all at one rate."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Cohorts, the earliest first: counts of people, or sums of what they promise."""

    measure: Measure
    cohorts: list[Cohort]
    left_out: int
    """How many earlier cohorts of the period are not shown."""

    def latest(self, most: int) -> Retention:
        """As many of the latest as have so many cells together; the latest of all at least."""
        cells = list(accumulate(len(each.kept) for each in reversed(self.cohorts)))
        count = max(1, sum(each <= most for each in cells))
        left_out = self.left_out + max(0, len(self.cohorts) - count)
        return replace(self, cohorts=self.cohorts[-count:], left_out=left_out)

    @property
    def width(self) -> int:
        """How many months the oldest of them has lived."""
        return max((len(each.kept) for each in self.cohorts), default=0)

    @property
    def least(self) -> Fraction:
        """The smallest share that any of them has kept; 1 where there are none."""
        shares = (part for each in self.cohorts for part in each.shares())
        return min((part for part in shares if part is not None), default=Fraction(1))

    def together(self) -> list[Fraction | None]:
        """What all cohorts old enough have kept together, month after month."""
        found: list[Fraction | None] = []
        for place in range(self.width):
            old = [
                each
                for each in self.cohorts
                if len(each.kept) > place and not {0, place} & each.hidden
            ]
            began = sum(each.began for each in old)
            found.append(Fraction(sum(each.kept[place] for each in old), began) if began else None)
        return found


def read_retention(session: Session, asked: Asked, measure: Measure) -> Retention:
    """The cohorts that began in the period, as they stand by now. Two queries at most."""
    changes = figures.retention(session, asked.cells)
    if measure is Measure.SUPPORTERS:
        found = by_supporters((each for code, each in changes if not code), asked.today)
    else:
        rates = MonthlyRates(session, asked, [Period(asked.today, asked.today)]).of(asked.today)
        found = in_one_currency([each for each in changes if each[0]], asked.today, rates)
    if not asked.sees_people:
        found = coarse_cohorts(found)
    first, last = asked.filters.period.first.replace(day=1), asked.filters.period.last
    within = [each for each in found if first <= each.month <= last and each.kept]
    shown = [replace(each, kept=each.kept[: MOST + 1]) for each in within[-MOST:]]
    return Retention(measure=measure, cohorts=shown, left_out=len(within) - len(shown))


def in_one_currency(
    changes: Sequence[tuple[str, Change]], today: date, rates: Mapping[str, Fraction]
) -> list[Cohort]:
    """Sums of several currencies as one; what has no rate is left out."""
    kept: dict[date, list[dict[str, int]]] = {}
    for currency in sorted({code for code, _ in changes}):
        for each in by_money((change for code, change in changes if code == currency), today):
            months = kept.setdefault(each.month, [{} for _ in each.kept])
            for place, minor in enumerate(each.kept):
                months[place][currency] = minor
    found = []
    for month in sorted(kept):
        values = tuple(valued(sums, rates) for sums in kept[month])
        found.append(Cohort(month, values[0] if values else 0, values))
    return found


def end_of(month: date) -> date:
    """The last day of a month."""
    return month + relativedelta(months=1, days=-1)
