"""Step 2 of a renewal, its second half: call Stripe, and record what became of an attempt.

What if the process dies …
- before the attempt is committed: nothing was asked of Stripe; the charge is still due.
- after the commit, before, during or after the call: the attempt is found in flight by the sweep
  (`resolve.py`) and replayed with its own idempotency key, so Stripe charges once.
- while the outcome is written: that transaction is undone whole, and the sweep replays.

The attempt was recorded and committed before (`opening.py`). `send` is the way of one attempt, for
replays; a night's charges go it many at once: `taking.py`.
"""

from __future__ import annotations

import time
from typing import Protocol

from billing.charges.opening import Ready
from billing.charges.settle import record_payment, record_refusal, record_unknown
from billing.gateway import BusyError, OutcomeUnknownError, Payment, RefusedError
from billing.runtime import Runtime

BUSY_TRIES = 4
BUSY_PAUSE_SECONDS = 0.5
PREPARING_SECONDS = 0.02
"""How long before its turn a call begins to be put together."""

KEY_TOO_OLD = "key_too_old"

Outcome = Payment | OutcomeUnknownError | RefusedError
"""What became of a call that may have changed something, or never will."""


class RateLimiter(Protocol):
    """Says when the next call to Stripe may be made."""

    def acquire(self, *, ahead: float = 0.0) -> None:
        """Wait until a call may be made, or up to `ahead` seconds less: then `leave` is called."""
        ...

    def leave(self) -> None:
        """The call is ready: wait until it may leave."""
        ...

    def sent(self, at: float) -> None:
        """The call for which this thread waited has left, at this moment of `time.monotonic`."""
        ...

    def slow_down(self) -> None:
        """Stripe said that there were too many."""
        ...


def send(runtime: Runtime, limiter: RateLimiter, ready: Ready) -> None:
    """Send a committed attempt to Stripe, for the first time or again, and record the outcome."""
    outcome = ask(runtime, limiter, ready)
    if outcome is not None:
        record(runtime, ready.attempt_id, outcome)


def ask(runtime: Runtime, limiter: RateLimiter, ready: Ready) -> Outcome | None:
    """Send a committed attempt to Stripe.

    Returns:
        What became of it; None when nothing was done and its key is unspent: the sweep sends it
        again.
    """
    try:
        return _call(runtime, limiter, ready)
    except BusyError:
        return None
    except (OutcomeUnknownError, RefusedError) as error:
        return error


def record(runtime: Runtime, attempt_id: int, outcome: Outcome) -> None:
    """Record the outcome of one attempt, in a transaction of its own."""
    with runtime.database.transaction() as session:
        match outcome:
            case Payment():
                record_payment(session, runtime, attempt_id, outcome)
            case OutcomeUnknownError():
                record_unknown(session, attempt_id, code=outcome.code)
            case RefusedError():
                record_refusal(session, runtime, attempt_id, code=outcome.code or "refused")


def _call(runtime: Runtime, limiter: RateLimiter, ready: Ready) -> Payment:
    for tries_left in reversed(range(BUSY_TRIES)):
        limiter.acquire(ahead=PREPARING_SECONDS)
        if runtime.clock.now() >= ready.key_until:
            raise BusyError(KEY_TOO_OLD)  # this worker stood still: the sweep looks for it first
        try:
            return runtime.gateway.charge_off_session(
                ready.params, ready.idempotency_key, departure=limiter
            )
        except BusyError:
            limiter.slow_down()
            if not tries_left:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
    raise AssertionError("unreachable")
