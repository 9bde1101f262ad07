"""Charts drawn on the server as SVG, to stand inside the page.

They hold no style, script or link: the page's policy allows none, and its style sheet does better,
as it follows dark mode, print and narrow screens. Colours are classes (`ink-…`), and whatever has a
colour has a pattern or a dash of its own too. Over every column lies a part that can be pointed at
and reached by the keyboard; the values of that column are then written above the chart (ADR 71).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from billing.revenue.marks import (
    Band,
    Seen,
    Series,
    drawn_band,
    drawn_bars,
    drawn_line,
    joints,
    legend_picture,
    patterns,
    stacked,
)
from billing.revenue.plots import (
    NARROW,
    WIDE,
    Label,
    Plot,
    Shape,
    axis_steps,
    labels,
    letters_in,
    width_of,
)

__all__ = ["NARROW", "NOT_SHOWN", "WIDE", "Band", "Chart", "Series", "axis_steps", "render"]
"""All that is needed to draw one."""

NOT_SHOWN = "not shown"
_EMPTY = "—"
_NARROWEST = 6
"""Columns of fewer pixels are not pointed at."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars on top of one another, with a band behind them and lines across them."""

    key: str
    """Unique on the page."""
    title: str
    """What the chart says, in a sentence."""
    description: str
    """What is counted, in which unit, and whose days or months they are."""
    columns: Sequence[str]
    """Short labels under the bars."""
    full_columns: Sequence[str]
    """The same in full, for whoever asks for a column's values."""
    bars: Sequence[Series] = ()
    lines: Sequence[Series] = ()
    band: Band | None = None
    unfinished: frozenset[int] = frozenset()
    """Columns that are not over yet."""
    hidden: frozenset[int] = frozenset()
    """Columns that whoever looks may not see: nothing of them is drawn or told."""
    write: Callable[[int], str]
    """A value for people."""
    write_axis: Callable[[int], str]
    """A value on the axis, as short as can be."""
    unit: int = 100
    """The axis counts in whole multiples of this."""
    reach: tuple[int, int] | None = None
    """Lowest and highest value of the axis at least: charts side by side share theirs."""
    marks: Sequence[str] = ()
    """What is written at each column's end, where there are few."""
    readings: Sequence[str] = ()
    """What a column says in place of its series' names and values."""
    every_column: bool = False
    """Whether each column's label has to be read, as where columns are no days or months."""

    @property
    def seen(self) -> Seen:
        """Which columns are drawn, and how."""
        return Seen(unfinished=self.unfinished, hidden=self.hidden)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for series in self._all() for value in series.values)

    @property
    def legend(self) -> list[tuple[str, Markup]]:
        """The name of each series with a small picture of how it is drawn."""
        bars = [(each.name, legend_picture(each.css, "bar")) for each in self.bars]
        lines = [(each.name, legend_picture(each.css, "line")) for each in self.lines]
        bands = [(self.band.name, legend_picture(self.band.css, "band"))] if self.band else []
        unfinished = (
            [("not over yet", legend_picture("unfinished", "bar"))] if self.unfinished else []
        )
        return [*bars, *lines, *bands, *unfinished]

    @property
    def svg(self) -> Markup:
        """The drawing, for a page."""
        return render(self)

    def rows(self) -> list[tuple[str, list[str]]]:
        """The chart as a table: each column's name and its values, as the legend names them."""
        return [
            (name, [words for _, words in self._told(column)])
            for column, name in enumerate(self.full_columns)
        ]

    def headings(self) -> list[str]:
        """The names of that table's columns."""
        bands = [self.band.name] if self.band else []
        return [each.name for each in self._named()] + bands

    def reading(self, column: int) -> str:
        """A column's values in a line of words."""
        name = self.full_columns[column]
        if column in self.hidden:
            return f"{name}: {NOT_SHOWN}"
        if self.readings:
            return self.readings[column]
        told = [f"{each} {words}" for each, words in self._told(column) if words != _EMPTY]
        return f"{name}: {', '.join(told)}" if told else f"{name}: nothing"

    def bounds(self) -> tuple[int, int]:
        """The lowest and highest value that any bar, line or band reaches."""
        ends = [
            end
            for column in range(len(self.columns))
            for each in stacked(self.bars, self.seen, column)
            if each
            for end in each
        ]
        rows = [line.values for line in self.lines]
        rows += [self.band.low, self.band.high] if self.band else []
        others = [
            value
            for row in rows
            for column, value in enumerate(row)
            if value is not None and column not in self.hidden
        ]
        others += [*self.reach] if self.reach else []
        return min([*ends, *others], default=0), max([*ends, *others], default=0)

    def _named(self) -> list[Series]:
        return [*self.bars, *self.lines]

    def _all(self) -> list[Series]:
        band = self.band
        ends = (
            [Series(name="", css="", values=each) for each in (band.low, band.high)] if band else []
        )
        return [*self._named(), *ends]

    def _told(self, column: int) -> Iterator[tuple[str, str]]:
        hidden = column in self.hidden
        for each in self._named():
            value = each.values[column]
            yield each.name, NOT_SHOWN if hidden else _EMPTY if value is None else self.write(value)
        if self.band:
            low, high = self.band.low[column], self.band.high[column]
            told = low is not None and high is not None
            words = f"{self.write(low)} to {self.write(high)}" if told else _EMPTY  # type: ignore[arg-type]
            yield self.band.name, NOT_SHOWN if hidden else words


