"""Everything to be sent, as rows written in the transaction that caused them (invariant 6).

What if the process dies …
- before the claim is committed, or before the broker has the task: the row is waiting, and its turn
  comes again once the claim has run out.
- after `take`, before, during or after the handing over: the row is `sending`, and once its lease
  has run out it is sent again under the same Message-ID (docs/adr/0020-outbox-delivery.md).
- while the outcome is written: the same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    Table,
    bindparam,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from billing.db import Base, Json, Moment, RowId, UtcDateTime, choice


class OutboxStatus(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    SENDING = "sending"
    """A worker has it, until `next_try_at`; after that the worker is taken for dead."""
    SENT = "sent"
    DROPPED = "dropped"
    """No longer wanted: the person unsubscribed or was erased."""
    FAILED = "failed"
    """Tried for days, or refused for good; a person should look."""


OUTBOX_TRANSITIONS: dict[OutboxStatus, frozenset[OutboxStatus]] = {
    OutboxStatus.WAITING: frozenset(
        {OutboxStatus.SENDING, OutboxStatus.SENT, OutboxStatus.DROPPED, OutboxStatus.FAILED}
    ),
    OutboxStatus.SENDING: frozenset(
        {OutboxStatus.WAITING, OutboxStatus.SENT, OutboxStatus.DROPPED, OutboxStatus.FAILED}
    ),
    OutboxStatus.SENT: frozenset(),
    OutboxStatus.DROPPED: frozenset({OutboxStatus.SENT}),
    OutboxStatus.FAILED: frozenset({OutboxStatus.WAITING, OutboxStatus.SENT, OutboxStatus.DROPPED}),
}
"""From which state a message may go to which.

What a mail server took is always recorded as sent, whatever was thought of it meanwhile: when it
was dropped while on its way, or when its worker was slow and had been taken for dead.
"""

QUEUED_FOR = timedelta(minutes=2)
"""How long a message waits for the worker it was queued for, before it is queued again."""

SENDING_FOR = timedelta(minutes=10)
"""How long a worker may take: longer than all time limits of one delivery together (`mail.py`)."""

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
MAX_TRIES = 28
"""With the pauses above, tries go on for five days.

Source: RFC 5321 §4.5.4.1 asks for four to five. Tries are counted rather than days, so that an
outage of our own takes none away.
"""

GAVE_UP = "gave_up"


class OutboxMessage(Base):
    """One email, to be sent once."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(
            "(status IN ('waiting', 'sending', 'failed')) = (recipient_encrypted IS NOT NULL)",
            name="recipient_until_done",
        ),
        Index(
            "ix_outbox_waiting",
            "next_try_at",
            "id",
            postgresql_where="status IN ('waiting', 'sending')",
        ),
        Index("ix_outbox_recipient_digest", "recipient_digest"),
        Index(
            "ix_outbox_about",
            text("split_part(unique_key, ':', 2)"),
            text("split_part(unique_key, ':', 3)"),
            postgresql_where=text(
                "unique_key NOT LIKE 'receipt:%' AND unique_key NOT LIKE 'reminder:%'"
            ),
        ),
        Index("ix_outbox_failed", "id", postgresql_where="status IN ('failed', 'dropped')"),
    )

    id: Mapped[RowId]
    unique_key: Mapped[str] = mapped_column(String(255), unique=True)
    """What it is about, such as `receipt:charge:17`: the same thing is never said twice."""
    template: Mapped[str] = mapped_column(String(64))
    """A folder of templates/emails/."""
    language: Mapped[str] = mapped_column(String(8))
    recipient_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Gone once the message is sent."""
    recipient_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """Gone once the message is sent."""
    context: Mapped[Json] = mapped_column(JSONB)
    """What the template needs: sums, dates, links. Nothing about the person."""
    status: Mapped[OutboxStatus] = mapped_column(choice(OutboxStatus))
    created_at: Mapped[Moment]
    next_try_at: Mapped[Moment]
    tries: Mapped[int]
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(255))
    """A code: never the server's words, which may quote the address."""


_PUT = (
    insert(cast(Table, OutboxMessage.__table__))
    .on_conflict_do_nothing(index_elements=[OutboxMessage.unique_key])
    .returning(OutboxMessage.id)
)


