"""The story's reminders as rows: those that wait, and those sent with their emails."""

from __future__ import annotations

from sqlalchemy.orm import Session

from billing.db import Json
from billing.outbox import OutboxMessage
from billing.reminders.domain import (
    KEPT_AFTER_SENDING,
    ReminderStatus,
    asked_month,
    reminder_moment,
)
from billing.reminders.tables import Reminder
from billing.runtime import Runtime
from billing.seed.bulk import insert_rows, sent_message
from billing.seed.story import Reminded, Story
from billing.supporters.address import lookup_form


def write_reminders(session: Session, runtime: Runtime, story: Story) -> None:
    """Write the reminders, and the messages of those that went out."""
    rows = [_reminder(runtime, story, each) for each in story.reminders]
    ids = insert_rows(session, Reminder, rows)
    messages = [
        sent_message(f"reminder:{reminder_id}", "reminder", row["language"], row["finished_at"])
        for row, reminder_id in zip(rows, ids, strict=True)
        if row["status"] is ReminderStatus.SENT
    ]
    insert_rows(session, OutboxMessage, messages)


def _reminder(runtime: Runtime, story: Story, asked: Reminded) -> Json:
    zone, vault = runtime.settings.newsroom.timezone, runtime.vault
    due = reminder_moment(asked.asked_at, zone)
    sent = due < story.as_of
    erased = sent and due + KEPT_AFTER_SENDING < story.as_of
    return {
        "email_digest": None if erased else vault.digest(lookup_form(asked.email)),
        "email_encrypted": None if erased else vault.encrypt(asked.email),
        "language": asked.language,
        "status": ReminderStatus.SENT if sent else ReminderStatus.WAITING,
        "asked_at": asked.asked_at,
        "asked_month": asked_month(asked.asked_at, zone),
        "due_at": due,
        "finished_at": due if sent else None,
        "erased_at": due + KEPT_AFTER_SENDING if erased else None,
        "source": {"article": "/articles/harbour", "appeal": "article-end"},
        "gave": asked.language == "en" if erased else None,
    }
