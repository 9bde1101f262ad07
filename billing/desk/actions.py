"""What the desk does about a supporter: each in the caller's transaction, each with its outcome.

They call what readers' own pages call, so that what is due, in flight or paid ahead is treated the
same; what the page showed is compared under the lock. Money moves only in `refund`, whose request a
worker sends to Stripe under a key of its own (`charges/refunds.py`), and in the ledger's entries of
offline gifts, of which Stripe knows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges import changing, offline
from billing.charges.cancelling import cancel_pledge
from billing.charges.domain import ChargeStatus, DisputeStatus
from billing.charges.letters import CARD_LINK, MANAGE_LINK, PAY_LINK, put_link
from billing.charges.locks import lock_charge, moment_under_lock
from billing.charges.receipts import put_receipt_again
from billing.charges.refunds import request_refund
from billing.charges.tables import Charge
from billing.charges.tables_after import Dispute
from billing.desk.deeds import Outcome
from billing.desk.errors import DeskError, StalePageError
from billing.erasure import erase_supporter
from billing.money import Money
from billing.pledges.domain import PledgeStatus
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.staff.audit_trail import Detail
from billing.staff.formats import Formats

LINKS = {"card": "a link to put in another card", "pledge": "a link to their pledge’s own page"}
"""What can be sent to a supporter who asks for it."""

TAKEN_BACK = frozenset(
    {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST}
)
"""Disputes in which the bank holds the money, or the payer has it."""

_LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the page of a pledge showed, sent back by its button."""

    version: int
    turn: int = -1


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
        asked_by=by[:_LONGEST_NAME],
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


def cancel(session: Session, runtime: Runtime, pledge_id: int, seen: Seen) -> Outcome:
    """End a pledge.

    Raises:
        PledgeNotFoundError: when there is none.
        StalePageError: when it has ended or was changed since the page was opened.
    """
    now = moment_under_lock(session, pledge_id, runtime.clock)
    pledge, formats = get_pledge(session, pledge_id), formats_of(runtime)
    if pledge.cancelled_at is not None:
        raise StalePageError(
            f"Pledge {pledge_id} had ended already, {formats.moment(pledge.cancelled_at)}. "
            "Nothing was changed just now."
        )
    compare(pledge, seen)
    _, view = cancel_pledge(session, runtime, pledge_id, now=now)
    words = f"Pledge {pledge_id} has ended, and nothing more is taken for it."
    if view.under_way is not None:
        words += (
            f" A payment of {formats.money(view.under_way)} is under way at this moment and can’t "
            "be called back; if it arrives, it can be given back."
        )
    return Outcome(words + _told(view.reachable), {})


def pause(
    session: Session, runtime: Runtime, pledge_id: int, seen: Seen, until: datetime
) -> Outcome:
    """Take nothing for a pledge until a moment.

    Raises:
        PledgeNotFoundError, NotPossibleError, DoneAlreadyError, ChangedMeanwhileError: as
            `pledges.changes.pause` does.
    """
    now = moment_under_lock(session, pledge_id, runtime.clock)
    changing.pause_pledge(
        session, runtime, pledge_id, until=until, seen=seen.version, turn=seen.turn, now=now
    )
    day = formats_of(runtime).day_of(until)
    words = f"Pledge {pledge_id} is paused until {day}; then it goes on by itself."
    return Outcome(words + _told(), {"change": "paused", "until": until.isoformat()})


def resume(session: Session, runtime: Runtime, pledge_id: int, seen: Seen) -> Outcome:
    """End a pause.

    Raises:
        PledgeNotFoundError, NotPossibleError, DoneAlreadyError, ChangedMeanwhileError: as
            `pledges.changes.resume` does.
    """
    now = moment_under_lock(session, pledge_id, runtime.clock)
    changing.resume_pledge(session, runtime, pledge_id, seen=seen.version, now=now)
    pledge = get_pledge(session, pledge_id)
    words = f"Pledge {pledge_id} goes on."
    if pledge.next_charge_at is not None:
        words += f" The next payment: {formats_of(runtime).day_of(pledge.next_charge_at)}."
    return Outcome(words + _told(), {"change": "resumed"})


