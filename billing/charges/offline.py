"""Gifts that came by bank transfer, cheque or in cash: entered by staff, never seen by Stripe.

`enter` makes, in the caller's transaction: the charge, paid from the start and without an attempt;
what is known of it (`offline_gifts`); its ledger transaction; and, if wanted, its receipt. If the
process dies before the commit, nothing was entered.

`take_back` locks the charge, posts the opposite and marks both rows. The ledger holds each once: a
unique index on (charge, category). Nothing is deleted: the entry stays and is reversed, on the day
on which it is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeKind, ChargeStatus
from billing.charges.errors import ChargeNotFoundError, OfflineGiftError
from billing.charges.locks import lock_charge
from billing.charges.receipts import Paid, put_receipts
from billing.charges.tables import Charge
from billing.charges.tables_offline import OfflineGift, OfflineMethod
from billing.ledger.service import post_offline
from billing.money import Money
from billing.outbox import drop
from billing.runtime import Runtime
from billing.supporters.service import get_supporter


@dataclass(frozen=True, kw_only=True)
class Entered:
    """A gift as staff wrote it down."""

    amount: Money
    received_on: date
    """The newsroom's day."""
    method: OfflineMethod
    reference: str


def enter(
    session: Session,
    runtime: Runtime,
    supporter_id: int,
    gift: Entered,
    *,
    entered_by: str,
    receipt: bool,
    now: datetime,
) -> int:
    """Enter a gift; it counts on the day on which it was received.

    Returns:
        The id of its charge.

    Raises:
        SupporterNotFoundError: when there is no such supporter.
        OfflineGiftError: in words, when they were erased.
    """
    supporter = get_supporter(session, supporter_id, lock=True)
    if supporter.erased_at is not None:
        raise OfflineGiftError("This supporter was erased: nothing is entered under them any more.")
    noon = datetime.combine(gift.received_on, time(12), tzinfo=runtime.settings.newsroom.timezone)
    received_at = min(noon, now)
    charge = Charge(
        kind=ChargeKind.GIFT,
        status=ChargeStatus.SUCCEEDED,
        supporter_id=supporter_id,
        currency=gift.amount.currency,
        amount_minor=gift.amount.minor,
        fee_cover_minor=0,
        months=1,
        refunded_minor=0,
        due_at=received_at,
        created_at=now,
        settled_at=received_at,
        source={},
    )
    session.add(charge)
    session.flush()
    session.add(
        OfflineGift(
            charge_id=charge.id,
            method=gift.method,
            received_on=gift.received_on,
            reference=gift.reference,
            entered_by=entered_by,
            entered_at=now,
        )
    )
    post_offline(session, charge.id, gift.amount, occurred_at=received_at, now=now)
    if receipt:
        put_receipts(session, runtime, [Paid(charge, None, first=True)], now)
    return charge.id


def take_back(session: Session, charge_id: int, *, now: datetime) -> OfflineGift:
    """Reverse the entry of an offline gift, today; a receipt that has not gone out is dropped.

    Raises:
        ChargeNotFoundError: when no offline gift has this number.
        OfflineGiftError: in words, when it was taken back before.
    """
    charge, _ = lock_charge(session, charge_id)
    gift = find_gift(session, charge_id)
    if gift is None:
        raise ChargeNotFoundError(charge_id)
    if gift.reversed_at is not None:
        raise OfflineGiftError("This entry was taken back before. Nothing was changed.")
    gift.reversed_at = now
    charge.status = ChargeStatus.CANCELLED  # It was paid by nobody; not a state Stripe leads to.
    amount = Money(charge.amount_minor, charge.currency)
    post_offline(session, charge_id, amount, occurred_at=now, now=now, reverses=True)
    drop(session, f"receipt:charge:{charge_id}")
    return gift


def find_gift(session: Session, charge_id: int) -> OfflineGift | None:
    """What is known of an offline gift; None for a charge that Stripe took."""
    query = select(OfflineGift).where(OfflineGift.charge_id == charge_id)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()
