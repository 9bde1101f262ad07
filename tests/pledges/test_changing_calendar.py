"""What a supporter changes never moves the anchor's day, nor makes up for what was left out."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from billing.pledges.domain import Cadence, Calendar, after_pause, in_rhythm

RIGA = ZoneInfo("Europe/Riga")
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Riga", "America/New_York", "Asia/Kathmandu")]

anchors = st.datetimes(
    min_value=datetime(2019, 1, 1), max_value=datetime(2030, 12, 31), timezones=st.just(UTC)
)
recurring = st.sampled_from([Cadence.MONTHLY, Cadence.ANNUAL])
changes = st.lists(
    st.one_of(
        st.tuples(st.just("skip"), st.just(0)),
        st.tuples(st.just("pause"), st.integers(1, 370)),
        st.tuples(st.just("rhythm"), st.just(0)),
        st.tuples(st.just("prepay"), st.integers(2, 12)),
        st.tuples(st.just("charge"), st.just(0)),
    ),
    max_size=12,
)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    return Calendar(
        anchor=draw(anchors), cadence=draw(recurring), zone=draw(st.sampled_from(ZONES))
    )


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def changed(calendar: Calendar, period: int, change: tuple[str, int]) -> tuple[Calendar, int]:
    """One change of a life, as the service makes it."""
    what, number = change
    if what == "pause":
        until = calendar.due_at(period) - timedelta(days=20) + timedelta(days=number)
        return after_pause(calendar, period, until)
    if what == "rhythm":
        other = Cadence.ANNUAL if calendar.cadence is Cadence.MONTHLY else Cadence.MONTHLY
        return in_rhythm(calendar, other, period), period
    if what == "prepay" and calendar.cadence is Cadence.MONTHLY:
        return calendar, period + number
    return calendar, period + 1


@given(calendar=calendars(), life=changes)
def test_the_anchors_day_outlasts_every_change(
    calendar: Calendar, life: list[tuple[str, int]]
) -> None:
    wanted, period = day_of(calendar.anchor, calendar.zone).day, 1
    for change in life:
        before = calendar.due_at(period)
        calendar, period = changed(calendar, period, change)
        due = calendar.due_at(period)
        local = day_of(due, calendar.zone)
        assert local.day == min(wanted, monthrange(local.year, local.month)[1])
        assert due >= before
        assert period >= calendar.from_period
        assert calendar.current(due) == period
        if calendar.due_at(period) > calendar.anchor:
            assert calendar.current(due - timedelta(microseconds=1)) == max(0, period - 1)


@given(calendar=calendars(), period=st.integers(1, 40), days=st.integers(-40, 400))
def test_a_pause_ends_with_the_first_payment_after_it_and_not_one_later(
    calendar: Calendar, period: int, days: int
) -> None:
    first = calendar.due_at(period)
    until = first + timedelta(days=days)
    moved, resumed = after_pause(calendar, period, until)
    due = moved.due_at(resumed)
    assert due >= until
    if first >= until:
        assert (moved, resumed) == (calendar, period)
    else:
        assert due - until < timedelta(days=32)


@given(calendar=calendars(), period=st.integers(1, 40), days=st.integers(-40, 400))
def test_a_monthly_pause_numbers_every_month_and_a_year_keeps_its_number(
    calendar: Calendar, period: int, days: int
) -> None:
    until = calendar.due_at(period) + timedelta(days=days)
    moved, resumed = after_pause(calendar, period, until)
    if calendar.cadence is Cadence.MONTHLY:
        assert moved == calendar
        assert all(calendar.due_at(left_out) < until for left_out in range(period, resumed))
    else:
        assert resumed == period
        assert moved.months(period) >= calendar.months(period)


@given(
    calendar=calendars(),
    period=st.integers(1, 40),
    days=st.integers(1, 400),
    early=st.integers(0, 400),
)
def test_resumed_early_it_never_charges_later_than_resumed_on_the_day(
    calendar: Calendar, period: int, days: int, early: int
) -> None:
    until = calendar.due_at(period) + timedelta(days=days)
    now = until - timedelta(days=early)
    on_the_day, last = after_pause(calendar, period, until)
    sooner, first = after_pause(calendar, period, now)
    assert now <= sooner.due_at(first) <= on_the_day.due_at(last) or early == 0


@given(calendar=calendars(), period=st.integers(1, 40), cadence=recurring)
def test_another_rhythm_begins_where_the_next_payment_was(
    calendar: Calendar, period: int, cadence: Cadence
) -> None:
    other = in_rhythm(calendar, cadence, period)
    assert other.due_at(period) == calendar.due_at(period)
    assert other.months(period + 1) - other.months(period) == (
        1 if cadence is Cadence.MONTHLY else 12
    )
    with pytest.raises(ValueError, match="counted from"):
        other.due_at(period - 1)


def riga(*when: int) -> datetime:
    return datetime(*when, tzinfo=RIGA)  # type: ignore[misc,arg-type]


def test_the_31st_stays_the_31st_through_a_life_of_changes() -> None:
    calendar = Calendar(anchor=riga(2027, 1, 31, 12), cadence=Cadence.MONTHLY, zone=RIGA)
    assert day_of(calendar.due_at(1), RIGA) == date(2027, 2, 28)
    assert day_of(calendar.due_at(2), RIGA) == date(2027, 3, 31)  # February was skipped
    paused, period = after_pause(calendar, 3, riga(2027, 6, 1))
    assert day_of(paused.due_at(period), RIGA) == date(2027, 6, 30)
    assert day_of(paused.due_at(period + 1), RIGA) == date(2027, 7, 31)
    annual = in_rhythm(paused, Cadence.ANNUAL, period)
    assert day_of(annual.due_at(period + 1), RIGA) == date(2028, 6, 30)
    again = in_rhythm(annual, Cadence.MONTHLY, period + 1)
    assert day_of(again.due_at(period + 2), RIGA) == date(2028, 7, 31)


def test_a_year_that_would_begin_in_a_pause_begins_after_it() -> None:
    calendar = Calendar(anchor=riga(2027, 3, 31, 9), cadence=Cadence.ANNUAL, zone=RIGA)
    moved, period = after_pause(calendar, 1, riga(2028, 6, 10))
    assert period == 1
    assert day_of(moved.due_at(1), RIGA) == date(2028, 6, 30)
    assert day_of(moved.due_at(2), RIGA) == date(2029, 6, 30)


def test_a_pause_that_ends_in_the_very_hour_leaves_nothing_out() -> None:
    calendar = Calendar(anchor=riga(2027, 1, 15, 9), cadence=Cadence.MONTHLY, zone=RIGA)
    assert after_pause(calendar, 1, riga(2027, 2, 15, 9)) == (calendar, 1)
    later = riga(2027, 2, 15, 9) + timedelta(microseconds=1)
    assert after_pause(calendar, 1, later) == (calendar, 2)


def test_before_a_new_rhythm_begins_the_last_period_of_the_old_is_current() -> None:
    calendar = Calendar(anchor=riga(2027, 1, 15, 9), cadence=Cadence.MONTHLY, zone=RIGA)
    annual = in_rhythm(calendar, Cadence.ANNUAL, 4)
    assert annual.current(riga(2027, 4, 20)) == 3
    assert annual.current(riga(2027, 5, 15, 9)) == 4
    assert annual.current(riga(2028, 5, 14)) == 4
    assert annual.current(riga(2028, 5, 15, 9)) == 5
    assert replace(annual, from_period=1, from_month=1).current(riga(2027, 1, 20)) == 0


def test_a_gift_has_no_calendar() -> None:
    gift = Calendar(anchor=riga(2027, 1, 1), cadence=Cadence.ONCE, zone=RIGA)
    for ask in (lambda: gift.months(0), lambda: gift.current(riga(2028, 1, 1))):
        with pytest.raises(ValueError, match="gift"):
            ask()
