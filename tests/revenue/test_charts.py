"""Charts: drawn on the server, safe under the strictest policy, sensible with any data."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given, strategies as st

from billing.revenue.charts import NARROW, WIDE, Chart, Series, axis_steps, render

MINOR = st.integers(-(10**11), 10**11)


def chart(values: list[tuple[int, int, int]], *, name: str = "gifts") -> Chart:
    return Chart(
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


def drawings(drawn: str) -> list[ET.Element]:
    return list(ET.fromstring(f"<all>{drawn}</all>"))  # noqa: S314 - drawn here


@given(st.lists(st.tuples(MINOR, MINOR, MINOR), min_size=1, max_size=12))
def test_nothing_in_it_needs_a_style_a_script_or_another_site(
    values: list[tuple[int, int, int]],
) -> None:
    drawn = str(render(chart(values)))
    for root in drawings(drawn):
        for element in root.iter():
            assert element.tag.rpartition("}")[2] not in {"style", "script", "foreignObject", "a"}
            for name in element.attrib:
                assert name not in {"style", "href"}
                assert not name.startswith("on")
                assert "xlink" not in name


@given(st.lists(st.tuples(MINOR, MINOR, MINOR), min_size=1, max_size=12))
def test_every_value_stands_beside_its_mark(values: list[tuple[int, int, int]]) -> None:
    for root in drawings(str(render(chart(values)))):
        titles = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title")]
        for column, (gifts, pledges, net) in enumerate(values):
            for name, value in (("gifts", gifts), ("pledges", pledges), ("net", net)):
                assert f"column {column}, {name}: ${value}" in titles


def test_it_is_named_for_those_who_cannot_see_it() -> None:
    for root, shape in zip(drawings(str(render(chart([(1, 2, 3)])))), (WIDE, NARROW), strict=True):
        assert root.get("role") == "img"
        first, second = str(root.get("aria-labelledby")).split()
        assert [child.get("id") for child in root][:2] == [first, second]
        assert [child.text for child in root][:2] == ["What it <says>", "Where & when"]
        assert shape.css in str(root.get("class"))


def test_what_staff_write_is_text_and_never_markup() -> None:
    drawn = str(render(chart([(1, 2, 3)], name="<script>alert(1)</script>")))
    assert "<script" not in drawn


def test_nothing_at_all_is_a_flat_line_and_no_error() -> None:
    assert len(drawings(str(render(chart([(0, 0, 0)] * 12))))) == 2


def test_the_last_column_is_marked_as_unfinished() -> None:
    for root in drawings(str(render(chart([(5, 5, 5), (3, 3, 3)])))):
        marked = [each for each in root.iter() if "unfinished" in str(each.get("class"))]
        assert len(marked) == 2


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
