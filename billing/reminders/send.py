"""Reminders that fall due, what became of their emails, and forgetting whose they were."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import (
    ColumnElement,
    Interval,
    String,
    and_,
    cast,
    exists,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeStatus
from billing.charges.tables import Charge
from billing.checkout.referrers import Referrer
from billing.db import Json
from billing.outbox import OutboxMessage, OutboxStatus, drop, put, retry
from billing.reminders.domain import APPEAL, GAVE_WITHIN, KEPT_AFTER_SENDING, ReminderStatus
from billing.reminders.service import UNSUBSCRIBE_LINK, erase, finish, outbox_key
from billing.reminders.tables import Reminder, Suppression
from billing.runtime import Runtime
from billing.supporters.tables import Supporter

_ENDS = {
    OutboxStatus.SENT: ReminderStatus.SENT,
    OutboxStatus.FAILED: ReminderStatus.UNDELIVERED,
    OutboxStatus.DROPPED: ReminderStatus.UNSUBSCRIBED,
}
"""What the end of its email makes of a reminder."""


def queue_due(session: Session, runtime: Runtime, *, now: datetime, limit: int) -> int:
    """Put the emails of up to `limit` reminders that are due by now into the outbox.

    The last look: whoever has given since asking, or wants none any more, gets no email and is
    forgotten at once.

    Returns:
        How many were looked at; fewer than `limit` when none are left.
    """
    due = (
        select(Reminder, _has_given().label("given"), _is_suppressed().label("suppressed"))
        .where(Reminder.status == ReminderStatus.WAITING, Reminder.due_at <= now)
        .order_by(Reminder.due_at, Reminder.id)
        .limit(limit)
        .with_for_update(of=Reminder, skip_locked=True)
    )
    rows = session.execute(due).all()
    for reminder, given, suppressed in rows:
        if given or suppressed:
            end = ReminderStatus.UNSUBSCRIBED if suppressed else ReminderStatus.SKIPPED
            finish(reminder, end, now)
            erase(reminder, now)
        else:
            _queue(session, runtime, reminder, now)
    return len(rows)


def recall(session: Session, *, now: datetime, limit: int) -> int:
    """Take back emails that still wait for the mail server, of readers who have given meanwhile.

    Returns:
        How many were taken back.
    """
    overtaken = (
        select(Reminder)
        .join(OutboxMessage, _its_email())
        .where(
            Reminder.status == ReminderStatus.QUEUED,
            OutboxMessage.status == OutboxStatus.WAITING,
            _has_given(),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    reminders = session.scalars(overtaken).all()
    for reminder in reminders:
        drop(session, outbox_key(reminder.id))
        finish(reminder, ReminderStatus.SKIPPED, now)
        erase(reminder, now)
    return len(reminders)


def settle(session: Session, *, now: datetime, limit: int) -> int:
    """Note which queued reminders have come to their end, one way or another.

    Returns:
        How many have.
    """
    ended = (
        select(Reminder, OutboxMessage.status, OutboxMessage.sent_at)
        .join(OutboxMessage, _its_email())
        .where(Reminder.status == ReminderStatus.QUEUED, OutboxMessage.status.in_(list(_ENDS)))
        .limit(limit)
        .with_for_update(of=Reminder, skip_locked=True)
    )
    rows = session.execute(ended).all()
    for reminder, outcome, sent_at in rows:
        finish(reminder, _ENDS[outcome], sent_at or now)
        if reminder.status is ReminderStatus.UNSUBSCRIBED:
            erase(reminder, now)
    return len(rows)


def note_given(session: Session, *, now: datetime) -> int:
    """Note which reminders were followed by a payment, while it is known whose they were.

    Returns:
        How many more have been since the last time.
    """
    waits = and_(Reminder.status == ReminderStatus.SENT, Reminder.gave.is_(None))
    known = and_(Reminder.erased_at.is_(None), Reminder.finished_at <= now)
    noted = update(Reminder).where(waits, known, _gave_in_time()).values(gave=True)
    return len(session.scalars(noted.returning(Reminder.id)).all())


def erase_old(session: Session, *, now: datetime, limit: int) -> int:
    """Forget whose the reminders were that ended `KEPT_AFTER_SENDING` ago or earlier.

    What they led to is noted before, for the last time: `GAVE_WITHIN` is as long.

    Returns:
        How many were forgotten.
    """
    note_given(session, now=now)
    old = (
        select(Reminder)
        .where(Reminder.erased_at.is_(None), Reminder.finished_at <= now - KEPT_AFTER_SENDING)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    reminders = session.scalars(old).all()
    for reminder in reminders:
        if reminder.status is ReminderStatus.UNDELIVERED:
            drop(session, outbox_key(reminder.id))
        if reminder.status is ReminderStatus.SENT:
            reminder.gave = bool(reminder.gave)
        erase(reminder, now)
    return len(reminders)


def revive(session: Session, *, now: datetime, limit: int) -> int:
    """Try the emails again that no mail server took, after another last look.

    Returns:
        How many go out after all; who has given meanwhile gets none and is forgotten.
    """
    undelivered = (
        select(Reminder, or_(_has_given(), _is_suppressed()).label("unwanted"))
        .join(OutboxMessage, _its_email())
        .where(
            Reminder.status == ReminderStatus.UNDELIVERED,
            Reminder.erased_at.is_(None),
            OutboxMessage.status == OutboxStatus.FAILED,
        )
        .order_by(Reminder.id)
        .limit(limit)
        .with_for_update(of=Reminder, skip_locked=True)
    )
    revived = 0
    for reminder, unwanted in session.execute(undelivered).all():
        if unwanted:
            drop(session, outbox_key(reminder.id))
            erase(reminder, now)
        elif retry(session, outbox_key(reminder.id), now=now):
            reminder.status, reminder.finished_at = ReminderStatus.QUEUED, None
            revived += 1
    return revived


def _queue(session: Session, runtime: Runtime, reminder: Reminder, now: datetime) -> None:
    assert reminder.email_encrypted is not None  # noqa: S101 - by constraint, until it is erased
    put(
        session,
        unique_key=outbox_key(reminder.id),
        template="reminder",
        language=reminder.language,
        recipient_encrypted=reminder.email_encrypted,
        recipient_digest=reminder.email_digest,
        context=_context(runtime, reminder),
        now=now,
    )
    reminder.status = ReminderStatus.QUEUED


def _context(runtime: Runtime, reminder: Reminder) -> Json:
    token = runtime.links.token(UNSUBSCRIBE_LINK, reminder.id)
    language = reminder.language
    return {
        "asked_at": reminder.asked_at.isoformat(),
        "support_url": runtime.links.url(f"/support?{_support_words(reminder)}"),
        "unsubscribe_url": runtime.links.url(f"/remind/unsubscribe/{token}?lang={language}"),
    }


def _support_words(reminder: Reminder) -> str:
    """The same for everybody who was reading the same: who opens the page is not told by it."""
    kept = {name: reminder.source.get(name) for name in ("article", "campaign")}
    words = {"lang": reminder.language, "appeal": APPEAL, "referrer": Referrer.MAIL.value}
    return urlencode(words | {name: value for name, value in kept.items() if value})


def _gave_in_time() -> ColumnElement[bool]:
    """Whether the reminder's address paid something that it began within 30 days of the email."""
    return exists().where(
        Supporter.email_digest == Reminder.email_digest,
        Charge.supporter_id == Supporter.id,
        Charge.status == ChargeStatus.SUCCEEDED,
        Charge.created_at >= Reminder.finished_at,
        Charge.created_at < Reminder.finished_at + literal(GAVE_WITHIN, Interval),
        Charge.period.is_(None) | (Charge.period == 0),
    )


def _has_given() -> ColumnElement[bool]:
    """Whether the reminder's address has given since, or is giving: the bank may still have it."""
    return exists().where(
        Supporter.email_digest == Reminder.email_digest,
        Charge.supporter_id == Supporter.id,
        Charge.created_at >= Reminder.asked_at,
        Charge.status.not_in([ChargeStatus.DECLINED, ChargeStatus.CANCELLED]),
    )


def _is_suppressed() -> ColumnElement[bool]:
    return exists().where(Suppression.email_digest == Reminder.email_digest)


def _its_email() -> ColumnElement[bool]:
    return OutboxMessage.unique_key == literal("reminder:") + cast(Reminder.id, String)
