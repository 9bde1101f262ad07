"""A table as the pieces of a file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import date
from itertools import islice

from sqlalchemy.orm import Session

from billing.revenue import reading
from billing.revenue.exports.streaming import Piece, bound
from billing.revenue.exports.tables import ROWS_AT_ONCE, Table, Wanted
from billing.revenue.exports.writing import Row, Writer
from billing.revenue.filters import Filters
from billing.settings import NewsroomSettings
from billing.staff.domain import Role


def pieces_of(
    table: Table,
    filters: Filters,
    newsroom: NewsroomSettings,
    role: Role,
    today: date,
    session: Session,
) -> Generator[Piece, None, None]:
    """The table as CSV, all of it as of one moment: its rows add up to the page's sums.

    Raises:
        FilterError: before the first piece, where the address asks for what cannot be.
    """
    asked = reading.ask(session, newsroom, filters, today, sees_people=role.covers(Role.DESK))
    bound(session)
    wanted = Wanted(session=session, asked=asked, newsroom=newsroom)
    rows = iter(table.rows(wanted))
    return _pieces(table, rows, Writer(newsroom.timezone))


def _pieces(table: Table, rows: Iterator[Row], writer: Writer) -> Generator[Piece, None, None]:
    yield writer.head(table.columns), 0
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield writer.lines(some), len(some)
