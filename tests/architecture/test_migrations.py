"""The migrations make the very tables that the code describes."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from billing.runtime import Runtime
from billing.tables import METADATA


def test_the_migrations_and_the_tables_agree(runtime: Runtime) -> None:
    with runtime.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
