"""Recording what became of a payment: attempt, charge, pledge, ledger and receipt in one step.

Every path leads here: the answer to the call, a replay, a webhook, a listing. Told the same thing
twice it changes nothing, so they may come in any order and any number (invariant 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import ARRAY, BigInteger, any_, bindparam, select
from sqlalchemy.orm import Session

from billing.charges.books import post_payments
from billing.charges.domain import (
    ATTEMPT_TRANSITIONS,
    CHARGE_TRANSITIONS,
    OPEN_ATTEMPTS,
    AttemptKind,
    AttemptStatus,
    ChargeStatus,
)
from billing.charges.dunning import after_decline, falls_due_again, owes_more
from billing.charges.errors import AttemptNotFoundError
from billing.charges.receipts import Paid, put_receipts
from billing.charges.tables import Attempt, Charge
from billing.gateway import Decline, Payment, PaymentStatus
from billing.pledges.service import mark_paid, note_card
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

log = structlog.get_logger()

AUTHENTICATION = Decline(
    code="authentication_required",
    decline_code=None,
    advice_code=None,
    network_decline_code=None,
)
NO_REASON = Decline(code="unknown", decline_code=None, advice_code=None, network_decline_code=None)

_ATTEMPT_ID = bindparam("attempt_id", type_=Attempt.id.type)
_PLEDGE = (
    select(Pledge)
    .where(
        Pledge.id
        == select(Charge.pledge_id)
        .join(Attempt, Attempt.charge_id == Charge.id)
        .where(Attempt.id == _ATTEMPT_ID)
        .scalar_subquery()
    )
    .with_for_update()
    .execution_options(populate_existing=True)
)
_CHARGE_AND_ATTEMPT = (
    select(Charge, Attempt)
    .join(Attempt, Attempt.charge_id == Charge.id)
    .where(Attempt.id == _ATTEMPT_ID)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_WHICH = any_(bindparam("attempt_ids", type_=ARRAY(BigInteger)))
_PLEDGES = (
    select(Pledge)
    .where(
        Pledge.id.in_(
            select(Charge.pledge_id)
            .join(Attempt, Attempt.charge_id == Charge.id)
            .where(Attempt.id == _WHICH)
        )
    )
    .order_by(Pledge.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_CHARGES_AND_ATTEMPTS = (
    select(Charge, Attempt)
    .join(Attempt, Attempt.charge_id == Charge.id)
    .where(Attempt.id == _WHICH)
    .order_by(Charge.id, Attempt.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
"""Built once, as they are asked for every charge of every night; each pair for one and for many.

