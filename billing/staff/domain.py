"""How long a way in stays open. Pure: no database, no clock."""

from __future__ import annotations

from datetime import datetime, timedelta

LINK_LASTS = timedelta(hours=24)
"""How long a sign-in link may be used; after that it is made anew."""

SESSION_LASTS = timedelta(hours=12)
"""How long a browser stays signed in at most, however busy it is."""

IDLE_FOR = timedelta(minutes=30)
"""How long a signed-in browser may be left alone."""

SEEN_EVERY = timedelta(minutes=1)
"""How exactly "last seen" is kept: one write a minute, not one a page."""


def session_holds(*, created_at: datetime, last_seen_at: datetime, now: datetime) -> bool:
    """Whether a browser that signed in and was last seen at these moments is still signed in."""
    return now < created_at + SESSION_LASTS and now < last_seen_at + IDLE_FOR
