"""Somebody who asked to be reminded, as their page at the desk shows them. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.crypto import Vault
from billing.reminders.domain import UNFINISHED
from billing.reminders.errors import ReminderNotFoundError
from billing.reminders.tables import Reminder
from billing.supporters.tables import Supporter


@dataclass(frozen=True, kw_only=True)
class RemindedSeen:
    """An address, and the reminders that it asked for."""

    reminder: Reminder
    """The one that was asked about."""
    address: str | None
    """None once it was forgotten."""
    reminders: Sequence[Reminder]
    """All to the address, the newest first; the one alone once it was forgotten."""
    supporter_id: int | None
    """Who gave under the address."""

    @property
    def unfinished(self) -> list[Reminder]:
        """Those whose emails may still go out."""
        return [each for each in self.reminders if each.status in UNFINISHED]


def look_at_reminder(session: Session, vault: Vault, reminder_id: int) -> RemindedSeen:
    """Whose reminder it is. Three queries.

    Raises:
        ReminderNotFoundError: when there is none.
    """
    reminder = session.get(Reminder, reminder_id)
    if reminder is None:
        raise ReminderNotFoundError(reminder_id)
    digest, sealed = reminder.email_digest, reminder.email_encrypted
    if digest is None or sealed is None:
        return RemindedSeen(
            reminder=reminder, address=None, reminders=[reminder], supporter_id=None
        )
    theirs = select(Reminder).where(Reminder.email_digest == digest).order_by(Reminder.id.desc())
    giver = select(Supporter.id).where(Supporter.email_digest == digest)
    return RemindedSeen(
        reminder=reminder,
        address=vault.decrypt(sealed),
        reminders=session.scalars(theirs).all(),
        supporter_id=session.scalar(giver),
    )
