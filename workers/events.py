"""Tasks that act on Stripe's webhook events."""

from __future__ import annotations

import structlog

from billing.charges.events import backfill, claim_events, process as process_one
from billing.webhooks import HANDLERS
from workers.celery_app import app, room, runtime

BATCH = 200
log = structlog.get_logger()


@app.task
def process() -> None:
    """Send a task for each stored event whose turn it is, as far as there is room."""
    parts = runtime()
    limit = min(BATCH, room("events"))
    with parts.database.transaction() as session:
        waiting = claim_events(session, now=parts.clock.now(), limit=limit)
    for event_id in waiting:
        process_event.delay(event_id)


@app.task
def process_event(event_id: int) -> None:
    """Act on one event."""
    process_one(runtime(), HANDLERS, event_id)


@app.task
def backfill_events() -> None:
    """Find the events that never came."""
    found = backfill(runtime())
    if found:
        log.info("events backfilled", count=found)
