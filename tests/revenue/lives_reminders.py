"""What becomes of reminders in a made-up history: everything that can."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.reminders.domain import ReminderStatus, asked_month
from billing.reminders.service import erase, finish
from billing.reminders.tables import Reminder


def remind(
    session: Session,
    chance: random.Random,
    sources: Sequence[dict[str, str]],
    zone: ZoneInfo,
    now: datetime,
) -> None:
    """One week of all reminders: some are asked for, others go on, many are let be."""
    for reminder in session.scalars(select(Reminder).order_by(Reminder.id)).all():
        _live_on(reminder, chance.random(), now)
    for _ in range(chance.randint(0, 3)):
        asked_at = now - timedelta(minutes=chance.randrange(3000))
        digest = chance.randbytes(32)
        session.add(
            Reminder(
                email_digest=digest,
                email_encrypted=digest,
                language="en",
                status=ReminderStatus.WAITING,
                asked_at=asked_at,
                asked_month=asked_month(asked_at, zone),
                due_at=asked_at + timedelta(days=31),
                source=chance.choice(sources),
            )
        )


def _live_on(reminder: Reminder, whim: float, now: datetime) -> None:
    status = reminder.status
    if status is ReminderStatus.WAITING and whim < 0.3:
        reminder.status = ReminderStatus.QUEUED
    elif status is ReminderStatus.WAITING and whim > 0.9:
        finish(reminder, ReminderStatus.SKIPPED, now)
        erase(reminder, now)
    elif status is ReminderStatus.QUEUED and whim < 0.5:
        finish(reminder, ReminderStatus.SENT, now)
    elif status is ReminderStatus.QUEUED and whim > 0.8:
        finish(reminder, ReminderStatus.UNDELIVERED, now)
    elif status is ReminderStatus.UNDELIVERED and whim < 0.1:
        reminder.status, reminder.finished_at = ReminderStatus.QUEUED, None
    elif status is ReminderStatus.SENT and reminder.gave is None and reminder.erased_at is None:
        if whim < 0.1:
            reminder.gave = True
        elif whim < 0.2:
            reminder.gave = False
        elif whim > 0.95:
            erase(reminder, now)
