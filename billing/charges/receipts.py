"""Receipts for payments, put into the outbox in the transaction that records the payments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeStatus
from billing.charges.errors import LetterRefusedError
from billing.charges.letters import (
    CANCEL_LINK,
    MANAGE_LINK,
    Letter,
    pledge_url,
    put_letter,
    put_letters,
)
from billing.charges.tables import Attempt, Charge
from billing.db import Json
from billing.outbox import OutboxMessage, OutboxStatus, retry
from billing.pledges.domain import Cadence
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.service import get_supporter

MOST_RETURNS = 5
"""How often a debit can have come back and been made good, for its receipts to be found."""

_RETURNED = select(func.count()).where(
    Attempt.charge_id == bindparam("charge_id", type_=Attempt.charge_id.type),
    Attempt.returned_at.is_not(None),
)


@dataclass(frozen=True)
class Paid:
    """A charge that was paid, and is owed a receipt."""

    charge: Charge
    pledge: Pledge | None
    first: bool
    """That no attempt of it can have come back before, so that none is looked for."""


def put_receipts(session: Session, runtime: Runtime, paid: Sequence[Paid], now: datetime) -> None:
    """Queue the receipts of charges that were paid, once each; an erased supporter gets none."""
    letters = [
        Letter(
            key=_key(session, each.charge, first=each.first),
            template="receipt" if each.charge.months == 1 else "prepaid",
            supporter_id=each.charge.supporter_id,
            language=each.pledge.language if each.pledge else None,
            context=_context(runtime, each.charge, each.pledge, now),
        )
        for each in paid
    ]
    if letters:
        put_letters(session, letters, now=now)


def put_receipt_again(
    session: Session,
    runtime: Runtime,
    charge: Charge,
    pledge: Pledge | None,
    *,
    key: str,
    now: datetime,
) -> None:
    """Queue the receipt of a locked charge once more, as it was written the first time.

    One that could not be delivered is tried again under its own key; one that was never written, or
    of which nothing was kept, is written now. `key` tells this time from others.

    Raises:
        LetterRefusedError: when it was not paid, the first one is still on its way, or there is no
            address to send it to.
    """
    if charge.status is not ChargeStatus.SUCCEEDED:
        raise LetterRefusedError(f"Charge {charge.id} was not paid: there is no receipt of it.")
    if get_supporter(session, charge.supporter_id, lock=True).email_encrypted is None:
        raise LetterRefusedError(
            "There is no address to write to: this supporter was erased, or never gave one."
        )
    first = _latest(session, charge.id)
    if first is None:
        put_receipts(session, runtime, [Paid(charge, pledge, first=False)], now)
        return
    if first.status in (OutboxStatus.WAITING, OutboxStatus.SENDING):
        raise LetterRefusedError("The receipt is on its way at this moment. Nothing was changed.")
    if first.status is OutboxStatus.FAILED:
        retry(session, first.unique_key, now=now)
        return
    put_letter(
        session,
        key=f"receipt_again:charge:{charge.id}:{key}",
        template=first.template,
        supporter_id=charge.supporter_id,
        language=first.language,
        context=first.context or _context(runtime, charge, pledge, now),
        now=now,
    )


def _latest(session: Session, charge_id: int) -> OutboxMessage | None:
    """The receipt of a charge; of one whose debit came back and was made good, the last."""
    key = f"receipt:charge:{charge_id}"
    keys = [key, *(f"{key}:{returned}" for returned in range(1, MOST_RETURNS + 1))]
    query = select(OutboxMessage).where(OutboxMessage.unique_key.in_(keys))
    return session.scalars(query.order_by(OutboxMessage.id.desc()).limit(1)).one_or_none()


def _key(session: Session, charge: Charge, *, first: bool) -> str:
    """One receipt a charge; one more each time that its debit came back and was made good."""
    returned = 0 if first else session.scalar(_RETURNED, {"charge_id": charge.id})
    return f"receipt:charge:{charge.id}" + (f":{returned}" if returned else "")


def _context(runtime: Runtime, charge: Charge, pledge: Pledge | None, now: datetime) -> Json:
    context: Json = {
        "charge_id": charge.id,
        "amount_minor": charge.amount_minor,
        "fee_cover_minor": charge.fee_cover_minor,
        "currency": charge.currency,
        "paid_at": (charge.settled_at or now).isoformat(),
        "cadence": Cadence.ONCE.value,
        "renewal": bool(charge.period),
    }
    if pledge is not None:
        context["cadence"] = pledge.cadence.value
        context["next_charge_at"] = (
            pledge.next_charge_at.isoformat() if pledge.next_charge_at else None
        )
        context["next_amount_minor"] = pledge.amount_minor
        context["months"] = charge.months
        context["manage_url"] = pledge_url(runtime, MANAGE_LINK, pledge.id)
        context["cancel_url"] = pledge_url(runtime, CANCEL_LINK, pledge.id)
    return context
