"""Wanting the digest, confirming the address, wanting it no more; and sending it once a week.

What if the process dies: a digest is put into the outbox and its week noted in one transaction, for
each reader. Before its commit nothing was sent, and the next tick does it; after it the week is
noted, and the unique key in the outbox says so too. Two beats at once: a row that one has locked is
passed by.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from billing.crypto import Vault
from billing.db import Json
from billing.digest.content import count_needed, read_digest, write_digest
from billing.digest.domain import due_monday
from billing.digest.tables import DigestReader
from billing.outbox import drop, put
from billing.revenue.today import read_month
from billing.runtime import Runtime
from billing.staff.audit_trail import AuditAction, Subject, record
from billing.staff.relying_party import relying_party
from billing.staff.tables import StaffMember
from billing.supporters.address import lookup_form, read_address

UNSUBSCRIBE_LINK = "unsubscribe-digest"
CONFIRM_LINK = "confirm-digest"
"""The purposes under which links are signed."""
ASK_AGAIN_AFTER = timedelta(minutes=1)


class TooSoonError(Exception):
    """Somebody asked a moment ago."""


def find_reader(session: Session, staff_member_id: int) -> DigestReader | None:
    """What a member of staff has asked for."""
    query = select(DigestReader).where(DigestReader.staff_member_id == staff_member_id)
    return session.scalars(query).one_or_none()


def ask(
    session: Session, runtime: Runtime, staff_member_id: int, *, written: str, now: datetime
) -> None:
    """Want the digest at an address: a letter asks there whether it is the right one.

    Raises:
        InvalidAddressError: when mail cannot be sent to it.
        TooSoonError: within a minute of the last time.
    """
    address = read_address(written)
    _lock_member(session, staff_member_id)
    before = find_reader(session, staff_member_id)
    if before is not None and now < before.asked_at + ASK_AGAIN_AFTER:
        raise TooSoonError
    stop(session, staff_member_id, now=now)
    reader = _made(session, runtime.vault, staff_member_id, address, now)
    token = runtime.links.token(CONFIRM_LINK, reader.id)
    put(
        session,
        unique_key=f"digest-confirm:{reader.id}",
        template="digest_confirm",
        language="en",
        recipient_encrypted=reader.email_encrypted,
        recipient_digest=reader.email_digest,
        context={"confirm_url": _staff_url(runtime, f"/staff/digest/confirm/{token}")},
        now=now,
    )
    _note(session, staff_member_id, "asked for", now)


def confirm(
    session: Session, runtime: Runtime, staff_member_id: int, reader_id: int, *, now: datetime
) -> bool:
    """Begin with the next Monday. Returns whether this member asked for just that."""
    query = select(DigestReader).where(
        DigestReader.id == reader_id, DigestReader.staff_member_id == staff_member_id
    )
    reader = session.scalars(query.with_for_update()).one_or_none()
    if reader is None:
        return False
    if reader.confirmed_at is None:
        reader.confirmed_at = now
        reader.last_week = due_monday(now, runtime.settings.newsroom.timezone)
        _note(session, staff_member_id, "confirmed", now)
    return True


def stop(session: Session, staff_member_id: int, *, now: datetime) -> bool:
    """Want it no more, and forget the address. Returns whether there was a wish."""
    query = select(DigestReader).where(DigestReader.staff_member_id == staff_member_id)
    reader = session.scalars(query.with_for_update()).one_or_none()
    if reader is None:
        return False
    _forget(session, reader)
    _note(session, staff_member_id, "stopped", now)
    return True


def unsubscribe(session: Session, reader_id: int, *, now: datetime) -> None:
    """The same by a signed link; a second time changes nothing."""
    query = select(DigestReader).where(DigestReader.id == reader_id).with_for_update()
    reader = session.scalars(query).one_or_none()
    if reader is not None:
        _forget(session, reader)
        _note(session, reader.staff_member_id, "unsubscribed", now)


def send_due(runtime: Runtime) -> int:
    """Put the digests that are due into the outbox. Returns how many."""
    now, newsroom = runtime.clock.now(), runtime.settings.newsroom
    monday = due_monday(now, newsroom.timezone)
    with runtime.database.transaction() as session:
        if session.scalars(_due(monday).limit(1)).one_or_none() is None:
            return 0
    with runtime.database.transaction() as session:
        today = now.astimezone(newsroom.timezone).date()
        found = read_digest(session, newsroom, monday, today)
        needed = count_needed(session, now)
    if found is None:
        return 0
    with runtime.database.transaction() as session:
        goal = read_month(session, newsroom, now).goal
    content = write_digest(found, goal, needed, newsroom)
    with runtime.database.transaction() as session:
        readers = session.scalars(_due(monday).with_for_update(of=DigestReader, skip_locked=True))
        return sum(_queue(session, runtime, each, monday, content, now) for each in readers.all())


def _due(monday: date) -> Select[DigestReader]:
    return (
        select(DigestReader)
        .join(StaffMember, StaffMember.id == DigestReader.staff_member_id)
        .where(
            DigestReader.confirmed_at.is_not(None),
            StaffMember.disabled_at.is_(None),
            or_(DigestReader.last_week.is_(None), DigestReader.last_week < monday),
        )
        .order_by(DigestReader.id)
    )


def _queue(
    session: Session,
    runtime: Runtime,
    reader: DigestReader,
    monday: date,
    content: Json,
    now: datetime,
) -> bool:
    token = runtime.links.token(UNSUBSCRIBE_LINK, reader.id)
    reader.last_week = monday
    return put(
        session,
        unique_key=_key(reader.id, monday),
        template="digest",
        language="en",
        recipient_encrypted=reader.email_encrypted,
        recipient_digest=reader.email_digest,
        context={
            **content,
            "staff_url": _staff_url(runtime, "/staff/"),
            "unsubscribe_url": runtime.links.url(f"/digest/unsubscribe/{token}"),
        },
        now=now,
    )


def _made(
    session: Session, vault: Vault, staff_member_id: int, address: str, now: datetime
) -> DigestReader:
    reader = DigestReader(
        staff_member_id=staff_member_id,
        email_encrypted=vault.encrypt(address),
        email_digest=vault.digest(lookup_form(address)),
        asked_at=now,
    )
    session.add(reader)
    session.flush()
    return reader


def _forget(session: Session, reader: DigestReader) -> None:
    drop(session, f"digest-confirm:{reader.id}")
    if reader.last_week is not None:
        drop(session, _key(reader.id, reader.last_week))
    session.delete(reader)
    session.flush()


def _staff_url(runtime: Runtime, path: str) -> str:
    """Where staff can sign in: passkeys belong to a name."""
    return relying_party(runtime.settings.base_url).url(path)


def _key(reader_id: int, monday: date) -> str:
    return f"digest:{reader_id}:{monday}"


def _lock_member(session: Session, staff_member_id: int) -> None:
    """Two clicks of one member take turns."""
    query = select(StaffMember.id).where(StaffMember.id == staff_member_id)
    session.execute(query.with_for_update())


def _note(session: Session, staff_member_id: int, what: str, now: datetime) -> None:
    subject = Subject("staff", staff_member_id)
    detail = {"weekly_digest": what}
    action = AuditAction.SETTINGS_CHANGED
    record(session, staff_member_id, action, now, subject=subject, detail=detail)
