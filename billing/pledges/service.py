"""Use cases of a pledge: make it, cancel it, and what its charges do to it.

Whoever changes a pledge holds its row lock; whoever also locks a charge locks the pledge first.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.db import Json
from billing.gateway import SavedMethod
from billing.money import Money
from billing.pledges.domain import (
    CHARGEABLE,
    INVOLUNTARY,
    Cadence,
    CardLoss,
    EndReason,
    PledgeStatus,
    due_at,
    may_become,
    yearly_value,
)
from billing.pledges.errors import PledgeNotFoundError
from billing.pledges.tables import MovementKind, Pledge, PledgeMovement


def get_pledge(session: Session, pledge_id: int, *, lock: bool = False) -> Pledge:
    """The pledge, with its row locked until the transaction ends if asked.

    Raises:
        PledgeNotFoundError: when there is none.
    """
    query = select(Pledge).where(Pledge.id == pledge_id).execution_options(populate_existing=True)
    pledge = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if pledge is None:
        raise PledgeNotFoundError(pledge_id)
    return pledge


def make_pledge(
    session: Session,
    *,
    supporter_id: int,
    cadence: Cadence,
    amount: Money,
    fee_cover: Money,
    anchor: datetime,
    zone: ZoneInfo,
    stripe_customer_id: str,
    stripe_payment_method_id: str | None,
    language: str,
    source: Json,
    now: datetime,
) -> Pledge:
    """Record the promise made with a first payment at `anchor`."""
    # Two first pledges of one person at once would both be "new": the supporter's row decides.
    returning = _has_pledged_before(session, supporter_id)
    pledge = Pledge(
        supporter_id=supporter_id,
        status=PledgeStatus.ACTIVE,
        cadence=cadence,
        currency=amount.currency,
        amount_minor=amount.minor,
        fee_cover_minor=fee_cover.minor,
        anchor_at=anchor,
        next_period=1,
        next_charge_at=due_at(anchor, cadence, 1, zone),
        stripe_customer_id=stripe_customer_id,
        stripe_payment_method_id=stripe_payment_method_id,
        language=language,
        source=source,
        created_at=now,
    )
    session.add(pledge)
    session.flush()
    kind = MovementKind.REACTIVATION if returning else MovementKind.NEW
    move(session, pledge, kind, 1, at=anchor, effective_on=anchor.astimezone(zone).date())
    return pledge


def cancel(
    session: Session,
    pledge_id: int,
    *,
    zone: ZoneInfo,
    now: datetime,
    reason: EndReason = EndReason.SUPPORTER,
) -> bool:
    """End a pledge, at the supporter's wish unless told otherwise. Nothing more is charged for it.

    Its charges that are due but not submitted are found cancelled by the last look.

    Returns:
        Whether this call ended it; False when it had been cancelled before.

    Raises:
        PledgeNotFoundError: when there is none.
    """
    pledge = get_pledge(session, pledge_id, lock=True)
    if not may_become(pledge.status, PledgeStatus.CANCELLED):
        return False
    if pledge.status is PledgeStatus.PAUSED:
        # What left with the pause comes back for a moment, and leaves as what it is: churn.
        day: date | None = end_of_pause(session, pledge, zone=zone, now=now)
    elif pledge.status in CHARGEABLE:
        day = _last_day(pledge, reason, zone, now)
    else:
        day = None
    pledge.status = PledgeStatus.CANCELLED
    pledge.paused_until = None
    pledge.cancelled_at = now
    pledge.end_reason = reason
    pledge.next_charge_at = None
    pledge.held_since = None
    if day is not None:
        involuntary = reason in INVOLUNTARY
        kind = MovementKind.CHURN_INVOLUNTARY if involuntary else MovementKind.CHURN_VOLUNTARY
        move(session, pledge, kind, -1, at=now, effective_on=day)
    return True


def hold(pledge: Pledge, *, now: datetime) -> None:
    """Take nothing for a locked pledge until staff have decided; one that has ended needs none."""
    if pledge.status is not PledgeStatus.CANCELLED:
        pledge.held_since = pledge.held_since or now


def release(pledge: Pledge) -> None:
    """Staff have decided that a locked pledge goes on."""
    pledge.held_since = None


def mark_past_due(session: Session, pledge: Pledge, *, reason: str, now: datetime) -> None:
    """A charge of a locked pledge was declined: `reason` is Stripe's word for it."""
    if pledge.status is PledgeStatus.ACTIVE:
        pledge.status = PledgeStatus.PAST_DUE
        pledge.past_due_since = now
    if pledge.status is PledgeStatus.PAST_DUE:
        pledge.past_due_reason = reason
    session.flush()


def mark_paid(
    session: Session,
    pledge: Pledge,
    *,
    period: int | None,
    zone: ZoneInfo,
    now: datetime,
    asked_at: datetime | None = None,
) -> None:
    """A charge of a locked pledge was paid; what was past due is made good, what lapsed returns.

    A pledge that returns keeps its history and its anchor's day; its next period is the one after
    the current and after the `period` paid for, where that is known: in a month that was skipped,
    a later one is paid. So it is where an older payment took the pledge up again before that one.
    What was past due and asked for, at `asked_at`, when a later period had begun, counts for that
    one: nobody pays twice in a month. One that was cancelled stays so: money that was on its way
    changes nothing.
    """
    if pledge.status in CHARGEABLE and period is not None and period >= pledge.next_period:
        _go_on_after(pledge, period, zone)
    if pledge.status not in (PledgeStatus.PAST_DUE, PledgeStatus.LAPSED):
        return
    if pledge.status is PledgeStatus.LAPSED:
        current = pledge.calendar(zone).current(now)
        paid = current if period is None else max(period, current)
        _go_on_after(pledge, max(pledge.next_period - 1, paid), zone)
        today = now.astimezone(zone).date()
        move(session, pledge, MovementKind.REACTIVATION, 1, at=now, effective_on=today)
    elif asked_at is not None:
        current = pledge.calendar(zone).current(asked_at)
        if current >= pledge.next_period:
            _go_on_after(pledge, current, zone)
    pledge.status = PledgeStatus.ACTIVE
    pledge.past_due_since = None
    pledge.past_due_reason = None
    session.flush()


