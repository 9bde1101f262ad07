"""Little is queued ahead: what is beyond waits in the database, and nothing is queued twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest
import redis

from billing.charges.events import WebhookEvent
from billing.charges.tables import EventStatus
from billing.outbox import put
from billing.runtime import Runtime
from tests.support.after import rows
from workers.schedule import ahead

MANY = 30
ROOM = 10


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    """Two queues with room for ten tasks more each."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
        for queue in ("events", "mail"):
            connection.rpush(queue, *["{}"] * (ahead(20) - ROOM))
        yield connection
        connection.flushdb()


def run(environment: dict[str, str], *tasks: str) -> None:
    """Run tasks one after the other in another process, as a worker would."""
    modules = ", ".join(sorted({task.rpartition(".")[0] for task in tasks}))
    code = f"import {modules}; " + "; ".join(f"{task}()" for task in tasks)
    command = [sys.executable, "-c", code]
    subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=60)


def count(runtime: Runtime, query: str) -> int:
    return int(rows(runtime, f"SELECT count(*) FROM {query}")[0][0])  # noqa: S608


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
