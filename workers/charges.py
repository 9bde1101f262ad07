"""Tasks that take money."""

from __future__ import annotations

import threading
from functools import cache, partial
from typing import Any

import structlog
from celery.signals import worker_shutting_down

from billing.charges.books import reconcile
from billing.charges.due import create_due_charges
from billing.charges.dunning import lapse_overdue
from billing.charges.payouts import find_open, note_payout
from billing.charges.resolve import claim_unsettled, resolve as resolve_one
from billing.charges.taking import Taking
from billing.checkout.fulfil import close_overdue, find_overdue_checkouts
from workers.celery_app import app, limiter, runtime, settings
from workers.schedule import TAKE_WITHIN_SECONDS
from workers.sweeping import BATCH, all_of, close_each, in_batches

log = structlog.get_logger()


@app.task
def renew() -> None:
    """Create the charges that are due, and have them worked off."""
    parts = runtime()
    now, zone = parts.clock.now(), parts.settings.newsroom.timezone
    while True:
        with parts.database.transaction() as session:
            batch = create_due_charges(session, zone=zone, now=now, limit=BATCH)
        if batch.pledges < BATCH:
            break
    take.apply_async(expires=TAKE_WITHIN_SECONDS)


@app.task(acks_late=False)
def take() -> None:
    """Work off the charges that are due, unless this process is at it already.

    It may take hours, so it is acknowledged before: a tick that is lost is made good by the next.
    """
    made = taking().run()
    if made:
        log.info("charges worked off", attempts=made)


@cache
def taking() -> Taking:
    """What takes the money in this process."""
    return Taking(
        runtime(), limiter(), threads=settings.charge_threads, stopping=_shutting_down.is_set
    )


_shutting_down = threading.Event()


@worker_shutting_down.connect(weak=False)
def _shut_down(**_: Any) -> None:
    """Open nothing more; Celery waits until what is open is sent and recorded."""
    _shutting_down.set()


@app.task
def resolve() -> None:
    """Send a task for each attempt whose outcome nobody is waiting for."""
    parts = runtime()
    with parts.database.transaction() as session:
        unsettled = claim_unsettled(session, now=parts.clock.now(), limit=BATCH)
    for attempt_id in unsettled:
        resolve_attempt.delay(attempt_id)


@app.task
def resolve_attempt(attempt_id: int) -> None:
    """Find out what became of one attempt."""
    resolve_one(runtime(), limiter(), attempt_id)


@app.task
def lapse() -> None:
    """Let pledges lapse that could not be recovered within the window."""
    parts = runtime()
    now = parts.clock.now()
    in_batches(
        parts.database,
        "pledges lapsed",
        lambda session: lapse_overdue(session, parts, now=now, limit=BATCH),
    )


@app.task
def close_checkouts() -> None:
    """End checkouts that should have ended, and of which nothing was heard."""
    parts = runtime()
    now = parts.clock.now()

    def find(after: int) -> list[int]:
        with parts.database.transaction() as session:
            return find_overdue_checkouts(session, now=now, after=after, limit=BATCH)

    close_each(all_of(find), partial(close_overdue, parts))


@app.task
def reconcile_ledger() -> None:
    """Post what moved on Stripe's balance and is not in the ledger yet."""
    posted = reconcile(runtime())
    if posted:
        log.info("ledger reconciled", posted=posted)


@app.task
def reconcile_payouts() -> None:
    """Hold the payouts that are not reconciled yet against the ledger once more."""
    parts = runtime()
    with parts.database.transaction() as session:
        waiting = find_open(session, now=parts.clock.now(), limit=BATCH)
    close_each(waiting, partial(note_payout, parts))
