"""How many reminders are taken in an hour, from everybody together.

Anyone can type any address, and a list of ten thousand strangers too. The count knows nobody: it is
of requests, not of addresses, so what it does tells nothing of any address
(docs/adr/0047-a-brake-on-reminders.md).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.reminders.tables import ReminderHour

HOUR = timedelta(hours=1)
SHOWN_FOR = timedelta(days=7)
"""How long staff are told that requests were turned away."""

COUNTED_FOR = timedelta(days=30)
"""How long an hour's count is kept."""


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour around a moment (aware), in its own zone."""
    return moment.replace(minute=0, second=0, microsecond=0)


def take_one(session: Session, *, limit: int, now: datetime) -> bool:
    """Count one request, and say whether it is still among the hour's first `limit`.

    The hour's row stays locked until the transaction ends: requests at once never pass it together.
    """
    counted = insert(ReminderHour).values(
        hour=hour_of(now), asked=1, turned_away=0 if limit >= 1 else 1
    )
    over = case((ReminderHour.asked >= limit, 1), else_=0)
    asked = session.scalar(
        counted.on_conflict_do_update(
            index_elements=[ReminderHour.hour],
            set_={
                "asked": ReminderHour.asked + 1,
                "turned_away": ReminderHour.turned_away + over,
            },
        ).returning(ReminderHour.asked)
    )
    return asked is not None and asked <= limit


def turned_away(session: Session, *, now: datetime) -> int:
    """How many requests were turned away in the last `SHOWN_FOR`."""
    lately = ReminderHour.hour > now - SHOWN_FOR
    found = session.scalar(select(func.sum(ReminderHour.turned_away)).where(lately))
    return int(found or 0)


def attention(session: Session, *, now: datetime) -> list[str]:
    """A sentence for staff when requests were turned away lately; none when not."""
    return in_words(turned_away(session, now=now))


def in_words(requests: int) -> list[str]:
    """What staff are told when so many requests were turned away lately."""
    if not requests:
        return []
    one = requests == 1
    return [
        (
            f"{requests:,} {'request' if one else 'requests'} for a reminder "
            f"{'was' if one else 'were'} turned away in the last seven days: more came in an hour "
            "than REMINDERS_PER_HOUR allows. If an article was read very widely, raise it; if not, "
            "somebody may be entering other people's addresses."
        )
    ]


def forget_old(session: Session, *, now: datetime) -> int:
    """Delete the counts of hours more than `COUNTED_FOR` ago.

    Returns:
        How many hours were deleted.
    """
    old = delete(ReminderHour).where(ReminderHour.hour < now - COUNTED_FOR)
    return len(session.scalars(old.returning(ReminderHour.hour)).all())
