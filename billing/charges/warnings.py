"""Early fraud warnings: the card's network doubts that its owner made a payment.

The warning's row and the pledge's hold are written in one transaction, pledge and charge locked.
While a pledge is held nothing is taken for it: no charge is created, and the last look puts off one
that is due. If the process dies before the commit, the stored event is processed again.

A hold is a moment on the pledge (`held_since`) and not a state of its own: the supporter's promise
is as it was, active or past due, and counts as such; it is we who wait, until staff decide.

Staff decide in one step, under the same locks: `keep` lets the pledge go on, with nothing asked for
the periods in between; `refund_and_stop` gives the money back and ends the pledge, which within a
day usually keeps a dispute, and its fee, from being opened. A dispute decides for them.

Source: https://docs.stripe.com/disputes/measuring#early-fraud-warnings.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeStatus, RefundReason, WarningDecision
from billing.charges.errors import WarningDecidedError, WarningNotFoundError
from billing.charges.locks import find_charge_id, lock_charge, moment_under_lock
from billing.charges.refunds import request_refund
from billing.charges.tables import Charge
from billing.charges.tables_after import FraudWarning
from billing.gateway_after import get_warning
from billing.pledges.domain import EndReason
from billing.pledges.service import cancel, hold, release
from billing.pledges.tables import Pledge
from billing.runtime import Runtime


def note_warning(runtime: Runtime, stripe_warning_id: str) -> bool:
    """Handle an event about an early fraud warning: keep it, and hold the pledge.

    Returns:
        Whether its charge is one of ours.

    Raises:
        NotKnownYetError: when the charge bears our mark and is not recorded yet.
    """
    seen = get_warning(runtime.gateway, stripe_warning_id)
    with runtime.database.transaction() as session:
        charge_id = find_charge_id(session, seen.charge)
        if charge_id is None:
            return False
        charge, pledge = lock_charge(session, charge_id)
        now = runtime.clock.now()
        row = (
            insert(FraudWarning)
            .values(
                stripe_warning_id=seen.id,
                charge_id=charge.id,
                fraud_type=seen.fraud_type[:64],
                warned_at=seen.created,
            )
            .on_conflict_do_nothing(index_elements=[FraudWarning.stripe_warning_id])
            .returning(FraudWarning.id)
        )
        is_new = session.execute(row).scalar_one_or_none() is not None
        if is_new and pledge is not None:
            hold(pledge, now=now)
    return True


def keep(
    session: Session, runtime: Runtime, warning_id: int, *, decided_by: str, now: datetime
) -> None:
    """Staff trust the supporter: the pledge goes on, unless another warning holds it.

    Raises:
        WarningNotFoundError, WarningDecidedError: when there is nothing to decide.
    """
    warning, _, pledge = _lock(session, warning_id)
    _decide(warning, WarningDecision.KEPT, decided_by, now)
    session.flush()
    if pledge is not None and not _another(session, pledge):
        release(pledge)
        _resume(session, runtime, pledge, now)


def refund_and_stop(
    session: Session, runtime: Runtime, warning_id: int, *, decided_by: str, now: datetime
) -> int | None:
    """Give back all that is left of the payment and end its pledge, without a letter about it.

    Returns:
        The id of the refund; None when everything had been given back.

    Raises:
        WarningNotFoundError, WarningDecidedError: when there is nothing to decide.
        RefundRefusedError: when a refund is on its way; nothing is changed.
    """
    warning, charge, pledge = _lock(session, warning_id)
    _decide(warning, WarningDecision.REFUNDED, decided_by, now)
    if pledge is not None:
        zone = runtime.settings.newsroom.timezone
        ended_at = moment_under_lock(session, pledge.id, runtime.clock)
        cancel(session, pledge.id, zone=zone, now=ended_at, reason=EndReason.FRAUD_WARNING)
    if charge.refunded_minor == charge.amount_minor:
        return None
    return request_refund(
        session,
        runtime,
        charge.id,
        reason=RefundReason.FRAUDULENT,
        asked_by=decided_by,
        now=now,
    )


def _lock(session: Session, warning_id: int) -> tuple[FraudWarning, Charge, Pledge | None]:
    charge_id = session.scalar(select(FraudWarning.charge_id).where(FraudWarning.id == warning_id))
    if charge_id is None:
        raise WarningNotFoundError(warning_id)
    charge, pledge = lock_charge(session, charge_id)
    warning = session.get_one(
        FraudWarning, warning_id, with_for_update=True, populate_existing=True
    )
    if warning.decision is not None:
        raise WarningDecidedError(warning_id)
    return warning, charge, pledge


def _decide(
    warning: FraudWarning, decision: WarningDecision, decided_by: str, now: datetime
) -> None:
    warning.decision = decision
    warning.decided_at = now
    warning.decided_by = decided_by


def _another(session: Session, pledge: Pledge) -> bool:
    """Whether another warning about this pledge is undecided."""
    query = (
        select(FraudWarning.id)
        .join(Charge, Charge.id == FraudWarning.charge_id)
        .where(Charge.pledge_id == pledge.id, FraudWarning.decision.is_(None))
    )
    return session.scalar(query.limit(1)) is not None


def _resume(session: Session, runtime: Runtime, pledge: Pledge, now: datetime) -> None:
    """Ask for the current period now; what was due before it is let go (invariant 7)."""
    zone = runtime.settings.newsroom.timezone
    current = pledge.calendar(zone).current(now)
    due = update(Charge).where(Charge.pledge_id == pledge.id, Charge.status == ChargeStatus.DUE)
    session.execute(
        due.where(Charge.period < current).values(
            status=ChargeStatus.CANCELLED, next_attempt_at=None
        )
    )
    session.execute(due.where(Charge.period >= current).values(next_attempt_at=now, queued_at=None))
