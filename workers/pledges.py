"""Tasks about pledges themselves."""

from __future__ import annotations

import structlog

from billing.charges.changing import resume_due
from workers.celery_app import app, runtime

BATCH = 500
log = structlog.get_logger()


@app.task
def resume() -> None:
    """End the pauses whose day has come."""
    parts = runtime()
    while True:
        with parts.database.transaction() as session:
            found = resume_due(session, parts, now=parts.clock.now(), limit=BATCH)
        if found:
            log.info("pauses ended", count=found)
        if found < BATCH:
            return
