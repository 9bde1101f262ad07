"""The audit trail as lines of text, for the command line."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.staff.audit_trail import Line, read
from billing.staff.errors import StaffNameError
from billing.staff.formats import Formats
from billing.staff.tables import StaffMember


def told(
    session: Session, formats: Formats, *, member: str, action: str, page: int
) -> Iterator[str]:
    """One page of the trail, a line an entry; of one member or one action where asked.

    Raises:
        StaffNameError: when nobody is called `member`.
    """
    found = read(session, member_id=_member_id(session, member), action=action, page=page)
    if page > found.of:
        yield f"There is no page {page}: the trail ends with page {found.of}."
    elif not found.lines:
        yield "Nothing has been written down."
    for line in found.lines:
        yield _line(line, formats)
    if page < found.of:
        yield f"Page {page} of {found.of}: --page {page + 1} goes on."


def _member_id(session: Session, name: str) -> int | None:
    if not name:
        return None
    found = session.scalars(select(StaffMember.id).where(StaffMember.name == name)).one_or_none()
    if found is None:
        raise StaffNameError(f"Nobody here is called {name}.")
    return found


def _line(line: Line, formats: Formats) -> str:
    subject = ""
    if line.subject is not None:
        named = f" ({line.subject_name})" if line.subject_name else ""
        subject = f"{line.subject.kind} {line.subject.id}{named}"
    facts = ", ".join(f"{name}: {value}" for name, value in line.detail.items())
    words = [line.who or "command line", line.action, subject, facts, line.reason]
    return f"{formats.moment(line.occurred_at)}  {'  '.join(word for word in words if word)}"
