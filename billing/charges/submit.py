"""Step 2 of a renewal: record the attempt, commit, call Stripe, record what became of it.

What if the process dies …
- before the attempt is committed: nothing was asked of Stripe; the charge is still due.
- after the commit, before, during or after the call: the attempt is found in flight by the sweep
  (`resolve.py`) and replayed with its own idempotency key, so Stripe charges once.
- while the outcome is written: that transaction is undone whole, and the sweep replays.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from billing.charges.domain import (
    ASKABLE,
    OPEN_ATTEMPTS,
    REPLAY_WINDOW,
    AttemptKind,
    AttemptStatus,
    ChargeStatus,
)
from billing.charges.dunning import after_decline
from billing.charges.errors import ChargeNotFoundError
from billing.charges.settle import record_payment, record_refusal, record_unknown
from billing.charges.tables import Attempt, Charge
from billing.db import Json
from billing.gateway import (
    PAYMENT_EXPANSIONS,
    BusyError,
    OutcomeUnknownError,
    Payment,
    RefusedError,
)
from billing.pledges.domain import CHARGEABLE
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

HELD_PAUSE = timedelta(days=1)
"""How long a charge of a pledge that is held waits before it is looked at again."""

BUSY_TRIES = 4
BUSY_PAUSE_SECONDS = 0.5
NO_OTHER = (*OPEN_ATTEMPTS, AttemptStatus.SUCCEEDED)
"""While an attempt is in one of these states no other may be made for its charge."""

_CHARGE_ID = bindparam("charge_id", type_=Charge.id.type)
_PLEDGE = (
    select(Pledge)
    .where(
        Pledge.id == select(Charge.pledge_id).where(Charge.id == _CHARGE_ID).scalar_subquery(),
    )
    .with_for_update()
    .execution_options(populate_existing=True)
)
_CHARGE = (
    select(
        Charge,
        select(func.coalesce(func.max(Attempt.number), 0))
        .where(Attempt.charge_id == _CHARGE_ID)
        .scalar_subquery(),
        select(Attempt.id)
        .where(Attempt.charge_id == _CHARGE_ID, Attempt.status.in_(NO_OTHER))
        .exists(),
    )
    .where(Charge.id == _CHARGE_ID)
    .with_for_update(of=Charge)
    .execution_options(populate_existing=True)
)
"""The last look, as two statements built once: this is done for every charge of every night.