def _go_on_after(pledge: Pledge, period: int, zone: ZoneInfo) -> None:
    pledge.next_period = period + 1
    pledge.next_charge_at = pledge.calendar(zone).due_at(pledge.next_period)
    pledge.renewal_notice_id = None  # It announced the period that is paid for by now.


def lapse(session: Session, pledge: Pledge, *, zone: ZoneInfo, now: datetime) -> bool:
    """End a locked, past-due pledge that could not be recovered.

    Returns:
        Whether it was past due.
    """
    if pledge.status is not PledgeStatus.PAST_DUE:
        return False
    pledge.status = PledgeStatus.LAPSED
    pledge.next_charge_at = None
    today = now.astimezone(zone).date()
    move(session, pledge, MovementKind.CHURN_INVOLUNTARY, -1, at=now, effective_on=today)
    session.flush()
    return True


def adopt_card(pledge: Pledge, *, customer_id: str | None, method: SavedMethod | None) -> None:
    """The payer used another card, on-session: a locked pledge is charged on it from now on."""
    if customer_id and method:
        pledge.stripe_customer_id = customer_id
        pledge.stripe_payment_method_id = method.id
        pledge.card_lost = None
        note_card(pledge, method)


def note_card(pledge: Pledge, method: SavedMethod) -> bool:
    """Write down what a locked pledge's own card looks like by now; another's is not looked at.

    Returns:
        Whether that is news.
    """
    card = method.card
    known = (pledge.card_brand, pledge.card_last4, pledge.card_expires_on)
    seen = (card.brand[:32], card.last4, card.expires_on)
    if pledge.stripe_payment_method_id != method.id or known == seen:
        return False
    pledge.card_brand, pledge.card_last4, pledge.card_expires_on = seen
    return True


def lose_card(pledge: Pledge, why: CardLoss) -> None:
    """The card of a locked pledge cannot be charged any more."""
    pledge.stripe_payment_method_id = None
    pledge.card_brand = pledge.card_last4 = pledge.card_expires_on = None
    pledge.card_lost = why


def paid_until(pledge: Pledge, zone: ZoneInfo, now: datetime) -> date:
    """The newsroom's day on which what has been paid for a pledge ends; today if it has ended."""
    ends = pledge.next_charge_at
    unpaid = pledge.status is PledgeStatus.PAST_DUE or ends is None or ends < now
    return (now if unpaid or ends is None else ends).astimezone(zone).date()


def end_of_pause(session: Session, pledge: Pledge, *, zone: ZoneInfo, now: datetime) -> date:
    """Count a locked pledge as income promised again, from the day returned on.

    That is today, or the day on which its pause would have begun to show, if that is still ahead.
    """
    began = session.scalar(
        select(func.max(PledgeMovement.effective_on)).where(
            PledgeMovement.pledge_id == pledge.id, PledgeMovement.kind == MovementKind.PAUSED
        )
    )
    today = now.astimezone(zone).date()
    day = max(today, began or today)
    move(session, pledge, MovementKind.RESUMED, 1, at=now, effective_on=day)
    return day


def _last_day(pledge: Pledge, reason: EndReason, zone: ZoneInfo, now: datetime) -> date:
    """The day on which a pledge that ends stops counting: that of the paid period's end."""
    return now.astimezone(zone).date() if reason in INVOLUNTARY else paid_until(pledge, zone, now)


def _has_pledged_before(session: Session, supporter_id: int) -> bool:
    query = select(Pledge.id).where(Pledge.supporter_id == supporter_id).limit(1)
    return session.scalar(query) is not None


def move(
    session: Session,
    pledge: Pledge,
    kind: MovementKind,
    sign: int,
    *,
    at: datetime,
    effective_on: date,
) -> None:
    """Note that all that a pledge brings in came (`sign` 1) or went (−1), on a day."""
    move_by(session, pledge, kind, sign * worth(pledge), at=at, effective_on=effective_on)


def worth(pledge: Pledge) -> int:
    """What a pledge brings in a year, in minor units, without the covered fee."""
    return yearly_value(pledge.amount_minor - pledge.fee_cover_minor, pledge.cadence)


def move_by(
    session: Session,
    pledge: Pledge,
    kind: MovementKind,
    yearly_minor: int,
    *,
    at: datetime,
    effective_on: date,
) -> None:
    """Note a movement of monthly recurring revenue, in minor units a year."""
    session.add(
        PledgeMovement(
            pledge_id=pledge.id,
            supporter_id=pledge.supporter_id,
            kind=kind,
            currency=pledge.currency,
            yearly_minor=yearly_minor,
            occurred_at=at,
            effective_on=effective_on,
        )
    )
