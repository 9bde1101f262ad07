"""One-time links: how staff come to their first passkey, and back in when they have lost it.

Links are random texts of 256 bits. Only their SHA-256 is stored, so that whoever reads the database
can't sign in with what they find there.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.crypto import token_digest
from billing.staff.audit_trail import AuditAction, Subject, record
from billing.staff.domain import CLICKED_AGAIN, INVITATION_LASTS, LONGEST_NAME, Role, plain
from billing.staff.errors import (
    LinkExpiredError,
    LinkUnknownError,
    LinkUsedError,
    LinkUsedHereError,
    StaffNameError,
)
from billing.staff.tables import Invitation, Passkey, StaffMember

_TOKEN_BYTES = 32
_HANDLE_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Invited:
    """Whom a link is for."""

    staff_member_id: int
    name: str
    role: Role
    user_handle: bytes
    revokes_passkeys: bool


def invite(
    session: Session, name: str, role: Role | None, now: datetime, *, by: int | None = None
) -> str:
    """Take somebody on (again, while they have not used their link) and make their link's token.

    Without a `role` somebody new is a viewer, and somebody invited before keeps theirs.

    Raises:
        StaffNameError: when the name is empty, longer than 100 letters, has been disabled, or is
            of someone who is in already; they are helped by `recover`.
    """
    member = _member(session, clean_name(name), role, now)
    record(
        session,
        by,
        AuditAction.MEMBER_INVITED,
        now,
        subject=Subject("staff", member.id),
        detail={"role": member.role.value},
    )
    return _make(session, member, now, by=by)


def recover(
    session: Session, name: str, now: datetime, *, by: int | None = None, revoke: bool = False
) -> str:
    """Make the token of a link that gives somebody a new passkey and ends all their sessions.

    With `revoke` their old passkeys are revoked when it is used: for a lost or stolen device.

    Raises:
        StaffNameError: when nobody has this name, or they were disabled.
    """
    member = session.scalars(
        select(StaffMember).where(StaffMember.name == clean_name(name))
    ).one_or_none()
    if member is None:
        raise StaffNameError(f"Nobody here is called {clean_name(name)}.")
    _refuse_disabled(member)
    record(
        session,
        by,
        AuditAction.MEMBER_RECOVERED,
        now,
        subject=Subject("staff", member.id),
        detail={"revokes_passkeys": revoke},
    )
    return _make(session, member, now, by=by, revoke=revoke)


def make_local_link(session: Session, name: str, now: datetime, *, lasts: timedelta) -> str:
    """Make the token of a link that signs an admin in by itself. Only for local stand-ins."""
    member = _member(session, clean_name(name), Role.ADMIN, now, again=True)
    return _make(session, member, now, lasts=lasts, without_passkey=True)


def check(
    session: Session, token: str, now: datetime, *, browser: str, without_passkey: bool = False
) -> Invited:
    """Whom a link is for; its row stays locked until the end of the transaction. Uses nothing up.

    `browser` is the random text in the cookie of the browser that asks.

    Raises:
        LinkUsedHereError: when this browser has used it just now.
        LinkUnknownError, LinkUsedError, LinkExpiredError: when it is good for nothing.
    """
    row = session.execute(
        select(Invitation, StaffMember)
        .join(StaffMember, StaffMember.id == Invitation.staff_member_id)
        .where(
            Invitation.token_digest == token_digest(token),
            Invitation.without_passkey == without_passkey,
        )
        .with_for_update(of=Invitation)
    ).one_or_none()
    if row is None or row.StaffMember.disabled_at is not None:
        raise LinkUnknownError
    link, member = row
    if link.used_at is not None:
        here = link.used_by_browser == token_digest(browser)
        raise LinkUsedHereError if here and now < link.used_at + CLICKED_AGAIN else LinkUsedError
    if now >= link.expires_at:
        raise LinkExpiredError
    return _invited(link, member)


def use(session: Session, token: str, now: datetime, *, browser: str) -> None:
    """Use up a link that `check` found good in the same transaction."""
    link = session.get_one(Invitation, token_digest(token))
    link.used_at = now
    link.used_by_browser = token_digest(browser)


def owner(session: Session, token: str) -> Invited:
    """Whom a link was for, used or not.

    Raises:
        LinkUnknownError: when it was never made.
    """
    link = session.get(Invitation, token_digest(token))
    if link is None:
        raise LinkUnknownError
    return _invited(link, session.get_one(StaffMember, link.staff_member_id))


def clean_name(name: str) -> str:
    """A name with single spaces.

    Raises:
        StaffNameError: when it is empty or longer than 100 letters.
    """
    name = plain(name)
    if not 1 <= len(name) <= LONGEST_NAME or "@" in name:
        raise StaffNameError("A name has 1 to 100 letters and is no email address.")
    return name


def _member(
    session: Session, name: str, role: Role | None, now: datetime, *, again: bool = False
) -> StaffMember:
    """Somebody new, or somebody invited before who has not come yet; with `again`, anybody."""
    session.execute(
        insert(StaffMember)
        .values(
            name=name,
            role=role or Role.VIEWER,
            user_handle=secrets.token_bytes(_HANDLE_BYTES),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[StaffMember.name])
    )
    member = session.scalars(
        select(StaffMember).where(StaffMember.name == name).with_for_update()
    ).one()
    _refuse_disabled(member)
    if again:
        return member
    if _has_come(session, member):
        raise StaffNameError(
            f"{name} has access already. Whoever has lost their passkeys gets a link by recovery."
        )
    member.role = role or member.role
    return member


def _has_come(session: Session, member: StaffMember) -> bool:
    """Whether they ever had a passkey, even one revoked since."""
    found = select(Passkey.id).where(Passkey.staff_member_id == member.id).limit(1)
    return session.scalars(found).first() is not None


def _refuse_disabled(member: StaffMember) -> None:
    if member.disabled_at is not None:
        raise StaffNameError(f"{member.name} no longer has access.")


def _make(
    session: Session,
    member: StaffMember,
    now: datetime,
    *,
    by: int | None = None,
    lasts: timedelta = INVITATION_LASTS,
    revoke: bool = False,
    without_passkey: bool = False,
) -> str:
    """A new link; one that registers a passkey takes the place of those before it."""
    if not without_passkey:
        session.execute(
            update(Invitation)
            .where(
                Invitation.staff_member_id == member.id,
                Invitation.used_at.is_(None),
                Invitation.expires_at > now,
                Invitation.without_passkey.is_(False),
            )
            .values(expires_at=now)
        )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(
        Invitation(
            token_digest=token_digest(token),
            staff_member_id=member.id,
            invited_by_id=by,
            role=member.role,
            without_passkey=without_passkey,
            revokes_passkeys=revoke,
            created_at=now,
            expires_at=now + lasts,
        )
    )
    session.flush()
    return token


def _invited(link: Invitation, member: StaffMember) -> Invited:
    return Invited(
        staff_member_id=member.id,
        name=member.name,
        role=member.role,
        user_handle=member.user_handle,
        revokes_passkeys=link.revokes_passkeys,
    )
