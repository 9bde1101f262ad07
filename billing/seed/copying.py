"""Writing tens of millions of rows: COPY into tables without indexes, which are made afterwards.

Everything is one transaction. What is taken off a table (indexes, primary, unique and foreign
keys, the ledger's triggers) is put back before its end: PostgreSQL then checks every row against
every key. Only foreign keys are checked after it, two tables at once: until then they hold for
what is written later, and say of themselves that they are not valid yet. The ledger's balance,
which its trigger would have checked line by line, is checked in one query.

Rows are written frozen: nobody else sees a table that is new in this transaction, and whoever
reads it first need not write each of its pages once more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

_LINES = 20_000
"""How many rows of a table are sent at once."""

_INDEXES = """
    SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = %s::regclass
      AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid
                      AND k.contype IN ('p', 'u'))
    ORDER BY c.relname"""
_KEYS = """
    SELECT k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
    WHERE k.conrelid = %s::regclass AND k.contype IN ('p', 'u') ORDER BY k.conname"""
_REFERENCES = """
    SELECT k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
    WHERE k.contype = 'f'
      AND (k.conrelid = ANY(%s::regclass[]) OR k.confrelid = ANY(%s::regclass[]))
    ORDER BY k.conname"""
_UNCHECKED = """
    SELECT k.conrelid::regclass::text,
           string_agg(format('VALIDATE CONSTRAINT %I', k.conname), ', ' ORDER BY k.conname)
    FROM pg_constraint k WHERE k.contype = 'f' AND NOT k.convalidated
    GROUP BY k.conrelid ORDER BY pg_relation_size(k.conrelid) DESC"""
_AT_ONCE = 2
"""On how many connections foreign keys are checked."""
_MEMORY = "maintenance_work_mem = '512MB'"
_UNBALANCED = """
    SELECT transaction_id FROM ledger_entries GROUP BY transaction_id, currency
    HAVING added_up(amount_minor) <> 0 LIMIT 1"""


class NotEmptyError(Exception):
    """There is data in the database, or real money behind it: nothing is made up beside it."""


class UnbalancedError(Exception):
    """A ledger transaction that was written does not sum to zero."""


@dataclass
class Table:
    """Rows for one table in PostgreSQL's text format: tabs between columns, a line for each."""

    name: str
    columns: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    written: int = 0


class Copier:
    """Takes rows and hands them on to the database in the background."""

    def __init__(self, connection: psycopg.Connection[Any], tables: list[Table]) -> None:
        self._connection = connection
        self._tables = tables
        self._waiting: queue.Queue[tuple[Table, str] | None] = queue.Queue(maxsize=8)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write_on)
        self._thread.start()

    def flush(self, *, least: int = _LINES) -> None:
        """Hand over what has grown to `least` rows.

        Raises:
            psycopg.Error: what went wrong in the background.
        """
        for table in self._tables:
            if len(table.lines) >= max(1, least):
                text = "".join(table.lines)
                table.written += text.count("\n")
                self._waiting.put((table, text))
                table.lines.clear()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Hand over all that is left and wait until it is written."""
        try:
            self.flush(least=1)
        finally:
            self._waiting.put(None)
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _write_on(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            if self._failure is None:
                try:
                    self._write(*waiting)
                except psycopg.Error as error:
                    self._failure = error

    def _write(self, table: Table, text: str) -> None:
        query = sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        )
        with self._connection.cursor() as cursor, cursor.copy(query) as copy:
            copy.write(text)


@contextmanager
def without_keys(connection: psycopg.Connection[Any], tables: list[str]) -> Iterator[None]:
    """Take indexes, keys and the ledger's triggers off, and put them back afterwards.

    Foreign keys come back unchecked: `check_references` is for when all is committed.

    Raises:
        UnbalancedError: when the ledger does not balance.
        psycopg.errors.IntegrityError: when a row breaks a key.
    """
    connection.execute(f"SET LOCAL {_MEMORY}")
    connection.execute("SET LOCAL work_mem = '256MB'")
    again: list[str] = []
    for owner, name, definition in connection.execute(_REFERENCES, [tables, tables]).fetchall():
        again.append(f'ALTER TABLE {owner} ADD CONSTRAINT "{name}" {definition} NOT VALID')
        _run(connection, f'ALTER TABLE {owner} DROP CONSTRAINT "{name}"')
    for table in tables:
        for name, definition in connection.execute(_KEYS, [table]).fetchall():
            again.insert(0, f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
            _run(connection, f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for name, definition in connection.execute(_INDEXES, [table]).fetchall():
            again.insert(0, definition)
            _run(connection, f'DROP INDEX "{name}"')
        _run(connection, f"ALTER TABLE {table} DISABLE TRIGGER USER")
    _begin_anew(connection, tables)
    yield
    for statement in again:
        _run(connection, statement)
    for table in tables:
        _run(connection, f"ALTER TABLE {table} ENABLE TRIGGER USER")
    _run(connection, f"ANALYZE {', '.join(tables)}")
    if connection.execute(_UNBALANCED).fetchone() is not None:
        raise UnbalancedError


def check_references(address: str) -> None:
    """Let PostgreSQL check every row against the foreign keys that it has not checked yet.

    Raises:
        psycopg.errors.ForeignKeyViolation: when a row breaks one.
    """
    with psycopg.connect(address) as connection:
        unchecked = connection.execute(_UNCHECKED).fetchall()

    def check(owner: str, keys: str) -> None:
        with psycopg.connect(address) as connection:
            connection.execute(f"SET LOCAL {_MEMORY}")
            _run(connection, f"ALTER TABLE {owner} {keys}")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for checked in [pool.submit(check, *each) for each in unchecked]:
            checked.result()


def _begin_anew(connection: psycopg.Connection[Any], tables: list[str]) -> None:
    """Make the empty tables new in this transaction: a server that nobody copies then logs no row.

    Raises:
        NotEmptyError: when one of them is not empty.
    """
    for table in tables:
        if connection.execute(f"SELECT 1 FROM {table} LIMIT 1".encode()).fetchone() is not None:
            raise NotEmptyError(f"There is data already, in {table}.")
    _run(connection, f"TRUNCATE {', '.join(tables)}")


def set_counters(connection: psycopg.Connection[Any], tables: list[str]) -> None:
    """Let the ids that follow begin where those that were given end."""
    for table in tables:
        _run(
            connection,
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'),"
            f" coalesce((SELECT max(id) FROM {table}), 0) + 1, false)",
        )


def _run(connection: psycopg.Connection[Any], statement: str) -> None:
    """Run a statement made of our own names."""
    connection.execute(statement.encode())
