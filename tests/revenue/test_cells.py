"""Whole months and the days around them are together the period, each day once."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, strategies as st

from billing.revenue.cells import spans
from billing.revenue.periods import Period
from billing.revenue.tables import MONTHS

DAYS = st.dates(date(2019, 12, 1), date(2026, 3, 31))
OVER = st.dates(date(2019, 12, 1), date(2026, 4, 1)).map(lambda day: day.replace(day=1))


@given(first=DAYS, last=DAYS, over=st.one_of(OVER, st.just(date.min)))
def test_spans_are_the_period(first: date, last: date, over: date) -> None:
    period = Period(min(first, last), max(first, last))
    found = spans(period, over)
    assert 1 <= len(found) <= 3
    days = sorted(
        each.first + timedelta(days=number) for _, each in found for number in range(each.days)
    )
    assert days == [period.first + timedelta(days=number) for number in range(period.days)]
    for level, each in found:
        if level == MONTHS:
            assert each.is_whole_months
            assert each.last < over


def test_a_period_of_years_reads_months() -> None:
    period, over = Period(date(2022, 3, 15), date(2026, 4, 10)), date(2026, 4, 1)
    assert spans(period, over) == [
        (MONTHS, Period(date(2022, 4, 1), date(2026, 3, 31))),
        (0, Period(date(2022, 3, 15), date(2022, 3, 31))),
        (0, Period(date(2026, 4, 1), date(2026, 4, 10))),
    ]
    assert spans(Period(date(2026, 3, 2), date(2026, 3, 31)), over) == [
        (0, Period(date(2026, 3, 2), date(2026, 3, 31)))
    ]
