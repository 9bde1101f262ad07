"""Giving money back: asked for by staff, or begun on Stripe and taken over.

Step by step, with what happens if the process dies there:

1. `request_refund`: the refund's row, `requested`, with its key and frozen parameters, in the
   caller's transaction, pledge and charge locked. Dies: nothing was asked for.
2. `claim_refunds`: `next_try_at` put off and `key_since` set once, committed before Stripe is
   called; locked rows are skipped. Dies: the claim runs out.
3. `send`: Stripe is called with nothing locked. Dies: the next claim replays under the same key.
4. `refunds_seen.take_over`: every refund that Stripe lists for the charge, the charge's sum, the
   ledger and the letter, in one transaction with the charge locked. Dies: undone whole; the replay,
   or the event of the refund, does it again.

Never above what is left: that is looked at under the charge's lock, and only one refund of a charge
is on its way at a time (a partial unique index), so what is left is what Stripe has told us.

A refund that the bank sends back (`failed`) counts no longer: `refunded_minor` is the sum of the
rows that stand, and rows move onwards only, so old news read late changes nothing (invariant 8).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing.charges.cancelling import cancel_pledge
from billing.charges.domain import (
    REPLAY_WINDOW,
    STALE_AFTER,
    ChargeStatus,
    RefundReason,
    RefundStatus,
)
from billing.charges.errors import RefundRefusedError
from billing.charges.locks import lock_charge, moment_under_lock
from billing.charges.refunds_seen import MARK, become, take_over
from billing.charges.submit import RateLimiter
from billing.charges.tables import Charge
from billing.charges.tables_after import Refund
from billing.db import Json
from billing.gateway import BusyError, OutcomeUnknownError, RefusedError
from billing.gateway_after import RefundAtStripe, create_refund, list_refunds
from billing.runtime import Runtime


@dataclass(frozen=True)
class _Ready:
    """A committed refund with what is sent to Stripe for it."""

    idempotency_key: str
    params: Json
    key_since: datetime

    @property
    def stripe_charge_id(self) -> str:
        return str(self.params["charge"])


def request_refund(
    session: Session,
    runtime: Runtime,
    charge_id: int,
    *,
    amount_minor: int | None = None,
    reason: RefundReason = RefundReason.REQUESTED_BY_CUSTOMER,
    asked_by: str,
    also_cancel: bool = False,
    now: datetime,
) -> int:
    """Note that `amount_minor` of a charge (None: all that is left) is to be given back.

    Its pledge goes on, unless `also_cancel`. A worker sends it to Stripe.

    Returns:
        The id of the refund.

    Raises:
        ChargeNotFoundError: when there is no such charge.
        RefundRefusedError: in words, when the charge was not paid, another refund of it is on its
            way, or less is left than asked for.
    """
    charge, pledge = lock_charge(session, charge_id)
    left = _left(session, charge)
    amount = left if amount_minor is None else amount_minor
    if not 0 < amount <= left:
        raise RefundRefusedError(_too_much(charge, left))
    key = f"tuppence-refund-{charge.id}-{uuid.uuid4().hex}"
    refund = Refund(
        charge_id=charge.id,
        status=RefundStatus.REQUESTED,
        amount_minor=amount,
        currency=charge.currency,
        asked_by=asked_by,
        left_minor=left,
        idempotency_key=key,
        params={
            "charge": charge.stripe_charge_id,
            "amount": amount,
            "reason": reason.value,
            "metadata": {MARK: key, "tuppence_charge": str(charge.id)},
        },
        requested_at=now,
        next_try_at=now,
        changed_at=now,
    )
    session.add(refund)
    if also_cancel and pledge is not None:
        ended_at = moment_under_lock(session, pledge.id, runtime.clock)
        cancel_pledge(session, runtime, pledge.id, now=ended_at)
    session.flush()
    return refund.id


def claim_refunds(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of up to `limit` refunds that Stripe is to be asked for, first or again."""
    turn = (
        select(Refund.id)
        .where(Refund.status == RefundStatus.REQUESTED, Refund.next_try_at <= now)
        .order_by(Refund.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("turn")  # computed once, so that the limit holds
    )
    claimed = (
        update(Refund)
        .where(Refund.id.in_(select(turn.c.id)))
        .values(next_try_at=now + STALE_AFTER, key_since=func.coalesce(Refund.key_since, now))
        .returning(Refund.id)
    )
    return sorted(session.scalars(claimed).all())


def send(runtime: Runtime, limiter: RateLimiter, refund_id: int) -> None:
    """Ask Stripe for a claimed refund, or find out what became of it, and record the outcome.

    Within 23 hours it is replayed with its own key; later it is looked for among the charge's
    refunds first, and sent again under its own key, not a new one (docs/adr/0002).
    """
    ready = _get_ready(runtime, refund_id)
    if ready is None:
        return
    limiter.acquire()
    try:
        seen = _find_or_create(runtime, ready, refund_id)
        take_over(runtime, ready.stripe_charge_id, seen)
    except BusyError:
        limiter.slow_down()  # Nothing was done: the next claim sends it again.
    except OutcomeUnknownError:
        return  # It may have been made: the next claim replays it.
    except RefusedError as error:
        _refuse(runtime, refund_id, error.code or "refused")


def _left(session: Session, charge: Charge) -> int:
    """What may still be given back of a locked charge.

    Raises:
        RefundRefusedError: when it is not a paid charge, or a refund of it is on its way.
    """
    if charge.status is not ChargeStatus.SUCCEEDED or charge.stripe_charge_id is None:
        raise RefundRefusedError(f"Charge {charge.id} was not paid, so nothing can be given back.")
    on_its_way = session.scalar(
        select(Refund.id).where(
            Refund.charge_id == charge.id, Refund.status == RefundStatus.REQUESTED
        )
    )
    if on_its_way is not None:
        raise RefundRefusedError(
            f"Refund {on_its_way} of charge {charge.id} is on its way to Stripe at this moment. "
            "Look again in a minute."
        )
    return charge.amount_minor - charge.refunded_minor


def _too_much(charge: Charge, left: int) -> str:
    if left == 0:
        return f"Charge {charge.id} has been given back in full already."
    return f"Between 1 and {left} (minor units, {charge.currency}) of charge {charge.id} is left."


def _get_ready(runtime: Runtime, refund_id: int) -> _Ready | None:
    with runtime.database.transaction() as session:
        refund = session.get(Refund, refund_id)
        if refund is None or refund.status is not RefundStatus.REQUESTED:
            return None
        if refund.idempotency_key is None or refund.key_since is None:
            return None  # It was never claimed.
        return _Ready(refund.idempotency_key, refund.params, refund.key_since)


def _find_or_create(runtime: Runtime, ready: _Ready, refund_id: int) -> RefundAtStripe:
    now = runtime.clock.now()
    if now - ready.key_since >= REPLAY_WINDOW:
        for refund in list_refunds(runtime.gateway, charge_id=ready.stripe_charge_id):
            if refund.metadata.get(MARK) == ready.idempotency_key:
                return refund
        with runtime.database.transaction() as session:
            session.execute(update(Refund).where(Refund.id == refund_id).values(key_since=now))
    return create_refund(runtime.gateway, ready.params, ready.idempotency_key)


def _refuse(runtime: Runtime, refund_id: int, code: str) -> None:
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        refund = session.get_one(Refund, refund_id, with_for_update=True)
        if refund.status is RefundStatus.REQUESTED:
            become(refund, RefundStatus.REFUSED, now)
            refund.failure_code = code[:64]
