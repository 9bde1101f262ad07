"""Tasks that remind, and that forget who was reminded."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from billing.reminders import brake, send
from workers.celery_app import app, runtime

BATCH = 500
log = structlog.get_logger()


@app.task
def send_due() -> None:
    """Note what became of earlier emails, then put the reminders that are due into the outbox."""
    parts = runtime()
    now = parts.clock.now()
    _in_batches("reminders ended", lambda session: send.settle(session, now=now, limit=BATCH))
    _in_batches("reminders recalled", lambda session: send.recall(session, now=now, limit=BATCH))
    _in_batches(
        "reminders due", lambda session: send.queue_due(session, parts, now=now, limit=BATCH)
    )


@app.task
def erase_old() -> None:
    """Erase the addresses of reminders that went out long enough ago."""
    now = runtime().clock.now()
    _in_batches("reminders erased", lambda session: send.erase_old(session, now=now, limit=BATCH))
    _in_batches("reminder hours forgotten", lambda session: brake.forget_old(session, now=now))


def _in_batches(event: str, step: Callable[[Session], int]) -> None:
    """Repeat a step, a transaction each time, until it finds less than a full batch."""
    while True:
        with runtime().database.transaction() as session:
            count = step(session)
        if count:
            log.info(event, count=count)
        if count < BATCH:
            return
