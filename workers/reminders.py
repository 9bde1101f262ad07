"""Tasks that remind, and that forget who was reminded."""

from __future__ import annotations

from billing.reminders import brake, send
from workers.celery_app import app, runtime
from workers.sweeping import BATCH, in_batches


@app.task
def send_due() -> None:
    """Note what became of earlier emails, then put the reminders that are due into the outbox."""
    parts = runtime()
    now = parts.clock.now()
    in_batches(
        parts.database,
        "reminders ended",
        lambda session: send.settle(session, now=now, limit=BATCH),
    )
    with parts.database.transaction() as session:
        send.note_given(session, now=now)
    in_batches(
        parts.database,
        "reminders recalled",
        lambda session: send.recall(session, now=now, limit=BATCH),
    )
    in_batches(
        parts.database,
        "reminders due",
        lambda session: send.queue_due(session, parts, now=now, limit=BATCH),
    )


@app.task
def erase_old() -> None:
    """Erase the addresses of reminders that went out long enough ago."""
    parts = runtime()
    now = parts.clock.now()
    in_batches(
        parts.database,
        "reminders erased",
        lambda session: send.erase_old(session, now=now, limit=BATCH),
    )
    in_batches(
        parts.database,
        "reminder hours forgotten",
        lambda session: brake.forget_old(session, now=now),
    )
