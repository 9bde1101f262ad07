"""A renewal night delays no receipt: real worker processes, a slow Stripe, and a full queue."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from billing.charges.events import backfill
from billing.local.parts import charges_part, worker_part
from billing.runtime import Runtime
from tests.support.after import Advance, paid_renewal, rows
from tests.support.mailbox import mailbox
from tests.support.newsroom import wait_for
from tests.support.people import card_of, pledge_of
from tests.support.standin import StandIn
from workers.schedule import QUEUES, ROUTES

RENEWALS = 100
THREADS = 16
SLOW_MS = 3000


class Workers:
    """The worker processes that `tuppence run` starts, and somebody who sends them tasks."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.broker: Any = redis.Redis.from_url(environment["REDIS_URL"])
        self._app = Celery("test", broker=environment["REDIS_URL"])
        self._app.conf.task_queues = {name: {} for name in QUEUES}

    def send(self, task: str, *arguments: int) -> None:
        queue = ROUTES.get(task, {"queue": "sweeps"})["queue"]
        self._app.send_task(task, args=arguments, queue=queue, ignore_result=True)

    def close(self) -> None:
        self._app.close()
        self.broker.close()


@pytest.fixture
def workers(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Workers, Any]]:
    with ExitStack() as stack:
        box = stack.enter_context(mailbox())
        environ = {**os.environ, **environment, "SMTP_URL": box.url}
        environ |= {"STRIPE_REQUESTS_PER_SECOND": "200", "TUPPENCE_WORKER_THREADS": str(THREADS)}
        here = Workers(environment)
        stack.callback(here.close)
        here.broker.flushdb()
        for part in (charges_part(), worker_part()):
            log = stack.enter_context((tmp_path / f"{part.name}.log").open("w"))
            process = subprocess.Popen(
                part.command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            stack.callback(process.wait, 60)
            stack.callback(process.kill)
        yield here, box
        here.broker.flushdb()


def count(runtime: Runtime, query: str) -> int:
    return int(rows(runtime, f"SELECT count(*) FROM {query}")[0][0])  # noqa: S608


def test_mail_and_events_overtake_a_night_full_of_charges(
    runtime: Runtime,
    stripe: StandIn,
    advance: Advance,
    workers: tuple[Workers, Any],
) -> None:
    here, box = workers
    paid_renewal(runtime, stripe, advance)  # its receipt is in the outbox
    assert backfill(runtime) > 0  # and its events are stored
    customer_id, card_id = card_of(stripe)
    for _ in range(RENEWALS):
        pledge_of(
            runtime, anchor=runtime.clock.now() - timedelta(days=33),
            customer_id=customer_id, payment_method_id=card_id,
        )  # fmt: skip
    stripe.ask("POST", "/_standin/faults", {"latency_ms": SLOW_MS})
    here.send("workers.charges.renew")
    wait_for(lambda: count(runtime, "attempts WHERE status = 'in_flight'") >= THREADS, "the start")
    waiting = "charges WHERE status IN ('due', 'submitted')"
    assert count(runtime, waiting) > THREADS

    here.send("workers.events.process")
    here.send("workers.mail.send")
    wait_for(lambda: box.messages, "the receipt")
    wait_for(lambda: not count(runtime, "webhook_events WHERE status = 'stored'"), "the events")
    assert count(runtime, waiting), "the renewals were over before they could delay anybody"

    stripe.ask("DELETE", "/_standin/faults", {})
    paid = "charges WHERE status = 'succeeded'"
    wait_for(lambda: count(runtime, paid) == RENEWALS + 1, "the last renewal")
    assert count(runtime, "attempts") == RENEWALS + 1
