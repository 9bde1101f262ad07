"""What should come of a pledge that its reader has changed, by example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.facts import Changed, Due, Prepaid
from tests.chaos.people import CHANGED_SHARE, Kind, dice_for
from tests.chaos.plan import make_plan
from tests.chaos.wishes import changed_dues, notice_owed

MOMENTS = [datetime(2027, month, 10, tzinfo=UTC) for month in range(2, 7)]
SETTLED = datetime(2027, 6, 20, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
OLD, NEW = 500, 700
BETWEEN = datetime(2027, 3, 20, tzinfo=UTC)


def change(kind: Kind, at: datetime | None = BETWEEN, **more: Any) -> Changed:
    """A change whose reader began to ask `at` some day, after the second period."""
    given = {"asked_at": at or BETWEEN, "confirmed_at": at and at + MINUTE, "turn": 3, **more}
    return Changed(pledge=1, kind=kind, amount=NEW, **given)


def dues_of(*changes: Changed, prepaid: Prepaid | None = None, told: Any = ()) -> list[Due]:
    return changed_dues(MOMENTS, OLD, changes, prepaid, told, SETTLED)


def shapes(dues: list[Due]) -> str:
    """O owed, - left out, ? may be or not."""
    return "".join("-" if due.left_out else "O" if due.owed else "?" for due in dues)


def test_nothing_asked_changes_nothing() -> None:
    assert shapes(dues_of(change(Kind.SKIP, refused=True))) == "OOOOO"


def test_a_skipped_period_is_left_out_and_only_that() -> None:
    assert shapes(dues_of(change(Kind.SKIP))) == "OO-OO"


def test_a_pause_leaves_out_what_falls_into_it() -> None:
    until = datetime(2027, 5, 1, tzinfo=UTC)
    assert shapes(dues_of(change(Kind.PAUSE, until=until))) == "O?-OO"


def test_a_pause_that_its_reader_ends_leaves_out_less() -> None:
    pause = change(Kind.PAUSE, until=datetime(2027, 5, 20, tzinfo=UTC))
    resume = change(Kind.RESUME, at=datetime(2027, 4, 20, tzinfo=UTC))
    assert shapes(dues_of(pause, resume)) == "O?-OO"
    assert shapes(dues_of(pause)) == "O?--O"
    unheard = change(Kind.RESUME, at=None, asked_at=resume.asked_at)
    assert shapes(dues_of(pause, unheard)) == "O?-?O"


def test_what_was_not_confirmed_may_be_or_not() -> None:
    dues = dues_of(change(Kind.RAISE, at=None))
    assert shapes(dues) == "?????"
    assert {due.amounts for due in dues} == {frozenset({OLD, NEW})}
    assert all(due.optional for due in dues)


@pytest.mark.parametrize("kind", [Kind.LOWER, Kind.RAISE])
def test_another_sum_counts_from_the_next_period_on(kind: Kind) -> None:
    dues = dues_of(change(kind))
    assert shapes(dues) == "OOOOO"
    assert [sorted(due.amounts or ()) for due in dues] == [
        [OLD],
        [OLD, NEW],
        [NEW],
        [NEW],
        [NEW],
    ]


def test_a_year_begins_a_week_after_its_notice_and_then_nothing_is_due() -> None:
    annual = change(Kind.ANNUAL)
    assert shapes(dues_of(annual)) == "OO"
    told = [MOMENTS[2] - 3 * DAY]
    dues = dues_of(annual, told=told)
    assert shapes(dues) == "OOO"
    assert (dues[2].earliest, dues[2].amounts) == (MOMENTS[2] + 4 * DAY, frozenset({NEW}))
    assert notice_owed(MOMENTS, [annual], SETTLED)
    assert not notice_owed(MOMENTS, [annual], BETWEEN)
    just_then = change(Kind.ANNUAL, at=MOMENTS[2] - MINUTE)
    assert shapes(dues_of(just_then)) == "?????"
    assert not notice_owed(MOMENTS, [just_then], SETTLED)


def paid_ahead(period: int) -> Prepaid:
    return Prepaid(pledge=1, amount=NEW, at=BETWEEN, charge=9, period=period)


def test_months_paid_ahead_are_one_payment() -> None:
    ahead = change(Kind.AHEAD)
    assert shapes(dues_of(ahead)) == "OOOOO"
    dues = dues_of(ahead, prepaid=paid_ahead(3))
    assert shapes(dues) == "OOO--"
    assert (dues[2].amounts, dues[2].earliest) == (frozenset({NEW}), BETWEEN)


def test_months_long_over_are_not_paid_ahead() -> None:
    dues = dues_of(change(Kind.AHEAD), prepaid=paid_ahead(1))
    assert shapes(dues) == "OOOOO"
    assert dues[0].amounts is None


def test_a_plan_has_every_kind_of_change() -> None:
    for pledges in (20, 60, 400):
        plan = make_plan(pledges=pledges, months=2, seed=3)
        assert {wish.kind for wish in plan.wishes} == set(Kind)
        by_number = {promise.number: promise for promise in plan.promises}
        givers = {reminder.email for reminder in plan.reminders if reminder.gives}
        for wish in plan.wishes:
            promise = by_number[wish.number]
            assert (promise.cadence, promise.cancelled_in) == ("monthly", None)
            assert promise.email not in givers
        assert len({wish.number for wish in plan.wishes}) >= pledges * CHANGED_SHARE / 2


def test_its_dice_are_nobody_else_s() -> None:
    assert dice_for(1, "wishes").random() != dice_for(1, "way").random()
