"""What the desk does about a pledge: each in the caller's transaction, each with its outcome.

They call what readers' own pages call, so that what is due, in flight or paid ahead is treated the
same; what the page showed is compared under the lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from billing.charges import changing
from billing.charges.cancelling import cancel_pledge
from billing.charges.letters import CARD_LINK, MANAGE_LINK, PAY_LINK, put_link
from billing.charges.locks import moment_under_lock
from billing.desk.deeds import Outcome
from billing.desk.errors import DeskError, StalePageError
from billing.desk.formats import formats_of
from billing.money import Money
from billing.pledges.domain import PledgeStatus
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.staff.audit_trail import Detail
from billing.staff.formats import Formats

LINKS = {"card": "a link to put in another card", "pledge": "a link to their pledge’s own page"}
"""What can be sent to a supporter who asks for it."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the page of a pledge showed, sent back by its button."""

    version: int
    turn: int = -1


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


def _told(reachable: bool = True) -> str:
    return (
        " The supporter is told by email." if reachable else " There is no address to tell it to."
    )
