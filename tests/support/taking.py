"""Taking the money for one charge, by the steps that a night's charges are taken by."""

from __future__ import annotations

from billing.charges.opening import open_attempts
from billing.charges.settle import record_successes
from billing.charges.submit import RateLimiter, ask, record
from billing.gateway import Payment, PaymentStatus
from billing.runtime import Runtime


def submit(runtime: Runtime, limiter: RateLimiter, charge_id: int) -> None:
    """Take the money for a charge that is due, if it still is and still may be taken."""
    with runtime.database.transaction() as session:
        opened = open_attempts(session, runtime, [charge_id])
    for ready in opened:
        outcome = ask(runtime, limiter, ready)
        if isinstance(outcome, Payment) and outcome.status is PaymentStatus.SUCCEEDED:
            with runtime.database.transaction() as session:
                record_successes(session, runtime, {ready.attempt_id: outcome})
        elif outcome is not None:
            record(runtime, ready.attempt_id, outcome)
