"""What a revenue page may be asked for, and how it is told what it may not."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, strategies as st

from billing.pledges.domain import Cadence
from billing.revenue.filters import FilterError, Filters, read_filters
from billing.revenue.periods import (
    Period,
    Preset,
    Step,
    a_year_before,
    period_of,
    previous,
    steps,
)

TODAY = date(2026, 11, 23)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=40)
ALL = st.builds(
    Filters,
    period=st.builds(
        lambda first, days: Period(first, date.fromordinal(first.toordinal() + days)),
        st.dates(date(2000, 1, 1), date(2094, 1, 1)),
        st.integers(0, 92),
    ),
    step=st.sampled_from(Step),
    currency=st.none() | st.sampled_from(["usd", "jpy"]),
    campaign=st.none() | NAMES,
    appeal=st.none() | NAMES,
    article=st.none() | NAMES,
    cadence=st.none() | st.sampled_from(Cadence),
    country=st.none() | st.sampled_from(["LV", "US"]),
)


def read(query: str) -> Filters:
    return read_filters(parse_qsl(query, keep_blank_values=True), TODAY)


@given(ALL)
def test_what_is_written_into_an_address_is_read_from_it(filters: Filters) -> None:
    again = read(filters.query())
    assert again == filters
    assert again.query() == filters.query()


def test_an_address_says_the_same_in_any_order_and_case() -> None:
    first = read("cadence=monthly&country=lv&from=2026-01-01&to=2026-03-31&currency=USD&by=month")
    second = read("to=2026-03-31&currency=usd&from=2026-01-01&country=LV&cadence=monthly&campaign=")
    assert first.query() == second.query()
    assert first.query() == "from=2026-01-01&to=2026-03-31&currency=usd&cadence=monthly&country=LV"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-02-30&to=2026-03-01", "There is no day 2026-02-30."),
        ("from=2026-03-02&to=2026-03-01", "ends (2026-03-01) before it begins (2026-03-02)"),
        ("from=1976-01-01&to=2026-01-01", "not within 2000 and 2099"),
        ("from=2010-01-01&to=2060-01-01", "5 years long at most"),
        ("from=2020-01-01&to=2025-01-01", "5 years long at most"),
        ("from=01.02.2026&to=2026-03-01", "not a date such as"),
        ("from=٢٠٢٦-01-01&to=2026-03-01", "not a date such as"),
        ("from=2026-01-01", "Give both from and to."),
        ("from=2026-01-01&to=2026-02-01&period=this-month", "not both"),
        ("period=yesterday", "“yesterday” is no period"),
        ("by=hour", "“hour” is no step; there are day, week, month"),
        ("from=2025-01-01&to=2025-12-31&by=day", "365 days is too long to be shown by day"),
        ("colour=red", "There is no filter called “colour”."),
        ("country=LV&country=US", "“country” is given twice"),
        ("country=Latvia", "no country such as LV"),
        ("currency=xyz", "no currency such as usd"),
        ("cadence=weekly", "“weekly” is no cadence; there are once, monthly, annual"),
        (f"article={'a' * 201}", "longer than 200"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(query: str, said: str) -> None:
    with pytest.raises(FilterError) as refused:
        read(query)
    assert said in str(refused.value)
    assert str(refused.value).endswith(".")


def test_the_longest_period_is_five_years() -> None:
    assert read("from=2020-01-02&to=2025-01-01").period.days == 1827


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        (Preset.THIS_MONTH, "2026-11-01", "2026-11-23"),
        (Preset.LAST_MONTH, "2026-10-01", "2026-10-31"),
        (Preset.LAST_30_DAYS, "2026-10-25", "2026-11-23"),
        (Preset.LAST_12_MONTHS, "2025-12-01", "2026-11-23"),
        (Preset.LAST_YEAR, "2025-01-01", "2025-12-31"),
    ],
)
def test_presets(preset: Preset, first: str, last: str) -> None:
    assert period_of(preset, TODAY) == Period(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("first", "last", "before", "year"),
    [
        ("2026-11-01", "2026-11-23", ("2026-10-01", "2026-10-23"), ("2025-11-01", "2025-11-23")),
        ("2026-03-01", "2026-03-31", ("2026-02-01", "2026-02-28"), ("2025-03-01", "2025-03-31")),
        ("2026-03-01", "2026-03-30", ("2026-02-01", "2026-02-28"), ("2025-03-01", "2025-03-30")),
        ("2024-02-01", "2024-02-29", ("2024-01-01", "2024-01-31"), ("2023-02-01", "2023-02-28")),
        ("2026-01-10", "2026-01-19", ("2025-12-31", "2026-01-09"), ("2025-01-10", "2025-01-19")),
        ("2025-12-01", "2026-11-23", ("2024-12-01", "2025-11-23"), ("2024-12-01", "2025-11-23")),
    ],
)
def test_with_what_a_period_is_compared(
    first: str, last: str, before: tuple[str, str], year: tuple[str, str]
) -> None:
    period = Period(date.fromisoformat(first), date.fromisoformat(last))
    assert previous(period) == Period(*map(date.fromisoformat, before))
    assert a_year_before(period) == Period(*map(date.fromisoformat, year))


@given(st.dates(date(2001, 1, 1), date(2090, 1, 1)), st.integers(0, 900), st.sampled_from(Step))
def test_the_parts_of_a_period_are_the_whole_of_it(first: date, days: int, step: Step) -> None:
    period = Period(first, date.fromordinal(first.toordinal() + days))
    parts = steps(period, step)
    assert sum(part.days for part in parts) == period.days
    assert parts[0].first == period.first
    assert parts[-1].last == period.last
    for one, other in pairwise(parts):
        assert one.last.toordinal() + 1 == other.first.toordinal()
