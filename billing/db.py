"""The database: one engine, sessions, and the base of every table. PostgreSQL only."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import psycopg
from sqlalchemy import (
    BigInteger,
    DateTime,
    Enum,
    Identity,
    Index,
    MetaData,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.types import TypeDecorator

FRESH_SECONDS = 1.0
"""For how long a connection that was just in use is trusted to be alive."""

_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(:task, 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended(:task, 0))")

_RESTS_SINCE = "tuppence rests since"

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map: ClassVar = {int: BigInteger}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: timezone-aware in Python, `timestamptz` in PostgreSQL, UTC in both."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


def choice(kind: type[StrEnum], name: str = "") -> Enum:
    """A text column that holds one value of `kind`, checked by the database.

    `name` tells its check apart where a table has two of a kind.
    """
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=32,
        name=name or kind.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


WRITER = text("(pg_current_xact_id()::text::bigint)")
"""The number of the transaction at work, as a column's default."""


def written_in_index(table: str) -> Index:
    """Finds the rows of the latest transactions, at next to no cost for those that write them."""
    return Index(
        f"ix_{table}_written_in",
        "written_in",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )


RowId = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Moment = Annotated[datetime, mapped_column(UtcDateTime)]
Minor = Annotated[int, mapped_column(BigInteger)]
"""A sum in minor units; its currency stands in the column beside it."""


class Database:
    """One pool of connections and the sessions made from it."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=10,
            pool_timeout=30,
            hide_parameters=True,  # they hold digests and ciphertexts, and errors are logged
        )
        event.listen(self.engine, "checkin", _note_rest)
        event.listen(self.engine, "checkout", _ping_if_rested)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose work is committed at the end, or wholly undone by an exception."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection for one statement, which the server commits by itself.

        One round trip instead of the three of a transaction. When `execute` has returned, what it
        wrote is there to stay.
        """
        with self._single.connect() as connection:
            yield connection

    @contextmanager
    def alone(self, task: str) -> Iterator[bool]:
        """Whether nobody else is at `task` in any process; nobody else can be until this ends.

        An advisory lock of PostgreSQL's on a connection of its own: when the process dies, or the
        connection is cut, somebody else may begin.
        """
        name = {"task": task}
        with self.statement() as connection:
            alone = bool(connection.execute(_TRY_LOCK, name).scalar_one())
            try:
                yield alone
            finally:
                if alone:
                    connection.execute(_UNLOCK, name)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _note_rest(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_RESTS_SINCE] = time.monotonic()


def _ping_if_rested(
    connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection
) -> None:
    """See that a connection is alive before it is used; ask the server only after a rest.

    Asked of every connection each time (`pool_pre_ping`) it is a third of a short transaction. A
    server that has hung up shows at once: there is something to read where nothing was asked.
    """
    since = record.info.pop(_RESTS_SINCE, None)
    if since is None:
        return
    known: psycopg.Connection[Any] = connection  # type: ignore[assignment]
    try:
        waiting = select.poll()
        waiting.register(known.fileno(), select.POLLIN)
        if waiting.poll(0):
            raise InvalidatePoolError
        if time.monotonic() - since > FRESH_SECONDS:
            known.execute(b"")
            known.rollback()
    except (psycopg.Error, OSError) as error:
        raise InvalidatePoolError from error


Json = dict[str, Any]