The second begins when the pledge is locked already, so what it counts is up to date.
"""

_GIVEN = (
    "charge_id",
    "number",
    "idempotency_key",
    "params",
    "started_at",
    "last_sent_at",
    "key_since",
    "agreed_minor",
)
_SUBMIT = (
    insert(cast(Table, Attempt.__table__))
    .values(
        kind=AttemptKind.OFF_SESSION,
        status=AttemptStatus.IN_FLIGHT,
        **{name: bindparam(f"given_{name}") for name in _GIVEN},
    )
    .returning(Attempt.id)
    .add_cte(
        update(Charge)
        .where(Charge.id == bindparam("given_charge_id", type_=Charge.id.type))
        .values(status=ChargeStatus.SUBMITTED, next_attempt_at=None)
        .cte("submitted")
    )
)
"""The attempt, and its charge no longer due, in one round trip."""

NO_PAYMENT_METHOD = "no_payment_method"
KEY_TOO_OLD = "key_too_old"


class RateLimiter(Protocol):
    """Says when the next call to Stripe may be made."""

    def acquire(self) -> None:
        """Wait until a call may be made."""
        ...

    def sent(self, at: float) -> None:
        """The call for which this thread waited has left, at this moment of `time.monotonic`."""
        ...

    def slow_down(self) -> None:
        """Stripe said that there were too many."""
        ...


@dataclass(frozen=True)
class Ready:
    """An attempt that is committed and may now be sent to Stripe."""

    attempt_id: int
    idempotency_key: str
    params: Json
    key_until: datetime
    """Until when it may be sent. After that Stripe may have forgotten a first time under this key,
    and would charge a second time."""


@dataclass(frozen=True)
class _Found:
    """A charge and its pledge, both locked."""

    charge: Charge
    pledge: Pledge
    attempts: int
    """The highest number of an attempt so far."""
    has_other: bool
    """Whether an attempt is open, or has succeeded: no other may be made."""


def submit(runtime: Runtime, limiter: RateLimiter, charge_id: int) -> None:
    """Take the money for a charge that is due, if it still is and still may be taken."""
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    if ready is not None:
        send(runtime, limiter, ready)


def open_attempt(session: Session, runtime: Runtime, charge_id: int) -> Ready | None:
    """The last look, under the pledge's row lock, and the attempt in the same transaction.

    Returns:
        The attempt to send, or None when nothing may be taken (any more): the charge is not due,
        the pledge was cancelled or is held, or it has no payment method.

    Raises:
        ChargeNotFoundError: when there is no such charge.
    """
    now = runtime.clock.now()
    found = _lock(session, charge_id)
    charge, pledge = found.charge, found.pledge
    if charge.status not in ASKABLE or charge.next_attempt_at is None:
        return None
    if charge.next_attempt_at > now:
        return None
    if not _may_be_taken(session, runtime, found):
        return None
    number = found.attempts + 1
    key = f"tuppence-{charge.id}-{number}-{uuid.uuid4().hex}"
    params = _params(runtime, charge, pledge, key)
    session.flush()
    attempt_id = session.execute(
        _SUBMIT,
        {
            "given_charge_id": charge.id,
            "given_number": number,
            "given_idempotency_key": key,
            "given_params": params,
            "given_started_at": now,
            "given_last_sent_at": now,
            "given_key_since": now,
            "given_agreed_minor": pledge.amount_minor,
        },
    ).scalar_one()
    session.expire(charge)
    return Ready(attempt_id, key, params, key_until=now + REPLAY_WINDOW)


def send(runtime: Runtime, limiter: RateLimiter, ready: Ready) -> None:
    """Send a committed attempt to Stripe, for the first time or again, and record the outcome."""
    try:
        payment = _call(runtime, limiter, ready)
    except BusyError:
        return  # Nothing was done and the key is unspent: the sweep sends it again.
    except OutcomeUnknownError as error:
        with runtime.database.transaction() as session:
            record_unknown(session, ready.attempt_id, code=error.code)
    except RefusedError as error:
        with runtime.database.transaction() as session:
            record_refusal(session, runtime, ready.attempt_id, code=error.code or "refused")
    else:
        with runtime.database.transaction() as session:
            record_payment(session, runtime, ready.attempt_id, payment)


def _call(runtime: Runtime, limiter: RateLimiter, ready: Ready) -> Payment:
    for tries_left in reversed(range(BUSY_TRIES)):
        limiter.acquire()
        if runtime.clock.now() >= ready.key_until:
            raise BusyError(KEY_TOO_OLD)  # this worker stood still: the sweep looks for it first
        try:
            return runtime.gateway.charge_off_session(
                ready.params, ready.idempotency_key, sent=limiter.sent
            )
        except BusyError:
            limiter.slow_down()
            if not tries_left:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
    raise AssertionError("unreachable")


def _lock(session: Session, charge_id: int) -> _Found:
    """The charge and its pledge, the pledge locked first."""
    which = {"charge_id": charge_id}
    pledge = session.scalars(_PLEDGE, which).one_or_none()
    if pledge is None:
        raise ChargeNotFoundError(charge_id)
    charge, attempts, has_other = session.execute(_CHARGE, which).one()
    return _Found(charge, pledge, attempts, has_other)


def _may_be_taken(session: Session, runtime: Runtime, found: _Found) -> bool:
    """Whether the supporter still wants it, and never more than they agreed to (invariant 2)."""
    charge, pledge = found.charge, found.pledge
    if pledge.status not in CHARGEABLE:
        charge.status = ChargeStatus.CANCELLED
        charge.next_attempt_at = None
        return False
    if pledge.held_since is not None:
        charge.next_attempt_at = runtime.clock.now() + HELD_PAUSE
        charge.queued_at = None
        return False
    if found.has_other:
        return False
    if charge.amount_minor > pledge.amount_minor:
        charge.amount_minor = pledge.amount_minor
        charge.fee_cover_minor = pledge.fee_cover_minor
    if pledge.stripe_payment_method_id is None:
        charge.status = ChargeStatus.DECLINED
        charge.decline_code = NO_PAYMENT_METHOD
        after_decline(session, runtime, charge, pledge, None, runtime.clock.now())
        return False
    return True


def _params(runtime: Runtime, charge: Charge, pledge: Pledge, key: str) -> Json:
    """The request to Stripe, frozen. Nothing in it names the person."""
    return {
        "amount": charge.amount_minor,
        "currency": charge.currency,
        "customer": pledge.stripe_customer_id,
        "payment_method": pledge.stripe_payment_method_id,
        "confirm": True,
        "off_session": True,
        "capture_method": "automatic",
        "return_url": runtime.links.url("/support"),
        "expand": PAYMENT_EXPANSIONS,
        "payment_method_options": {"card": {"stored_credential_usage": "recurring"}},
        "metadata": {
            "tuppence_attempt": key,
            "tuppence_charge": str(charge.id),
            "tuppence_pledge": str(pledge.id),
        },
    }
