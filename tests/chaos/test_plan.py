from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from tests.chaos import dues
from tests.chaos.crew import Deck
from tests.chaos.people import NOTICE_ROOM, QUIET, ZONE, remind_at
from tests.chaos.plan import ACTIONS, make_plan
from tests.chaos.points import SEND, STEPS, WEB_POINTS, WORKER_POINTS, task_of


def test_the_same_seed_gives_the_same_plan() -> None:
    first, second = (make_plan(pledges=60, months=2, seed=4) for _ in range(2))
    assert first == second
    assert list(first.lines()) == list(second.lines())


def test_another_seed_gives_another_plan() -> None:
    first, second = (make_plan(pledges=60, months=2, seed=seed) for seed in (4, 5))
    assert list(first.lines())[1:] != list(second.lines())[1:]


def test_every_kind_of_fault_is_in_the_plan() -> None:
    plan = make_plan(pledges=60, months=2, seed=4)
    assert {action.name for leg in plan.legs for action in leg.actions} == set(ACTIONS)
    assert sum(leg.outage for leg in plan.legs) == 2
    assert any(leg.hasty for leg in plan.legs)


def test_every_step_of_every_task_is_somebody_s_end() -> None:
    plan = make_plan(pledges=60, months=2, seed=4)
    drawn = {point for point, _ in islice(plan.kills(WORKER_POINTS, "workers"), len(WORKER_POINTS))}
    drawn |= {point for point, _ in islice(plan.kills(WEB_POINTS, "web"), len(WEB_POINTS))}
    assert drawn == {f"{task}: {step}" for task, steps in STEPS.items() for step in steps}


def test_every_pledge_is_due_and_none_in_the_quiet_days() -> None:
    plan = make_plan(pledges=400, months=2, seed=4)
    for promise in plan.promises:
        found = dues.until(promise.anchor, promise.cadence, ZONE, plan.end + QUIET)
        assert found
        assert plan.begin < found[0]
        assert found[-1] <= plan.end
    assert {29, 30, 31} & {each.anchor.astimezone(ZONE).day for each in plan.promises}
    assert {each.cadence for each in plan.promises} == {"monthly", "annual"}


def test_annual_pledges_leave_room_for_a_late_notice() -> None:
    plan = make_plan(pledges=400, months=2, seed=4)
    for promise in plan.promises:
        if promise.cadence == "annual":
            (due,) = dues.until(promise.anchor, "annual", ZONE, plan.end + QUIET)
            assert plan.begin < due <= plan.end - NOTICE_ROOM


def test_reminders_were_asked_for_before_and_fall_due_within_the_run() -> None:
    plan = make_plan(pledges=400, months=1, seed=4)
    first = {each.email: dues.moments(each.anchor, each.cadence, ZONE) for each in plan.promises}
    assert {reminder.gives for reminder in plan.reminders} == {True, False}
    for reminder in plan.reminders:
        assert reminder.asked_at <= plan.begin < remind_at(reminder.asked_at)
        if reminder.gives:
            given = next(first[reminder.email])
            assert reminder.asked_at < given < remind_at(reminder.asked_at)
        else:
            assert remind_at(reminder.asked_at) < plan.end


def test_readers_give_and_cancel_in_every_part_of_the_way() -> None:
    plan = make_plan(pledges=400, months=2, seed=4)
    legs = {leg.number for leg in plan.legs}
    assert {visitor.cadence for visitor in plan.visitors} == {"once", "monthly"}
    assert len({visitor.leg for visitor in plan.visitors} & legs) > 2
    ended = {promise.cancelled_in for promise in plan.promises} - {None}
    assert len(ended & legs) > len(legs) / 2


def test_steps_rarely_come_by_do_not_keep_the_others_from_their_turn() -> None:
    plan = make_plan(pledges=60, months=2, seed=4)
    deck, fired = Deck(plan.kills(WORKER_POINTS, "workers")), set[str]()
    for _ in range(2 * len(WORKER_POINTS)):
        drawn = deck.draw()
        common = [point for point in drawn if task_of(point) == SEND]
        fired |= set(common)
        deck.give_back(drawn, common)
    assert fired == {point for point in WORKER_POINTS if task_of(point) == SEND}


@pytest.mark.parametrize(
    ("anchor", "cadence", "expected"),
    [
        (
            datetime(2027, 1, 31, 10, tzinfo=UTC),
            "monthly",
            ["2027-02-28T10:00", "2027-03-31T09:00", "2027-04-30T09:00"],
        ),
        (
            datetime(2028, 2, 29, 10, tzinfo=UTC),
            "annual",
            ["2029-02-28T10:00", "2030-02-28T10:00", "2031-02-28T10:00", "2032-02-29T10:00"],
        ),
    ],
)
def test_the_plain_calendar(anchor: datetime, cadence: str, expected: list[str]) -> None:
    found = islice(dues.moments(anchor, cadence, ZoneInfo("Europe/Riga")), len(expected))
    assert [moment.isoformat()[:16] for moment in found] == expected
