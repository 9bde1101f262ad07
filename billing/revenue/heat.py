"""A table whose cells are shaded by how much there is of something: retention by cohort. Pure.

The words are in the cells, so the shade says nothing that can't be read without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

SHADES = 8


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """What stands in a cell, how dark it is (0 to 8), and what opens when it is followed."""

    words: str
    shade: int = 0
    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class HeatRow:
    """A line: its name, how many it began with in words, and its cells; None has not been yet."""

    name: str
    size: str = ""
    cells: Sequence[HeatCell | None]


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A heat map for the template's macro `heat_map`."""

    key: str
    """Unique on the page."""
    title: str
    """What it says, in a sentence."""
    description: str
    """What is counted, and whose months they are."""
    corner: str
    """What the lines are."""
    columns: Sequence[str]
    rows: Sequence[HeatRow]


def shade_of(part: Fraction | float | None) -> int:
    """The shade of a part of 1, in even steps; 0 is none. More than all is as dark as all."""
    if part is None or part <= 0:
        return 0
    return min(SHADES, max(1, round(float(part) * SHADES)))
