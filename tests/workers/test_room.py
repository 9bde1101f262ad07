"""Little is queued ahead: what is beyond waits in the database, and nothing is queued twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import redis

from billing.charges.due import create_due_charges
from billing.charges.events import WebhookEvent
from billing.charges.tables import EventStatus
from billing.outbox import put
from billing.runtime import Runtime
from tests.support.after import rows, run_sql
from tests.support.people import pledge_of
from workers.schedule import ahead

MANY = 30
ROOM = 10


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    """Three queues with room for ten tasks more each."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushall()
        for queue in ("charges", "events", "mail"):
            connection.rpush(queue, *["{}"] * (ahead(20) - ROOM))
        yield connection
        connection.flushall()


def run(environment: dict[str, str], *tasks: str) -> None:
    """Run tasks one after the other in another process, as a worker would."""
    modules = ", ".join(sorted({task.rpartition(".")[0] for task in tasks}))
    code = f"import {modules}; " + "; ".join(f"{task}()" for task in tasks)
    command = [sys.executable, "-c", code]
    subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=60)


def count(runtime: Runtime, query: str) -> int:
    return int(rows(runtime, f"SELECT count(*) FROM {query}")[0][0])  # noqa: S608


def test_charges_beyond_the_room_wait_in_the_database(
    runtime: Runtime, environment: dict[str, str], broker: redis.Redis, now: datetime
) -> None:
    for _ in range(MANY):
        pledge_of(runtime, anchor=now - timedelta(days=33))
    run(environment, "workers.charges.renew", "workers.charges.queue")
    assert count(runtime, "charges WHERE status = 'due'") == MANY
    assert broker.llen("charges") == ahead(20)
    assert count(runtime, "charges WHERE queued_at IS NOT NULL") == ROOM
    broker.ltrim("charges", 0, ahead(20) - 6)  # five were done meanwhile
    run(environment, "workers.charges.queue")
    assert broker.llen("charges") == ahead(20)
    assert count(runtime, "charges WHERE queued_at IS NOT NULL") == ROOM + 5


def test_a_night_longer_than_the_requeueing_queues_nothing_twice(
    runtime: Runtime, environment: dict[str, str], broker: redis.Redis, now: datetime
) -> None:
    """The queue is full, and charges were queued long ago: they are in it, not lost."""
    for _ in range(MANY):
        pledge_of(runtime, anchor=now - timedelta(days=33))
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=runtime.settings.newsroom.timezone, now=now, limit=MANY)
    run_sql(runtime, "UPDATE charges SET queued_at = now() - interval '11 minutes'")
    broker.rpush("charges", *["{}"] * ROOM)
    run(environment, "workers.charges.queue")
    assert broker.llen("charges") == ahead(20)


def test_mail_and_events_beyond_the_room_wait_too(
    runtime: Runtime, environment: dict[str, str], broker: redis.Redis, now: datetime
) -> None:
    with runtime.database.transaction() as session:
        for number in range(MANY):
            put(
                session, unique_key=f"receipt:charge:{number}", template="receipt", language="en",
                recipient_encrypted=b"-", recipient_digest=None, context={}, now=now,
            )  # fmt: skip
            session.add(
                WebhookEvent(
                    stripe_event_id=f"evt_{number}", type="payout.paid", created_at=now,
                    received_at=now, backfilled=False, status=EventStatus.STORED, next_try_at=now,
                    tries=0,
                )
            )  # fmt: skip
    run(environment, "workers.mail.send", "workers.events.process")
    for queue in ("mail", "events"):
        assert broker.llen(queue) == ahead(20)
    assert count(runtime, "outbox WHERE next_try_at > created_at") == ROOM
    assert count(runtime, "webhook_events WHERE next_try_at > received_at") == ROOM
