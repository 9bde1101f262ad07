"""When a reminder is due, and the states it goes through. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta


class ReminderStatus(StrEnum):
    """Where a reminder stands."""

    WAITING = "waiting"
    QUEUED = "queued"
    """Its email is in the outbox."""
    SENT = "sent"
    SKIPPED = "skipped"
    """The address has given since, so there is nothing to remind of."""
    UNSUBSCRIBED = "unsubscribed"
    UNDELIVERED = "undelivered"
    """No mail server took the email: refused for good, or tried for days."""


REMINDER_TRANSITIONS: dict[ReminderStatus, frozenset[ReminderStatus]] = {
    ReminderStatus.WAITING: frozenset(
        {ReminderStatus.QUEUED, ReminderStatus.SKIPPED, ReminderStatus.UNSUBSCRIBED}
    ),
    ReminderStatus.QUEUED: frozenset(
        {
            ReminderStatus.SENT,
            ReminderStatus.SKIPPED,
            ReminderStatus.UNSUBSCRIBED,
            ReminderStatus.UNDELIVERED,
        }
    ),
    ReminderStatus.SENT: frozenset(),
    ReminderStatus.SKIPPED: frozenset(),
    ReminderStatus.UNSUBSCRIBED: frozenset(),
    ReminderStatus.UNDELIVERED: frozenset({ReminderStatus.QUEUED}),
}
"""From which state a reminder may go to which. What was not delivered may be tried again."""

UNFINISHED = frozenset({ReminderStatus.WAITING, ReminderStatus.QUEUED})
"""The states in which an email may still go out."""

KEPT_AFTER_SENDING = timedelta(days=30)
"""How long the address is kept once its email went out."""

GAVE_WITHIN = timedelta(days=30)
"""Who pays later than this would have paid without the email. It is kept no longer."""

APPEAL = "reminder"
"""What the email is called where supporters' sources are told apart."""


def may_become(current: ReminderStatus, new: ReminderStatus) -> bool:
    """Whether the state table lets a reminder go from `current` to `new`."""
    return new in REMINDER_TRANSITIONS[current]


def reminder_day(asked_at: datetime, zone: ZoneInfo) -> date:
    """The newsroom's day a month after `asked_at` (aware), clamped where a month is shorter."""
    return asked_at.astimezone(zone).date() + relativedelta(months=1)


def reminder_moment(asked_at: datetime, zone: ZoneInfo) -> datetime:
    """The moment on `reminder_day` at which the email is due, in UTC.

    It is the hour of day at which the reader was reading: then they have time for it. An hour that
    daylight saving skips moves on to the hour that the clocks jump to; one that comes twice is
    taken the first time.
    """
    # In an hour's second passing a time carries fold=1, which would mean something else a month on.
    hour = asked_at.astimezone(zone).time().replace(fold=0)
    return datetime.combine(reminder_day(asked_at, zone), hour, tzinfo=zone).astimezone(UTC)


def asked_month(asked_at: datetime, zone: ZoneInfo) -> date:
    """The first day of the newsroom's month in which a reminder was asked for."""
    return asked_at.astimezone(zone).date().replace(day=1)
