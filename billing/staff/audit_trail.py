"""Who did what, to whom and why: written in the transaction of the deed, never changed.

It holds ids, never names or addresses of readers: who a supporter is, is looked up by whoever may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from billing.staff.domain import plain
from billing.staff.tables import AuditEntry, StaffMember

PAGE = 50
"""Entries on a page."""

LONGEST_REASON = 500
_LONGEST_DETAIL = 200

Detail = Mapping[str, str | int | bool | None]


class AuditAction(StrEnum):
    """Everything that is written down."""

    MEMBER_INVITED = "member_invited"
    MEMBER_RECOVERED = "member_recovered"
    """A new link for somebody who has lost their passkeys."""
    MEMBER_DISABLED = "member_disabled"
    MEMBER_ENABLED = "member_enabled"
    ROLE_CHANGED = "role_changed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REVOKED = "passkey_revoked"
    PASSKEY_COPIED = "passkey_copied"
    """Its counter went back, so there may be two of it; it was refused."""
    SIGNED_IN = "signed_in"
    SIGNED_IN_LOCALLY = "signed_in_locally"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    SESSION_STOLEN = "session_stolen"
    """One session in two browsers; it was ended."""
    ROLE_REFUSED = "role_refused"
    PERSON_SEARCHED = "person_searched"
    PERSON_SEEN = "person_seen"
    PERSON_ERASED = "person_erased"
    PLEDGE_CANCELLED = "pledge_cancelled"
    PLEDGE_CHANGED = "pledge_changed"
    CHARGE_REFUNDED = "charge_refunded"
    GIFT_ENTERED = "gift_entered"
    """A gift that came by bank or cheque."""
    GIFT_TAKEN_BACK = "gift_taken_back"
    """The entry of such a gift, by one that reverses it."""
    WARNING_KEPT = "warning_kept"
    """The payment stands that an early fraud warning is about."""
    WARNING_REFUNDED = "warning_refunded"
    """It was given back, and its pledge ended."""
    REMINDERS_STOPPED = "reminders_stopped"
    LINK_SENT = "link_sent"
    MAIL_SENT_AGAIN = "mail_sent_again"
    NOTE_WRITTEN = "note_written"
    EXPORTED = "exported"
    SETTINGS_CHANGED = "settings_changed"


class PersonalDataError(ValueError):
    """What was to be written down looks like an address, or is too long to be a plain fact."""


@dataclass(frozen=True)
class Subject:
    """What something was done to: a supporter, a pledge, a charge, a member of staff."""

    kind: str
    id: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """One entry as it is read."""

    id: int
    occurred_at: datetime
    who: str | None
    """None for the command line, and for tries that could be told nobody's."""
    action: str
    subject: Subject | None
    subject_name: str | None
    """The name of the subject where it is a member of staff."""
    detail: Detail
    reason: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some entries, the newest first, and how many pages there are; at least one."""

    lines: list[Line]
    number: int
    of: int


def record(
    session: Session,
    staff_member_id: int | None,
    action: AuditAction,
    now: datetime,
    *,
    subject: Subject | None = None,
    detail: Detail | None = None,
    reason: str = "",
) -> None:
    """Write down that a member of staff (None: the command line) did `action` now.

    `detail` takes facts such as sums, statuses and ids; `reason` what staff gave as theirs.

    Raises:
        PersonalDataError: when either holds an address, or is too long.
    """
    detail = dict(detail or {})
    reason = plain(reason)
    _check(reason, LONGEST_REASON)
    for value in detail.values():
        _check(str(value), _LONGEST_DETAIL)
    session.add(
        AuditEntry(
            occurred_at=now,
            staff_member_id=staff_member_id,
            action=action.value,
            subject_kind=subject.kind if subject else None,
            subject_id=subject.id if subject else None,
            detail=detail,
            reason=reason,
        )
    )
    session.flush()


def read(
    session: Session, *, member_id: int | None = None, action: str = "", page: int = 1
) -> Page:
    """One page of the trail, of one member or one action where asked; empty beyond the end."""
    chosen = select(AuditEntry)
    if member_id is not None:
        chosen = chosen.where(AuditEntry.staff_member_id == member_id)
    if action:
        chosen = chosen.where(AuditEntry.action == action)
    count = session.execute(select(func.count()).select_from(chosen.subquery())).scalar_one()
    pages = max(1, -(-count // PAGE))
    if not 1 <= page <= pages:
        return Page(lines=[], number=page, of=pages)
    newest = chosen.order_by(AuditEntry.id.desc()).limit(PAGE).offset((page - 1) * PAGE)
    return Page(lines=_lines(session, newest), number=page, of=pages)


def _lines(session: Session, newest: Select[AuditEntry]) -> list[Line]:
    rows = session.execute(select(StaffMember.id, StaffMember.name))
    names = {row.id: row.name for row in rows}
    return [_line(entry, names) for entry in session.scalars(newest).all()]


def _line(entry: AuditEntry, names: Mapping[int, str]) -> Line:
    kind, id_ = entry.subject_kind, entry.subject_id
    subject = Subject(kind, id_) if kind is not None and id_ is not None else None
    return Line(
        id=entry.id,
        occurred_at=entry.occurred_at,
        who=None if entry.staff_member_id is None else names[entry.staff_member_id],
        action=entry.action,
        subject=subject,
        subject_name=names.get(subject.id) if subject and subject.kind == "staff" else None,
        detail=entry.detail,
        reason=entry.reason,
    )


def _check(text: str, longest: int) -> None:
    if "@" in text:
        raise PersonalDataError("Please leave addresses out: this is kept for good.")
    if len(text) > longest:
        raise PersonalDataError(f"That is too long: at most {longest} letters are kept.")
