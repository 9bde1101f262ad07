"""Months are the newsroom's, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given, strategies as st

from billing.revenue.months import month_on

ZONES = [
    "UTC",
    "Europe/Riga",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Asia/Beirut",
    "America/Havana",
    "Australia/Lord_Howe",
]
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from(ZONES), st.integers(1, 40))
def test_months_follow_one_another_without_gap_or_overlap(
    now: datetime, name: str, count: int
) -> None:
    zone = ZoneInfo(name)
    today = now.astimezone(zone).date()
    months = [month_on(today - relativedelta(months=back), zone) for back in range(count)][::-1]
    assert months[-1].begins <= now < months[-1].ends
    for month, following in pairwise(months):
        assert month.ends == following.begins
    for month in months:
        assert month.first.day == 1
        assert month.begins.astimezone(zone).date() == month.first
        assert (month.begins - timedelta(seconds=1)).astimezone(zone).date() < month.first


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        # Riga is two hours ahead of UTC in winter, three in summer.
        (date(2026, 3, 15), "2026-02-28T22:00", "2026-03-31T21:00"),
        (date(2026, 10, 31), "2026-09-30T21:00", "2026-10-31T22:00"),
    ],
)
def test_a_month_in_which_the_clocks_change(day: date, begins: str, ends: str) -> None:
    month = month_on(day, ZoneInfo("Europe/Riga"))
    assert month.begins == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert month.ends == datetime.fromisoformat(ends).replace(tzinfo=UTC)
