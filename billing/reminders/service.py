"""Asking to be reminded, and asking not to be.

Whoever changes a reminder and its outbox message locks the reminder first.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exists, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.crypto import Vault
from billing.db import Json
from billing.outbox import drop
from billing.reminders.brake import take_one
from billing.reminders.domain import (
    UNFINISHED,
    ReminderStatus,
    asked_month,
    may_become,
    reminder_moment,
)
from billing.reminders.errors import ReminderNotFoundError
from billing.reminders.tables import Reminder, Suppression
from billing.supporters.address import lookup_form, read_address

UNSUBSCRIBE_LINK = "unsubscribe-reminder"
"""The purpose under which unsubscribe links are signed."""


def ask(
    session: Session,
    vault: Vault,
    *,
    written: str,
    language: str,
    source: Json,
    zone: ZoneInfo,
    limit: int,
    now: datetime,
) -> bool:
    """Note that a reader wants to be reminded at the address that they wrote.

    Nothing is noted when a reminder to this address is waiting, was asked for in the same month,
    or is not wanted. Nobody can tell: the same statements and one answer in every case. Every
    request is counted, so that each writes something: a commit that wrote nothing would not wait
    for the disk, and the answer would come sooner by just that.

    Returns:
        False when `limit` requests were taken in this hour already, from whomever and for
        whichever address; then nothing but the count is written.

    Raises:
        InvalidAddressError: when mail cannot be sent to it.
    """
    address = read_address(written)
    if not take_one(session, limit=limit, now=now):
        return False
    digest = vault.digest(lookup_form(address))
    wanted = {
        Reminder.email_digest: digest,
        Reminder.email_encrypted: vault.encrypt(address),
        Reminder.language: language,
        Reminder.status: ReminderStatus.WAITING,
        Reminder.asked_at: now,
        Reminder.asked_month: asked_month(now, zone),
        Reminder.due_at: reminder_moment(now, zone),
        Reminder.source: source,
    }
    suppressed = exists().where(Suppression.email_digest == digest)
    row = select(*(literal(value, column.type) for column, value in wanted.items()))
    session.execute(
        insert(Reminder)
        .from_select([column.key for column in wanted], row.where(~suppressed))
        .on_conflict_do_nothing()
    )
    return True


def unsubscribe(session: Session, reminder_id: int, *, now: datetime) -> None:
    """Never remind this address again, and forget it. Doing so twice changes nothing.

    Of an address that has been erased nothing is known any more, so nothing is noted.

    Raises:
        ReminderNotFoundError: when there is no such reminder.
    """
    clicked = session.get(Reminder, reminder_id)
    if clicked is None:
        raise ReminderNotFoundError(reminder_id)
    digest = clicked.email_digest
    if digest is None:
        return
    session.execute(
        insert(Suppression)
        .values(email_digest=digest, created_at=now)
        .on_conflict_do_nothing(index_elements=[Suppression.email_digest])
    )
    forget(session, digest, now=now)


def forget(session: Session, digest: bytes, *, now: datetime) -> None:
    """End every reminder to an address and forget whose they were."""
    theirs = (
        select(Reminder)
        .where(Reminder.email_digest == digest)
        .order_by(Reminder.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for reminder in session.scalars(theirs):
        if reminder.status in UNFINISHED:
            _stop(session, reminder, now)
        elif reminder.status is ReminderStatus.UNDELIVERED:
            drop(session, outbox_key(reminder.id))
        erase(reminder, now)


def finish(reminder: Reminder, status: ReminderStatus, now: datetime) -> None:
    """Bring a locked reminder to its end."""
    if not may_become(reminder.status, status):
        raise ValueError(f"a reminder that is {reminder.status} cannot become {status}")
    reminder.status, reminder.finished_at = status, now


def erase(reminder: Reminder, now: datetime) -> None:
    """Forget whose a locked reminder was; that there was one stays, for the count."""
    reminder.email_encrypted = reminder.email_digest = None
    reminder.erased_at = now


def outbox_key(reminder_id: int) -> str:
    """The key of a reminder's email in the outbox."""
    return f"reminder:{reminder_id}"


def _stop(session: Session, reminder: Reminder, now: datetime) -> None:
    """End a locked reminder; its email is taken back unless it has gone out."""
    queued = reminder.status is ReminderStatus.QUEUED
    gone_out = queued and not drop(session, outbox_key(reminder.id))
    finish(reminder, ReminderStatus.SENT if gone_out else ReminderStatus.UNSUBSCRIBED, now)
