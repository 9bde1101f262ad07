"""Gifts: how large they are, and how many of their givers pledge afterwards. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

WINDOWS = (30, 90, 365)
"""Days after the first gift within which a pledge counts as won by it."""


@dataclass(frozen=True)
class Given:
    """So many gifts of one amount, in minor units."""

    amount: Fraction
    gifts: int


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Quartiles of gifts, by the nearest rank: each is a sum that somebody gave."""

    low: Fraction
    """A quarter of the gifts are this or less."""
    median: Fraction
    high: Fraction
    """A quarter of the gifts are this or more."""
    largest: Fraction


@dataclass(frozen=True, kw_only=True)
class Givers:
    """People by the days of their first gift."""

    givers: int
    again: int
    """Gave a second one, whenever."""
    had_pledged: int
    """Had a pledge before: a gift can't win it."""
    within: dict[int, int]
    """Pledged within so many days, of those who had not before; by `WINDOWS`."""

    @property
    def to_be_won(self) -> int:
        """Those who had no pledge before their gift."""
        return self.givers - self.had_pledged

    def share(self, days: int) -> Fraction | None:
        """Those who pledged within so many days, of those who could be won."""
        return Fraction(self.within[days], self.to_be_won) if self.to_be_won else None

    @property
    def share_again(self) -> Fraction | None:
        """Those who gave again, of all."""
        return Fraction(self.again, self.givers) if self.givers else None


def spread(found: Sequence[Given]) -> Spread | None:
    """Quartiles by the nearest rank (Hyndman & Fan 1996, definition 1); None of no gifts."""
    ordered = sorted((each for each in found if each.gifts > 0), key=lambda each: each.amount)
    if not ordered:
        return None
    return Spread(
        low=_at(ordered, Fraction(1, 4)),
        median=_at(ordered, Fraction(1, 2)),
        high=_at(ordered, Fraction(3, 4)),
        largest=ordered[-1].amount,
    )


def is_closed(last: date, days: int, today: date) -> bool:
    """Whether even those who gave on the last day have had so many days."""
    return last + timedelta(days=days) < today


def _at(ordered: Sequence[Given], part: Fraction) -> Fraction:
    """The smallest amount such that at least that part of the gifts are it or less."""
    total, so_far = sum(each.gifts for each in ordered), 0
    for each in ordered:
        so_far += each.gifts
        if so_far >= part * total:
            return each.amount
    return ordered[-1].amount
