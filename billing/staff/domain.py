"""Who may do what, and how long a way in stays open. Pure: no database, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

INVITATION_LASTS = timedelta(hours=72)
"""How long a one-time link may be used; after that another is made."""

SESSION_LASTS = timedelta(hours=12)
"""How long a browser stays signed in at most, however busy it is."""

IDLE_FOR = timedelta(minutes=30)
"""How long a signed-in browser may be left alone."""

SEEN_EVERY = timedelta(minutes=1)
"""How exactly "last seen" is kept: one write a minute, not one a page."""

ROTATE_EVERY = timedelta(minutes=5)
"""How old the secret in a browser's cookie grows before the browser is given another."""

ROTATION_GRACE = timedelta(minutes=1)
"""How long after a rotation requests that were under way may still come with the old secret."""

CHALLENGE_LASTS = timedelta(minutes=5)
"""How long a passkey may take to answer."""

STEP_UP_LASTS = timedelta(minutes=5)
"""How long what asks for the passkey again takes the last answer for good."""

CLICKED_AGAIN = timedelta(minutes=5)
"""How long a used link greets the browser that used it, instead of calling itself used."""

LONGEST_NAME = 100
PASSKEYS_ADVISED = 2


class Role(StrEnum):
    """What a member of staff may see and do; each may do what those before it may."""

    VIEWER = "viewer"
    """Aggregates only, small cells suppressed."""
    DESK = "desk"
    """People, one at a time."""
    ADMIN = "admin"
    """Everything: exports, staff, settings."""

    def covers(self, needed: Role) -> bool:
        """Whether whoever has this role may do what needs `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Secret(Enum):
    """What a secret that a browser came with is to its session."""

    GOOD = "good"
    DUE = "due"
    """Good, and old enough for the browser to be given another."""
    STOLEN = "stolen"
    """Replaced long ago in another browser: there are two that hold this session."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """How far a session's secret has been exchanged.

    The browser confirms a new secret by coming back with it. Until then the old one is as good:
    the answer that carried the new one may have been lost. Afterwards only a copy of the cookie
    still has the old one, save for requests that were under way.
    """

    rotated_at: datetime
    confirmed_at: datetime | None

    def judge(self, *, is_current: bool, is_previous: bool, now: datetime) -> Secret:
        """What to make of a request with the current, the previous or any other secret."""
        age = now - self.rotated_at
        if is_current:
            return Secret.DUE if age >= ROTATE_EVERY else Secret.GOOD
        if not is_previous:
            return Secret.STOLEN
        if self.confirmed_at is None:
            return Secret.DUE if age >= ROTATION_GRACE else Secret.GOOD
        late = now - self.confirmed_at >= ROTATION_GRACE
        return Secret.STOLEN if late else Secret.GOOD


def plain(text: str) -> str:
    """A text on one line, without what can't be seen or stored."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def session_holds(*, created_at: datetime, last_seen_at: datetime, now: datetime) -> bool:
    """Whether a browser that signed in and was last seen at these moments is still signed in."""
    return now < created_at + SESSION_LASTS and now < last_seen_at + IDLE_FOR


def is_fresh(verified_at: datetime | None, now: datetime) -> bool:
    """Whether a passkey was shown recently enough for what asks for it again."""
    return verified_at is not None and now < verified_at + STEP_UP_LASTS
