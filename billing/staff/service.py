"""Signing staff in by one-time links, and knowing who is signed in.

Links and sessions are random texts of 256 bits. Only their SHA-256 is stored, so that whoever reads
the database can't sign in with what they find there.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.crypto import token_digest
from billing.links import Links
from billing.staff.domain import LINK_LASTS, SEEN_EVERY, session_holds
from billing.staff.errors import (
    LinkExpiredError,
    LinkUnknownError,
    LinkUsedError,
    StaffNameError,
)
from billing.staff.tables import SignInLink, StaffMember, StaffSession

_TOKEN_BYTES = 32
_LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Who is behind a request."""

    staff_member_id: int
    name: str


def invite(
    session: Session, name: str, now: datetime, links: Links, *, lasts: timedelta = LINK_LASTS
) -> str:
    """Make the address that signs `name` in once, while it `lasts`; they are added if new.

    Raises:
        StaffNameError: when the name is empty, longer than 100 letters, or has been disabled.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise StaffNameError("A name has 1 to 100 letters.")
    session.execute(
        insert(StaffMember)
        .values(name=name, created_at=now)
        .on_conflict_do_nothing(index_elements=[StaffMember.name])
    )
    member = session.scalars(select(StaffMember).where(StaffMember.name == name)).one()
    if member.disabled_at is not None:
        raise StaffNameError(f"{name} no longer has access.")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(
        SignInLink(
            token_digest=token_digest(token),
            staff_member_id=member.id,
            created_at=now,
            expires_at=now + lasts,
        )
    )
    session.flush()
    return links.url(f"/staff/sign-in/{token}")


def check_link(session: Session, token: str, now: datetime) -> str:
    """The name of the person whom a link would sign in. Uses nothing up.

    Raises:
        LinkUnknownError, LinkUsedError, LinkExpiredError: when it would not.
    """
    return _usable(session, token, now)[1].name


def sign_in(session: Session, token: str, now: datetime) -> str:
    """Use a link up and open a session; of two clicks at once only one succeeds.

    Returns:
        The secret that the browser keeps in its cookie.

    Raises:
        LinkUnknownError, LinkUsedError, LinkExpiredError: when the link signs nobody in.
    """
    link, member = _usable(session, token, now)
    link.used_at = now
    secret = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(
        StaffSession(
            token_digest=token_digest(secret),
            staff_member_id=member.id,
            created_at=now,
            last_seen_at=now,
        )
    )
    session.flush()
    return secret


def find_signed_in(session: Session, secret: str, now: datetime) -> SignedIn | None:
    """Whoever this cookie belongs to, if their session still holds; it is then seen now."""
    row = session.execute(
        select(StaffSession, StaffMember)
        .join(StaffMember, StaffMember.id == StaffSession.staff_member_id)
        .where(StaffSession.token_digest == token_digest(secret))
    ).one_or_none()
    if row is None:
        return None
    here, member = row
    holds = session_holds(created_at=here.created_at, last_seen_at=here.last_seen_at, now=now)
    if not holds or here.ended_at is not None or member.disabled_at is not None:
        return None
    if now - here.last_seen_at >= SEEN_EVERY:
        here.last_seen_at = now
    return SignedIn(staff_member_id=member.id, name=member.name)


def sign_out(session: Session, secret: str, now: datetime) -> None:
    """End a session for good: its cookie is worth nothing from here on, wherever a copy lies."""
    session.execute(
        update(StaffSession)
        .where(StaffSession.token_digest == token_digest(secret), StaffSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def _usable(session: Session, token: str, now: datetime) -> tuple[SignInLink, StaffMember]:
    """The link, its row locked, and its owner."""
    row = session.execute(
        select(SignInLink, StaffMember)
        .join(StaffMember, StaffMember.id == SignInLink.staff_member_id)
        .where(SignInLink.token_digest == token_digest(token))
        .with_for_update(of=SignInLink)
    ).one_or_none()
    if row is None or row.StaffMember.disabled_at is not None:
        raise LinkUnknownError
    link, member = row
    if link.used_at is not None:
        raise LinkUsedError
    if now >= link.expires_at:
        raise LinkExpiredError
    return link, member
