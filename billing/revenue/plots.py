"""Where things stand in a chart: its shapes, its scale, and the words under it. Pure.

Widths of words are estimated by their letters, as nothing here knows the reader's fonts; all
estimates are on the generous side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = 4
_LETTER = 0.56
"""The usual width of a letter or digit, as a part of the font's size."""
_WIDEST_BAR = 72
_BAR_PART = 0.7
"""How much of a column's width its bar takes."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Width and height in pixels at full size, and the class by which a style sheet picks it."""

    css: str
    width: int
    height: int
    font: int
    """The size of its words in pixels."""


WIDE = Shape(css="wide-screen", width=1080, height=360, font=14)
NARROW = Shape(css="narrow-screen", width=360, height=300, font=12)
"""Drawn apart, because a wide chart made small can't be read: the page shows one of the two."""


def axis_steps(low: int, high: int, unit: int) -> list[int]:
    """Round values from at or below `low` (0 at most) to at or above `high`, evenly spaced.

    The step is 1, 2 or 5 times a power of ten of `unit`s, and there are four to about six steps.
    """
    low, high = min(low, 0), max(high, unit)
    step = unit
    while (high - low) / step > _STEPS + 1:
        leading = int(str(step // unit)[0])
        step = step * 5 // 2 if leading == 2 else step * 2
    first = low // step
    last = -(-high // step)
    return [step * each for each in range(first, last + 1)]


def width_of(words: str, font: int) -> float:
    """About how many pixels words are wide."""
    return len(words) * font * _LETTER


def letters_in(width: float, font: int) -> int:
    """About how many letters have room in a width."""
    return int(width / (font * _LETTER))


@dataclass(frozen=True, kw_only=True)
class Plot:
    """The inside of a chart's axes, in pixels, and the scale of its values."""

    shape: Shape
    left: float
    top: float
    right: float
    bottom: float
    columns: int
    low: int
    high: int

    @property
    def step(self) -> float:
        """How wide a column is."""
        return (self.right - self.left) / max(self.columns, 1)

    @property
    def bar(self) -> float:
        """How wide a bar is: never as wide as a single day would have room for."""
        return min(self.step * _BAR_PART, _WIDEST_BAR)

    def x(self, column: int) -> float:
        """The middle of a column."""
        return self.left + self.step * (column + 0.5)

    def y(self, value: float) -> float:
        """The height at which a value stands."""
        part = (value - self.low) / (self.high - self.low)
        return self.bottom - part * (self.bottom - self.top)


@dataclass(frozen=True)
class Label:
    """Words under a column, in a row of them: 0 is the upper one."""

    column: int
    words: str
    row: int


def labels(names: Sequence[str], step: float, font: int, *, all_of_them: bool) -> list[Label]:
    """The names of columns so that none runs into the next.

    Where all have to be read they stand in up to three rows, in turn; otherwise every so manieth
    is written, so that the last one is.
    """
    widest = max((width_of(name, font) for name in names), default=0) + font * 0.7
    every = max(1, -int(-widest // max(step, 1)))
    if all_of_them:
        rows = min(every, 3)
        return [Label(column, name, column % rows) for column, name in enumerate(names)]
    last = len(names) - 1
    return [
        Label(column, name, 0)
        for column, name in enumerate(names)
        if (last - column) % every == 0 and name
    ]
