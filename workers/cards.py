"""Tasks that write ahead of a charge: what will be taken, and on which card it would fail."""

from __future__ import annotations

from functools import partial

from billing.charges.cards import put_expiring
from billing.charges.notices import put_notices
from billing.checkout.cards import close_update, find_overdue_updates
from workers.celery_app import app, runtime
from workers.sweeping import BATCH, all_of, close_each, in_batches


@app.task
def announce() -> None:
    """Announce the annual charges of the next two weeks, and those that are overdue."""
    parts = runtime()
    now = parts.clock.now()
    in_batches(
        parts.database,
        "annual charges announced",
        lambda session: put_notices(session, parts, now=now, limit=BATCH),
    )


@app.task
def warn() -> None:
    """Write to supporters whose card expires before their next charge."""
    parts = runtime()
    now = parts.clock.now()
    in_batches(
        parts.database,
        "expiring cards",
        lambda session: put_expiring(session, parts, now=now, limit=BATCH),
    )


@app.task
def close_pages() -> None:
    """End pages for another card that should have ended, and of which nothing was heard."""
    parts = runtime()
    now = parts.clock.now()

    def find(after: int) -> list[int]:
        with parts.database.transaction() as session:
            return find_overdue_updates(session, now=now, after=after, limit=BATCH)

    close_each(all_of(find), partial(close_update, parts))
