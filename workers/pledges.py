"""Tasks about pledges themselves."""

from __future__ import annotations

from functools import partial

from billing.charges.changing import resume_due
from billing.checkout.closing import close_page, find_outdated
from workers.celery_app import app, runtime
from workers.sweeping import BATCH, all_of, close_each, in_batches


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


@app.task
def close_pages() -> None:
    """Close the pages on which months of a pledge are paid ahead that has changed since."""
    parts = runtime()
    now = parts.clock.now()

    def find(after: int) -> list[int]:
        with parts.database.transaction() as session:
            return find_outdated(session, now=now, after=after, limit=BATCH)

    close_each(all_of(find), partial(close_page, parts))
