"""What a table that can be downloaded is. docs/revenue.md tells how to add one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, Select, TextClause, column, func, select
from sqlalchemy.orm import Session

from billing.revenue.exports.writing import Row
from billing.revenue.periods import Preset
from billing.revenue.reading import Asked
from billing.settings import NewsroomSettings
from billing.staff.domain import Role

ROWS_AT_ONCE = 2000
"""How many rows are in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the rows of a table are made from: one transaction, the filters, who asks."""

    session: Session
    asked: Asked
    newsroom: NewsroomSettings


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a revenue page, row by row.

    A sum is given as `Money`, which is written as a decimal; its currency is a column of its own.
    """

    name: str
    """In the address and the file's name: letters and hyphens."""
    title: str
    page: str
    """The endpoint of the page on which it is offered."""
    also_on: tuple[str, ...] = ()
    """Further pages that offer it, since a part of it stands there."""
    columns: tuple[str, ...]
    rows: Callable[[Wanted], Iterable[Row]]
    """Made as they are taken. `each_of` reads a long list without holding it."""
    role: Role = Role.ADMIN
    """Whoever has it may download the table. Where people stand in it: admins alone (ADR 53)."""
    count: Callable[[Wanted], int] | None = None
    """How many rows there are; needed where there may be many."""
    default: Preset = Preset.THIS_MONTH
    """The page's own period where the address names none."""
    extra: tuple[str, ...] = ()
    """Names that the page's address takes beside the filters."""


def each_of(session: Session, statement: Executable) -> Iterator[Any]:
    """The rows of a statement from a cursor on the server, some at a time; it ends with them."""
    with session.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE}) as found:
        yield from found


def count_of(session: Session, statement: TextClause | Select[*tuple[Any, ...]]) -> int:
    """How many rows a statement has."""
    if isinstance(statement, TextClause):
        rows = statement.columns(column("unnamed")).subquery()
    else:
        rows = statement.order_by(None).subquery()
    return session.execute(select(func.count()).select_from(rows)).scalar_one()
