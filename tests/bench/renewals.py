"""Renewals by one worker process: the pace it holds, the rate it reaches, what each costs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from celery import Celery
from sqlalchemy import text

from billing.charges.due import claim_due_charges, create_due_charges
from billing.clock import SystemClock
from billing.gateway import PAYMENT_EXPANSIONS
from tests.bench.figures import Figure, Say
from tests.bench.house import House, opened, wait_until
from tests.bench.people import bring_customers, write_pledges
from tests.support.taking import submit

SECONDS = 60
LEAD_SECONDS = 5
SERIAL_CHARGES = 15
FREE_CHARGES = 4000
THREADS = 150
NO_LIMIT = 100_000

_CALLS = "POST /v1/payment_intents"


class _NoLimit:
    """A pace that never waits."""

    def acquire(self, *, ahead: float = 0.0) -> None:
        return

    def leave(self) -> None:
        return

    def sent(self, at: float) -> None:
        return

    def slow_down(self) -> None:
        return


def pace(limit: int, say: Say) -> list[Figure]:
    """Hold a limit at a second's latency, and be so many times as fast as a serial loop."""
    with opened() as house:
        _bring_due(house, limit * (SECONDS + LEAD_SECONDS * 3) + SERIAL_CHARGES, say)
        house.ask("POST", "/_standin/faults", {"latency_ms": 1000})
        serial = _serial_rate(house, say)
        house.ask("POST", "/_standin/faults", {"rate_limit": limit})
        house.ask("DELETE", "/_standin/rate")
        house.start_worker(limit)
        renew(house)
        wait_until(lambda: calls(house)["total"] > limit * LEAD_SECONDS, "the first charges")
        say(f"a worker at {limit}/s, for {SECONDS} s …")
        began, before, cpu = time.monotonic(), calls(house)["total"], house.cpu_seconds()
        time.sleep(SECONDS)
        after, used = calls(house), house.cpu_seconds()
        rate = (after["total"] - before) / (time.monotonic() - began)
        figures = [
            Figure(f"limit {limit}/s: share of it held over {SECONDS} s", rate / limit * 100, "%",
                   at_least=98),
            Figure(f"limit {limit}/s: most calls in any one second", after["max_per_second"],
                   "calls", at_most=limit),
            Figure(f"limit {limit}/s: refused with 429", after["refused"], "calls", at_most=0),
            *_costs(cpu, used, after["total"] - before),
        ]  # fmt: skip
        if limit >= 100:
            figures.append(
                Figure("1 s latency: times a serial loop", rate / serial, "times", at_least=95)
            )
        return figures


def free(say: Say) -> list[Figure]:
    """No limit, 50 ms latency: against a bare thread pool that makes the same calls."""
    with opened() as house:
        _bring_due(house, FREE_CHARGES, say)
        house.ask("POST", "/_standin/faults", {"latency_ms": 50})
        bare = _bare_rate(house, say)
        house.ask("DELETE", "/_standin/rate")
        house.start_worker(NO_LIMIT)
        say("a worker without a limit …")
        renew(house)
        first, last = FREE_CHARGES // 10, FREE_CHARGES * 9 // 10
        wait_until(lambda: calls(house)["total"] >= first, "the first charges")
        began, before, cpu = time.monotonic(), calls(house)["total"], house.cpu_seconds()
        wait_until(lambda: calls(house)["total"] >= last, "the charges", 240)
        done = calls(house)["total"] - before
        rate, used = done / (time.monotonic() - began), house.cpu_seconds()
        return [
            Figure("50 ms latency, no limit: a bare pool of 150 threads", bare, "a second"),
            Figure("50 ms latency, no limit: one worker process", rate, "a second"),
            Figure("50 ms latency, no limit: share of the bare pool", rate / bare * 100, "%",
                   at_least=50),
            *_costs(cpu, used, done),
        ]  # fmt: skip


def _bring_due(house: House, people: int, say: Say) -> None:
    say(f"{people} pledges that are due …")
    now = SystemClock().now()
    anchor = now - timedelta(days=33)
    house.start_standin()
    write_pledges(
        house, people=people, due_count=people, anchor=anchor, due=now - timedelta(minutes=1)
    )
    bring_customers(house, people=people, anchor=anchor)


def _serial_rate(house: House, say: Say) -> float:
    """Charges a second of a loop that takes one after the other, as a nightly batch would."""
    say(f"a serial loop over {SERIAL_CHARGES} charges …")
    runtime = house.runtime()
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=now, limit=SERIAL_CHARGES)
    with runtime.database.transaction() as session:
        due = claim_due_charges(session, now=now, limit=SERIAL_CHARGES)
    began = time.monotonic()
    for charge_id in due:
        submit(runtime, _NoLimit(), charge_id)
    rate = len(due) / (time.monotonic() - began)
    runtime.database.dispose()
    return rate


def _bare_rate(house: House, say: Say) -> float:
    """Calls a second of a thread pool that does nothing else."""
    say(f"a bare pool of {THREADS} threads …")
    runtime = house.runtime()
    with runtime.database.transaction() as session:
        rows = session.execute(
            text("SELECT stripe_customer_id, stripe_payment_method_id, id FROM pledges")
        ).all()
    gateway = runtime.gateway

    def call(row: Any) -> None:
        gateway.charge_off_session(_params(row), f"bare-{row.id}")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(call, rows[:THREADS]))
        began = time.monotonic()
        list(pool.map(call, rows[THREADS:]))
        took = time.monotonic() - began
    return (len(rows) - THREADS) / took


def _params(row: Any) -> dict[str, Any]:
    """What a renewal sends."""
    return {
        "amount": 500,
        "currency": "usd",
        "customer": row.stripe_customer_id,
        "payment_method": row.stripe_payment_method_id,
        "confirm": True,
        "off_session": True,
        "capture_method": "automatic",
        "return_url": "http://127.0.0.1/support",
        "expand": PAYMENT_EXPANSIONS,
        "payment_method_options": {"card": {"stored_credential_usage": "recurring"}},
        "metadata": {"bench_attempt": str(row.id), "bench_charge": "1", "bench_pledge": "1"},
    }


def renew(house: House) -> None:
    """What the beat sends once a minute."""
    with Celery(broker=house.redis_url) as app:
        app.send_task("workers.charges.renew", queue="sweeps")


def calls(house: House) -> dict[str, Any]:
    """How the stand-in has counted the calls that take money."""
    told = house.ask("GET", "/_standin/rate")["endpoints"]
    found: dict[str, Any] = told.get(_CALLS, {"total": 0, "max_per_second": 0, "refused": 0})
    return found


def _costs(before: dict[str, float], after: dict[str, float], calls: int) -> list[Figure]:
    """CPU time of each process for one renewal."""
    return [
        Figure(f"    CPU for one renewal: {name}", (after[name] - before[name]) / calls * 1e3, "ms")
        for name in sorted(after)
    ]
