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
from itertools import groupby, pairwise

from markupsafe import Markup, escape

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

NOT_SHOWN = "not shown"
_HATCHED = {"gifts": 45, "lost": -45, "two": 45, "four": -45}
"""Bars told apart without colour by lines across them, at this angle; the others are solid."""
_DOTTED = {"three"}
_EMPTY = "—"
_NARROWEST = 6
"""Columns of fewer pixels are not pointed at."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A row of values, one a column; `name` is for people, `css` for the style sheet.

    `css` is one of pledges, gifts, gained, lost, one, two, three, four (bars); net, goal, before,
    middle (lines). None is a value that there is none of.
    """

    name: str
    css: str
    values: Sequence[int | None]
    starts: Sequence[int] = ()
    """Where each bar begins that stands on no other, as in a waterfall."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """A range around a line: from low to high, None where there is none."""

    name: str
    css: str
    low: Sequence[int | None]
    high: Sequence[int | None]


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
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for series in self._all() for value in series.values)

    @property
    def legend(self) -> list[tuple[str, Markup]]:
        """The name of each series with a small picture of how it is drawn."""
        bars = [(each.name, _key(each.css, "bar")) for each in self.bars]
        lines = [(each.name, _key(each.css, "line")) for each in self.lines]
        bands = [(self.band.name, _key(self.band.css, "band"))] if self.band else []
        unfinished = [("not over yet", _key("unfinished", "bar"))] if self.unfinished else []
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
            for each in _stacked(self, column)
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
        _patterns(chart, key),
        Markup("").join(
            [
                *_axis(plot, steps, names),
                *_labels(plot, under),
                *(_band(plot, chart.band, chart.hidden) if chart.band else ()),
                *_bars(plot, chart, key),
                *(part for line in chart.lines for part in _line_of(plot, line, chart.hidden)),
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


def _patterns(chart: Chart, key: str) -> Markup:
    """Lines and dots in the colour of their series."""
    found = [
        Markup(
            '<pattern id="{}-{}" class="ink-{}" patternUnits="userSpaceOnUse" width="7" height="7"'
            ' patternTransform="rotate({})"><rect width="7" height="7" class="pale"/>{}</pattern>'
        ).format(
            key,
            css,
            css,
            _HATCHED.get(css, 0),
            Markup('<circle cx="3.5" cy="3.5" r="1.7"/>')
            if css in _DOTTED
            else Markup('<rect width="3" height="7"/>'),
        )
        for css in dict.fromkeys(each.css for each in chart.bars)
        if css in _HATCHED or css in _DOTTED
    ]
    return Markup("<defs>{}</defs>").format(Markup("").join(found)) if found else Markup("")


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


def _bars(plot: Plot, chart: Chart, key: str) -> Iterator[Markup]:
    """The bars of a series as one path, those of columns that are not over as another."""
    stacks = [_stacked(chart, column) for column in range(plot.columns)]
    for place, series in enumerate(chart.bars):
        for unfinished in (False, True):
            way = "".join(
                _bar(plot, column, stack[place])
                for column, stack in enumerate(stacks)
                if stack[place] and (column in chart.unfinished) is unfinished
            )
            if way:
                yield _filled(series.css, way, key, unfinished=unfinished)


def _stacked(chart: Chart, column: int) -> list[tuple[int, int] | None]:
    """From where to where each bar of a column goes; None where there is none."""
    found: list[tuple[int, int] | None] = []
    above = below = 0
    for series in chart.bars:
        value = None if column in chart.hidden else series.values[column]
        if not value:
            found.append(None)
        elif series.starts:
            found.append((series.starts[column], series.starts[column] + value))
        elif value > 0:
            found.append((above, above := above + value))
        else:
            found.append((below, below := below + value))
    return found


def _bar(plot: Plot, column: int, ends: tuple[int, int] | None) -> str:
    start, end = ends or (0, 0)
    top, bottom = sorted((plot.y(start), plot.y(end)))
    left, height = plot.x(column) - plot.bar / 2, max(bottom - top, 0.5)
    return f"M{left:.1f} {top:.1f}h{plot.bar:.1f}v{height:.1f}h-{plot.bar:.1f}z"


def _filled(css: str, way: str, key: str, *, unfinished: bool) -> Markup:
    patterned = css in _HATCHED or css in _DOTTED
    return Markup('<path class="bar ink-{}{}"{} d="{}"/>').format(
        css if patterned else f"{css} solid",
        " unfinished" if unfinished else "",
        Markup(' fill="url(#{}-{})"').format(key, css) if patterned else "",
        way,
    )


def _line_of(plot: Plot, line: Series, hidden: frozenset[int]) -> Iterator[Markup]:
    values = [None if column in hidden else value for column, value in enumerate(line.values)]
    dots = len(values) <= 36
    for run in _runs(values):
        way = "L".join(f"{plot.x(column):.1f} {plot.y(values[column] or 0):.1f}" for column in run)
        if len(run) == 1:  # One day is no line: as wide as its bar, so that it is seen.
            x, y, half = plot.x(run[0]), plot.y(values[run[0]] or 0), plot.bar / 2
            way = f"{x - half:.1f} {y:.1f}H{x + half:.1f}"
        yield Markup('<path class="halo" d="M{}"/>').format(way)
        yield Markup('<path class="path ink-{}" d="M{}"/>').format(line.css, way)
        if dots:
            for column in run:
                yield Markup('<circle class="dot ink-{}" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(
                    line.css, plot.x(column), plot.y(values[column] or 0)
                )


def _band(plot: Plot, band: Band, hidden: frozenset[int]) -> Iterator[Markup]:
    known = [
        None if column in hidden or low is None or high is None else (low, high)
        for column, (low, high) in enumerate(zip(band.low, band.high, strict=True))
    ]
    for run in _runs(known):
        ends = [(plot.x(column), *(known[column] or (0, 0))) for column in run]
        if len(ends) == 1:
            x, low, high = ends[0]
            ends = [(x - plot.bar / 2, low, high), (x + plot.bar / 2, low, high)]
        upper = "L".join(f"{x:.1f} {plot.y(high):.1f}" for x, _, high in ends)
        lower = "L".join(f"{x:.1f} {plot.y(low):.1f}" for x, low, _ in reversed(ends))
        yield Markup('<path class="band ink-{}" d="M{}L{}Z"/>').format(band.css, upper, lower)
        yield Markup('<path class="edge ink-{}" d="M{}M{}"/>').format(band.css, upper, lower)


def _runs(values: Sequence[object]) -> Iterator[list[int]]:
    """Columns that follow one another and have values."""
    for there, run in groupby(range(len(values)), lambda column: values[column] is not None):
        if there:
            yield list(run)


def _marks(plot: Plot, chart: Chart) -> Iterator[Markup]:
    if max((width_of(words, plot.shape.font) for words in chart.marks), default=0) > plot.step:
        return  # They would run into one another: what a column says is written above the chart.
    for column, words in enumerate(chart.marks):
        reached = [end for each in _stacked(chart, column) if each for end in each]
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


def _key(css: str, kind: str) -> Markup:
    """A small picture of how a series is drawn."""
    if kind == "line":
        drawn = Markup(
            '<path class="path" d="M0 7H22"/><circle class="dot" cx="11" cy="7" r="3.5"/>'
        )
    elif kind == "band":
        drawn = Markup(
            '<path class="band" d="M0 2H22V12H0Z"/><path class="edge" d="M0 2H22M0 12H22"/>'
        )
    elif css in _HATCHED:
        lines = (
            "M1 9L8 2M4 13L15 2M11 13L21 3"
            if _HATCHED[css] > 0
            else "M1 6L8 13M5 2L16 13M13 2L21 10"
        )
        drawn = Markup(
            '<rect class="frame" x="1" y="2" width="20" height="11"/><path d="{}"/>'
        ).format(lines)
    elif css in _DOTTED:
        dots = Markup("").join(
            Markup('<circle cx="{}" cy="{}" r="1.6"/>').format(x, y)
            for x in (5, 11, 17)
            for y in (5, 10)
        )
        drawn = Markup('<rect class="frame" x="1" y="2" width="20" height="11"/>{}').format(dots)
    else:
        drawn = Markup('<rect class="bar" x="1" y="2" width="20" height="11"/>')
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="key key-{} ink-{}" viewBox="0 0 22 14"'
        ' width="22" height="14" aria-hidden="true" focusable="false">{}</svg>'
    ).format(kind, escape(css), drawn)
