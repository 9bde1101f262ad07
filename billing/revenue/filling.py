"""Filling empty rollups from the whole history, by the statements that folds are made of.

Nothing is looked up row by row as a fold does: there is nothing yet that could be added to, so
every sum is made at once, and keys and indexes come last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue import fold_moves
from billing.revenue.days import Days
from billing.revenue.fold_giving import (
    GIVER,
    START,
    fresh_givers,
    fresh_starts,
    gift_sums,
    giver_sums,
    start_sums,
    step_sums,
)
from billing.revenue.fold_moves import (
    AMOUNTS,
    LINE,
    RETENTION,
    SUPPORTERS,
    fresh_lines,
    people,
    promise_sums,
    standing,
)
from billing.revenue.fold_reminders import reminder_sums
from billing.revenue.fold_renewals import RENEWAL_SUMS, asked_lines, kept_renewals
from billing.revenue.fold_sql import (
    BY_DAY,
    MONEY_SUMS,
    daily,
    details_of,
    kept_lines,
    keys_of,
    moved_lines,
    sum_months,
    sums_of,
)
from billing.revenue.folding import number_sources, number_sources_of_readers, run
from billing.revenue.tables import PEOPLE

CHUNK = 500_000
"""How many ledger transactions, supporters or charges are counted by one statement."""

_OLD = (
    "coalesce(t.written_in, 0) < :horizon AND t.id > :after AND t.id <= :until"
    " AND e.transaction_id > :after AND e.transaction_id <= :until"
)
"""The lines' own column as well: the ledger is then read as far as these chunks lie in it."""
_THEIR_CHARGES = (
    "c.id >= (SELECT min(charge_id) FROM moved) AND c.id <= (SELECT max(charge_id) FROM moved)"
)
"""Most lie close together, and are then read without all the others."""
_EVERYBODY = (
    "SELECT DISTINCT m.supporter_id FROM pledge_movements m"
    " WHERE m.supporter_id > :after AND m.supporter_id <= :until"
)
_GIVERS = (
    "SELECT DISTINCT c.supporter_id FROM charges c"
    " WHERE c.kind = 'gift' AND c.supporter_id > :after AND c.supporter_id <= :until"
)
_FEW_ARE_GIFTS = 8
"""So many times the transactions of other chunks: all charges are looked through for each."""
_REMINDERS = "m.id > :after AND m.id <= :until"
_ATTEMPTS = "a.charge_id > :after AND a.charge_id <= :until AND c.id > :after AND c.id <= :until"


@dataclass(frozen=True, kw_only=True)
class History:
    """What is counted, and into which tables."""

    to: str
    """What is put before their names: nothing, or `pg_temp.`."""
    horizon: int
    days: Days
    months_until: date


def fill(session: Session, history: History) -> None:
    """Count everything."""
    number_all(session)
    for part in PARTS:
        part.fill(session, history)


def number_all(session: Session) -> None:
    """Give every source of the history a number."""
    for origin in ("charges", "pledges"):
        number_sources(session, f"SELECT source FROM {origin}", {})
    number_sources_of_readers(session, "SELECT source FROM reminders", {})


@dataclass(frozen=True)
class Part:
    """A part of the work that can be done beside others."""

    count: Callable[[Session, History], None]
    tables: tuple[str, ...]
    """The rollups that it fills, and no other part does."""
    by_moves: bool = False
    """Whether it reads `revenue_moves`, which is the first part."""

    def fill(self, session: Session, history: History) -> None:
        """Count all days, then the months that are over."""
        self.count(session, history)
        months = {"months_from": date.min, "months_until": history.months_until}
        for table in BY_DAY:
            if table in self.tables:
                session.execute(text(f"ANALYZE {history.to}{table}"))
                session.execute(text(sum_months(table, history.to)), months)


@contextmanager
def without_indexes(session: Session, tables: Sequence[str]) -> Iterator[None]:
    """Take primary keys and indexes off, and put them back afterwards."""
    again: list[str] = []
    for table in tables:
        keys = session.execute(_KEYS, {"name": table}).all()
        again += [f'ALTER TABLE {table} ADD CONSTRAINT "{k}" {made}' for k, made in keys]
        again += session.scalars(_INDEXES, {"name": table}).all()
        for key, _ in keys:
            session.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{key}"'))
        for index in session.scalars(_INDEX_NAMES, {"name": table}).all():
            session.execute(text(f'DROP INDEX "{index}"'))
    yield
    for statement in again:
        session.execute(text(statement))


def _add_up(
    session: Session,
    history: History,
    table: str,
    sums: str,
    chunks: tuple[str, str] | None,
    *,
    of: str = "",
    size: int = CHUNK,
) -> None:
    """Sums by source and country, a chunk at a time, then all slices at once.

    `of` names queries that `sums` are made of, where they are not within it.
    """
    details, names = ", ".join(details_of(table)), sums_of(table)
    key = f"source_id, country, {details}"
    session.execute(
        text(
            f"CREATE TEMP TABLE parts AS SELECT member_id AS source_id, country, {details},"
            f" {', '.join(names)} FROM {table} WITH NO DATA"
        )
    )
    for after, until in [(0, 0)] if chunks is None else _chunks(session, *chunks, size):
        given = {"horizon": history.horizon, "after": after, "until": until}
        run(session, f"{of} INSERT INTO parts {sums}", history.days, given)
    added = ", ".join(f"added_up({name}) AS {name}" for name in names)
    columns = ", ".join((*keys_of(table), *names))
    session.execute(text("ANALYZE parts"))
    session.execute(
        text(
            f"WITH joint AS MATERIALIZED (SELECT {key}, {added} FROM parts GROUP BY {key}),"
            f" {daily(table, 'joint')}"
            f" INSERT INTO {history.to}{table} ({columns}) SELECT {columns} FROM daily"
        )
    )
    session.execute(text("DROP TABLE parts"))


