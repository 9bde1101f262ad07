"""Tasks that send what is in the outbox."""

from __future__ import annotations

from billing.mail import deliver
from billing.outbox import claim
from workers.celery_app import app, room, runtime


@app.task
def send() -> None:
    """Send a task for each message whose turn it is, as far as there is room."""
    parts = runtime()
    limit = room("mail")
    with parts.database.transaction() as session:
        waiting = claim(session, now=parts.clock.now(), limit=limit)
    for message_id in waiting:
        send_message.delay(message_id)


@app.task
def send_message(message_id: int) -> None:
    """Send one message, if it is still waiting."""
    deliver(runtime(), message_id)