_PUT_MANY = text(
    """
    INSERT INTO outbox (
        unique_key, template, language, recipient_encrypted, recipient_digest, context, status,
        created_at, next_try_at, tries)
    SELECT unique_key, template, language, sealed, digest, CAST(context AS jsonb), 'waiting',
        :now, :now, 0
    FROM unnest(:keys, :templates, :languages, :sealed, :digests, :contexts)
        AS given (unique_key, template, language, sealed, digest, context)
    ON CONFLICT (unique_key) DO NOTHING
    """
).bindparams(
    bindparam("now", type_=UtcDateTime),
    bindparam("keys", type_=ARRAY(String)),
    bindparam("templates", type_=ARRAY(String)),
    bindparam("languages", type_=ARRAY(String)),
    bindparam("sealed", type_=ARRAY(LargeBinary)),
    bindparam("digests", type_=ARRAY(LargeBinary)),
    bindparam("contexts", type_=ARRAY(String)),
)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An email to be put into the outbox; the fields are those of `OutboxMessage`."""

    unique_key: str
    template: str
    language: str
    recipient_encrypted: bytes
    recipient_digest: bytes | None
    context: Json


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A message that one worker may now send."""

    id: int
    unique_key: str
    template: str
    language: str
    recipient_encrypted: bytes
    context: Json
    created_at: datetime
    tries: int
    """This one included; it also tells this try from any other."""


def put(
    session: Session,
    *,
    unique_key: str,
    template: str,
    language: str,
    recipient_encrypted: bytes,
    recipient_digest: bytes | None,
    context: Json,
    now: datetime,
) -> bool:
    """Add an email to the outbox, unless the same thing has been said already.

    Returns:
        Whether it is new. Nothing leaves before the caller's transaction commits.
    """
    row = {
        "unique_key": unique_key,
        "template": template,
        "language": language,
        "recipient_encrypted": recipient_encrypted,
        "recipient_digest": recipient_digest,
        "context": context,
        "status": OutboxStatus.WAITING,
        "created_at": now,
        "next_try_at": now,
        "tries": 0,
    }
    return session.execute(_PUT, row).scalar_one_or_none() is not None


def put_many(session: Session, drafts: Sequence[Draft], *, now: datetime) -> None:
    """Add emails to the outbox in one statement, save those that have been said already."""
    session.execute(
        _PUT_MANY,
        {
            "now": now,
            "keys": [draft.unique_key for draft in drafts],
            "templates": [draft.template for draft in drafts],
            "languages": [draft.language for draft in drafts],
            "sealed": [draft.recipient_encrypted for draft in drafts],
            "digests": [draft.recipient_digest for draft in drafts],
            "contexts": [json.dumps(draft.context) for draft in drafts],
        },
    )


