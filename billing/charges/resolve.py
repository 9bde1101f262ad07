"""Finding out what became of attempts without an outcome (invariant 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from billing.charges.domain import REPLAY_WINDOW, STALE_AFTER, AttemptKind, AttemptStatus
from billing.charges.opening import Ready
from billing.charges.over import comes_too_late
from billing.charges.settle import lock_attempt, record_absent, record_payment
from billing.charges.submit import RateLimiter, send
from billing.charges.tables import Attempt, Charge
from billing.gateway import Payment
from billing.pledges.domain import CHARGEABLE, PledgeStatus
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

CLOCK_SKEW = timedelta(hours=1)
"""How far Stripe's clock may be from ours when its list is searched."""

PROCESSING_ASKED_EVERY = timedelta(days=1)

_UNSETTLED = (AttemptStatus.IN_FLIGHT, AttemptStatus.UNKNOWN)


def claim_unsettled(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of up to `limit` attempts whose outcome nobody is waiting for any more.

    Each is marked as sent now, so that two sweeps do not take it twice, and goes to the end of the
    line. A debit that the bank is working on is asked about once a day.
    """
    stale = (
        select(Attempt.id)
        .where(
            Attempt.kind == AttemptKind.OFF_SESSION,
            or_(
                and_(Attempt.status.in_(_UNSETTLED), Attempt.last_sent_at < now - STALE_AFTER),
                and_(
                    Attempt.status == AttemptStatus.PROCESSING,
                    Attempt.last_sent_at < now - PROCESSING_ASKED_EVERY,
                ),
            ),
        )
        .order_by(Attempt.last_sent_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("stale")  # computed once, so that the limit holds
    )
    claimed = (
        update(Attempt)
        .where(Attempt.id.in_(select(stale.c.id)))
        .values(last_sent_at=now)
        .returning(Attempt.id)
    )
    return sorted(session.scalars(claimed).all())


def resolve(runtime: Runtime, limiter: RateLimiter, attempt_id: int) -> None:
    """Find out what became of an attempt, and send it again if it is still wanted.

    While Stripe knows its key it is replayed; afterwards it is looked for, and sent again under its
    own key, not a new one: should the first request be late rather than lost (a worker that was
    frozen, a clock that jumped), Stripe takes the two for the same. One that its supporter has
    cancelled meanwhile is only looked for, and closed if Stripe never made it (invariant 2); so is
    one that was lowered or paused, once its key is too old to be sent by anybody.
    """
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        attempt, _, pledge = lock_attempt(session, attempt_id)
        unsettled, processing = attempt.status in _UNSETTLED, attempt.stripe_payment_intent_id
        key_until, started_at = attempt.key_since + REPLAY_WINDOW, attempt.started_at
        ready = Ready(attempt.id, attempt.idempotency_key, attempt.params, key_until)
        wanted = pledge is not None and _may_be_replayed(pledge)
    if not unsettled:
        if attempt.status is AttemptStatus.PROCESSING and processing is not None:
            _ask_again(runtime, limiter, attempt_id, processing)
        return
    if wanted and now < key_until:
        send(runtime, limiter, ready)
        return
    payment = _find(runtime, limiter, ready, started_at)
    with runtime.database.transaction() as session:
        if payment is not None:
            record_payment(session, runtime, attempt_id, payment)
            return
        wanted = _still_wanted(session, runtime, attempt_id)
    if wanted:
        send(runtime, limiter, replace(ready, key_until=now + REPLAY_WINDOW))


def _may_be_replayed(pledge: Pledge) -> bool:
    """Whether an attempt may be sent again while its key is good.

    Its sum is frozen, and was agreed to when it was recorded. A pledge that was lowered or paused
    since has a payment under way, as its supporter was told: to close this attempt and ask again
    under another key could take both, should the first request only be late.
    """
    running = pledge.status in CHARGEABLE or pledge.status is PledgeStatus.PAUSED
    return running and pledge.held_since is None


def _wanted(session: Session, charge: Charge, pledge: Pledge, now: datetime) -> bool:
    """Whether money may still be taken for a charge, and no more than was agreed to."""
    if pledge.status not in CHARGEABLE or pledge.held_since is not None:
        return False
    within = charge.amount_minor <= pledge.amount_minor
    return within and not comes_too_late(session, charge, pledge, now)


def _still_wanted(session: Session, runtime: Runtime, attempt_id: int) -> bool:
    """Another last look: whether an attempt that Stripe never made may be sent after all.

    If not, the attempt is closed and its charge is due again, for the usual last look to decide.
    """
    attempt, charge, pledge = lock_attempt(session, attempt_id)
    if attempt.status not in _UNSETTLED or pledge is None:
        return False
    now = runtime.clock.now()
    if _wanted(session, charge, pledge, now):
        attempt.key_since = now
        return True
    record_absent(session, attempt_id, now=now)
    return False


def _ask_again(
    runtime: Runtime, limiter: RateLimiter, attempt_id: int, payment_intent_id: str
) -> None:
    """Look at a debit that the bank is working on: its event may never have come."""
    limiter.acquire()
    payment = runtime.gateway.get_payment(payment_intent_id)
    with runtime.database.transaction() as session:
        record_payment(session, runtime, attempt_id, payment)


def _find(
    runtime: Runtime, limiter: RateLimiter, ready: Ready, started_at: datetime
) -> Payment | None:
    """The payment that carries this attempt's key, from the customer's list; never by Search."""
    limiter.acquire()
    payments = runtime.gateway.list_payments(ready.params["customer"], started_at - CLOCK_SKEW)
    for payment in payments:
        if payment.metadata.get("tuppence_attempt") == ready.idempotency_key:
            return payment
    return None
