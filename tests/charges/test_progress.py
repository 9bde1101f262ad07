"""How far a run has come: every charge of the day counted once, under what became of it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from billing.charges.domain import (
    MEASURED_OVER,
    STANDS_STILL_AFTER,
    AttemptKind,
    AttemptStatus,
    ChargeKind,
    ChargeStatus,
    Run,
)
from billing.charges.progress import progress
from billing.charges.tables import Attempt, Charge
from billing.revenue.renewals import lines
from billing.runtime import Runtime
from billing.staff.formats import Formats
from tests.conftest import empty
from tests.support.after import run_sql
from tests.support.people import pledge_of

NOON = datetime.fromisoformat("2026-11-24T12:00:00+02:00")
"""In Riga, where the newsroom is."""
MIDNIGHT = NOON - timedelta(hours=12)
LIMIT = 20.0

# What is stored of a charge (its status, its last attempt's, minutes until it is asked next), and
# what it counts as when it was asked today, and when it was asked the day before.
CASES: dict[str, tuple[str, str | None, float | None, str | None, str | None]] = {
    "never asked": ("due", None, -1, "waiting", "waiting"),
    "under way": ("submitted", "in_flight", None, "under_way", "under_way"),
    "unknown": ("submitted", "unknown", None, "unknown", "unknown"),
    "a debit": ("processing", "processing", None, "with_bank", None),
    "paid": ("succeeded", "succeeded", None, "done", None),
    "declined": ("declined", "declined", None, "declined", None),
    "refused": ("declined", "refused", None, "declined", None),
    "declined, retried in days": ("declined", "declined", 4000, "declined", None),
    "declined, retried tonight": ("declined", "declined", 600, "declined", None),
    "declined, its retry is due": ("declined", "declined", 0, "waiting", "waiting"),
    "declined, then paid by hand": ("succeeded", "declined", None, "done", None),
    "never made, asked anew": ("due", "absent", -5, "waiting", "waiting"),
    "never made, cancelled": ("cancelled", "absent", None, None, None),
    "cancelled": ("cancelled", None, None, None, None),
    "not due yet": ("due", None, 60, None, None),
    "due tomorrow": ("due", None, 800, None, None),
}
LATER = {"declined, retried tonight", "not due yet"}
KINDS = ("waiting", "under_way", "unknown", "with_bank", "done", "declined")


def count(runtime: Runtime, now: datetime = NOON) -> Run:
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        return progress(session, zone=zone, limit=LIMIT, now=now)


def add(runtime: Runtime, names: list[str], *, asked: datetime = MIDNIGHT, took: float = 1) -> None:
    """A charge for each case, on one pledge; asked at a moment, answered some seconds later."""
    with runtime.database.transaction() as session:
        first = session.query(Charge).count()
        for period, name in enumerate(names, start=first + 1):
            status, outcome, minutes, *_ = CASES[name]
            charge = Charge(
                kind=ChargeKind.PLEDGE, status=ChargeStatus(status), supporter_id=1, pledge_id=1,
                period=period, currency="usd", amount_minor=500, fee_cover_minor=0,
                refunded_minor=0, due_at=MIDNIGHT, created_at=MIDNIGHT, source={},
                next_attempt_at=None if minutes is None else NOON + timedelta(minutes=minutes),
            )  # fmt: skip
            session.add(charge)
            session.flush()
            if outcome is not None:
                session.add(attempt(charge.id, 1, outcome, asked, took))


def attempt(charge_id: int, number: int, status: str, asked: datetime, took: float = 1) -> Attempt:
    ended = status not in ("in_flight", "unknown", "processing")
    return Attempt(
        charge_id=charge_id, number=number, kind=AttemptKind.OFF_SESSION,
        status=AttemptStatus(status), idempotency_key=f"key-{charge_id}-{number}", params={},
        started_at=asked, last_sent_at=asked, key_since=asked,
        finished_at=asked + timedelta(seconds=took) if ended else None,
    )  # fmt: skip


@pytest.fixture
def pledge(runtime: Runtime) -> int:
    """A pledge that is not due for a month, to hang charges on."""
    return pledge_of(runtime, anchor=NOON)


def counted(run: Run) -> Counter[str]:
    return +Counter({kind: getattr(run, kind) for kind in KINDS})


def told(runtime: Runtime, now: datetime = NOON) -> str:
    run = count(runtime, now)
    return "\n".join(lines(run, Formats(runtime.settings.newsroom.timezone), now))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    today=st.lists(st.sampled_from(sorted(CASES)), max_size=12),
    yesterday=st.lists(st.sampled_from(sorted(CASES)), max_size=12),
)
def test_every_charge_counts_once(runtime: Runtime, today: list[str], yesterday: list[str]) -> None:
    empty(runtime.database)
    pledge_of(runtime, anchor=NOON)
    add(runtime, today, asked=MIDNIGHT)
    add(runtime, yesterday, asked=MIDNIGHT - timedelta(seconds=1))
    run = count(runtime)
    expected = Counter(kind for name in today if (kind := CASES[name][3]))
    expected += Counter(kind for name in yesterday if (kind := CASES[name][4]))
    assert counted(run) == expected
    assert run.due == expected.total()
    assert run.later_today == sum(name in LATER for name in today + yesterday)
    assert (run.time_left is None) == (not expected["waiting"] + expected["under_way"])


def test_a_charge_asked_twice_in_a_day_counts_by_the_second(runtime: Runtime, pledge: int) -> None:
    add(runtime, ["unknown"])
    run_sql(runtime, "UPDATE attempts SET status = 'absent'")
    with runtime.database.transaction() as session:
        session.add(attempt(1, 2, "succeeded", NOON))
    run_sql(runtime, "UPDATE charges SET status = 'succeeded'")
    assert counted(count(runtime)) == {"done": 1}


def test_pledges_without_their_charge_wait_too(runtime: Runtime) -> None:
    """Between the moment at which they fall due and the beat's next tick."""
    for address, anchor in (("a@example.org", NOON), ("b@example.org", NOON + timedelta(hours=1))):
        pledge_of(runtime, anchor=anchor - timedelta(days=31), address=address)
    run_sql(
        runtime,
        "UPDATE pledges SET next_charge_at = '2026-11-24T11:59+02' WHERE id = 1",
        "UPDATE pledges SET next_charge_at = '2026-11-24T23:59+02' WHERE id = 2",
    )
    run = count(runtime)
    assert (run.waiting, run.later_today) == (1, 1)
    assert run.waiting_since == NOON - timedelta(minutes=1)
    run_sql(runtime, "UPDATE pledges SET held_since = now()")
    assert count(runtime).due == 0


