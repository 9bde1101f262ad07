"""When pledges should have been charged: notices of annual ones, and pledges that were ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos import dues
from tests.chaos.agreements import Account, agreed, with_chances
from tests.chaos.facts import Agreed, Cancelled

DAY = timedelta(days=1)
ANCHOR = datetime(2026, 5, 20, 10, tzinfo=UTC)
DUE = datetime(2027, 5, 20, 10, tzinfo=UTC)
END = datetime(2027, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ([], None),
        ([-14], 0),
        ([-7], 0),
        ([-5], 2),
        ([3], 10),
        ([-31], None),
        ([-31, -3], 4),
        ([-20, -3], 0),
    ],
)
def test_an_annual_charge_follows_its_notice_by_a_week(told: list[int], at: int | None) -> None:
    expected = None if at is None else DUE + at * DAY
    assert dues.announced(DUE, [DUE + days * DAY for days in told]) == expected


def yearly(told: list[datetime], end: Cancelled | None = None, settled: datetime = END) -> Agreed:
    account = Account(amount=500, anchor=ANCHOR, cadence="annual", email="a@chaos.example")
    return agreed(account, end, told, settled)


def test_without_a_notice_nothing_is_due_but_the_notice() -> None:
    untold = yearly([])
    assert not untold.dues
    assert untold.notice_owed
    assert not yearly([], settled=DUE - 15 * DAY).notice_owed


def test_a_notice_that_comes_late_moves_the_charge() -> None:
    late = yearly([DUE - DAY])
    assert [due.earliest for due in late.dues] == [DUE + 6 * DAY]
    assert late.dues[0].owed
    assert not yearly([DUE - DAY], settled=DUE + 5 * DAY).dues


def test_a_notice_that_came_twice_counts_from_either_time() -> None:
    twice = yearly([DUE - 14 * DAY, END - 7 * DAY])
    assert [due.earliest for due in twice.dues] == [DUE]
    assert not twice.dues[0].owed


def monthly(end: Cancelled | None) -> Agreed:
    begun = datetime(2027, 1, 31, 10, tzinfo=UTC)
    account = Account(amount=500, anchor=begun, cadence="monthly", email="a@chaos.example")
    return agreed(account, end, [], END)


def test_a_month_has_a_due_each() -> None:
    days = [due.earliest.date().isoformat() for due in monthly(None).dues]
    assert days == ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"]
    assert all(due.owed for due in monthly(None).dues)


def test_nothing_is_due_after_the_end_and_the_last_days_before_it_are_open() -> None:
    asked = datetime(2027, 5, 1, 12, tzinfo=UTC)
    ended = monthly(Cancelled(pledge=1, asked_at=asked, confirmed_at=asked + timedelta(minutes=2)))
    assert [due.owed for due in ended.dues] == [True, True, False]


def test_a_period_is_owed_if_its_pledge_was_once_at_rest_in_it() -> None:
    monthly = Account(amount=500, anchor=ANCHOR, cadence="monthly", email="a@chaos.example")
    plain = agreed(monthly, None, [], ANCHOR + 100 * DAY)
    first, second, _ = (due.earliest for due in plain.dues)

    def owed(*calm: datetime) -> list[bool]:
        return [due.owed for due in with_chances(plain, calm).dues]

    assert owed(first + DAY, second + DAY) == [True, True, True]
    assert owed(first - DAY, second + DAY) == [False, True, True]
    assert owed() == [False, False, True]
    assert [due.let_go for due in with_chances(plain, []).dues] == [True, True, False]
