"""Tasks that write to staff."""

from __future__ import annotations

import structlog

from billing.digest.service import send_due
from workers.celery_app import app, runtime

log = structlog.get_logger()


@app.task
def send_weekly() -> None:
    """Put the weekly digests that are due into the outbox."""
    queued = send_due(runtime())
    if queued:
        log.info("digests queued", count=queued)
