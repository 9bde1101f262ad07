"""What the desk does about money: refunds, receipts, gifts that came by bank, cheque or in cash.

Each in the caller's transaction, each with its outcome. Money moves only in `refund`, whose request
a worker sends to Stripe under a key of its own (`charges/refunds.py`), and in the ledger's entries
of offline gifts, of which Stripe knows nothing.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges import offline
from billing.charges.domain import ChargeStatus, DisputeStatus
from billing.charges.locks import lock_charge
from billing.charges.receipts import put_receipt_again
from billing.charges.refunds import request_refund
from billing.charges.tables import Charge
from billing.charges.tables_after import Dispute
from billing.desk.deeds import Outcome
from billing.desk.errors import DeskError, StalePageError
from billing.desk.formats import formats_of
from billing.desk.forms import Newcomer
from billing.money import Money
from billing.runtime import Runtime
from billing.staff.audit_trail import Detail
from billing.staff.formats import Formats
from billing.supporters.service import add_anonymous, get_or_create, get_supporter

TAKEN_BACK = frozenset(
    {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST}
)
"""Disputes in which the bank holds the money, or the payer has it."""


def refund(
    session: Session,
    runtime: Runtime,
    charge_id: int,
    *,
    minor: int,
    left: int,
    also_cancel: bool,
    by: str,
) -> Outcome:
    """Note that part of a payment is to be given back; `left` is what the page said can be.

    Raises:
        ChargeNotFoundError: when there is no such charge.
        StalePageError: when something was given back meanwhile.
        DeskError, RefundRefusedError: in words, when it can't be given back.
    """
    charge, pledge = lock_charge(session, charge_id)
    formats = formats_of(runtime)
    refuse_what_stripe_would(session, charge)
    really_left = charge.amount_minor - charge.refunded_minor
    if charge.status is ChargeStatus.SUCCEEDED and left != really_left:
        raise StalePageError(
            "Nothing was given back just now: somebody gave back part of this payment since the "
            f"page was opened. {formats.money(_of(charge, really_left))} of it is left."
        )
    if not 0 < minor <= really_left:
        raise DeskError(too_much(formats, charge))
    refund_id = request_refund(
        session,
        runtime,
        charge_id,
        amount_minor=minor,
        asked_by=by,
        also_cancel=also_cancel,
        now=runtime.clock.now(),
    )
    words = (
        f"{formats.money(_of(charge, minor))} of charge {charge_id} is on its way back (refund "
        f"{refund_id}). Stripe is asked within a minute; an email follows when the money has left."
    )
    if also_cancel and pledge is not None:
        words += f" Pledge {pledge.id} has ended."
    detail: Detail = {
        "refund": refund_id,
        "minor": minor,
        "currency": charge.currency,
        "ends": also_cancel,
    }
    return Outcome(words, detail)


def send_receipt(session: Session, runtime: Runtime, charge_id: int, *, key: str) -> Outcome:
    """Send the receipt of a payment once more.

    Raises:
        ChargeNotFoundError: when there is no such charge.
        LetterRefusedError: in words, when it can't be sent.
    """
    charge, pledge = lock_charge(session, charge_id)
    put_receipt_again(session, runtime, charge, pledge, key=key, now=runtime.clock.now())
    words = f"The receipt of charge {charge_id} is on its way once more."
    return Outcome(words, {"mail": "receipt"})


def enter_gift(
    session: Session,
    runtime: Runtime,
    supporter_id: int,
    gift: offline.Entered,
    *,
    receipt: bool,
    by: str,
) -> Outcome:
    """Enter a gift that came by bank, cheque or in cash.

    Raises:
        SupporterNotFoundError, OfflineGiftError: as `offline.enter` does.
    """
    charge_id = offline.enter(
        session,
        runtime,
        supporter_id,
        gift,
        entered_by=by,
        receipt=receipt,
        now=runtime.clock.now(),
    )
    formats = formats_of(runtime)
    receipt = receipt and get_supporter(session, supporter_id).email_encrypted is not None
    words = (
        f"A gift of {formats.money(gift.amount)} of {formats.day(gift.received_on)} was entered as "
        f"charge {charge_id}."
    )
    if receipt:
        words += " Its receipt is on its way."
    detail: Detail = {
        "charge": charge_id,
        "minor": gift.amount.minor,
        "currency": gift.amount.currency,
        "day": gift.received_on.isoformat(),
        "method": gift.method.value,
        "reference": gift.reference,
    }
    return Outcome(words, detail)


def enter_gift_of_somebody_new(
    session: Session,
    runtime: Runtime,
    giver: Newcomer,
    gift: offline.Entered,
    *,
    receipt: bool,
    by: str,
) -> Outcome:
    """Enter a gift of somebody who may not have given before, or whom nobody knows.

    Under an address that is known already it is entered for whoever has it; without one, for a new
    supporter of whom only the number is known.

    Raises:
        OfflineGiftError: as `offline.enter` does.
    """
    now = runtime.clock.now()
    if giver.address is None:
        supporter = add_anonymous(session, language=giver.language, now=now)
        who = f"Supporter {supporter.id} is new, and nothing is known of them but the number."
    else:
        supporter = get_or_create(
            session,
            runtime.vault,
            address=giver.address,
            name=None,
            language=giver.language,
            now=now,
        )
        is_new = supporter.created_at == now
        who = f"Supporter {supporter.id} {'is new' if is_new else 'had given before'}."
    entered = enter_gift(session, runtime, supporter.id, gift, receipt=receipt, by=by)
    return replace(entered, words=f"{entered.words} {who}", supporter_id=supporter.id)


def take_gift_back(session: Session, runtime: Runtime, charge_id: int) -> Outcome:
    """Reverse the entry of an offline gift.

    Raises:
        ChargeNotFoundError, OfflineGiftError: as `offline.take_back` does.
    """
    offline.take_back(session, charge_id, now=runtime.clock.now())
    words = f"The entry of charge {charge_id} was taken back by one that reverses it."
    return Outcome(words, {})


def refuse_what_stripe_would(session: Session, charge: Charge) -> None:
    """See that Stripe took a charge, and that its bank has not taken it back already.

    Raises:
        DeskError: for a gift that came by bank or cheque, and for a payment that was disputed and
            not won: it would be given back twice. Source: https://docs.stripe.com/refunds.
    """
    if offline.find_gift(session, charge.id) is not None:
        raise DeskError(
            f"Charge {charge.id} did not come through Stripe, so Stripe can’t give it back. Give "
            "it back the way it came, and take its entry back here."
        )
    disputed = select(Dispute.id).where(
        Dispute.charge_id == charge.id, Dispute.status.in_(TAKEN_BACK)
    )
    if session.scalar(disputed.limit(1)) is not None:
        raise DeskError(
            f"The payer took charge {charge.id} back through their bank. It can’t be given back "
            "besides: they would have the money twice."
        )


def too_much(formats: Formats, charge: Charge) -> str:
    """Why a sum can't be given back, with what is left."""
    left = charge.amount_minor - charge.refunded_minor
    if charge.status is not ChargeStatus.SUCCEEDED:
        return f"Charge {charge.id} was not paid, so nothing can be given back."
    if left == 0:
        return f"Charge {charge.id} has been given back in full already."
    return (
        f"Of charge {charge.id} {formats.money(_of(charge, left))} is left: no more than that can "
        "be given back, and no less than the smallest coin."
    )


def _of(charge: Charge, minor: int) -> Money:
    return Money(minor, charge.currency)
