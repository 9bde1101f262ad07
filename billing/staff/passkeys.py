"""Passkeys as they are kept: added, recognised, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.staff import sessions
from billing.staff.audit_trail import AuditAction, Subject, record
from billing.staff.ceremonies import Asserted, Registered, credential_id_of
from billing.staff.domain import LONGEST_NAME, plain
from billing.staff.errors import PasskeyError
from billing.staff.tables import Passkey, StaffMember


class PasskeyCopiedError(PasskeyError):
    """A passkey's counter went back: there may be a copy of it."""

    def __init__(self, passkey_id: int, staff_member_id: int) -> None:
        super().__init__(
            "This passkey’s counter went back, as that of a copy would. It was refused; please "
            "use another passkey and tell an administrator."
        )
        self.passkey_id = passkey_id
        self.staff_member_id = staff_member_id


@dataclass(frozen=True, kw_only=True)
class Known:
    """A passkey that was found by its credential id."""

    passkey_id: int
    staff_member_id: int
    credential_data: bytes


def add(
    session: Session,
    staff_member_id: int,
    made: Registered,
    now: datetime,
    *,
    name: str,
) -> int:
    """Keep a new passkey. Returns its id.

    Raises:
        PasskeyError: when this credential is known already.
    """
    added = session.execute(
        insert(Passkey)
        .values(
            staff_member_id=staff_member_id,
            credential_id=made.credential_id,
            credential_data=made.credential_data,
            sign_count=made.sign_count,
            name=plain(name)[:LONGEST_NAME] or "Passkey",
            created_at=now,
            last_used_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Passkey.credential_id])
        .returning(Passkey.id)
    ).scalar_one_or_none()
    if added is None:
        raise PasskeyError("This passkey is registered already.")
    subject = Subject("passkey", added)
    record(session, staff_member_id, AuditAction.PASSKEY_ADDED, now, subject=subject)
    return added


def find_for(session: Session, answer: str, *, staff_member_id: int | None = None) -> Known:
    """The passkey that an assertion says it is of; of one member where asked. Locks its row.

    Raises:
        PasskeyError: when we know none such, it was revoked, or its owner has no access any more.
    """
    passkey = session.scalars(
        select(Passkey)
        .join(StaffMember, StaffMember.id == Passkey.staff_member_id)
        .where(
            Passkey.credential_id == credential_id_of(answer),
            Passkey.revoked_at.is_(None),
            StaffMember.disabled_at.is_(None),
        )
        .with_for_update(of=Passkey)
    ).one_or_none()
    if passkey is None or staff_member_id not in {None, passkey.staff_member_id}:
        raise PasskeyError("This passkey opens nothing here. Perhaps it was revoked.")
    return Known(
        passkey_id=passkey.id,
        staff_member_id=passkey.staff_member_id,
        credential_data=passkey.credential_data,
    )


def note_use(session: Session, known: Known, said: Asserted, now: datetime) -> None:
    """Note that a passkey was used, in the transaction that found it.

    Raises:
        PasskeyCopiedError: when its counter did not go up (WebAuthn Level 3 §7.2, step 22).
        PasskeyError: when it answers for somebody else.
    """
    passkey = session.get_one(Passkey, known.passkey_id)
    owner = session.get_one(StaffMember, known.staff_member_id)
    if said.user_handle not in {None, owner.user_handle}:
        raise PasskeyError("This passkey answers for somebody else.")
    counts = said.sign_count > 0 or passkey.sign_count > 0
    if counts and said.sign_count <= passkey.sign_count:
        raise PasskeyCopiedError(passkey.id, owner.id)
    passkey.sign_count = said.sign_count
    passkey.last_used_at = now


def note_copied(session: Session, error: PasskeyCopiedError, now: datetime) -> None:
    """Write down that a passkey's counter went back; what refused it was undone."""
    record(
        session,
        error.staff_member_id,
        AuditAction.PASSKEY_COPIED,
        now,
        subject=Subject("passkey", error.passkey_id),
    )


def of_member(session: Session, staff_member_id: int) -> list[Passkey]:
    """A member's passkeys that open something, the oldest first."""
    return list(
        session.scalars(
            select(Passkey)
            .where(Passkey.staff_member_id == staff_member_id, Passkey.revoked_at.is_(None))
            .order_by(Passkey.id)
        )
    )


def credentials_of(session: Session, staff_member_id: int) -> list[bytes]:
    """The credential data of a member's passkeys."""
    return [passkey.credential_data for passkey in of_member(session, staff_member_id)]


def revoke(session: Session, passkey: Passkey, now: datetime, *, by: int, reason: str = "") -> None:
    """Let a passkey open nothing any more, and end the sessions that it opened."""
    passkey.revoked_at = now
    sessions.end_opened_by(session, passkey.id, now)
    record(
        session,
        by,
        AuditAction.PASSKEY_REVOKED,
        now,
        subject=Subject("passkey", passkey.id),
        detail={"of": passkey.staff_member_id},
        reason=reason,
    )
