"""Tasks that give money back."""

from __future__ import annotations

from billing.charges import refunds
from workers.celery_app import app, limiter, runtime

BATCH = 100


@app.task
def give_back() -> None:
    """Send a task for each refund that Stripe is to be asked for."""
    parts = runtime()
    with parts.database.transaction() as session:
        waiting = refunds.claim_refunds(session, now=parts.clock.now(), limit=BATCH)
    for refund_id in waiting:
        send_refund.delay(refund_id)


@app.task
def send_refund(refund_id: int) -> None:
    """Ask Stripe for one refund."""
    refunds.send(runtime(), limiter(), refund_id)
