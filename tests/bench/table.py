"""A million pledges, 30,000 of them due: creating the charges, and picking the next batch."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from typing import Any

from celery import Celery
from sqlalchemy import Executable

from billing.charges.due import create_due_charges, due_charges, due_pledges
from billing.clock import SystemClock
from billing.runtime import Runtime
from tests.bench.figures import Figure, Say
from tests.bench.house import House, opened
from tests.bench.people import bring_customers, write_pledges

SMALL, LARGE = 10_000, 1_000_000
DUE = 30_000
SMALL_DUE = 3_000
PICKED = 500
TIMES = 41
CUSTOMERS = 1_000
WATCHED_SECONDS = 45
NIGHT_RATE = 20

_NONE_LEFT = """
SELECT NOT EXISTS (
    SELECT FROM pledges WHERE status = 'active' AND next_charge_at <= now())
"""


def run(say: Say) -> list[Figure]:
    """Both tables, one after the other, in databases of their own."""
    with opened() as house:
        _fill(house, SMALL, SMALL_DUE, say)
        small = _picks(house, say)
    with opened() as house:
        _fill(house, LARGE, DUE, say)
        large = _picks(house, say)
        figures = _night(house, say)
    for name, picked in small.items():
        figures += [
            Figure(f"{name}, {SMALL:,} pledges", picked * 1e3, "ms"),
            Figure(f"{name}, {LARGE:,} pledges", large[name] * 1e3, "ms"),
            Figure(f"{name}: times as long in the larger table", large[name] / picked, "times",
                   at_most=1.5),
        ]  # fmt: skip
    return figures


def _fill(house: House, people: int, due: int, say: Say) -> None:
    say(f"{people:,} pledges, {due:,} due …")
    now = SystemClock().now()
    anchor = now - timedelta(days=33)
    write_pledges(
        house, people=people, due_count=due, anchor=anchor, due=now - timedelta(minutes=1)
    )


def _picks(house: House, say: Say) -> dict[str, float]:
    """Seconds to pick a batch of due pledges, and one of due charges."""
    say(f"picking {PICKED}, {TIMES} times …")
    runtime = house.runtime()
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone

    pledges = _undone(runtime, due_pledges(now, PICKED))
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=now, limit=PICKED * 4)
    charges = _undone(runtime, due_charges(now, PICKED))
    runtime.database.dispose()
    return {
        f"picking the next {PICKED} pledges": pledges,
        f"picking the next {PICKED} charges": charges,
    }


def _undone(runtime: Runtime, query: Executable) -> float:
    """The median of the seconds that a pick takes, its locks let go each time."""
    took = []
    for _ in range(TIMES):
        with runtime.database.engine.connect() as connection:
            began = time.monotonic()
            found = connection.execute(query).all()
            took.append(time.monotonic() - began)
            connection.rollback()
        assert len(found) == PICKED
    return statistics.median(took)


def _night(house: House, say: Say) -> list[Figure]:
    """The worker creates the rest of the charges and begins to take money."""
    house.start_standin()
    bring_customers(house, people=CUSTOMERS, anchor=SystemClock().now() - timedelta(days=33))
    house.start_worker(NIGHT_RATE)
    rest = house.scalar(
        "SELECT count(*) FROM pledges WHERE status = 'active' AND next_charge_at <= now()"
    )
    say(f"one worker creates the other {rest:,} charges …")
    with Celery(broker=house.redis_url) as app, house.database() as database:
        began = time.monotonic()
        app.send_task("workers.charges.renew", queue="sweeps")
        while not _answer(database, _NONE_LEFT):
            time.sleep(0.02)
        took = time.monotonic() - began
        most = 0.0
        while time.monotonic() - began < WATCHED_SECONDS:
            most = max(most, house.memory_mb("worker"))
            time.sleep(0.2)
        queued = _answer(database, "SELECT count(*) FROM charges WHERE queued_at IS NOT NULL")
        paid = _answer(
            database, "SELECT count(*) FROM charges WHERE period > 0 AND status = 'succeeded'"
        )
    return [
        Figure(f"creating {DUE:,} charges (from {rest:,})", took * DUE / rest, "s", at_most=5),
        Figure(f"claimed {WATCHED_SECONDS} s later", queued, "charges"),
        Figure(f"paid {WATCHED_SECONDS} s later", paid, "charges"),
        Figure("memory of the worker, at its most", most, "MB", at_most=250),
    ]


def _answer(database: Any, query: str) -> Any:
    return database.execute(query).fetchone()[0]