def _fill_money(session: Session, history: History) -> None:
    of = f"WITH {moved_lines(_OLD, _THEIR_CHARGES)}, {kept_lines(history.to)}"
    chunks = ("ledger_transactions", "id")
    _add_up(session, history, "revenue_money", MONEY_SUMS, chunks, of=of)


def _fill_renewals(session: Session, history: History) -> None:
    of = f"WITH {asked_lines(_ATTEMPTS)}, {kept_renewals(history.to)}"
    _add_up(session, history, "revenue_renewals", RENEWAL_SUMS, ("charges", "id"), of=of)


def _fill_steps(session: Session, history: History) -> None:
    steps = step_sums("SELECT source_id, day, step, times FROM reader_steps")
    _add_up(session, history, "revenue_steps", steps, None)


def _fill_reminders(session: Session, history: History) -> None:
    _add_up(session, history, "revenue_reminders", reminder_sums(_REMINDERS), ("reminders", "id"))


def _fill_promises(session: Session, history: History) -> None:
    _add_up(session, history, "revenue_promises", promise_sums(f"{history.to}revenue_moves"), None)


def _fill_moves(session: Session, history: History) -> None:
    for after, until in _chunks(session, "pledge_movements", "supporter_id"):
        statement = f"""
            WITH {fresh_lines(_EVERYBODY)}
            INSERT INTO {history.to}revenue_moves ({LINE}) SELECT {LINE} FROM fresh"""
        run(session, statement, history.days, {"after": after, "until": until})
    session.execute(text(f"ANALYZE {history.to}revenue_moves"))


def _fill_givers(session: Session, history: History) -> None:
    gifts, chunks = gift_sums(_OLD), ("ledger_transactions", "id")
    _add_up(session, history, "revenue_gifts", gifts, chunks, size=_FEW_ARE_GIFTS * CHUNK)
    for after, until in _chunks(session, "charges", "supporter_id"):
        statement = f"""
            WITH {fresh_givers(_GIVERS)}
            INSERT INTO {history.to}revenue_givers ({GIVER}) SELECT {GIVER} FROM fresh"""
        run(session, statement, history.days, {"after": after, "until": until})
    sums = giver_sums(f"SELECT 1 AS sign, {GIVER} FROM {history.to}revenue_givers")
    _add_up(session, history, "revenue_conversions", sums, None)


def _fill_starts(session: Session, history: History) -> None:
    moves = f"{history.to}revenue_moves"
    session.execute(
        text(
            f"WITH {fresh_starts(f'SELECT DISTINCT supporter_id FROM {moves}', moves)}"
            f" INSERT INTO {history.to}revenue_starts ({START}) SELECT {START} FROM fresh"
        )
    )
    sums = start_sums(f"SELECT 1 AS sign, {START} FROM {history.to}revenue_starts")
    _add_up(session, history, "revenue_begun", sums, None)


def _fill_people(session: Session, history: History) -> None:
    lines = f"signed AS (SELECT 1 AS sign, {LINE} FROM {history.to}revenue_moves)"
    for name in ("alike", "mixed"):
        session.execute(
            text(
                f"CREATE TEMP TABLE {name} AS WITH {lines}, {standing('signed')}"
                f" SELECT * FROM {name}"
            )
        )
        session.execute(text(f"ANALYZE {name}"))
    for each in PEOPLE:
        for table, counted, summed in (
            ("revenue_supporters", SUPPORTERS, fold_moves.BY_DAY),
            ("revenue_retention", RETENTION, fold_moves.BY_COHORT),
            ("revenue_amounts", AMOUNTS, ""),
        ):
            columns = ", ".join((*keys_of(table), *sums_of(table)))
            session.execute(
                text(
                    f"WITH people AS ({people([each], summed=summed)})"
                    f" INSERT INTO {history.to}{table} ({columns}) {counted}"
                )
            )
    session.execute(text("DROP TABLE alike, mixed"))


PARTS = (
    Part(_fill_moves, ("revenue_moves",)),
    Part(_fill_money, ("revenue_money", "revenue_lines")),
    Part(_fill_people, ("revenue_supporters", "revenue_retention", "revenue_amounts"),
         by_moves=True),
    Part(_fill_givers, ("revenue_gifts", "revenue_givers", "revenue_conversions")),
    Part(_fill_renewals, ("revenue_renewals", "revenue_renewal_lines")),
    Part(_fill_promises, ("revenue_promises",), by_moves=True),
    Part(_fill_starts, ("revenue_starts", "revenue_begun"), by_moves=True),
    Part(_fill_reminders, ("revenue_reminders",)),
    Part(_fill_steps, ("revenue_steps",)),
)  # fmt: skip
"""All of the work, the longest parts first where the order is free."""


def _chunks(session: Session, table: str, column: str, size: int = CHUNK) -> list[tuple[int, int]]:
    """Ranges of ids: above the first number, up to the second."""
    last = session.scalar(text(f"SELECT coalesce(max({column}), 0) FROM {table}")) or 0
    return [(after, after + size) for after in range(0, last, size)]


_KEYS = text(
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = CAST(:name AS regclass) AND contype = 'p'"
)
_PLAIN = (
    " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = CAST(:name AS regclass) AND NOT i.indisprimary ORDER BY c.relname"
)
_INDEXES = text(f"SELECT pg_get_indexdef(i.indexrelid){_PLAIN}")
_INDEX_NAMES = text(f"SELECT c.relname{_PLAIN}")