def test_nothing_due_is_said_in_a_sentence(runtime: Runtime, pledge: int) -> None:
    assert told(runtime).endswith("No renewal has fallen due today, and none will.")
    add(runtime, ["not due yet", "cancelled"])
    assert told(runtime).endswith(
        "No renewal has fallen due so far today; 1 renewal falls due later."
    )


def test_all_done(runtime: Runtime, pledge: int) -> None:
    add(runtime, ["paid", "paid", "declined"])
    assert told(runtime) == (
        "Renewals of 24 Nov 2026, as of 24 Nov 2026, 12:00 (Europe/Riga)\n"
        "        3  due so far\n"
        "        2  paid\n"
        "        1  declined\n"
        "        0  without an answer: being found out\n"
        "Rate: not measured yet; at most 20 a second\n"
        "Nothing is waiting."
    )


def test_an_unknown_outcome_is_no_work_that_is_left(runtime: Runtime, pledge: int) -> None:
    add(runtime, ["unknown", "a debit", "paid"])
    run = count(runtime)
    assert (run.unknown, run.with_bank, run.time_left) == (1, 1, None)
    assert "1  without an answer: being found out" in told(runtime)


def test_the_rate_is_that_of_the_last_minutes(runtime: Runtime, pledge: int) -> None:
    add(runtime, ["paid"] * 30, asked=NOON - timedelta(seconds=60))
    add(runtime, ["paid"] * 30, asked=NOON - timedelta(seconds=30))
    add(runtime, ["never asked"] * 90)
    run = count(runtime)
    assert run.rate == 1.0
    assert run.time_left == timedelta(seconds=90)
    assert "Rate: 1.0 a second over the last 1 minute; at most 20 a second" in told(runtime)
    assert "Time left: about 2 minutes, at the measured rate" in told(runtime)


def test_what_was_answered_before_the_last_minutes_measures_nothing(
    runtime: Runtime, pledge: int
) -> None:
    add(runtime, ["paid"] * 30, asked=NOON - MEASURED_OVER - timedelta(seconds=2))
    add(runtime, ["never asked"] * 90)
    assert count(runtime).rate is None
    assert "Time left: about 5 seconds, at the limit that is set" in told(runtime)


def test_a_long_answer_is_measured_over_the_window_and_no_more(
    runtime: Runtime, pledge: int
) -> None:
    add(runtime, ["paid"] * 30, asked=NOON - timedelta(minutes=9), took=300)
    run = count(runtime)
    assert run.measured == MEASURED_OVER
    assert run.rate == pytest.approx(0.1)


def test_a_run_that_stands_still_says_so(runtime: Runtime, pledge: int) -> None:
    add(runtime, ["never asked"] * 3)
    waited = NOON - timedelta(minutes=1) + STANDS_STILL_AFTER
    assert not count(runtime, waited).stands_still(waited)
    late = waited + timedelta(seconds=1)
    assert count(runtime, late).stands_still(late)
    assert "Is the worker running?" in told(runtime, late)


def test_the_day_is_the_newsrooms(runtime: Runtime, pledge: int) -> None:
    """At half past eleven in the evening, UTC, a new day has begun in Riga."""
    add(runtime, ["paid"], asked=NOON)
    late = datetime.fromisoformat("2026-11-24T23:30:00+00:00")
    assert count(runtime, late).due == 0
    assert count(runtime, late - timedelta(hours=2)).due == 1


@given(
    counts=st.fixed_dictionaries(
        {kind: st.integers(0, 40_000) for kind in (*KINDS, "later_today", "answered")}
    ),
    seconds=st.integers(0, 300),
    limit=st.floats(0.1, 100),
)
def test_the_sums_of_a_run(counts: dict[str, int], seconds: int, limit: float) -> None:
    values: dict[str, Any] = {**counts, "measured": timedelta(seconds=seconds), "limit": limit}
    run = Run(**values)
    assert run.due == sum(counts[kind] for kind in KINDS)
    left = counts["waiting"] + counts["under_way"]
    if not left:
        assert run.time_left is None
    else:
        pace = run.rate or limit
        assert run.time_left is not None
        assert run.time_left.total_seconds() == pytest.approx(left / pace, abs=1e-5)
    assert run.rate is None or run.rate == counts["answered"] / seconds
