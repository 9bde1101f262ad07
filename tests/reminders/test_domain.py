"""A month on: which day, which moment, in every month, zone and change of clocks."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from billing.reminders.domain import (
    REMINDER_TRANSITIONS,
    UNFINISHED,
    ReminderStatus,
    asked_month,
    may_become,
    reminder_day,
    reminder_moment,
)

RIGA = ZoneInfo("Europe/Riga")
# Clocks that change at two, at midnight, by half an hour, and never; both sides of the date line.
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in (
            "UTC",
            "Europe/Riga",
            "America/New_York",
            "America/Havana",
            "Asia/Beirut",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Kiritimati",
            "Pacific/Pago_Pago",
        )
    ]
)
MOMENTS = st.datetimes(
    min_value=datetime(2024, 1, 1),
    max_value=datetime(2037, 12, 31),
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("asked", "day"),
    [
        (date(2026, 11, 23), date(2026, 12, 23)),
        (date(2027, 1, 29), date(2027, 2, 28)),
        (date(2027, 1, 30), date(2027, 2, 28)),
        (date(2027, 1, 31), date(2027, 2, 28)),
        (date(2028, 1, 29), date(2028, 2, 29)),
        (date(2028, 1, 31), date(2028, 2, 29)),
        (date(2027, 3, 31), date(2027, 4, 30)),
        (date(2027, 2, 28), date(2027, 3, 28)),
        (date(2026, 12, 31), date(2027, 1, 31)),
    ],
)
def test_a_month_on_and_clamped_where_the_month_is_shorter(asked: date, day: date) -> None:
    noon = datetime(asked.year, asked.month, asked.day, 12, tzinfo=RIGA)
    assert reminder_day(noon, RIGA) == day


def test_the_day_is_the_newsrooms() -> None:
    asked = datetime(2027, 1, 31, 22, 30, tzinfo=UTC)  # already February in Riga
    assert reminder_day(asked, RIGA) == date(2027, 3, 1)
    assert reminder_day(asked, ZoneInfo("UTC")) == date(2027, 2, 28)
    assert asked_month(asked, RIGA) == date(2027, 2, 1)


def test_a_skipped_hour_moves_on() -> None:
    asked = datetime(2027, 2, 28, 3, 30, tzinfo=RIGA)
    at = reminder_moment(asked, RIGA)
    assert at == datetime(2027, 3, 28, 3, 30, tzinfo=RIGA).astimezone(UTC)
    assert at.astimezone(RIGA).time().isoformat() == "04:30:00"


def test_a_doubled_hour_is_taken_the_first_time() -> None:
    asked = datetime(2027, 9, 30, 3, 30, tzinfo=RIGA)
    assert reminder_moment(asked, RIGA) == datetime(2027, 10, 30, 0, 30, tzinfo=UTC)
    asked = datetime(2026, 9, 25, 3, 30, tzinfo=RIGA)
    assert reminder_moment(asked, RIGA) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_asked_in_an_hours_second_passing_it_comes_at_that_hour() -> None:
    asked = datetime(2026, 10, 25, 3, 30, fold=1, tzinfo=RIGA)
    local = reminder_moment(asked, RIGA).astimezone(RIGA)
    assert (local.date(), local.hour, local.minute) == (date(2026, 11, 25), 3, 30)


@given(asked=MOMENTS, zone=ZONES)
def test_the_email_goes_out_on_the_day_that_was_shown(asked: datetime, zone: ZoneInfo) -> None:
    assert reminder_moment(asked, zone).astimezone(zone).date() == reminder_day(asked, zone)


@given(asked=MOMENTS, zone=ZONES)
def test_it_is_the_next_month_and_the_same_day_or_the_months_last(
    asked: datetime, zone: ZoneInfo
) -> None:
    before, day = asked.astimezone(zone).date(), reminder_day(asked, zone)
    assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == 1
    assert day.day == min(before.day, monthrange(day.year, day.month)[1])


@given(asked=MOMENTS, zone=ZONES)
def test_it_is_28_to_31_days_off_give_or_take_a_change_of_clocks(
    asked: datetime, zone: ZoneInfo
) -> None:
    wait = reminder_moment(asked, zone) - asked
    assert timedelta(days=28, hours=-2) <= wait <= timedelta(days=31, hours=2)


@given(asked=MOMENTS, zone=ZONES)
def test_when_it_is_due_a_new_month_has_begun(asked: datetime, zone: ZoneInfo) -> None:
    """So the rule of one request a month has no more need of the address by then."""
    assert asked_month(reminder_moment(asked, zone), zone) > asked_month(asked, zone)


@given(first=MOMENTS, later=st.timedeltas(timedelta(0), timedelta(days=40)), zone=ZONES)
def test_who_asks_later_is_not_reminded_on_an_earlier_day(
    first: datetime, later: timedelta, zone: ZoneInfo
) -> None:
    assert reminder_day(first, zone) <= reminder_day(first + later, zone)


REVIVAL = (ReminderStatus.UNDELIVERED, ReminderStatus.QUEUED)
"""The one way back: staff may try again what no mail server took."""


def test_the_state_table_names_every_state_and_has_an_end() -> None:
    assert set(REMINDER_TRANSITIONS) == set(ReminderStatus)
    assert {old for old, new in REMINDER_TRANSITIONS.items() if new} - {REVIVAL[0]} == UNFINISHED


@pytest.mark.parametrize("old", list(ReminderStatus))
@pytest.mark.parametrize("new", list(ReminderStatus))
def test_a_reminder_only_moves_forward(old: ReminderStatus, new: ReminderStatus) -> None:
    assert may_become(old, new) == (new in REMINDER_TRANSITIONS[old])
    if {old, new} != set(REVIVAL):
        assert not (may_become(old, new) and may_become(new, old))
