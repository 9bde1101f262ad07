"""Tasks about pledges themselves."""

from __future__ import annotations

from billing.charges.changing import resume_due
from workers.celery_app import app, runtime
from workers.sweeping import BATCH, in_batches


@app.task
def resume() -> None:
    """End the pauses whose day has come."""
    parts = runtime()
    now = parts.clock.now()
    in_batches(
        parts.database,
        "pauses ended",
        lambda session: resume_due(session, parts, now=now, limit=BATCH),
    )
