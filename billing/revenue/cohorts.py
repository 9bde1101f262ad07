"""Cohorts: how many supporters, and how much of their money, is kept month after month. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from dateutil.relativedelta import relativedelta


@dataclass(frozen=True, kw_only=True)
class Change:
    """By how much a cohort changed in a month of the calendar."""

    cohort: date
    month: date
    supporters: int
    twelfths: int


@dataclass(frozen=True)
class Cohort:
    """A month's first pledgers; `kept[n]` stand at the end of the n-th month after, 0 their own.

    Months that are not over yet are not in it.
    """

    month: date
    began: int
    kept: tuple[int, ...]
    hidden: frozenset[int] = frozenset()
    """Months after its own that are not shown to whoever looks."""

    def shares(self) -> list[Fraction | None]:
        """What is kept, as a share of what there was in all at first; None where it is hidden."""
        if not self.began or 0 in self.hidden:
            return [None] * len(self.kept)
        return [
            None if later in self.hidden else Fraction(each, self.began)
            for later, each in enumerate(self.kept)
        ]


def by_supporters(changes: Iterable[Change], today: date) -> list[Cohort]:
    """People by the month of their first recurring payment, and how many stand at each month's end.

    The size of a cohort is that of its month 0: who left in the month they came is not in it.
    """
    return _cohorts(((c.cohort, c.month, c.supporters) for c in changes), today)


def by_money(changes: Iterable[Change], today: date) -> list[Cohort]:
    """The same in twelfths of MRR: a share above 1 means that those who stayed raised."""
    return _cohorts(((c.cohort, c.month, c.twelfths) for c in changes), today)


def _cohorts(changes: Iterable[tuple[date, date, int]], today: date) -> list[Cohort]:
    moved: dict[date, dict[date, int]] = {}
    for cohort, month, change in changes:
        months = moved.setdefault(cohort, {})
        months[month] = months.get(month, 0) + change
    return [_cohort(each, moved[each], today) for each in sorted(moved)]


def _cohort(first: date, moved: dict[date, int], today: date) -> Cohort:
    kept, stands, month = [], 0, first
    while month + relativedelta(months=1) <= today:
        stands += moved.get(month, 0)
        kept.append(stands)
        month += relativedelta(months=1)
    return Cohort(first, kept[0] if kept else 0, tuple(kept))
