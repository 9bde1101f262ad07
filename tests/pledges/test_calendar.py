"""The calendar of a pledge: every rule of invariant 9, by example and by property."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from billing.pledges.domain import Cadence, Calendar, due_at, yearly_value

RIGA = ZoneInfo("Europe/Riga")
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Riga",
        "America/New_York",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
    )
]

moments = st.datetimes(
    min_value=datetime(2019, 1, 1), max_value=datetime(2035, 12, 31), timezones=st.just(UTC)
)
recurring = st.sampled_from([Cadence.MONTHLY, Cadence.ANNUAL])
zones = st.sampled_from(ZONES)
periods = st.integers(min_value=1, max_value=60)


def current_period(anchor: datetime, cadence: Cadence, now: datetime, zone: ZoneInfo) -> int:
    return Calendar(anchor=anchor, cadence=cadence, zone=zone).current(now)


def local_days(anchor: datetime, cadence: Cadence, count: int, zone: ZoneInfo) -> list[date]:
    return [due_at(anchor, cadence, n, zone).astimezone(zone).date() for n in range(count)]


def riga(*when: int) -> datetime:
    return datetime(*when, tzinfo=RIGA)  # type: ignore[misc,arg-type]


def test_the_31st_falls_on_the_last_day_of_short_months_and_returns() -> None:
    days = local_days(riga(2027, 12, 31, 12), Cadence.MONTHLY, 6, RIGA)
    assert days == [
        date(2027, 12, 31),
        date(2028, 1, 31),
        date(2028, 2, 29),
        date(2028, 3, 31),
        date(2028, 4, 30),
        date(2028, 5, 31),
    ]


@pytest.mark.parametrize("question", ["months", "due_at", "current"])
def test_a_gift_has_no_calendar(question: str) -> None:
    calendar = Calendar(anchor=riga(2027, 1, 31, 12), cadence=Cadence.ONCE, zone=RIGA)
    argument = riga(2027, 3, 1) if question == "current" else 1
    with pytest.raises(ValueError, match=r"^a gift has no calendar$"):
        getattr(calendar, question)(argument)


def test_a_rhythm_that_began_later_is_counted_from_there() -> None:
    calendar = Calendar(
        anchor=riga(2026, 5, 31, 12), cadence=Cadence.ANNUAL, zone=RIGA, from_period=4, from_month=9
    )
    assert [calendar.months(period) for period in (4, 5, 6)] == [9, 21, 33]
    assert calendar.due_at(4) == riga(2027, 2, 28, 12)
    assert calendar.due_at(4).tzinfo == ZoneInfo("UTC")
    assert calendar.due_at(5) == riga(2028, 2, 29, 12)
    moments = [riga(2027, 2, 27), riga(2027, 3, 1), riga(2028, 2, 29, 11), riga(2028, 2, 29, 12)]
    assert [calendar.current(moment) for moment in moments] == [3, 4, 4, 5]
    with pytest.raises(ValueError, match="counted from 4"):
        calendar.months(3)


def test_which_time_of_an_hour_it_was_is_not_carried_to_other_days() -> None:
    anchor = riga(2027, 9, 30, 3, 30)
    calendar = Calendar(anchor=anchor.replace(fold=1), cadence=Cadence.MONTHLY, zone=RIGA)
    assert calendar.due_at(1) == datetime(2027, 10, 30, 0, 30, tzinfo=UTC)
    twice = Calendar(anchor=riga(2027, 9, 30, 3, 30), cadence=Cadence.MONTHLY, zone=RIGA)
    assert twice.due_at(1) == calendar.due_at(1)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 3:30 for the second time
    yearly = Calendar(anchor=second, cadence=Cadence.MONTHLY, zone=RIGA)
    assert yearly.due_at(1) == datetime(2026, 11, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("day", [29, 30, 31])
def test_february_never_shifts_the_anchor(day: int) -> None:
    anchor = riga(2027, 1, day, 12)
    assert local_days(anchor, Cadence.MONTHLY, 3, RIGA)[1:] == [
        date(2027, 2, 28),
        date(2027, 3, day),
    ]


def test_an_annual_pledge_of_a_leap_day_waits_for_the_next_one() -> None:
    days = local_days(riga(2028, 2, 29, 9), Cadence.ANNUAL, 5, RIGA)
    assert days[1:] == [date(2029, 2, 28), date(2030, 2, 28), date(2031, 2, 28), date(2032, 2, 29)]


def test_the_day_is_the_newsrooms_and_not_that_of_utc() -> None:
    # 23:30 UTC on 30 January is 01:30 on the 31st in Riga.
    anchor = datetime(2027, 1, 30, 23, 30, tzinfo=UTC)
    assert local_days(anchor, Cadence.MONTHLY, 3, RIGA) == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
    ]


def test_the_hour_on_the_wall_stays_across_daylight_saving() -> None:
    anchor = riga(2027, 3, 15, 9, 30)
    april = due_at(anchor, Cadence.MONTHLY, 1, RIGA)
    assert april.astimezone(RIGA).hour == 9
    assert april - anchor.astimezone(UTC) == timedelta(days=31, hours=-1)


def test_an_hour_that_daylight_saving_skips_moves_on() -> None:
    # In Riga 03:30 on 28 March 2027 does not exist: the clocks go from 03:00 to 04:00.
    due = due_at(riga(2027, 2, 28, 3, 30), Cadence.MONTHLY, 1, RIGA)
    assert due.astimezone(RIGA) == riga(2027, 3, 28, 4, 30)


def test_an_hour_that_comes_twice_is_taken_the_first_time() -> None:
    due = due_at(riga(2027, 9, 30, 3, 30), Cadence.MONTHLY, 1, RIGA)
    twice = due_at(riga(2027, 9, 30, 3, 30) + timedelta(days=1), Cadence.MONTHLY, 0, RIGA)
    assert due.astimezone(RIGA).replace(tzinfo=None) == datetime(2027, 10, 30, 3, 30)
    assert twice  # 31 October 2027 is the day on which 03:30 comes twice
    doubled = due_at(riga(2027, 8, 31, 3, 30), Cadence.MONTHLY, 2, RIGA)
    assert doubled == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@given(anchor=moments, cadence=recurring, period=periods, zone=zones)
def test_a_period_falls_on_the_anchors_day_or_the_months_last(
    anchor: datetime, cadence: Cadence, period: int, zone: ZoneInfo
) -> None:
    wanted = anchor.astimezone(zone).date()
    due = due_at(anchor, cadence, period, zone).astimezone(zone)
    # Where a whole day was skipped at the date line, the wall clock moves on with it.
    naive = due.replace(tzinfo=None)
    last = monthrange(naive.year, naive.month)[1]
    assert naive.day == min(wanted.day, last) or zone.key == "Pacific/Apia"
    months = (naive.year - wanted.year) * 12 + naive.month - wanted.month
    assert months == period * (1 if cadence is Cadence.MONTHLY else 12)


@given(anchor=moments, cadence=recurring, period=periods, zone=zones)
def test_periods_only_ever_go_forward(
    anchor: datetime, cadence: Cadence, period: int, zone: ZoneInfo
) -> None:
    earlier = due_at(anchor, cadence, period - 1, zone)
    later = due_at(anchor, cadence, period, zone)
    assert timedelta(days=27) < later - earlier < timedelta(days=367)
    assert later.utcoffset() == timedelta(0)


@given(anchor=moments, cadence=recurring, period=periods, zone=zones, late=st.integers(0, 26))
def test_the_current_period_is_the_last_one_that_fell_due(
    anchor: datetime, cadence: Cadence, period: int, zone: ZoneInfo, late: int
) -> None:
    now = due_at(anchor, cadence, period, zone) + timedelta(days=late)
    assert current_period(anchor, cadence, now, zone) == period


@given(anchor=moments, cadence=recurring, period=periods, zone=zones)
def test_a_moment_before_it_is_due_a_period_is_not_current(
    anchor: datetime, cadence: Cadence, period: int, zone: ZoneInfo
) -> None:
    now = due_at(anchor, cadence, period, zone) - timedelta(microseconds=1)
    assert current_period(anchor, cadence, now, zone) == period - 1


def test_a_gift_has_no_calendar_and_periods_count_from_zero() -> None:
    with pytest.raises(ValueError, match="gift"):
        due_at(riga(2027, 1, 1), Cadence.ONCE, 1, RIGA)
    with pytest.raises(ValueError, match="from 0"):
        due_at(riga(2027, 1, 1), Cadence.MONTHLY, -1, RIGA)


def test_yearly_value_counts_revenue_in_twelfths() -> None:
    assert yearly_value(200, Cadence.MONTHLY) == yearly_value(2400, Cadence.ANNUAL) == 2400
    assert isinstance(yearly_value(500, Cadence.ANNUAL), int)
