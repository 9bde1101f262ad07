"""What the desk does for whoever wants no more mail, or to be forgotten.

Each in the caller's transaction, each with its outcome.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from billing import outbox
from billing.desk.deeds import Outcome
from billing.desk.errors import DeskError, StalePageError
from billing.desk.reminded import look_at_reminder
from billing.erasure import erase_supporter
from billing.reminders import service as reminders
from billing.reminders.errors import ReminderNotFoundError
from billing.reminders.tables import Reminder
from billing.runtime import Runtime


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


def stop_reminders(session: Session, reminder_id: int, *, now: datetime) -> Outcome:
    """See that the address of a reminder gets none any more, and forget the address.

    Raises:
        ReminderNotFoundError: when there is no such reminder.
        StalePageError: when its address had been forgotten before.
    """
    _digest(session, reminder_id)
    reminders.unsubscribe(session, reminder_id, now=now)
    words = (
        "No reminder goes to this address any more, even where somebody asks for one. The address "
        "was forgotten; only a digest stays, by which it would be known again."
    )
    return Outcome(words, {})


def erase_reminders(
    session: Session, runtime: Runtime, reminder_id: int, *, now: datetime
) -> Outcome:
    """Forget the address of somebody who asked to be reminded and has not given.

    Raises:
        ReminderNotFoundError: when there is no such reminder.
        StalePageError: when its address had been forgotten before.
        DeskError: in words, when a supporter has this address.
    """
    digest = _digest(session, reminder_id)
    supporter_id = look_at_reminder(session, runtime.vault, reminder_id).supporter_id
    if supporter_id is not None:
        raise DeskError(
            f"Nothing was erased: this address is that of supporter {supporter_id}. Erase the "
            "supporter, and the reminders go along."
        )
    reminders.forget(session, digest, now=now)
    outbox.forget(session, digest)
    return Outcome("The address was erased, and no email goes to it. The reminder only counts.", {})


def _digest(session: Session, reminder_id: int) -> bytes:
    """The digest of a reminder's address. What follows locks in its own order, as the link does."""
    found = session.get(Reminder, reminder_id)
    if found is None:
        raise ReminderNotFoundError(reminder_id)
    if found.email_digest is None:
        raise StalePageError(
            f"Nothing was changed just now: the address of reminder {reminder_id} had been "
            "forgotten before."
        )
    return found.email_digest
