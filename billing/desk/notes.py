"""Notes about a supporter: encrypted, and gone with the supporter's address."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from billing.crypto import Vault
from billing.desk.errors import DeskError, DeskFormError
from billing.desk.tables import DeskNote
from billing.staff.domain import plain
from billing.supporters.service import get_supporter

LONGEST = 1000


def write(
    session: Session, vault: Vault, supporter_id: int, text: str, *, by: int, now: datetime
) -> int:
    """Keep a note about a supporter: how many letters it has.

    Raises:
        DeskError: in words, when there is nothing to keep, too much, or nobody to keep it about.
    """
    kept = plain(text)
    if not kept:
        raise DeskFormError("Please write the note first.")
    if len(kept) > LONGEST:
        raise DeskFormError(f"That is too long: at most {LONGEST} letters are kept.")
    if get_supporter(session, supporter_id, lock=True).erased_at is not None:
        raise DeskError("This supporter was erased: nothing more is written down about them.")
    session.add(
        DeskNote(
            supporter_id=supporter_id,
            staff_member_id=by,
            text_encrypted=vault.encrypt(kept),
            written_at=now,
        )
    )
    session.flush()
    return len(kept)


def forget(session: Session, supporter_id: int, *, now: datetime) -> None:
    """Wipe what was written about a supporter; that something was, stays."""
    session.execute(
        update(DeskNote)
        .where(DeskNote.supporter_id == supporter_id, DeskNote.erased_at.is_(None))
        .values(text_encrypted=None, erased_at=now)
    )
