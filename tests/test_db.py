"""What a connection promises: a statement by itself, and a transaction as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import Connection, func, insert, select

from billing.db import Database
from billing.reminders.tables import Suppression
from billing.runtime import Runtime


@pytest.fixture
def narrow(runtime: Runtime) -> Iterator[Database]:
    """The same database over one connection, so that what one user leaves on it the next meets."""
    made = Database(runtime.settings.database_url, pool_size=1)
    yield made
    made.dispose()


def put(connection: Connection, digest: bytes, now: datetime) -> None:
    connection.execute(insert(Suppression), {"email_digest": digest, "created_at": now})


def count(runtime: Runtime) -> int:
    with runtime.database.transaction() as session:
        return int(session.execute(select(func.count()).select_from(Suppression)).scalar_one())


def test_a_statement_is_kept_as_soon_as_it_was_carried_out(
    runtime: Runtime, narrow: Database, now: datetime
) -> None:
    with narrow.statement() as connection:
        put(connection, b"a" * 32, now)
        assert count(runtime) == 1
    assert count(runtime) == 1


def test_a_transaction_on_the_same_connection_is_still_one(
    runtime: Runtime, narrow: Database, now: datetime
) -> None:
    with narrow.statement() as connection:
        put(connection, b"a" * 32, now)
    with narrow.transaction() as session:
        put(session.connection(), b"b" * 32, now)
        assert count(runtime) == 1
        session.rollback()
    assert count(runtime) == 1
