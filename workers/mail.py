"""Tasks that send what is in the outbox."""

from __future__ import annotations

from billing.mail import deliver
from billing.outbox import claim
from workers.celery_app import app, runtime

BATCH = 500


@app.task
def send() -> None:
    """Send a task for each message whose turn it is."""
    parts = runtime()
    while True:
        with parts.database.transaction() as session:
            waiting = claim(session, now=parts.clock.now(), limit=BATCH)
        for message_id in waiting:
            send_message.delay(message_id)
        if len(waiting) < BATCH:
            return


@app.task
def send_message(message_id: int) -> None:
    """Send one message, if it is still waiting."""
    deliver(runtime(), message_id)
