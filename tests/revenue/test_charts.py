"""Charts: drawn on the server, safe under the strictest policy, sensible with any data."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from billing.revenue.charts import Chart, render
from billing.revenue.drawings import waterfall
from billing.revenue.heat import SHADES, shade_of
from billing.revenue.marks import Band, Series
from billing.revenue.plots import NARROW, WIDE, Plot, axis_steps, labels, width_of

MINOR = st.integers(-(10**11), 10**11)
VALUES = st.lists(st.tuples(MINOR, MINOR, MINOR), min_size=1, max_size=12)
SVG = "{http://www.w3.org/2000/svg}"


def chart(values: list[tuple[int, int, int]], *, name: str = "gifts", **fields: object) -> Chart:
    drawn = Chart(
        key="t",
        title="What it <says>",
        description="Where & when",
        columns=[str(i) for i in range(len(values))],
        full_columns=[f"column {i}" for i in range(len(values))],
        bars=[
            Series(name=name, css="gifts", values=[v[0] for v in values]),
            Series(name="pledges", css="pledges", values=[v[1] for v in values]),
        ],
        lines=[Series(name="net", css="net", values=[v[2] for v in values])],
        unfinished=frozenset({len(values) - 1}),
        write=lambda minor: f"${minor}",
        write_axis=lambda minor: f"${minor}",
    )
    return replace(drawn, **fields)  # type: ignore[arg-type]


def drawings(drawn: str) -> list[ET.Element]:
    return list(ET.fromstring(f"<all>{drawn}</all>"))  # noqa: S314 - drawn here


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [each for each in root.iter() if name in str(each.get("class", "")).split()]


def said(root: ET.Element) -> list[str]:
    return [" ".join("".join(each.itertext()).split()) for each in of_class(root, "reading")]


@given(VALUES)
def test_nothing_in_it_needs_a_style_a_script_or_another_site(
    values: list[tuple[int, int, int]],
) -> None:
    for root in drawings(str(render(chart(values)))):
        for element in root.iter():
            assert element.tag.rpartition("}")[2] not in {"style", "script", "foreignObject", "a"}
            for name in element.attrib:
                assert name not in {"style", "href"}
                assert not name.startswith("on")
                assert "xlink" not in name


@given(VALUES)
def test_every_column_says_its_values_to_mouse_and_keyboard(
    values: list[tuple[int, int, int]],
) -> None:
    for root in drawings(str(render(chart(values)))):
        columns = of_class(root, "column")
        assert [each.get("tabindex") for each in columns] == ["0"] * len(values)
        for place, (gifts, pledges, net) in enumerate(values):
            words = f"column {place}: gifts ${gifts}, pledges ${pledges}, net ${net}"
            assert said(root)[place] == words
            [reading] = of_class(columns[place], "reading")
            assert columns[place].get("aria-labelledby") == reading.get("id")


@given(VALUES)
def test_the_table_behind_it_holds_what_is_drawn(values: list[tuple[int, int, int]]) -> None:
    drawn = chart(values)
    assert drawn.headings() == ["gifts", "pledges", "net"]
    assert drawn.rows() == [
        (f"column {place}", [f"${value}" for value in each]) for place, each in enumerate(values)
    ]


@given(VALUES)
def test_everything_stands_inside_the_picture(values: list[tuple[int, int, int]]) -> None:
    for root, shape in zip(drawings(str(render(chart(values)))), (WIDE, NARROW), strict=True):
        for dot in of_class(root, "dot"):
            assert 0 <= float(str(dot.get("cx"))) <= shape.width
            assert 0 <= float(str(dot.get("cy"))) <= shape.height


def test_it_is_named_for_those_who_cannot_see_it() -> None:
    for root, shape in zip(drawings(str(render(chart([(1, 2, 3)])))), (WIDE, NARROW), strict=True):
        assert root.get("role") == "group"  # an image may hold nothing that is reached
        assert root.get("aria-label") == "What it <says>"
        [described] = root.iter(f"{SVG}desc")
        assert (described.get("id"), described.text) == (
            root.get("aria-describedby"),
            "Where & when",
        )
        assert shape.css in str(root.get("class"))


def test_two_drawings_on_a_page_share_no_id() -> None:
    ids = [
        str(each.get("id"))
        for root in drawings(str(render(chart([(1, 2, 3)] * 3))))
        for each in root.iter()
        if each.get("id")
    ]
    assert len(ids) == len(set(ids))


def test_what_staff_write_is_text_and_never_markup() -> None:
    hostile = "<script>alert(1)</script>"
    drawn = chart([(1, 2, 3)], name=hostile, title=hostile, columns=[hostile], marks=[hostile])
    assert "<script" not in str(render(drawn))
    assert "<script" not in str([str(picture) for _, picture in drawn.legend])


def test_what_has_a_colour_has_a_pattern_or_a_dash_of_its_own() -> None:
    wide = drawings(str(render(chart([(1, 2, 3)]))))[0]
    assert [each.get("id") for each in wide.iter(f"{SVG}pattern")] == ["t-wide-screen-gifts"]
    fills = [each.get("fill") for each in of_class(wide, "bar")]
    assert fills == ["url(#t-wide-screen-gifts)", None]
    pictures = [str(picture) for _, picture in chart([(1, 2, 3)]).legend]
    assert len(set(pictures)) == len(pictures) == 4


def test_nothing_at_all_is_said_and_no_error() -> None:
    nothing = chart([(0, 0, 0)] * 12)
    assert nothing.is_empty
    assert len(drawings(str(nothing.svg))) == 2


def test_no_column_at_all_is_no_error() -> None:
    assert len(drawings(str(render(chart([], unfinished=frozenset()))))) == 2


def test_one_day_is_a_bar_and_not_a_wall() -> None:
    plot = Plot(shape=WIDE, left=0, right=1080, top=0, bottom=300, columns=1, low=0, high=1)
    assert plot.bar < 100
    for root in drawings(str(render(chart([(5, 5, 9)])))):
        [path] = of_class(root, "path")
        assert "H" in str(path.get("d"))  # a line of one day has a length, too


def test_ninety_days_fit_the_wire() -> None:
    assert len(str(render(chart([(10**7, 10**8, 10**8)] * 93)))) < 60_000


def test_the_last_column_is_marked_as_unfinished() -> None:
    for root in drawings(str(render(chart([(5, 5, 5), (3, 3, 3)])))):
        assert len(of_class(root, "unfinished")) == 2
    assert chart([(5, 5, 5)]).legend[-1][0] == "not over yet"


def test_what_is_hidden_is_neither_drawn_nor_told() -> None:
    hidden = chart([(5, 7, 11), (6_666, 7_777, 8_888)], hidden=frozenset({1}))
    text = str(hidden.svg) + str(hidden.rows())
    assert not [each for each in ("6666", "7777", "8888") if each in text]
    assert hidden.reading(1) == "column 1: not shown"
    for root in drawings(str(hidden.svg)):
        assert len(of_class(root, "dot")) == 1
    tallest = chart([(5, 7, 11), (0, 0, 0)])
    assert hidden.bounds() == tallest.bounds()  # nor does the axis tell how high it would reach


def test_a_line_with_gaps_and_a_band_around_it() -> None:
    forecast = Chart(
        key="f",
        title="t",
        description="d",
        columns=["1", "2", "3", "4"],
        full_columns=["1", "2", "3", "4"],
        lines=[
            Series(name="net", css="net", values=[100, 200, None, None]),
            Series(name="expected", css="middle", values=[None, 200, 300, 400]),
        ],
        band=Band(
            name="range", css="middle", low=[None, 200, 250, 300], high=[None, 200, 350, 500]
        ),
        write=str,
        write_axis=str,
    )
    assert forecast.reading(0) == "1: net 100"
    assert forecast.reading(3) == "4: expected 400, range 300 to 500"
    assert forecast.bounds() == (100, 500)
    assert forecast.rows()[3] == ("4", ["—", "400", "300 to 500"])
    for root in drawings(str(forecast.svg)):
        assert len(of_class(root, "path")) == 2
        assert len(of_class(root, "band")) == 1


@given(st.integers(0, 10**9), st.lists(st.integers(-(10**9), 10**9), max_size=9))
def test_each_step_of_a_waterfall_begins_where_the_one_before_ended(
    start: int, changes: list[int]
) -> None:
    end = start + sum(changes)
    steps = [(f"s{i}", f"step {i}", f"{each:+}", each) for i, each in enumerate(changes)]
    drawn = waterfall(
        "w",
        "t",
        "d",
        start=("Start", str(start), start),
        steps=steps,
        end=("End", str(end), end),
        write=str,
        write_axis=str,
    )
    level, up, down = drawn.bars
    stands = start
    for place, change in enumerate(changes, start=1):
        assert (up.values[place] or 0) + (down.values[place] or 0) == change
        assert up.starts[place] == down.starts[place] == stands
        stands += change
    assert (level.values[0], level.values[-1]) == (start, end)
    assert drawn.reading(0) == f"Start: {start}"
    assert len(drawings(str(drawn.svg))) == 2


def test_charts_side_by_side_share_their_scale() -> None:
    small = chart([(5, 5, 5)], reach=(-50, 900))
    assert small.bounds() == (-50, 900)


@given(MINOR, MINOR, st.sampled_from([1, 100]))
def test_an_axis_has_few_round_steps_that_hold_every_value(low: int, high: int, unit: int) -> None:
    low, high = min(low, high), max(low, high)
    steps = axis_steps(low, high, unit)
    assert steps[0] <= min(low, 0)
    assert steps[-1] >= max(high, unit)
    assert 0 in steps
    assert 2 <= len(steps) <= 8
    assert len({b - a for a, b in pairwise(steps)}) == 1
    step = steps[1] - steps[0]
    assert str(step // unit).rstrip("0") in {"1", "2", "5"}


@given(st.integers(1, 93), st.floats(3, 1000))
def test_no_label_runs_into_the_next(count: int, step: float) -> None:
    found = labels([f"day {i}" for i in range(count)], step, 14, all_of_them=False)
    assert found[-1].column == count - 1
    for one, next_ in pairwise(found):
        assert (next_.column - one.column) * step >= width_of(one.words, 14)


@pytest.mark.parametrize(
    ("part", "shade"), [(None, 0), (0, 0), (0.001, 1), (0.5, 4), (1, SHADES), (3.2, SHADES)]
)
def test_a_shade_is_as_dark_as_there_is_much(part: float | None, shade: int) -> None:
    assert shade_of(part) == shade
