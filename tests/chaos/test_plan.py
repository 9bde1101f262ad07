from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from tests.chaos import dues
from tests.chaos.people import QUIET, ZONE
from tests.chaos.plan import ACTIONS, make_plan
from tests.chaos.points import STEPS, WEB_POINTS, WORKER_POINTS


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