Many are locked in the order of their ids, so that two who lock many never wait for each other.
"""


@dataclass(frozen=True)
class _Answered:
    """An attempt with its charge and pledge, all locked, and the payment that Stripe tells of."""

    attempt: Attempt
    charge: Charge
    pledge: Pledge | None
    payment: Payment


def record_payment(session: Session, runtime: Runtime, attempt_id: int, payment: Payment) -> None:
    """Record the outcome of an attempt as Stripe tells it.

    Raises:
        AttemptNotFoundError: when there is no such attempt.
    """
    attempt, charge, pledge = lock_attempt(session, attempt_id)
    now = runtime.clock.now()
    attempt.stripe_payment_intent_id = payment.id
    if payment.status is PaymentStatus.SUCCEEDED:
        _succeed(session, runtime, [_Answered(attempt, charge, pledge, payment)], now)
    elif payment.status is PaymentStatus.PROCESSING or _awaits_payer(attempt, payment):
        _process(attempt, charge, payment)
    elif payment.status is PaymentStatus.REQUIRES_ACTION:
        if attempt.status is not AttemptStatus.SUCCEEDED:
            _decline(session, runtime, attempt, charge, pledge, AUTHENTICATION, now)
    elif attempt.status is not AttemptStatus.SUCCEEDED:
        _decline(session, runtime, attempt, charge, pledge, payment.decline or NO_REASON, now)
    elif payment.charge_id is not None and payment.charge_id == charge.stripe_charge_id:
        _come_back(session, runtime, attempt, charge, pledge, payment, now)


def record_successes(session: Session, runtime: Runtime, payments: Mapping[int, Payment]) -> None:
    """Record payments that succeeded, by the ids of their attempts, in a few statements for all.

    Raises:
        AttemptNotFoundError: when one of the attempts does not exist.
        ValueError: when one of the payments has not succeeded.
    """
    if any(each.status is not PaymentStatus.SUCCEEDED for each in payments.values()):
        raise ValueError("only what was paid is recorded together")
    which = {"attempt_ids": sorted(payments)}
    pledges = {pledge.id: pledge for pledge in session.scalars(_PLEDGES, which)}
    answered = [
        _Answered(attempt, charge, _of(charge, pledges), payments[attempt.id])
        for charge, attempt in session.execute(_CHARGES_AND_ATTEMPTS, which)
    ]
    if missing := payments.keys() - {each.attempt.id for each in answered}:
        raise AttemptNotFoundError(min(missing))
    for each in answered:
        each.attempt.stripe_payment_intent_id = each.payment.id
    _succeed(session, runtime, answered, runtime.clock.now())


def record_unknown(session: Session, attempt_id: int, *, code: str | None) -> None:
    """Stripe gave no answer: this is not a failure (invariant 4), and the sweep finds out."""
    attempt, _, _ = lock_attempt(session, attempt_id)
    if attempt.status is AttemptStatus.IN_FLIGHT:
        attempt.status = AttemptStatus.UNKNOWN
        attempt.error_code = code


def record_refusal(session: Session, runtime: Runtime, attempt_id: int, *, code: str) -> None:
    """Stripe would not take the request at all: no money moved and none will under this key."""
    attempt, charge, pledge = lock_attempt(session, attempt_id)
    now = runtime.clock.now()
    if not _attempt_may_become(attempt, AttemptStatus.REFUSED):
        return
    attempt.status = AttemptStatus.REFUSED
    attempt.error_code = code
    attempt.finished_at = now
    if _charge_becomes(charge, ChargeStatus.DECLINED):
        charge.decline_code = code
        if pledge is not None:
            after_decline(session, runtime, charge, pledge, attempt, now)


def record_absent(session: Session, attempt_id: int, *, now: datetime) -> None:
    """Stripe never made it: the charge is to be asked for again, under a new key.

    So it is with a Checkout page for a declined charge that nobody paid.
    """
    attempt, charge, pledge = lock_attempt(session, attempt_id)
    if not _attempt_may_become(attempt, AttemptStatus.ABSENT):
        return
    attempt.status = AttemptStatus.ABSENT
    attempt.finished_at = now
    charge.queued_at = None
    if attempt.kind is AttemptKind.OFF_SESSION:
        _charge_becomes(charge, ChargeStatus.DUE)
        charge.next_attempt_at = now
    else:
        _charge_becomes(charge, ChargeStatus.DECLINED)
        charge.next_attempt_at = falls_due_again(charge, pledge, now) or charge.next_attempt_at


def lock_attempt(session: Session, attempt_id: int) -> tuple[Attempt, Charge, Pledge | None]:
    """An attempt with its charge and pledge, locked in the house's order: pledge, charge, attempt.

    Raises:
        AttemptNotFoundError: when there is no such attempt.
    """
    which = {"attempt_id": attempt_id}
    pledge = session.scalars(_PLEDGE, which).one_or_none()
    row = session.execute(_CHARGE_AND_ATTEMPT, which).one_or_none()
    if row is None:
        raise AttemptNotFoundError(attempt_id)
    charge, attempt = row
    return attempt, charge, pledge


def _of(charge: Charge, pledges: Mapping[int, Pledge]) -> Pledge | None:
    return None if charge.pledge_id is None else pledges[charge.pledge_id]


def _succeed(
    session: Session, runtime: Runtime, answered: Sequence[_Answered], now: datetime
) -> None:
    news = [each for each in answered if not _has_come_back(each)]
    paid = [receipt for each in news if (receipt := _be_paid(session, runtime, each, now))]
    session.flush()
    put_receipts(session, runtime, paid, now)
    post_payments(session, [(each.charge, each.payment) for each in news], now)


def _has_come_back(answered: _Answered) -> bool:
    """Whether it is old news: this very debit has come back since."""
    returned = answered.attempt.returned_at is not None
    return returned and answered.payment.charge_id == answered.charge.stripe_charge_id


def _be_paid(session: Session, runtime: Runtime, answered: _Answered, now: datetime) -> Paid | None:
    """Move attempt, charge and pledge on; the receipt that is owed, if this is news."""
    attempt, charge, pledge = answered.attempt, answered.charge, answered.pledge
    payment = answered.payment
    # While an attempt is open no other is made: the first of all has none that came back behind it.
    first = attempt.number == 1 and attempt.status in OPEN_ATTEMPTS
    if _attempt_may_become(attempt, AttemptStatus.SUCCEEDED):
        attempt.status = AttemptStatus.SUCCEEDED
        attempt.finished_at = now
    elif charge.stripe_payment_intent_id not in (None, payment.id):
        log.error("a charge was paid by two payments", charge=charge.id, payment=payment.id)
    if not _charge_becomes(charge, ChargeStatus.SUCCEEDED):
        return None
    charge.settled_at = payment.paid_at or now
    charge.decline_code = None
    charge.next_attempt_at = None
    charge.stripe_payment_intent_id = payment.id
    charge.stripe_charge_id = payment.charge_id
    charge.card_country = charge.card_country or payment.country
    if pledge is not None:
        if not owes_more(session, pledge, charge):
            zone = runtime.settings.newsroom.timezone
            asked_at = attempt.key_since if attempt.kind is AttemptKind.OFF_SESSION else now
            mark_paid(session, pledge, period=charge.period, zone=zone, now=now, asked_at=asked_at)
        if payment.method is not None:
            note_card(pledge, payment.method)
    return Paid(charge, pledge, first)


def _awaits_payer(attempt: Attempt, payment: Payment) -> bool:
    """Whether a payer has left Checkout with something to do, such as a transfer or a voucher."""
    asked = payment.status is PaymentStatus.REQUIRES_ACTION
    return asked and attempt.kind is AttemptKind.CHECKOUT


def _come_back(
    session: Session,
    runtime: Runtime,
    attempt: Attempt,
    charge: Charge,
    pledge: Pledge | None,
    payment: Payment,
    now: datetime,
) -> None:
    """The very debit that was reported as paid has failed after all, and Stripe took it back.

    A decline of any other of Stripe's charges is old news, from before the payment went through.
    """
    attempt.returned_at = now
    charge.settled_at = None
    _decline(session, runtime, attempt, charge, pledge, payment.decline or NO_REASON, now)
    post_payments(session, [(charge, payment)], now)


def _process(attempt: Attempt, charge: Charge, payment: Payment) -> None:
    if _attempt_may_become(attempt, AttemptStatus.PROCESSING):
        attempt.status = AttemptStatus.PROCESSING
    if _charge_becomes(charge, ChargeStatus.PROCESSING):
        charge.stripe_payment_intent_id = payment.id
        charge.stripe_charge_id = payment.charge_id


def _decline(
    session: Session,
    runtime: Runtime,
    attempt: Attempt,
    charge: Charge,
    pledge: Pledge | None,
    decline: Decline,
    now: datetime,
) -> None:
    if not _attempt_may_become(attempt, AttemptStatus.DECLINED):
        return
    attempt.status = AttemptStatus.DECLINED
    attempt.finished_at = now
    attempt.error_code = decline.code
    attempt.decline_code = decline.decline_code
    attempt.advice_code = decline.advice_code
    attempt.network_decline_code = decline.network_decline_code
    if _charge_becomes(charge, ChargeStatus.DECLINED):
        charge.decline_code = decline.reason
        if pledge is not None:
            after_decline(session, runtime, charge, pledge, attempt, now)


def _attempt_may_become(attempt: Attempt, status: AttemptStatus) -> bool:
    return status in ATTEMPT_TRANSITIONS[attempt.status]


def _charge_becomes(charge: Charge, status: ChargeStatus) -> bool:
    """Move the charge if its state table allows, and say whether it moved."""
    if status not in CHARGE_TRANSITIONS[charge.status]:
        return False
    charge.status = status
    return True
