"""Counts too small to show to those who may see no person.

A viewer who knows that one reader gave from Malta this month learns who it was from whatever else
stands in that line. So a count of 1 to 4 is left out (a threshold of 5 is usual in official
statistics; zero says nothing about anybody and stays), and where a total stands beside it, so is
another one, or a subtraction would bring it back. See ADR 0054.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

SMALLEST = 5
"""The smallest count of people that everybody on staff may see."""


@dataclass(frozen=True)
class Row:
    """Counts that add up to a total, with None for what is left out."""

    cells: tuple[int | None, ...]
    total: int | None


def is_small(count: int) -> bool:
    """Whether a count is of so few people that it is left out."""
    return 0 < count < SMALLEST


def suppress(count: int) -> int | None:
    """A count that stands by itself; None where it is too small to show."""
    return None if is_small(count) else count


def hidden(counts: Sequence[int]) -> frozenset[int]:
    """Which counts of a line have to be left out where its total is shown.

    The small ones; and, while the total less what is shown would tell them, the next larger ones.
    The same positions are to be left out of whatever else stands beside the counts, such as sums
    of money, and so is the total where `suppress_row` leaves it out.
    """
    left_out = {place for place, count in enumerate(counts) if is_small(count)}
    if not left_out:
        return frozenset()
    larger = sorted(
        (place for place, count in enumerate(counts) if count >= SMALLEST),
        key=lambda place: counts[place],
    )
    for place in larger:
        if not _can_be_told(counts, left_out):
            break
        left_out.add(place)
    return frozenset(left_out)


def suppress_row(counts: Sequence[int]) -> Row:
    """A line of counts with its total, with as little left out as keeps small ones unknown."""
    left_out = hidden(counts)
    cells = tuple(None if place in left_out else count for place, count in enumerate(counts))
    told = bool(left_out) and _can_be_told(counts, left_out)
    return Row(cells=cells, total=None if told else sum(counts))


def _can_be_told(counts: Sequence[int], left_out: Collection[int]) -> bool:
    """Whether somebody who knows what these add up to knows them too.

    A single one is the sum itself; a sum below 5 is a small count of its own; and as nothing that
    is left out is zero, a sum as small as it can be says that each of them is 1.
    """
    number, together = len(left_out), sum(counts[place] for place in left_out)
    return number < 2 or together < SMALLEST or together == number
