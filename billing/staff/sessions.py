"""Signed-in browsers: opened by a passkey, exchanged every few minutes, ended by time or by hand.

A cookie has two halves: a selector that stays, and a secret that is exchanged. Two browsers that
hold a copy of one cookie part ways at the next exchange: the one that comes with the old secret
gives the theft away, and the session ends for both.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing.crypto import token_digest
from billing.staff.audit_trail import AuditAction, Subject, record
from billing.staff.domain import SEEN_EVERY, Role, Rotation, Secret, session_holds
from billing.staff.tables import StaffMember, StaffSession

_BYTES = 32
_DOT = "."


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Who is behind a request."""

    staff_member_id: int
    name: str
    role: Role
    session_id: int
    passkey_id: int | None
    """None only after a local one-time sign-in."""
    verified_at: datetime | None
    """When their passkey was last shown in this session."""


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What a cookie says."""

    signed_in: SignedIn | None = None
    new_cookie: str | None = None
    """What the browser is to keep in place of its cookie."""
    stolen: bool = False
    """Whether the session was ended just now, because two browsers hold it."""


NOBODY = Presence()


def open_session(
    session: Session,
    staff_member_id: int,
    now: datetime,
    *,
    browser: str,
    passkey_id: int | None,
) -> str:
    """Sign a browser in. Returns what it keeps in its cookie."""
    selector, secret = secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES)
    opened = StaffSession(
        selector_digest=token_digest(selector),
        secret_digest=token_digest(secret),
        rotated_at=now,
        staff_member_id=staff_member_id,
        passkey_id=passkey_id,
        browser=browser,
        verified_at=now if passkey_id is not None else None,
        created_at=now,
        last_seen_at=now,
    )
    session.add(opened)
    session.flush()
    local = passkey_id is None
    record(
        session,
        staff_member_id,
        AuditAction.SIGNED_IN_LOCALLY if local else AuditAction.SIGNED_IN,
        now,
        subject=None if local else Subject("passkey", passkey_id or 0),
        detail={"browser": browser},
    )
    return f"{selector}{_DOT}{secret}"


def find_signed_in(session: Session, cookie: str, browser: str, now: datetime) -> Presence:
    """Whoever this cookie belongs to, if their session still holds; it is then seen now."""
    selector, _, secret = cookie.partition(_DOT)
    held = _held(session, selector, now)
    if held is None:
        return NOBODY
    here, member = held
    verdict = Secret.STOLEN if here.browser != browser else _judge(here, secret, now)
    if verdict is Secret.DUE:
        # Of two requests at once, the second finds the secret exchanged a moment ago.
        session.refresh(here, with_for_update=True)
        verdict = _judge(here, secret, now)
    if verdict is Secret.STOLEN:
        _end_stolen(session, here, now, other_browser=here.browser != browser)
        return Presence(stolen=True)
    if now - here.last_seen_at >= SEEN_EVERY:
        here.last_seen_at = now
    new_cookie = None
    if verdict is Secret.DUE:
        new_cookie = f"{selector}{_DOT}{_rotate(here, secret, now)}"
    elif here.confirmed_at is None and _is(here.secret_digest, secret):
        _confirm(session, here, now)
    return Presence(signed_in=_signed_in(here, member), new_cookie=new_cookie)


def note_verified(session: Session, session_id: int, passkey_id: int, now: datetime) -> None:
    """Note that the passkey was shown again in a session."""
    here = session.get_one(StaffSession, session_id)
    here.verified_at = now
    here.passkey_id = passkey_id


def note_verified_locally(session: Session, session_id: int, now: datetime) -> None:
    """Note that somebody with no passkey confirmed by a button. Only for local stand-ins."""
    session.get_one(StaffSession, session_id).verified_at = now


def sign_out(session: Session, signed_in: SignedIn, now: datetime) -> None:
    """End a session for good: its cookie is worth nothing from here on, wherever a copy lies."""
    end_session(session, signed_in.session_id, now)
    record(session, signed_in.staff_member_id, AuditAction.SIGNED_OUT, now)


def end_session(session: Session, session_id: int, now: datetime) -> None:
    """End one session."""
    _end(session, now, StaffSession.id == session_id)


def end_all(session: Session, staff_member_id: int, now: datetime) -> int:
    """End all sessions of a member of staff. Returns how many there were."""
    return _end(session, now, StaffSession.staff_member_id == staff_member_id)


def end_opened_by(session: Session, passkey_id: int, now: datetime) -> int:
    """End all sessions that a passkey opened. Returns how many there were."""
    return _end(session, now, StaffSession.passkey_id == passkey_id)


def _end(session: Session, now: datetime, which: object) -> int:
    ended = session.execute(
        update(StaffSession)
        .where(which, StaffSession.ended_at.is_(None))  # type: ignore[arg-type]
        .values(ended_at=now)
        .returning(StaffSession.id)
    )
    return len(ended.all())


def _held(
    session: Session, selector: str, now: datetime
) -> tuple[StaffSession, StaffMember] | None:
    """The session of a selector and whose it is, if time and its owner's access still allow it."""
    row = session.execute(
        select(StaffSession, StaffMember)
        .join(StaffMember, StaffMember.id == StaffSession.staff_member_id)
        .where(StaffSession.selector_digest == token_digest(selector))
    ).one_or_none()
    if row is None:
        return None
    here, member = row
    holds = session_holds(created_at=here.created_at, last_seen_at=here.last_seen_at, now=now)
    if not holds or here.ended_at is not None or member.disabled_at is not None:
        return None
    return here, member


def _judge(here: StaffSession, secret: str, now: datetime) -> Secret:
    rotation = Rotation(rotated_at=here.rotated_at, confirmed_at=here.confirmed_at)
    return rotation.judge(
        is_current=_is(here.secret_digest, secret),
        is_previous=here.previous_digest is not None and _is(here.previous_digest, secret),
        now=now,
    )


def _is(digest: bytes, secret: str) -> bool:
    return compare_digest(digest, token_digest(secret))


def _confirm(session: Session, here: StaffSession, now: datetime) -> None:
    """Note that the browser has its secret; not that of an exchange that came in between."""
    session.execute(
        update(StaffSession)
        .where(StaffSession.id == here.id, StaffSession.secret_digest == here.secret_digest)
        .values(confirmed_at=now)
    )


def _rotate(here: StaffSession, secret: str, now: datetime) -> str:
    """Give a session a new secret; what the browser came with stays good until it is confirmed."""
    new = secrets.token_urlsafe(_BYTES)
    here.previous_digest = token_digest(secret)
    here.secret_digest = token_digest(new)
    here.rotated_at = now
    here.confirmed_at = None
    return new


def _end_stolen(
    session: Session, here: StaffSession, now: datetime, *, other_browser: bool
) -> None:
    here.ended_at = now
    record(
        session,
        here.staff_member_id,
        AuditAction.SESSION_STOLEN,
        now,
        detail={"seen_by": "another browser" if other_browser else "an old cookie"},
    )


def _signed_in(here: StaffSession, member: StaffMember) -> SignedIn:
    return SignedIn(
        staff_member_id=member.id,
        name=member.name,
        role=member.role,
        session_id=here.id,
        passkey_id=here.passkey_id,
        verified_at=here.verified_at,
    )
