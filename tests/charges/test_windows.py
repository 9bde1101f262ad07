"""A sweep over Stripe's lists goes window by window, alone, and goes on where it was ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from billing.charges.sweeps import (
    FIRST_LOOK_BACK,
    OVERLAP,
    SECOND_LOOK_BACK,
    WIDEST,
    Seen,
    mark_seen,
    sweep,
    sweep_twice,
)
from billing.charges.tables import SweepMark
from billing.runtime import Runtime
from tests.support.after import Advance

NAME = "things"
_A_MOMENT = timedelta(minutes=1)
"""The clock goes on while a test runs."""


def about(one: datetime, other: datetime) -> bool:
    return abs(one - other) < _A_MOMENT


@dataclass
class Looking:
    """Looks at windows and notes them; ended by an error at the window of that number."""

    killed_at: int | None = None
    listed: int = 0
    waits_since: datetime | None = None
    windows: list[tuple[datetime, datetime | None]] = field(default_factory=list)

    def __call__(self, since: datetime, until: datetime | None) -> Seen:
        if len(self.windows) == self.killed_at:
            raise KeyboardInterrupt
        self.windows.append((since, until))
        waits = self.waits_since
        waiting = waits is not None and since <= waits and (until is None or waits < until)
        return Seen(listed=self.listed, new=1, waits_since=waits if waiting else None)


def seen_until(runtime: Runtime) -> datetime:
    with runtime.database.transaction() as session:
        return session.get_one(SweepMark, NAME).seen_until


@pytest.mark.parametrize("listed", [0, 1000, 100_000])
def test_the_windows_leave_no_gap_up_to_now(runtime: Runtime, now: datetime, listed: int) -> None:
    looking = Looking(listed=listed)
    assert sweep(runtime, NAME, looking) == len(looking.windows)
    begins, ends = zip(*looking.windows, strict=True)
    assert about(begins[0], now - FIRST_LOOK_BACK - OVERLAP)
    assert begins[1:] == ends[:-1]
    assert begins[-1] < now + _A_MOMENT
    assert ends[-1] is None
    assert all(end - begin <= WIDEST for begin, end in looking.windows[:-1])
    assert about(seen_until(runtime), now)


def test_little_is_looked_at_in_few_windows_and_much_in_many(
    runtime: Runtime, advance: Advance
) -> None:
    sweep(runtime, NAME, Looking())
    advance(timedelta(days=3))
    little, much = Looking(listed=1), Looking(listed=100_000)
    sweep(runtime, NAME, little)
    advance(timedelta(days=3))
    sweep(runtime, NAME, much)
    assert len(little.windows) * 10 < len(much.windows)


def test_the_next_sweep_looks_back_an_hour(runtime: Runtime, advance: Advance) -> None:
    sweep(runtime, NAME, Looking())
    before = seen_until(runtime)
    advance(timedelta(minutes=15))
    looking = Looking()
    sweep(runtime, NAME, looking)
    assert looking.windows[0][0] == before - OVERLAP


def test_what_stripe_keeps_for_a_while_is_not_asked_for_any_longer(
    runtime: Runtime, now: datetime, advance: Advance
) -> None:
    sweep(runtime, NAME, Looking())
    advance(timedelta(days=100))
    looking, kept_for_ever = Looking(killed_at=1), Looking(killed_at=1)
    with pytest.raises(KeyboardInterrupt):
        sweep(runtime, NAME, looking, kept=timedelta(days=30))
    assert about(looking.windows[0][0], now + timedelta(days=70))
    with runtime.database.transaction() as session:
        mark_seen(session, NAME, until=now)
    with pytest.raises(KeyboardInterrupt):
        sweep(runtime, NAME, kept_for_ever)
    assert kept_for_ever.windows[0][0] == now - OVERLAP


def test_one_that_is_ended_half_way_goes_on_where_it_was(runtime: Runtime) -> None:
    first, second = Looking(killed_at=5), Looking()
    with pytest.raises(KeyboardInterrupt):
        sweep(runtime, NAME, first)
    sweep(runtime, NAME, second)
    assert second.windows[0][0] == first.windows[-1][1] - OVERLAP  # type: ignore[operator]


def test_only_one_of_a_name_runs_at_a_time(runtime: Runtime) -> None:
    outer, inner = Looking(), Looking()

    def look(since: datetime, until: datetime | None) -> Seen:
        assert sweep(runtime, NAME, inner) == 0
        return outer(since, until)

    assert sweep(runtime, NAME, look) > 0
    assert inner.windows == []
    assert sweep(runtime, NAME, inner) > 0


def test_what_can_not_be_taken_over_yet_is_looked_at_again(
    runtime: Runtime, now: datetime, advance: Advance
) -> None:
    waiting = now - timedelta(days=2)
    sweep(runtime, NAME, Looking(waits_since=waiting))
    assert seen_until(runtime) == waiting
    advance(timedelta(hours=1))
    looking = Looking()
    sweep(runtime, NAME, looking)
    assert looking.windows[0][0] == waiting - OVERLAP
    assert about(seen_until(runtime), now + timedelta(hours=1))


def test_what_is_dated_back_is_found_within_a_day(runtime: Runtime, advance: Advance) -> None:
    sweep_twice(runtime, NAME, Looking())
    first = seen_until(runtime)
    looks = []
    for hours in (1, 22, 2, 1):
        advance(timedelta(hours=hours))
        looks.append(Looking())
        sweep_twice(runtime, NAME, looks[-1])
    oldest = [min(begin for begin, _ in look.windows) for look in looks]
    recent = [first - OVERLAP, *(first + timedelta(hours=each) for each in (0, 22, 24))]
    assert about(oldest[0], recent[0])
    assert about(oldest[1], recent[1])
    assert about(oldest[2], first - SECOND_LOOK_BACK)
    assert about(oldest[3], recent[3])


def test_the_second_look_ends_where_the_first_has_just_begun(
    runtime: Runtime, advance: Advance
) -> None:
    sweep_twice(runtime, NAME, Looking())
    first = seen_until(runtime)
    advance(timedelta(days=30))
    looking = Looking()
    sweep_twice(runtime, NAME, looking)
    begins, ends = zip(*looking.windows, strict=True)
    again = ends.index(None) + 1
    assert begins[0] == first - OVERLAP
    assert about(begins[again], first - SECOND_LOOK_BACK)
    assert begins[1:again] + begins[again + 1 :] == ends[: again - 1] + ends[again:-1]
    assert ends[-1] == begins[0]


def test_a_second_look_that_was_ended_half_way_begins_anew(
    runtime: Runtime, advance: Advance
) -> None:
    sweep_twice(runtime, NAME, Looking())
    first = seen_until(runtime)
    advance(timedelta(days=2))
    complete = Looking()
    with pytest.raises(KeyboardInterrupt):
        sweep_twice(runtime, NAME, Looking(killed_at=9))
    advance(timedelta(hours=1))
    sweep_twice(runtime, NAME, complete)
    assert about(min(begin for begin, _ in complete.windows), first - SECOND_LOOK_BACK)


def test_a_clock_that_was_ahead_hides_nothing(
    runtime: Runtime, now: datetime, advance: Advance
) -> None:
    advance(timedelta(days=5))
    sweep(runtime, NAME, Looking())
    advance(timedelta(days=-5))
    looking = Looking()
    sweep(runtime, NAME, looking)
    assert about(looking.windows[0][0], now - OVERLAP)
    assert about(seen_until(runtime), now)
