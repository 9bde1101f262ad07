"""Step 2 of a renewal, its first half: the last look, and the attempt that is then made.

Both happen in one transaction, under the locks of the pledges, for one charge or for many at once
(invariant 2). It is committed before Stripe is called (invariant 3): if the process dies before,
the charges are still due; if it dies afterwards, the sweep finds the attempts (`resolve.py`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ARRAY, BigInteger, String, any_, bindparam, func, select, text
from sqlalchemy.orm import Session

from billing.charges.domain import (
    ASKABLE,
    OPEN_ATTEMPTS,
    REPLAY_WINDOW,
    AttemptStatus,
    ChargeStatus,
)
from billing.charges.dunning import after_decline
from billing.charges.errors import ChargeNotFoundError
from billing.charges.over import comes_too_late, let_go
from billing.charges.tables import Attempt, Charge
from billing.db import Json, UtcDateTime
from billing.gateway import PAYMENT_EXPANSIONS
from billing.pledges.domain import CHARGEABLE
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

log = structlog.get_logger()

HELD_PAUSE = timedelta(days=1)
"""How long a charge of a pledge that is held waits before it is looked at again."""

NO_OTHER = (*OPEN_ATTEMPTS, AttemptStatus.SUCCEEDED)
"""While an attempt is in one of these states no other may be made for its charge."""

NO_PAYMENT_METHOD = "no_payment_method"

_WHICH = any_(bindparam("charge_ids", type_=ARRAY(BigInteger)))
_PLEDGES = (
    select(Pledge)
    .where(Pledge.id.in_(select(Charge.pledge_id).where(Charge.id == _WHICH)))
    .order_by(Pledge.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_CHARGES = (
    select(
        Charge,
        select(func.coalesce(func.max(Attempt.number), 0))
        .where(Attempt.charge_id == Charge.id)
        .scalar_subquery(),
        select(Attempt.id)
        .where(Attempt.charge_id == Charge.id, Attempt.status.in_(NO_OTHER))
        .exists(),
    )
    .where(Charge.id == _WHICH)
    .order_by(Charge.id)
    .with_for_update(of=Charge)
    .execution_options(populate_existing=True)
)
"""The last look, as two statements built once. Rows are locked in the order of their ids, so that
two who lock many never wait for each other.

