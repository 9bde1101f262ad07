"""What an administrator does about others' access. The last one who can sign in always stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.staff import passkeys, sessions
from billing.staff.audit_trail import AuditAction, Detail, Subject, record
from billing.staff.domain import IDLE_FOR, SESSION_LASTS, Role
from billing.staff.errors import LastAdminError, StaffError, StaffNameError
from billing.staff.tables import Passkey, StaffMember, StaffSession


@dataclass(frozen=True, kw_only=True)
class Access:
    """One member of staff, what lets them in, and where they are in."""

    member: StaffMember
    passkeys: list[Passkey]
    sessions: list[StaffSession]


def everybody(session: Session, now: datetime) -> list[Access]:
    """All of staff, those with access first, each by name."""
    members = session.scalars(
        select(StaffMember).order_by(StaffMember.disabled_at.is_not(None), StaffMember.name)
    )
    return [_access(session, member, now) for member in members]


def find_access(session: Session, member_id: int, now: datetime) -> Access | None:
    """One member's access."""
    member = session.get(StaffMember, member_id)
    return None if member is None else _access(session, member, now)


def administrators_by_passkeys(session: Session) -> list[int]:
    """How many passkeys each administrator with access has."""
    return [len(passkeys.of_member(session, admin.id)) for admin in _admins(session)]


def change_role(session: Session, member_id: int, role: Role, now: datetime, *, by: int) -> None:
    """Give somebody another role, from their next click on. The same role again changes nothing.

    Raises:
        LastAdminError: when no administrator who can sign in would be left.
        StaffNameError: when there is no such member.
    """
    admins = _lock_admins(session)
    member = _member(session, member_id)
    if member.role is role:
        return
    if role is not Role.ADMIN:
        _refuse_last(session, admins, member)
    before, member.role = member.role, role
    detail = {"from": before.value, "to": role.value}
    _note(session, by, AuditAction.ROLE_CHANGED, member_id, now, detail)


def disable(session: Session, member_id: int, now: datetime, *, by: int, reason: str = "") -> None:
    """Take somebody's access away, at once and in every browser.

    Raises:
        LastAdminError, StaffNameError: as for `change_role`.
    """
    admins = _lock_admins(session)
    member = _member(session, member_id)
    if member.disabled_at is not None:
        return
    _refuse_last(session, admins, member)
    member.disabled_at = now
    ended = sessions.end_all(session, member_id, now)
    _note(session, by, AuditAction.MEMBER_DISABLED, member_id, now, {"sessions": ended}, reason)


def enable(session: Session, member_id: int, now: datetime, *, by: int) -> None:
    """Give somebody their access back; their passkeys open again what they opened.

    Raises:
        StaffNameError: when there is no such member.
    """
    member = _member(session, member_id)
    if member.disabled_at is None:
        return
    member.disabled_at = None
    _note(session, by, AuditAction.MEMBER_ENABLED, member_id, now)


def end_sessions(session: Session, member_id: int, now: datetime, *, by: int) -> None:
    """Sign somebody out everywhere.

    Raises:
        StaffNameError: when there is no such member.
    """
    member = _member(session, member_id)
    ended = sessions.end_all(session, member.id, now)
    _note(session, by, AuditAction.SESSIONS_ENDED, member_id, now, {"sessions": ended})


def revoke_passkey(
    session: Session, passkey_id: int, now: datetime, *, by: int, owner: int | None = None
) -> int:
    """Let a passkey (of `owner`, where told) open nothing any more. Returns whose it was.

    Raises:
        LastAdminError: when it was the last by which an administrator could sign in.
        StaffError: when there is no such passkey.
    """
    admins = _lock_admins(session)
    passkey = session.get(Passkey, passkey_id, with_for_update=True)
    if passkey is None or owner not in {None, passkey.staff_member_id}:
        raise StaffError("There is no such passkey.")
    if passkey.revoked_at is None:
        member = _member(session, passkey.staff_member_id)
        if len(passkeys.of_member(session, member.id)) == 1:
            _refuse_last(session, admins, member)
        passkeys.revoke(session, passkey, now, by=by)
    return passkey.staff_member_id


def revoke_own_passkey(session: Session, passkey_id: int, now: datetime, *, owner: int) -> None:
    """Let one's own passkey open nothing any more.

    Raises:
        StaffError: when it is one's last, or not one's own.
    """
    _member(session, owner)
    if {passkey.id for passkey in passkeys.of_member(session, owner)} == {passkey_id}:
        raise StaffError("This is your last passkey. Register another one first.")
    revoke_passkey(session, passkey_id, now, by=owner, owner=owner)


def _access(session: Session, member: StaffMember, now: datetime) -> Access:
    held = session.scalars(
        select(StaffSession)
        .where(
            StaffSession.staff_member_id == member.id,
            StaffSession.ended_at.is_(None),
            StaffSession.created_at > now - SESSION_LASTS,
            StaffSession.last_seen_at > now - IDLE_FOR,
        )
        .order_by(StaffSession.id)
    )
    return Access(
        member=member, passkeys=passkeys.of_member(session, member.id), sessions=list(held)
    )


def _lock_admins(session: Session) -> list[StaffMember]:
    """Every administrator with access, locked: of two who take each other's, one has to wait."""
    return _admins(session, lock=True)


def _admins(session: Session, *, lock: bool = False) -> list[StaffMember]:
    found = (
        select(StaffMember)
        .where(StaffMember.role == Role.ADMIN, StaffMember.disabled_at.is_(None))
        .order_by(StaffMember.id)
    )
    return list(session.scalars(found.with_for_update() if lock else found))


def _refuse_last(session: Session, admins: list[StaffMember], member: StaffMember) -> None:
    """See that another administrator is left; one with a passkey, if this one has any."""
    if member.id not in {admin.id for admin in admins}:
        return
    others = [admin for admin in admins if admin.id != member.id]
    if passkeys.of_member(session, member.id):
        others = [admin for admin in others if passkeys.of_member(session, admin.id)]
    if not others:
        raise LastAdminError(
            f"{member.name} is the last administrator who can sign in. Make somebody else an "
            "administrator first; they have to have registered a passkey."
        )


def _member(session: Session, member_id: int) -> StaffMember:
    member = session.get(StaffMember, member_id, with_for_update=True, populate_existing=True)
    if member is None:
        raise StaffNameError("There is no such member of staff.")
    return member


def _note(
    session: Session,
    by: int,
    action: AuditAction,
    member_id: int,
    now: datetime,
    detail: Detail | None = None,
    reason: str = "",
) -> None:
    subject = Subject("staff", member_id)
    record(session, by, action, now, subject=subject, detail=detail, reason=reason)
