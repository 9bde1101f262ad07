"""Workers that take money: told to stop they leave nothing open, killed they lose nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import Celery

from billing.charges.due import create_due_charges
from billing.charges.resolve import claim_unsettled, resolve
from billing.local.parts import charges_part
from billing.runtime import Runtime
from tests.support.after import Advance, rows, wrong
from tests.support.newsroom import wait_for
from tests.support.people import NoLimit, card_of, pledge_of, stripe_client
from tests.support.standin import StandIn

RENEWALS = 120
THREADS = 16
SLOW_MS = 1000
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(environment: dict[str, str], redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker process of that name which takes from the queue of charges."""
    environ = {**os.environ, **environment, "TUPPENCE_WORKER_THREADS": str(THREADS)}
    environ["STRIPE_REQUESTS_PER_SECOND"] = "200"
    with ExitStack() as stack:
        broker = stack.enter_context(redis.Redis.from_url(redis_url))
        broker.flushdb()
        stack.callback(broker.flushdb)

        def run(name: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [*charges_part().command, f"--hostname={name}@here"],
                env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            stack.callback(process.wait, 60)
            stack.callback(process.kill)
            return process

        yield run


@pytest.fixture
def due(runtime: Runtime, stripe: StandIn, advance: Advance) -> None:
    """Renewals that are due, at a Stripe that takes a second to answer."""
    customer_id, card_id = card_of(stripe)
    for _ in range(RENEWALS):
        pledge_of(
            runtime, anchor=runtime.clock.now() - timedelta(days=33),
            customer_id=customer_id, payment_method_id=card_id,
        )  # fmt: skip
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=now, limit=RENEWALS)
    stripe.ask("POST", "/_standin/faults", {"latency_ms": SLOW_MS})


def take(environment: dict[str, str], times: int = 1) -> None:
    with Celery(broker=environment["REDIS_URL"]) as app:
        app.conf.task_queues = {"charges": {}}
        for _ in range(times):
            app.send_task("workers.charges.take", queue="charges", ignore_result=True)


def count(runtime: Runtime, query: str) -> int:
    return int(rows(runtime, f"SELECT count(*) FROM {query}")[0][0])  # noqa: S608


def paid_at(stripe: StandIn) -> int:
    return len(list(stripe_client(stripe).v1.payment_intents.list().auto_paging_iter()))


def test_a_worker_told_to_stop_finishes_what_is_open_and_opens_no_more(
    runtime: Runtime, stripe: StandIn, environment: dict[str, str], start: Start, due: None
) -> None:
    worker = start("one")
    take(environment)
    wait_for(lambda: count(runtime, "attempts WHERE status = 'succeeded'"), "the first payment")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    made = count(runtime, "attempts")
    assert 0 < made < RENEWALS
    assert count(runtime, "charges WHERE status = 'succeeded'") == made == paid_at(stripe)
    assert count(runtime, "charges WHERE status = 'due'") == RENEWALS - made


def test_a_worker_killed_in_mid_work_is_made_good_by_another(
    runtime: Runtime,
    stripe: StandIn,
    environment: dict[str, str],
    start: Start,
    due: None,
    advance: Advance,
) -> None:
    worker = start("one")
    take(environment)
    wait_for(lambda: count(runtime, "attempts WHERE status = 'succeeded'"), "the first payment")
    worker.kill()
    worker.wait(30)
    left = count(runtime, "attempts WHERE status = 'in_flight'")
    assert left
    stripe.ask("DELETE", "/_standin/faults", {})
    now = advance(timedelta(minutes=11))
    start("two")
    take(environment)
    done = "charges WHERE status = 'succeeded'"
    wait_for(lambda: count(runtime, done) >= RENEWALS - left, "the others")
    with runtime.database.transaction() as session:
        unsettled = claim_unsettled(session, now=now, limit=RENEWALS)
    for attempt_id in unsettled:
        resolve(runtime, NoLimit(), attempt_id)
    assert count(runtime, done) == paid_at(stripe) == RENEWALS
    assert wrong(runtime) == []


def test_two_workers_share_the_work(
    runtime: Runtime, stripe: StandIn, environment: dict[str, str], start: Start, due: None
) -> None:
    for name in ("one", "two"):
        start(name)
    take(environment, times=6)
    wait_for(lambda: count(runtime, "charges WHERE status = 'succeeded'") == RENEWALS, "the last")
    assert count(runtime, "attempts") == paid_at(stripe) == RENEWALS