The second begins when the pledges are locked already, so what it counts is up to date.
"""

_SUBMIT = text(
    """
    WITH given AS (
        SELECT * FROM unnest(:charge_ids, :numbers, :keys, :params, :agreed, :versions)
            AS given (charge_id, number, idempotency_key, params, agreed_minor, pledge_version)
    ), submitted AS (
        UPDATE charges SET status = 'submitted', next_attempt_at = NULL
        FROM given WHERE charges.id = given.charge_id
    )
    INSERT INTO attempts (
        charge_id, number, kind, status, idempotency_key, params, started_at, last_sent_at,
        key_since, agreed_minor, pledge_version)
    SELECT
        charge_id, number, 'off_session', 'in_flight', idempotency_key, CAST(params AS jsonb),
        :now, :now, :now, agreed_minor, pledge_version
    FROM given
    RETURNING charge_id, id
    """
).bindparams(
    bindparam("now", type_=UtcDateTime),
    bindparam("charge_ids", type_=ARRAY(BigInteger)),
    bindparam("numbers", type_=ARRAY(BigInteger)),
    bindparam("keys", type_=ARRAY(String)),
    bindparam("params", type_=ARRAY(String)),
    bindparam("agreed", type_=ARRAY(BigInteger)),
    bindparam("versions", type_=ARRAY(BigInteger)),
)
"""The attempts, and their charges no longer due, in one round trip."""


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


def open_attempt(session: Session, runtime: Runtime, charge_id: int) -> Ready | None:
    """The last look at one charge, and its attempt.

    Returns:
        The attempt to send, or None when nothing may be taken (any more): the charge is not due,
        the pledge was cancelled or is held, or it has no payment method.

    Raises:
        ChargeNotFoundError: when there is no such charge, or none of a pledge.
    """
    found = _lock(session, [charge_id])
    if not found:
        raise ChargeNotFoundError(charge_id)
    opened = _open(session, runtime, found, runtime.clock.now())
    return opened[0] if opened else None


def open_attempts(session: Session, runtime: Runtime, charge_ids: Sequence[int]) -> list[Ready]:
    """The last look at many charges, and the attempts of those that may be taken.

    Returns:
        The attempts to send, once the caller's transaction is committed.
    """
    found = _lock(session, charge_ids)
    if len(found) < len(charge_ids):
        missing = set(charge_ids) - {each.charge.id for each in found}
        log.error("charges that no pledge stands behind", charges=sorted(missing))
    return _open(session, runtime, found, runtime.clock.now())


def _lock(session: Session, charge_ids: Sequence[int]) -> list[_Found]:
    """The charges and their pledges, all pledges locked first."""
    which = {"charge_ids": list(charge_ids)}
    pledges = {pledge.id: pledge for pledge in session.scalars(_PLEDGES, which)}
    return [
        _Found(charge, pledges[charge.pledge_id], attempts, has_other)
        for charge, attempts, has_other in session.execute(_CHARGES, which)
        if charge.pledge_id is not None
    ]


def _open(session: Session, runtime: Runtime, locked: list[_Found], now: datetime) -> list[Ready]:
    """The attempts of those among locked charges that are due and may be taken.

    `now` is from after the locks: whatever had them before has happened before.
    """
    wanted = [
        found
        for found in locked
        if _is_due(found.charge, now) and _may_be_taken(session, runtime, found, now)
    ]
    session.flush()
    if not wanted:
        return []
    keys = [_key(found) for found in wanted]
    params = [_params(runtime, found, key) for found, key in zip(wanted, keys, strict=True)]
    rows = session.execute(
        _SUBMIT,
        {
            "now": now,
            "charge_ids": [found.charge.id for found in wanted],
            "numbers": [found.attempts + 1 for found in wanted],
            "keys": keys,
            "params": [json.dumps(each) for each in params],
            "agreed": [found.pledge.amount_minor for found in wanted],
            "versions": [found.pledge.version for found in wanted],
        },
    )
    ids = {row.charge_id: row.id for row in rows}
    opened = [
        Ready(ids[found.charge.id], key, asked, key_until=now + REPLAY_WINDOW)
        for found, key, asked in zip(wanted, keys, params, strict=True)
    ]
    for found in wanted:
        session.expire(found.charge)
    return opened


def _is_due(charge: Charge, now: datetime) -> bool:
    moment = charge.next_attempt_at
    return charge.status in ASKABLE and moment is not None and moment <= now


def _may_be_taken(session: Session, runtime: Runtime, found: _Found, now: datetime) -> bool:
    """Whether the supporter still wants it, and never more than they agreed to (invariant 2)."""
    charge, pledge = found.charge, found.pledge
    if pledge.status not in CHARGEABLE:
        charge.status = ChargeStatus.CANCELLED
        charge.next_attempt_at = None
        return False
    if pledge.held_since is not None:
        charge.next_attempt_at = now + HELD_PAUSE
        charge.queued_at = None
        return False
    if found.has_other:
        return False
    if comes_too_late(session, charge, pledge, now):
        let_go(charge)
        return False
    if charge.amount_minor > pledge.amount_minor:
        charge.amount_minor = pledge.amount_minor
        charge.fee_cover_minor = pledge.fee_cover_minor
    if pledge.stripe_payment_method_id is None:
        charge.status = ChargeStatus.DECLINED
        charge.decline_code = NO_PAYMENT_METHOD
        after_decline(session, runtime, charge, pledge, None, now)
        return False
    return True


def _key(found: _Found) -> str:
    return f"tuppence-{found.charge.id}-{found.attempts + 1}-{uuid.uuid4().hex}"


def _params(runtime: Runtime, found: _Found, key: str) -> Json:
    """The request to Stripe, frozen. Nothing in it names the person."""
    charge, pledge = found.charge, found.pledge
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