def lower(
    session: Session,
    runtime: Runtime,
    pledge_id: int,
    seen: Seen,
    *,
    amount: Money,
    fee_cover: Money,
) -> Outcome:
    """A lower sum in the same rhythm. A higher one only its supporter can agree to.

    Raises:
        PledgeNotFoundError, NotPossibleError, DoneAlreadyError, ChangedMeanwhileError: as
            `pledges.changes.change_terms` does.
        DeskError: when it is not lower.
    """
    now = moment_under_lock(session, pledge_id, runtime.clock)
    pledge, formats = get_pledge(session, pledge_id), formats_of(runtime)
    old = Money(pledge.amount_minor, pledge.currency)
    compare(pledge, seen)
    if amount.currency != old.currency or not amount < old:
        raise DeskError(raise_refused(formats, old))
    changing.change_pledge(
        session,
        runtime,
        pledge_id,
        amount=amount,
        fee_cover=fee_cover,
        cadence=pledge.cadence,
        seen=seen.version,
        now=now,
    )
    words = f"Pledge {pledge_id} is {formats.money(amount)} now, and was {formats.money(old)}."
    detail: Detail = {
        "change": "amount",
        "from": old.minor,
        "to": amount.minor,
        "currency": old.currency,
    }
    return Outcome(words + _told(), detail)


def send_link(
    session: Session, runtime: Runtime, pledge_id: int, about: str, *, key: str
) -> Outcome:
    """Send a supporter the link that they asked for.

    Raises:
        PledgeNotFoundError: when there is none.
        DeskError: in words, when there is nothing to send it for, or nobody to send it to.
    """
    pledge = get_pledge(session, pledge_id, lock=True)
    purpose = link_purpose(pledge.status, about)
    if purpose is None:
        raise DeskError(f"Pledge {pledge_id} has ended: such a link would lead nowhere.")
    if not put_link(session, runtime, pledge, purpose, key=key, now=runtime.clock.now()):
        raise DeskError("This supporter was erased: there is no address to write to.")
    words = f"An email with {LINKS[about]} is on its way (pledge {pledge_id})."
    return Outcome(words, {"link": about})


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
        entered_by=by[:_LONGEST_NAME],
        receipt=receipt,
        now=runtime.clock.now(),
    )
    formats = formats_of(runtime)
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


def take_gift_back(session: Session, runtime: Runtime, charge_id: int) -> Outcome:
    """Reverse the entry of an offline gift.

    Raises:
        ChargeNotFoundError, OfflineGiftError: as `offline.take_back` does.
    """
    offline.take_back(session, charge_id, now=runtime.clock.now())
    words = f"The entry of charge {charge_id} was taken back by one that reverses it."
    return Outcome(words, {})


def erase(session: Session, runtime: Runtime, supporter_id: int) -> Outcome:
    """Forget a supporter.

    Raises:
        SupporterNotFoundError: when there is no such supporter.
        StalePageError: when they had been erased before.
    """
    if not erase_supporter(session, runtime, supporter_id, now=runtime.clock.now()):
        raise StalePageError(f"Supporter {supporter_id} had been erased before.")
    words = (
        f"Supporter {supporter_id} was erased: address, name, notes and waiting mail are gone, and "
        "nothing more is taken. What happened to money stays, under the number alone."
    )
    return Outcome(words, {})


def formats_of(runtime: Runtime) -> Formats:
    """How staff of this newsroom read values."""
    return Formats(runtime.settings.newsroom.timezone)


def compare(pledge: Pledge, seen: Seen) -> None:
    """See that a locked pledge is still what the page showed.

    Raises:
        StalePageError: when it was changed since.
    """
    if pledge.version != seen.version:
        raise StalePageError(
            f"Nothing was changed just now: pledge {pledge.id} was changed since this page was "
            "opened. This is how it stands."
        )


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


def raise_refused(formats: Formats, old: Money) -> str:
    """Why staff can't agree to a higher sum for somebody else."""
    return (
        f"The sum has to be below {formats.money(old)}. To a higher one only the supporter can "
        "agree, on their pledge’s own page: send them its link."
    )


def link_purpose(status: PledgeStatus, about: str) -> str | None:
    """Under which purpose a link is made; None where it would lead nowhere.

    Whoever owes a payment, or has lapsed, puts in another card where the payment is made good.
    """
    if status is PledgeStatus.CANCELLED or about not in LINKS:
        return None
    if about == "pledge":
        return MANAGE_LINK
    return PAY_LINK if status in (PledgeStatus.PAST_DUE, PledgeStatus.LAPSED) else CARD_LINK


def _of(charge: Charge, minor: int) -> Money:
    return Money(minor, charge.currency)


def _told(reachable: bool = True) -> str:
    return (
        " The supporter is told by email." if reachable else " There is no address to tell it to."
    )
