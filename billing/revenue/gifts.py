"""Gifts: how large they are, and how many of their givers pledge afterwards. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from billing.revenue.viewers import Hidden, hidden_in

WINDOWS = (30, 90, 365)
"""Days after the first gift within which a pledge counts as won by it."""
OF_GIVERS = frozenset({"givers", "again", "had_pledged", *(f"{days}" for days in WINDOWS)})
"""All that is told of givers."""


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
    hidden: Hidden = frozenset()
    """Which of these whoever looks is not shown: names, and days."""

    @property
    def to_be_won(self) -> int:
        """Those who had no pledge before their gift."""
        return self.givers - self.had_pledged

    def share(self, days: int) -> Fraction | None:
        """Those who pledged within so many days, of those who could be won."""
        if f"{days}" in self.hidden or not self.to_be_won:
            return None
        return Fraction(self.within[days], self.to_be_won)


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


def hidden_givers(seen: Givers, gifts: int, closed: Collection[int]) -> Hidden:
    """What viewers are not shown of those who gave first in a month.

    `gifts` are all gifts of that month: what first ones leave of them is a count as well. Windows
    that are not `closed` would change with each pledge, and so would who gave again.
    """
    if gifts < seen.givers or hidden_in({"first": seen.givers, "more": gifts - seen.givers}, ""):
        return OF_GIVERS
    open_ = {"again", *(f"{days}" for days in WINDOWS if days not in closed)}
    parts, so_far = {"had_pledged": seen.had_pledged}, 0
    for days in sorted(closed):
        parts[f"{days}"], so_far = seen.within[days] - so_far, seen.within[days]
    parts["rest"] = seen.to_be_won - so_far
    return OF_GIVERS - {"givers"} if hidden_in(parts, "") else frozenset(open_)


def givers_for_viewers(exact: Givers, hidden: Hidden) -> Givers:
    """The same without what is hidden; days that are not told add nobody to those before."""
    within, so_far = {}, 0
    for days in WINDOWS:
        so_far = so_far if f"{days}" in hidden else exact.within[days]
        within[days] = so_far
    return Givers(
        givers=0 if "givers" in hidden else exact.givers,
        again=0,
        had_pledged=0 if "had_pledged" in hidden else exact.had_pledged,
        within=within,
        hidden=hidden,
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
