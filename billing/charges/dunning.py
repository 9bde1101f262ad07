"""After a decline: when to ask again, what to write, and when to let a pledge lapse."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.charges.declines import WINDOW, Remedy, is_mapped, next_retry, remedy_for
from billing.charges.domain import OPEN_ATTEMPTS, AttemptKind, AttemptStatus, ChargeStatus
from billing.charges.letters import put_failure, put_lapsed
from billing.charges.over import comes_too_late
from billing.charges.tables import Attempt, Charge
from billing.pledges.domain import CHARGEABLE, PledgeStatus
from billing.pledges.service import lapse, mark_past_due
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

log = structlog.get_logger()

CONFIRM = frozenset({"authentication_required", "payment_intent_authentication_failure"})
"""Codes for which the payer need not change anything but confirm with the bank."""

_FAILED = (AttemptStatus.DECLINED, AttemptStatus.REFUSED)


def after_decline(
    session: Session,
    runtime: Runtime,
    charge: Charge,
    pledge: Pledge,
    attempt: Attempt | None,
    now: datetime,
) -> None:
    """Decide what follows the decline of a locked pledge's charge, and write to the supporter.

    `attempt` is None where nothing could even be tried: the pledge has no payment method.
    """
    remedy = _judge(charge, attempt)
    charge.next_attempt_at = None
    charge.queued_at = None
    if pledge.status not in CHARGEABLE:
        return  # Cancelled or paused while the payment was on its way: there is nothing to ask for.
    if charge.months > 1:
        return  # Months paid ahead are never asked for off-session: staff see that it came back.
    if comes_too_late(session, charge, pledge, now):
        return  # Heard of when a later period is charged: two in one month never are.
    mark_past_due(session, pledge, reason=charge.decline_code or "unknown", now=now)
    charge.first_declined_at = charge.first_declined_at or now
    session.flush()
    if attempt is not None and _card_was_replaced(attempt, pledge):
        charge.next_attempt_at = now
        return
    if remedy is Remedy.RETRY_LATER:
        charge.next_attempt_at = next_retry(
            charge.first_declined_at,
            _declines(session, charge),
            runtime.settings.newsroom.timezone,
            mapped=attempt is None or attempt.mapped is not False,
        )
        if charge.next_attempt_at is None:
            let_lapse(session, runtime, pledge, now=now)
            return
    kind = "confirm" if charge.decline_code in CONFIRM else remedy.value
    put_failure(session, runtime, charge, pledge, remedy=kind, now=now)


def ask_again_now(session: Session, pledge_id: int, *, now: datetime) -> None:
    """The payer has put in another card: ask for what is past due at once.

    Where a page is open on which it can be paid, as soon as that page has closed unpaid.
    """
    query = select(Charge).where(
        Charge.pledge_id == pledge_id,
        Charge.status.in_([ChargeStatus.DECLINED, ChargeStatus.SUBMITTED]),
        Charge.first_declined_at.is_not(None),
    )
    latest = session.scalars(query.order_by(Charge.period.desc()).limit(1)).one_or_none()
    if latest is not None:
        latest.next_attempt_at = now
        latest.queued_at = None


def owes_more(session: Session, pledge: Pledge, paid: Charge) -> bool:
    """Whether a charge of a locked pledge is paid while one of a later period is past due.

    Then an old debit came through at last. It makes good its own period and no other: else the
    later one would be neither asked for again nor left to lapse.
    """
    if pledge.status not in (PledgeStatus.PAST_DUE, PledgeStatus.LAPSED) or paid.period is None:
        return False
    query = select(Charge.id).where(
        Charge.pledge_id == pledge.id,
        Charge.period > paid.period,
        Charge.status.in_([ChargeStatus.DECLINED, ChargeStatus.SUBMITTED, ChargeStatus.PROCESSING]),
        Charge.first_declined_at.is_not(None),
    )
    return session.scalar(query.limit(1)) is not None


def falls_due_again(charge: Charge, pledge: Pledge | None, now: datetime) -> datetime | None:
    """When a charge is asked for whose page, opened for a lapsed pledge, was not paid.

    An older payment may have taken the pledge up again meanwhile, and its calendar passed the
    charge; one that is still ahead of the calendar is created anew on its day (`due.py`).
    """
    if pledge is None or pledge.status not in CHARGEABLE or charge.first_declined_at is not None:
        return None
    passed = charge.period is not None and charge.period < pledge.next_period
    return now if passed else None


def find_overdue(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of pledges that have been past due for the whole window, with nothing under way."""
    busy = select(Charge.id).where(
        Charge.pledge_id == Pledge.id,
        Charge.next_attempt_at.is_not(None)
        | select(Attempt.id)
        .where(Attempt.charge_id == Charge.id, Attempt.status.in_(OPEN_ATTEMPTS))
        .exists(),
    )
    query = (
        select(Pledge.id)
        .where(
            Pledge.status == PledgeStatus.PAST_DUE,
            Pledge.past_due_since < now - WINDOW,
            ~busy.exists(),
        )
        .order_by(Pledge.past_due_since)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query).all())


def lapse_overdue(session: Session, runtime: Runtime, *, now: datetime, limit: int) -> int:
    """Let pledges lapse whose window has closed.

    Returns:
        How many were looked at; fewer than `limit` means that none is left.
    """
    overdue = find_overdue(session, now=now, limit=limit)
    for pledge_id in overdue:
        let_lapse(session, runtime, session.get_one(Pledge, pledge_id), now=runtime.clock.now())
    return len(overdue)


def let_lapse(session: Session, runtime: Runtime, pledge: Pledge, *, now: datetime) -> None:
    """End a past-due pledge that could not be recovered; its supporter may take it up again."""
    if lapse(session, pledge, zone=runtime.settings.newsroom.timezone, now=now):
        put_lapsed(session, runtime, pledge, now=now)


def _card_was_replaced(attempt: Attempt, pledge: Pledge) -> bool:
    """Whether the payer put in another card while the old one was being asked."""
    asked = attempt.params.get("payment_method")
    current = pledge.stripe_payment_method_id
    return asked is not None and current is not None and asked != current


def _judge(charge: Charge, attempt: Attempt | None) -> Remedy:
    """What the tables say, written down beside the attempt; an unknown code is reported."""
    if attempt is None:
        return remedy_for(charge.decline_code, None, None)
    codes = (attempt.error_code, attempt.decline_code, attempt.advice_code)
    attempt.remedy = remedy_for(*codes)
    attempt.mapped = is_mapped(*codes)
    if not attempt.mapped:
        log.warning("a failure in no table", attempt=attempt.id, codes=codes)
    if attempt.remedy is Remedy.UNKNOWN_OUTCOME:
        return Remedy.RETRY_LATER  # The outcome is known by now: it was declined.
    return attempt.remedy


def _declines(session: Session, charge: Charge) -> int:
    """How often the saved card was refused for this charge."""
    query = (
        select(func.count())
        .select_from(Attempt)
        .where(
            Attempt.charge_id == charge.id,
            Attempt.kind == AttemptKind.OFF_SESSION,
            Attempt.status.in_(_FAILED),
        )
    )
    return max(1, session.scalar(query) or 0)
