"""Charts drawn on the server as SVG, to stand inside the page.

pygal computes and draws. What it would add for a page of its own (styles, scripts, tooltips that
need scripts) is taken out: the page's policy allows neither, and its style sheet does better, as it
follows dark mode, print and narrow screens. Every bar and point keeps its value as a title.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup
from pygal.graph.stackedbar import StackedBar

_SVG = "http://www.w3.org/2000/svg"
_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Width and height in pixels at full size, and the class by which a style sheet picks it."""

    css: str
    width: int
    height: int


WIDE = Shape(css="wide-screen", width=1080, height=340)
NARROW = Shape(css="narrow-screen", width=360, height=270)
"""Drawn apart, because a wide chart made small can't be read: the page shows one of the two."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A row of values, one a column; `name` is for people, `css` for the style sheet."""

    name: str
    css: str
    values: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars on top of one another, with lines across them."""

    key: str
    """Unique on the page."""
    title: str
    """What the chart says, in a sentence."""
    description: str
    columns: Sequence[str]
    """Short labels under the bars."""
    full_columns: Sequence[str]
    """The same in full, for titles."""
    bars: Sequence[Series]
    lines: Sequence[Series]
    unfinished: frozenset[int] = frozenset()
    """Columns that are not over yet."""
    write: Callable[[int], str]
    """A value for people."""
    write_axis: Callable[[int], str]
    """A value on the axis, as short as can be."""
    unit: int = 100
    """The axis counts in whole multiples of this."""


class _BarsAndLines(StackedBar):  # type: ignore[misc]  # pygal has no types
    """Stacked bars, and lines drawn over them on the same scale."""

    def __init__(self, lines: Sequence[Series], **options: Any) -> None:
        self._lines = lines
        super().__init__(**options)

    def _plot(self) -> None:
        super()._plot()
        for line in self._lines:
            node = self.svg.node(self.nodes["overlay"], class_=f"line {line.css}")
            points = list(zip(self._x_pos, line.values, strict=True))
            self.svg.line(node, [self.view(point) for point in points], class_="path")
            for column, point in enumerate(points):
                x, y = self.view(point)
                dot = self.svg.node(node, "circle", cx=x, cy=y, r=4, class_="dot")
                dot.set("data-column", str(column))


def render(chart: Chart) -> Markup:
    """The chart as `<svg>` elements without styles, scripts or anything from elsewhere."""
    return Markup("").join(_render(chart, shape) for shape in (WIDE, NARROW))


def _render(chart: Chart, shape: Shape) -> Markup:
    root = _tree(_draw(chart, shape))
    _remove_extras(root)
    _name_parts(root, chart)
    _describe(root, chart, shape)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - built above, text escaped


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


def _draw(chart: Chart, shape: Shape) -> _BarsAndLines:
    steps = axis_steps(*_bounds(chart), chart.unit)
    drawing = _BarsAndLines(
        chart.lines,
        width=shape.width,
        height=shape.height,
        range=(steps[0], steps[-1]),
        show_legend=False,
        js=(),
        css=(),
        no_prefix=True,
        disable_xml_declaration=True,
        explicit_size=False,
        margin=8,
        margin_left=16,
        margin_bottom=12,
        truncate_label=-1,
        formatter=chart.write,
    )
    drawing.y_labels = [{"value": each, "label": chart.write_axis(each)} for each in steps]
    drawing.x_labels = list(chart.columns)
    for series in chart.bars:
        drawing.add(series.name, list(series.values))
    return drawing


def _tree(drawing: _BarsAndLines) -> ET.Element:
    """The drawing as elements of the standard library: pygal's own depend on what is installed."""
    root = ET.fromstring(drawing.render(is_unicode=True))  # noqa: S314 - our own drawing
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    root.set("xmlns", _SVG)
    return root


def _bounds(chart: Chart) -> tuple[int, int]:
    """The lowest and highest value that any bar or line reaches."""
    stacks = list(zip(*(bar.values for bar in chart.bars), strict=True))
    lows = [sum(value for value in stack if value < 0) for stack in stacks]
    highs = [sum(value for value in stack if value > 0) for stack in stacks]
    others = [value for line in chart.lines for value in line.values]
    return min([*lows, *others], default=0), max([*highs, *others], default=0)


def _remove_extras(root: ET.Element) -> None:
    """Take out what needs inline styles or scripts, and what only scripts would show."""
    for parent in list(root.iter()):
        parent.attrib.pop("style", None)
        for child in list(parent):
            classes = str(child.get("class", "")).split()
            unwanted = child.tag in {"defs", "title", "script"}
            if unwanted or "tooltip-overlay" in classes or "titles" in classes:
                parent.remove(child)
    root.attrib.pop("id", None)


def _name_parts(root: ET.Element, chart: Chart) -> None:
    """Give every bar and point its series' class and its value as a title, shown on hover."""
    for index, series in enumerate(chart.bars):
        bars = [
            bar
            for group in root.iter()
            if f"serie-{index}" in str(group.get("class", "")).split()
            for bar in group.iter()
            if str(bar.get("class", "")) == "bar"
        ]
        for column, bar in enumerate(bars):
            for extra in list(bar):
                if extra.tag == "desc":
                    bar.remove(extra)
            unfinished = " unfinished" if column in chart.unfinished else ""
            bar.set("class", f"bar {series.css}{unfinished}")
            _title(bar, chart, series, column)
    for line, series in zip(_of_class(root, "line"), chart.lines, strict=True):
        for dot in line.iter():
            if "data-column" in dot.attrib:
                _title(dot, chart, series, int(dot.attrib.pop("data-column")))


def _of_class(root: ET.Element, first: str) -> list[ET.Element]:
    return [
        each
        for each in root.iter()
        if each.tag == "g" and str(each.get("class", "")).split()[:1] == [first]
    ]


def _title(part: ET.Element, chart: Chart, series: Series, column: int) -> None:
    title = ET.Element("title")
    value = chart.write(series.values[column])
    title.text = f"{chart.full_columns[column]}, {series.name}: {value}"
    part.insert(0, title)


def _describe(root: ET.Element, chart: Chart, shape: Shape) -> None:
    """Name the picture for those who can't see it; its numbers stand in the table beside it."""
    root.set("role", "img")
    key = f"{chart.key}-{shape.css}"
    root.set("class", f"chart-drawing {shape.css}")
    root.set("aria-labelledby", f"{key}-title {key}-desc")
    for place, (name, text) in enumerate((("title", chart.title), ("desc", chart.description))):
        element = ET.Element(name, {"id": f"{key}-{name}"})
        element.text = text
        root.insert(place, element)