def render(chart: Chart) -> Markup:
    """The chart as two `<svg>` elements, of which a page shows one."""
    return Markup("").join(_drawn(chart, shape) for shape in (WIDE, NARROW))


def _drawn(chart: Chart, shape: Shape) -> Markup:
    told = [_wrapped(chart.reading(column), shape) for column in range(len(chart.columns))]
    steps = axis_steps(*chart.bounds(), chart.unit)
    names = [chart.write_axis(each) for each in steps]
    left = max(width_of(name, shape.font) for name in names) + 14
    inside = shape.width - left - 10
    under = labels(
        chart.columns,
        inside / max(len(chart.columns), 1),
        shape.font,
        all_of_them=chart.every_column,
    )
    plot = Plot(
        shape=shape,
        left=left,
        right=shape.width - 10,
        top=_line(shape) * (max(map(len, told), default=1) + (1.6 if chart.marks else 0.8)),
        bottom=shape.height - _line(shape) * (max((each.row for each in under), default=0) + 1) - 4,
        columns=len(chart.columns),
        low=steps[0],
        high=steps[-1],
    )
    key = f"{chart.key}-{shape.css}"
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" class="chart-drawing {}"'
        ' role="group" aria-label="{}" aria-describedby="{key}-desc">'
        '<desc id="{key}-desc">{}</desc>{}<g aria-hidden="true">{}</g>{}</svg>'
    ).format(
        shape.width,
        shape.height,
        shape.css,
        chart.title,
        chart.description,
        patterns(chart.bars, key),
        Markup("").join(
            [
                *_axis(plot, steps, names),
                *_labels(plot, under),
                *(drawn_band(plot, chart.band, chart.seen) if chart.band else ()),
                *joints(plot, chart.bars, chart.seen),
                *drawn_bars(plot, chart.bars, chart.seen, key),
                *(part for line in chart.lines for part in drawn_line(plot, line, chart.seen)),
                *_marks(plot, chart),
            ]
        ),
        Markup("").join(_columns(plot, told, key)),
        key=key,
    )


def _line(shape: Shape) -> float:
    return shape.font * 1.45


def _wrapped(words: str, shape: Shape) -> list[str]:
    return textwrap.wrap(words, letters_in(shape.width - 8, shape.font)) or [""]


def _axis(plot: Plot, steps: Sequence[int], names: Sequence[str]) -> Iterator[Markup]:
    for value, name in zip(steps, names, strict=True):
        y = plot.y(value)
        yield Markup('<path class="{}" d="M{:.1f} {:.1f}H{:.1f}"/>').format(
            "zero" if value == 0 else "guide", plot.left, y, plot.right
        )
        yield Markup('<text class="scale" x="{:.1f}" y="{:.1f}">{}</text>').format(
            plot.left - 6, y + plot.shape.font * 0.35, name
        )


def _labels(plot: Plot, found: Sequence[Label]) -> Iterator[Markup]:
    for each in found:
        x = plot.x(each.column)
        half = width_of(each.words, plot.shape.font) / 2
        x = min(max(x, half), plot.shape.width - half)
        y = plot.bottom + _line(plot.shape) * (each.row + 1)
        yield Markup('<text class="name" x="{:.1f}" y="{:.1f}">{}</text>').format(x, y, each.words)


def _marks(plot: Plot, chart: Chart) -> Iterator[Markup]:
    if max((width_of(words, plot.shape.font) for words in chart.marks), default=0) > plot.step:
        return  # They would run into one another: what a column says is written above the chart.
    for column, words in enumerate(chart.marks):
        reached = [end for each in stacked(chart.bars, chart.seen, column) if each for end in each]
        if words and column not in chart.hidden:
            y = plot.y(max(reached, default=0)) - plot.shape.font * 0.4
            yield Markup('<text class="mark" x="{:.1f}" y="{:.1f}">{}</text>').format(
                plot.x(column), y, words
            )


def _columns(plot: Plot, told: Sequence[Sequence[str]], key: str) -> Iterator[Markup]:
    """What can be pointed at and reached by the keyboard, with what it says.

    Where a phone leaves no finger room for that, the table behind the chart tells.
    """
    if plot.step < _NARROWEST:
        return
    edges = [plot.left + plot.step * each for each in range(plot.columns + 1)]
    for column, (start, end) in enumerate(pairwise(edges)):
        words = Markup(" ").join(
            Markup('<tspan x="4" y="{:.1f}">{}</tspan>').format(
                _line(plot.shape) * (row + 0.8), line
            )
            for row, line in enumerate(told[column])
        )
        yield Markup(
            '<g class="column" tabindex="0" role="img" aria-labelledby="{key}-{column}">'
            '<rect class="hit" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
            '<text class="reading" id="{key}-{column}">{}</text></g>'
        ).format(
            start, plot.top, end - start, plot.bottom - plot.top, words, key=key, column=column
        )
