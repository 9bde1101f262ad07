"""The marks of a chart: bars, lines and ranges as SVG, and the small pictures of a legend.

Colours are classes (`ink-…`) for the style sheet; what has a colour has a pattern or a dash too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from billing.revenue.plots import Plot

_HATCHED = {"gifts": 45, "lost": -45, "two": 45, "four": -45}
"""Bars told apart without colour by lines across them, at this angle; the others are solid."""
_DOTTED = {"three"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which columns are not over yet, and which are not to be seen."""

    unfinished: frozenset[int] = frozenset()
    hidden: frozenset[int] = frozenset()


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


def patterns(bars: Sequence[Series], key: str) -> Markup:
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
        for css in dict.fromkeys(each.css for each in bars)
        if css in _HATCHED or css in _DOTTED
    ]
    return Markup("<defs>{}</defs>").format(Markup("").join(found)) if found else Markup("")


def drawn_bars(plot: Plot, bars: Sequence[Series], seen: Seen, key: str) -> Iterator[Markup]:
    """The bars of a series as one path, those of columns that are not over as another."""
    stacks = [stacked(bars, seen, column) for column in range(plot.columns)]
    for place, series in enumerate(bars):
        for unfinished in (False, True):
            way = "".join(
                _bar(plot, column, stack[place])
                for column, stack in enumerate(stacks)
                if stack[place] and (column in seen.unfinished) is unfinished
            )
            if way:
                yield _filled(series.css, way, key, unfinished=unfinished)


def joints(plot: Plot, bars: Sequence[Series], seen: Seen) -> Iterator[Markup]:
    """Where bars float, lines from the end of each to the beginning of the next."""
    if not any(series.starts for series in bars):
        return
    for column in range(plot.columns - 1):
        end = next((each[1] for each in stacked(bars, seen, column) if each), None)
        if end is not None:
            start, until = plot.x(column) + plot.bar / 2, plot.x(column + 1) - plot.bar / 2
            yield Markup('<path class="joint" d="M{:.1f} {:.1f}H{:.1f}"/>').format(
                start, plot.y(end), until
            )


def stacked(bars: Sequence[Series], seen: Seen, column: int) -> list[tuple[int, int] | None]:
    """From where to where each bar of a column goes; None where there is none."""
    found: list[tuple[int, int] | None] = []
    above = below = 0
    for series in bars:
        value = None if column in seen.hidden else series.values[column]
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


def drawn_line(plot: Plot, line: Series, seen: Seen) -> Iterator[Markup]:
    """A line with its dots, in as many pieces as its gaps leave."""
    values = [None if column in seen.hidden else value for column, value in enumerate(line.values)]
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


def drawn_band(plot: Plot, band: Band, seen: Seen) -> Iterator[Markup]:
    """A range as an area with dashed edges."""
    known = [
        None if column in seen.hidden or low is None or high is None else (low, high)
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


def legend_picture(css: str, kind: str) -> Markup:
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
