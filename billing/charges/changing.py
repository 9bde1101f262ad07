"""A supporter's changes where money is concerned: what is due is let go or lowered, and a letter.

All of one change is one transaction, the pledge locked first: the change, what becomes of charges
that nobody was asked for yet, and the letter. What Stripe was asked for stays as it was recorded.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing.charges.domain import ASKABLE, ChargeStatus
from billing.charges.errors import PaymentUnderWayError
from billing.charges.letters import put_amount_changed, put_pledge_changed
from billing.charges.tables import Charge
from billing.money import Money
from billing.pledges import changes
from billing.pledges.domain import Cadence, ChangeKind
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

OPEN = frozenset({ChargeStatus.DUE, ChargeStatus.SUBMITTED, ChargeStatus.PROCESSING})
"""Charges that may be taken at any moment, or may have been."""


def pause_pledge(
    session: Session,
    runtime: Runtime,
    pledge_id: int,
    *,
    until: datetime,
    seen: int,
    turn: int,
    now: datetime,
) -> None:
    """Pause a pledge. A charge that is due or was declined is let go, and asked for no more.

    Raises:
        PledgeNotFoundError, NotPossibleError, DoneAlreadyError, ChangedMeanwhileError: as
            `pledges.changes.pause` does.
    """
    zone = runtime.settings.newsroom.timezone
    pledge = changes.pause(
        session, pledge_id, until=until, seen=seen, turn=turn, zone=zone, now=now
    )
    let_go(session, pledge.id)
    put_pledge_changed(session, runtime, pledge, ChangeKind.PAUSED, now=now)


def resume_pledge(
    session: Session, runtime: Runtime, pledge_id: int, *, seen: int, now: datetime
) -> None:
    """End a pause before its day, at the supporter's wish.

    Raises:
        PledgeNotFoundError, NotPossibleError, DoneAlreadyError, ChangedMeanwhileError: as
            `pledges.changes.resume` does.
    """
    zone = runtime.settings.newsroom.timezone
    pledge = changes.resume(session, pledge_id, seen=seen, zone=zone, now=now)
    put_pledge_changed(session, runtime, pledge, ChangeKind.RESUMED, now=now)


def resume_due(session: Session, runtime: Runtime, *, now: datetime, limit: int) -> int:
    """End up to `limit` pauses whose day has come.

    Returns:
        How many there were; fewer than `limit` means that none is left.
    """
    zone = runtime.settings.newsroom.timezone
    over = changes.find_paused(session, now=now, limit=limit)
    for pledge_id in over:
        now = runtime.clock.now()
        pledge = changes.resume(session, pledge_id, seen=None, zone=zone, now=now)
        put_pledge_changed(session, runtime, pledge, ChangeKind.RESUMED, now=now)
    return len(over)


def skip_payment(
    session: Session, runtime: Runtime, pledge_id: int, *, seen: int, turn: int, now: datetime
) -> None:
    """Leave out a pledge's next payment.

    Raises:
        PledgeNotFoundError, NotPossibleError, DoneAlreadyError, ChangedMeanwhileError: as
            `pledges.changes.skip` does.
    """
    zone = runtime.settings.newsroom.timezone
    pledge = changes.skip(session, pledge_id, seen=seen, turn=turn, zone=zone, now=now)
    put_pledge_changed(session, runtime, pledge, ChangeKind.SKIPPED, now=now)


def change_pledge(
    session: Session,
    runtime: Runtime,
    pledge_id: int,
    *,
    amount: Money,
    fee_cover: Money,
    cadence: Cadence,
    seen: int,
    now: datetime,
) -> None:
    """Another sum or rhythm. A lower sum counts for what is due and was not asked for yet, too.

    A higher one does not: what was due when it was agreed to keeps its sum.

    Another rhythm has to wait until nothing of the old one is open: half of one period's sum must
    not be taken for another's.

    Raises:
        PaymentUnderWayError: for another rhythm while a payment is due or under way.
        PledgeNotFoundError, NotPossibleError, DoneAlreadyError, ChangedMeanwhileError: as
            `pledges.changes.change_terms` does.
    """
    old = get_pledge(session, pledge_id, lock=True)
    old_amount, old_cadence = old.amount_minor, old.cadence
    if cadence is not old_cadence and seen == old.version and find_open(session, pledge_id):
        raise PaymentUnderWayError
    pledge = changes.change_terms(
        session,
        pledge_id,
        amount=amount,
        fee_cover=fee_cover,
        cadence=cadence,
        seen=seen,
        zone=runtime.settings.newsroom.timezone,
        now=now,
    )
    _lower(session, pledge)
    put_amount_changed(
        session, runtime, pledge, old_amount_minor=old_amount, old_cadence=old_cadence, now=now
    )


def find_open(session: Session, pledge_id: int) -> Charge | None:
    """The latest payment of a pledge that is due or under way."""
    query = select(Charge).where(Charge.pledge_id == pledge_id, Charge.status.in_(OPEN))
    return session.scalars(query.order_by(Charge.period.desc()).limit(1)).one_or_none()


def prepaid_until(session: Session, pledge: Pledge) -> datetime | None:
    """When monthly payments go on, where the last one paid for several months up to then."""
    ahead = select(Charge.id).where(
        Charge.pledge_id == pledge.id,
        Charge.months > 1,
        Charge.status == ChargeStatus.SUCCEEDED,
        Charge.period + Charge.months == pledge.next_period,
    )
    return pledge.next_charge_at if session.scalar(ahead) is not None else None


def let_go(session: Session, pledge_id: int) -> None:
    """Ask no more for what is due or was declined of a locked pledge; what is under way stays."""
    session.execute(
        update(Charge)
        .where(Charge.pledge_id == pledge_id, Charge.status.in_(ASKABLE))
        .values(status=ChargeStatus.CANCELLED, next_attempt_at=None)
    )
    forget_retries(session, pledge_id)


def forget_retries(session: Session, pledge_id: int) -> None:
    """Ask no more, when it is through, for what is under way of a locked pledge.

    A page that was opened for a declined charge keeps the moment of its next retry: the card would
    be asked then if nobody paid there, though its payer has paused or paid ahead since.
    """
    session.execute(
        update(Charge)
        .where(Charge.pledge_id == pledge_id, Charge.status == ChargeStatus.SUBMITTED)
        .values(next_attempt_at=None)
    )


def _lower(session: Session, pledge: Pledge) -> None:
    session.execute(
        update(Charge)
        .where(
            Charge.pledge_id == pledge.id,
            Charge.status.in_(ASKABLE),
            Charge.amount_minor > pledge.amount_minor,
        )
        .values(amount_minor=pledge.amount_minor, fee_cover_minor=pledge.fee_cover_minor)
    )
