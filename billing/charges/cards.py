"""Saved cards: taken over when the bank renews them, missed when they are gone, seen to expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Date, cast, func, select
from sqlalchemy.orm import Session

from billing.charges.dunning import ask_again_now
from billing.charges.letters import put_card_expiring, put_card_needed
from billing.gateway import SavedMethod
from billing.outbox import OutboxMessage
from billing.pledges.domain import CardLoss, PledgeStatus
from billing.pledges.service import get_pledge, lose_card, note_card
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.tables import Supporter

EARLIEST = timedelta(days=30)
LATEST = timedelta(days=7)
"""How long before the charge that would fail its supporter is written to."""

_GOES_ON = (PledgeStatus.ACTIVE, PledgeStatus.PAUSED)
"""States in which nothing is past due, and a charge will come."""


def follow_card(runtime: Runtime, payment_method_id: str) -> bool:
    """Handle the news that a payment method changed: as it is now, so it is written down, silently.

    Returns:
        Whether a pledge of ours is charged on it.
    """
    method = runtime.gateway.get_saved_method(payment_method_id)

    def follow(session: Session, pledge: Pledge, now: datetime) -> None:
        if method is None or pledge.stripe_payment_method_id != method.id:
            return
        if method.customer_id is None:
            _lose(session, runtime, pledge, CardLoss.DETACHED, now)
        else:
            _renew(session, pledge, method, now)

    return _each(runtime, Pledge.stripe_payment_method_id == payment_method_id, follow)


def miss_card(runtime: Runtime, payment_method_id: str) -> bool:
    """Handle the news that a payment method was removed from its customer.

    Returns:
        Whether a pledge of ours was charged on it.
    """
    method = runtime.gateway.get_saved_method(payment_method_id)
    if method is not None and method.customer_id is not None:
        return False

    def miss(session: Session, pledge: Pledge, now: datetime) -> None:
        if pledge.stripe_payment_method_id == payment_method_id:
            _lose(session, runtime, pledge, CardLoss.DETACHED, now)

    return _each(runtime, Pledge.stripe_payment_method_id == payment_method_id, miss)


def miss_customer(runtime: Runtime, customer_id: str) -> bool:
    """Handle the news that a customer was deleted, and every card of theirs.

    Returns:
        Whether a pledge of ours was charged to them.
    """
    if runtime.gateway.has_customer(customer_id):
        return False

    def miss(session: Session, pledge: Pledge, now: datetime) -> None:
        if pledge.stripe_customer_id == customer_id:
            _lose(session, runtime, pledge, CardLoss.CUSTOMER_DELETED, now)

    return _each(runtime, Pledge.stripe_customer_id == customer_id, miss)


def put_expiring(session: Session, runtime: Runtime, *, now: datetime, limit: int) -> int:
    """Write to up to `limit` supporters whose card expires by the day of their next charge.

    Once for each card's expiry; 7 to 30 days before that charge, which for a paused pledge is the
    first one after its pause.

    Returns:
        How many were looked at; fewer than `limit` means that none is left.
    """
    zone = runtime.settings.newsroom.timezone
    day = cast(func.timezone(zone.key, Pledge.next_charge_at), Date)
    key = func.concat(
        "card_expiring:pledge:", Pledge.id, ":", func.to_char(Pledge.card_expires_on, "YYYY-MM")
    )
    query = (
        select(Pledge)
        .join(Supporter, Supporter.id == Pledge.supporter_id)
        .where(
            Pledge.status.in_(_GOES_ON),
            Pledge.card_expires_on <= (now + EARLIEST).astimezone(zone).date(),
            Pledge.card_expires_on <= day,
            Pledge.next_charge_at.between(now + LATEST, now + EARLIEST),
            Supporter.email_encrypted.is_not(None),
            ~select(OutboxMessage.id).where(OutboxMessage.unique_key == key).exists(),
        )
        .order_by(Pledge.next_charge_at, Pledge.id)
        .limit(limit)
        .with_for_update(of=Pledge, skip_locked=True)
    )
    pledges = session.scalars(query).all()
    for pledge in pledges:
        put_card_expiring(session, runtime, pledge, now=now)
    return len(pledges)


def _each(
    runtime: Runtime, which: ColumnElement[bool], act: Callable[[Session, Pledge, datetime], None]
) -> bool:
    """Act on each such pledge that has not ended for good, locked, in a transaction of its own."""
    query = select(Pledge.id).where(which, Pledge.status != PledgeStatus.CANCELLED)
    with runtime.database.transaction() as session:
        found = session.scalars(query.order_by(Pledge.id)).all()
    for pledge_id in found:
        with runtime.database.transaction() as session:
            pledge = get_pledge(session, pledge_id, lock=True)
            act(session, pledge, runtime.clock.now())
    return bool(found)


def _renew(session: Session, pledge: Pledge, method: SavedMethod, now: datetime) -> None:
    """A card that the bank has renewed may now pay what its old number could not."""
    known = pledge.card_last4 is not None
    if note_card(pledge, method) and known and pledge.status is PledgeStatus.PAST_DUE:
        ask_again_now(session, pledge.id, now=now)


def _lose(session: Session, runtime: Runtime, pledge: Pledge, why: CardLoss, now: datetime) -> None:
    """Note the loss, and ask for another card once; one past due has been asked already.

    A paused pledge is asked at once, too: its link is good for the whole of the pause.
    """
    lost = pledge.stripe_payment_method_id
    lose_card(pledge, why)
    if lost is not None and pledge.status in _GOES_ON:
        put_card_needed(session, runtime, pledge, lost=lost, now=now)
