"""Trying again what was given up: mail that no server took, webhook events that failed.

Safe at any time and any number of times. Every message keeps its unique key and whatever was sent
is left alone; every handler of an event converges on the same state.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from billing import outbox
from billing.charges import events
from billing.reminders import send as reminders

_ASKED_FIRST = frozenset({"reminder"})
"""Templates whose owner looks once more whether the email is still wanted."""


def retry_mail(session: Session, *, now: datetime, limit: int) -> int:
    """Let failed emails wait for their turn again, at most `limit`; how many there were."""
    again = outbox.retry_failed(session, now=now, limit=limit, apart_from=_ASKED_FIRST)
    return again + reminders.revive(session, now=now, limit=limit - again)


def retry_events(session: Session, *, now: datetime, limit: int) -> int:
    """Let failed webhook events wait for their turn again, at most `limit`; how many there were."""
    return events.retry_failed(session, now=now, limit=limit)
