"""A journal as the pieces of a file."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy.orm import Session

from billing.charges.sweeps import SECOND_LOOK_BACK
from billing.revenue.exports.streaming import Piece, bound
from billing.revenue.journal import reading
from billing.revenue.journal.domain import closing, opening
from billing.revenue.journal.formats import BeancountJournal, CsvJournal, Format, Head
from billing.revenue.journal.months import JournalError, read_month
from billing.revenue.months import Month
from billing.settings import NewsroomSettings
from billing.staff.audit_trail import Detail

ENTRIES_AT_ONCE = 1000
_JOURNALS: dict[Format, type[CsvJournal | BeancountJournal]] = {
    Format.CSV: CsvJournal,
    Format.BEANCOUNT: BeancountJournal,
}


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """Which journal is wanted, as it was written."""

    month: str
    format: str

    def filename(self) -> str:
        """Only for what `make` took."""
        return f"journal-{self.month}.{self.format}"

    def detail(self) -> Detail:
        """What the audit trail keeps."""
        return {"table": "journal", "month": self.month, "format": self.format}


def make(
    ordered: Ordered, newsroom: NewsroomSettings, now: datetime, session: Session
) -> Generator[Piece, None, None]:
    """The journal, all of it as of one moment.

    Raises:
        JournalError: before the first piece, when there is no such journal.
    """
    reading.as_of_one_moment(session)
    bound(session)
    zone = newsroom.timezone
    month = read_month(ordered.month, now, zone, reading.first_moment(session))
    head = Head(
        newsroom=newsroom.name,
        month=month,
        zone=zone,
        currency=newsroom.goal.currency,
        provisional=is_provisional(month, now),
    )
    return _pieces(session, month, _JOURNALS[_format(ordered.format)](head))


def is_provisional(month: Month, now: datetime) -> bool:
    """Whether movements dated back into a month may still come: so far back is looked again."""
    return now < month.ends + SECOND_LOOK_BACK


def _format(written: str) -> Format:
    try:
        return Format(written)
    except ValueError:
        known = ", ".join(Format)
        raise JournalError(f"“{written[:40]}” is no format; there are {known}.") from None


def _pieces(
    session: Session, month: Month, journal: CsvJournal | BeancountJournal
) -> Generator[Piece, None, None]:
    before = reading.balances(session, month.begins)
    after = reading.balances(session, month.ends)
    yield journal.beginning(opening(before)), 0
    entries = reading.entries(session, month)
    while some := list(islice(entries, ENTRIES_AT_ONCE)):
        yield journal.entries(some), len(some)
    yield journal.end(closing(before, after)), 0
