"""What it costs to keep the figures up to date while money is taken, and how soon they are told."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from datetime import timedelta

import psutil
from sqlalchemy import text

from billing.clock import SystemClock
from billing.ledger.domain import Movement
from billing.ledger.service import post
from billing.revenue.folding import fold
from billing.runtime import Runtime
from tests.bench.figures import Figure, Say
from tests.bench.history import write_history
from tests.bench.house import House, opened, wait_until
from tests.bench.people import bring_customers, write_pledges
from tests.bench.renewals import calls, renew
from workers.schedule import FIGURES_SECONDS

CHARGES = 200_000
PACE = 100
SECONDS = 75
"""Longer than the minute in which the outcomes of renewals are looked at once."""
PAYMENTS = 12

_VARIETY = """
UPDATE pledges p SET source = s.source, card_country = s.card_country
FROM (SELECT row_number() OVER (ORDER BY random()) AS place, source, card_country
      FROM pledges WHERE id <= %(after)s) AS s
WHERE p.id > %(after)s AND s.place = p.id - %(after)s"""
"""The new pledges come from where those of the history came from, in the same proportions."""


def run(say: Say) -> list[Figure]:
    """Beside a history, a worker takes money while the figures are folded as the beat would."""
    with opened() as house:
        write_history(house, CHARGES, say)
        house.start_standin()
        _bring_due(house, PACE * (SECONDS + 15))
        house.ask("POST", "/_standin/faults", {"latency_ms": 50})
        house.start_worker(PACE)
        figures = _cost(house, say)
        return figures + _freshness(house, say)


def _bring_due(house: House, people: int) -> None:
    now = SystemClock().now()
    anchor, after = now - timedelta(days=33), house.scalar("SELECT max(id) FROM pledges")
    write_pledges(
        house, people=people, due_count=people, anchor=anchor, due=now - timedelta(minutes=1)
    )
    bring_customers(house, people=people, anchor=anchor, after=after)
    with house.database() as database:
        database.execute(_VARIETY, {"after": after})
        database.execute("VACUUM (ANALYZE)")


def _cost(house: House, say: Say) -> list[Figure]:
    """The CPU time of the folds' own connection, and that of all of PostgreSQL beside it."""
    runtime = house.runtime(pool_size=1)
    with runtime.database.transaction() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
    folds = psutil.Process(pid)
    fold(runtime)
    renew(house)
    wait_until(lambda: calls(house)["total"] > PACE * 3, "the first charges")
    ended = threading.Event()
    folding = threading.Thread(target=_fold_on, args=(runtime, ended))
    say(f"{PACE} renewals a second for {SECONDS} s, a fold every {FIGURES_SECONDS:g} s …")
    before, used, spent = calls(house)["total"], house.cpu_seconds(), _cpu(folds)
    folding.start()
    time.sleep(SECONDS)
    after, all_used = calls(house)["total"], house.cpu_seconds()
    ended.set()
    folding.join()
    kept = _cpu(folds) - spent
    taken, rest = after - before, all_used["postgres"] - used["postgres"] - kept
    runtime.database.dispose()
    return [
        Figure("renewals meanwhile", taken, ""),
        Figure("database CPU of a renewal, without figures", rest / taken * 1e3, "ms"),
        Figure("database CPU of keeping the figures, for each", kept / taken * 1e3, "ms"),
        Figure("keeping the figures: share of a renewal's", kept / rest * 100, "%", at_most=10),
    ]


def _fold_on(runtime: Runtime, ended: threading.Event) -> None:
    while not ended.wait(FIGURES_SECONDS):
        fold(runtime)


def _cpu(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


def _freshness(house: House, say: Say) -> list[Figure]:
    """From a payment's commit to its day's sum, through beat, queue and worker."""
    house.spawn(
        "beat",
        [sys.executable, "-m", "celery", "--app=workers.beat_app", "beat", "--pidfile=",
         "--loglevel=warning"],
        {"TUPPENCE_BEAT_FILE": str(house.home / "beat")},
    )  # fmt: skip
    say(f"{PAYMENTS} payments, each watched until it is told …")
    runtime = house.runtime(pool_size=1)
    took = []
    for number in range(PAYMENTS + 1):
        before = house.scalar(_TOLD)
        _pay(runtime, number)
        began = time.monotonic()
        wait_until(lambda before=before: house.scalar(_TOLD) != before, "the figure")
        if number:
            took.append(time.monotonic() - began)
        time.sleep(0.7)
    runtime.database.dispose()
    return [
        Figure("a payment shows, median", statistics.median(took), "s"),
        Figure("a payment shows, the slowest", max(took), "s", at_most=5),
    ]


_TOLD = "SELECT sum(other) FROM revenue_money WHERE slice = 0"
"""Nothing else that happens meanwhile moves it."""


def _pay(runtime: Runtime, number: int) -> None:
    now = runtime.clock.now()
    movement = Movement(category="adjustment", amount=1000, fee=0, net=1000, currency="usd",
                        original_amount=1000, original_currency="usd")  # fmt: skip
    with runtime.database.transaction() as session:
        post(session, movement, stripe_balance_transaction_id=f"txn_bench_{number}",
             stripe_charge_id=None, charge_id=None, income=None, occurred_at=now,
             available_at=None, now=now)  # fmt: skip