def claim(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of up to `limit` messages whose turn it is; nobody else gets them for a while.

    A message left in `sending` by a worker that died is waiting again.
    """
    turn = (
        select(OutboxMessage.id)
        .where(
            OutboxMessage.status.in_([OutboxStatus.WAITING, OutboxStatus.SENDING]),
            OutboxMessage.next_try_at <= now,
        )
        .order_by(OutboxMessage.next_try_at, OutboxMessage.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("turn")  # computed once: a subquery may be run again for every row, past its limit
    )
    claimed = (
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(select(turn.c.id)))
        .values(status=OutboxStatus.WAITING, next_try_at=now + QUEUED_FOR)
        .returning(OutboxMessage.id)
        .execution_options(synchronize_session=False)
    )
    return sorted(session.scalars(claimed).all())


def take(session: Session, message_id: int, *, now: datetime) -> Taken | None:
    """Mark a waiting message as being sent. Commit before the mail server is called.

    Returns:
        What to send; None when it isn't waiting (any more), or has been tried too often.
    """
    row = session.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.status == OutboxStatus.WAITING)
        .with_for_update()
    ).one_or_none()
    if row is None or row.recipient_encrypted is None:
        return None
    if row.tries >= MAX_TRIES:
        row.status, row.last_error = OutboxStatus.FAILED, row.last_error or GAVE_UP
        return None
    row.status, row.next_try_at, row.tries = OutboxStatus.SENDING, now + SENDING_FOR, row.tries + 1
    return Taken(
        id=row.id,
        unique_key=row.unique_key,
        template=row.template,
        language=row.language,
        recipient_encrypted=row.recipient_encrypted,
        context=row.context,
        created_at=row.created_at,
        tries=row.tries,
    )


def mark_sent(session: Session, message_id: int, *, now: datetime) -> None:
    """A mail server has taken the message: forget who it was for."""
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.status != OutboxStatus.SENT)
        .values(
            status=OutboxStatus.SENT,
            sent_at=now,
            recipient_encrypted=None,
            recipient_digest=None,
            last_error=None,
        )
    )


def postpone(session: Session, taken: Taken, *, code: str, now: datetime) -> None:
    """This try came to nothing: try again later, or after `MAX_TRIES` no more."""
    last = taken.tries >= MAX_TRIES
    _end_try(
        session,
        taken,
        status=OutboxStatus.FAILED if last else OutboxStatus.WAITING,
        code=code,
        next_try_at=now + pause_after(taken.tries),
    )


def fail(session: Session, taken: Taken, *, code: str, now: datetime) -> None:
    """The message was refused for good."""
    _end_try(session, taken, status=OutboxStatus.FAILED, code=code, next_try_at=now)


def drop(session: Session, unique_key: str) -> bool:
    """Take back a message that has not gone out; one on its way may still arrive.

    Returns:
        Whether there was one to take back.
    """
    dropped = (
        update(OutboxMessage)
        .where(
            OutboxMessage.unique_key == unique_key,
            OutboxMessage.status.in_(
                [OutboxStatus.WAITING, OutboxStatus.SENDING, OutboxStatus.FAILED]
            ),
        )
        .values(status=OutboxStatus.DROPPED, recipient_encrypted=None, recipient_digest=None)
        .returning(OutboxMessage.id)
    )
    return session.execute(dropped).scalar_one_or_none() is not None


def retry_failed(
    session: Session, *, now: datetime, limit: int, apart_from: Collection[str] = ()
) -> int:
    """Try failed messages again from the beginning, the oldest first, each under its own key.

    `apart_from` are templates whose messages have an owner that must be asked first.

    Returns:
        How many wait again.
    """
    failed = (
        select(OutboxMessage.id)
        .where(
            OutboxMessage.status == OutboxStatus.FAILED,
            OutboxMessage.template.not_in(apart_from),
        )
        .order_by(OutboxMessage.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("failed")
    )
    return _wait_again(session, OutboxMessage.id.in_(select(failed.c.id)), now)


def retry(session: Session, unique_key: str, *, now: datetime) -> bool:
    """Try one failed message again from the beginning; whether there was one."""
    return _wait_again(session, OutboxMessage.unique_key == unique_key, now) > 0


def forget(session: Session, recipient_digest: bytes) -> None:
    """Take back everything for one recipient that has not gone out, and forget whose it was."""
    session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.recipient_digest == recipient_digest,
            OutboxMessage.status.in_(
                [OutboxStatus.WAITING, OutboxStatus.SENDING, OutboxStatus.FAILED]
            ),
        )
        .values(status=OutboxStatus.DROPPED, recipient_encrypted=None, recipient_digest=None)
    )


def pause_after(tries: int) -> timedelta:
    """How long to wait after the try of this number: 1, 2, 4 … minutes, at most 6 hours."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(tries - 1, 16)
    return min(LONGEST_PAUSE, doubled)


def _wait_again(session: Session, which: ColumnElement[bool], now: datetime) -> int:
    again = (
        update(OutboxMessage)
        .where(which, OutboxMessage.status == OutboxStatus.FAILED)
        .values(status=OutboxStatus.WAITING, tries=0, next_try_at=now, last_error=None)
        .returning(OutboxMessage.id)
        .execution_options(synchronize_session=False)
    )
    return len(session.scalars(again).all())


def _end_try(
    session: Session, taken: Taken, *, status: OutboxStatus, code: str, next_try_at: datetime
) -> None:
    """Write down a try that failed, unless it has been overtaken: dropped, or taken anew."""
    session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.id == taken.id,
            OutboxMessage.status == OutboxStatus.SENDING,
            OutboxMessage.tries == taken.tries,
        )
        .values(status=status, last_error=code[:255], next_try_at=next_try_at)
    )
