"""Tasks that take money."""

from __future__ import annotations

from functools import partial

import structlog

from billing.charges.books import reconcile
from billing.charges.due import claim_due_charges, create_due_charges
from billing.charges.dunning import lapse_overdue
from billing.charges.payouts import find_open, note_payout
from billing.charges.resolve import claim_unsettled, resolve as resolve_one
from billing.charges.submit import submit
from billing.checkout.fulfil import close_overdue, find_overdue
from workers.celery_app import app, limiter, room, runtime
from workers.sweeping import all_of, close_each

BATCH = 500
log = structlog.get_logger()


@app.task
def renew() -> None:
    """Create the charges that are due, and send a task for the next of them."""
    parts = runtime()
    now, zone = parts.clock.now(), parts.settings.newsroom.timezone
    while True:
        with parts.database.transaction() as session:
            batch = create_due_charges(session, zone=zone, now=now, limit=BATCH)
        if batch.pledges < BATCH:
            break
    _send_due()


@app.task
def queue() -> None:
    """Send a task for the next charges, as far as there is room for them."""
    _send_due()


def _send_due() -> None:
    parts = runtime()
    limit = room("charges")
    with parts.database.transaction() as session:
        due = claim_due_charges(session, now=parts.clock.now(), limit=limit)
    with app.producer_or_acquire() as producer:
        for charge_id in due:
            submit_charge.apply_async((charge_id,), producer=producer)
    if due:
        log.info("charges queued", count=len(due))


@app.task
def submit_charge(charge_id: int) -> None:
    """Take the money for one charge, if it is still due."""
    submit(runtime(), limiter(), charge_id)


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
    while True:
        with parts.database.transaction() as session:
            found = lapse_overdue(session, parts, now=parts.clock.now(), limit=BATCH)
        if found < BATCH:
            return


@app.task
def close_checkouts() -> None:
    """End checkouts that should have ended, and of which nothing was heard."""
    parts = runtime()
    now = parts.clock.now()

    def find(after: int) -> list[int]:
        with parts.database.transaction() as session:
            return find_overdue(session, now=now, after=after, limit=BATCH)

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
