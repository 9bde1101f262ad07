"""Doing a thing once, with its outcome and its entry in the audit trail, in one transaction.

The page that asks carries a random key. `do_once`, step by step:

1. The key's row is inserted. Whoever presses the same button at the same moment waits here, before
   anything is locked, until the first has ended; if that one was undone, the second does the deed.
2. The deed, with the locks of the house (pledge → charge → the rest).
3. The outcome in words beside the key, and the entry in the trail. Commit.

If the process dies anywhere before the commit, or the deed is refused, nothing was done and the key
is free: the button may be pressed again. Pressed after the commit, it is told the first outcome.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.desk.errors import DeskFormError, KeyUsedError
from billing.desk.tables import DeskAction
from billing.runtime import Runtime
from billing.staff.audit_trail import LONGEST_REASON, AuditAction, Detail, Subject, record
from billing.staff.domain import plain

_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What is to be done, by whom, to whom and why."""

    key: str
    by: int
    action: AuditAction
    supporter_id: int | None
    """Whom it is about; None where the deed finds out, and for those who only asked for mail."""
    subject: Subject | None
    """What it is done to; None for the supporter whom the deed finds."""
    name: str
    """Which of the deeds that can be done to the subject, such as `refund`."""
    reason: str

    @property
    def what(self) -> str:
        """The deed and its subject: what the key was made for."""
        return f"{self.name}{_about(self.subject)}"


@dataclass(frozen=True)
class Outcome:
    """What came of a deed: a sentence for staff, and facts for the trail."""

    words: str
    detail: Detail = field(default_factory=dict)
    supporter_id: int | None = None
    """Whom the deed found it is about, where the page did not know."""


@dataclass(frozen=True)
class Done:
    """A deed that was done, just now or before."""

    id: int
    """Under which its outcome is kept."""
    supporter_id: int | None


Act = Callable[[Session, str], Outcome]
"""Does the deed in the transaction; given a text that tells it from all others."""


def new_key() -> str:
    """A key for a page that asks."""
    return uuid.uuid4().hex


def reason_of(written: str) -> str:
    """Why staff do something, on one line.

    Raises:
        DeskFormError: when nothing was written, or too much.
    """
    reason = plain(written)
    if not reason:
        raise DeskFormError("Please say why: the audit trail keeps it.")
    if len(reason) > LONGEST_REASON:
        raise DeskFormError(f"That is too long: at most {LONGEST_REASON} letters are kept.")
    return reason


def do_once(runtime: Runtime, deed: Deed, act: Act) -> Done:
    """Do a deed, or find that it was done under this key before.

    Raises:
        DeskFormError: when the page had no key.
        KeyUsedError: when the key was used for another deed.
        PersonalDataError: when the reason holds an address.
        Exception: whatever `act` raises; then nothing was done.
    """
    if not _KEY.fullmatch(deed.key):
        raise DeskFormError("This form arrived incomplete. Nothing was changed.")
    with runtime.database.transaction() as session:
        action_id = _begin(session, deed, runtime.clock.now())
        if action_id is None:
            return _done_before(session, deed)
        outcome = act(session, str(action_id))
        kept = session.get_one(DeskAction, action_id)
        kept.outcome, kept.done_at = outcome.words, runtime.clock.now()
        found, subject = outcome.supporter_id, deed.subject
        if found is not None:
            kept.supporter_id, subject = found, subject or Subject("supporter", found)
        record(
            session,
            deed.by,
            deed.action,
            kept.done_at,
            subject=subject,
            detail=outcome.detail,
            reason=deed.reason,
        )
        return Done(action_id, kept.supporter_id)


def find_outcome(
    session: Session, action_id: int, supporter_id: int | None, subject: Subject | None = None
) -> str | None:
    """What came of something done about a supporter (None: nobody's) and, if given, a subject."""
    query = select(DeskAction.outcome).where(
        DeskAction.id == action_id,
        DeskAction.supporter_id == supporter_id,
        DeskAction.what.endswith(_about(subject), autoescape=True),
    )
    return session.scalars(query).one_or_none()


def _begin(session: Session, deed: Deed, now: datetime) -> int | None:
    row = {
        "key": deed.key,
        "staff_member_id": deed.by,
        "supporter_id": deed.supporter_id,
        "what": deed.what,
        "outcome": "",
        "done_at": now,
    }
    new = insert(DeskAction).values(row).on_conflict_do_nothing(index_elements=[DeskAction.key])
    return session.execute(new.returning(DeskAction.id)).scalar_one_or_none()


def _done_before(session: Session, deed: Deed) -> Done:
    kept = session.scalars(select(DeskAction).where(DeskAction.key == deed.key)).one()
    if kept.what != deed.what or deed.supporter_id not in (None, kept.supporter_id):
        raise KeyUsedError("This page was used for something else. Nothing was changed just now.")
    return Done(kept.id, kept.supporter_id)


def _about(subject: Subject | None) -> str:
    return f":{subject.kind}:{subject.id}" if subject else ""
