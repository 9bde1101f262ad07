"""Runs the migrations on the connection it is given, or on DATABASE_URL."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import create_engine

from billing.tables import METADATA

connection = context.config.attributes.get("connection")
if connection is None:
    url = os.environ["DATABASE_URL"].partition("://")[2]
    connection = create_engine(f"postgresql+psycopg://{url}").connect()
context.configure(connection=connection, target_metadata=METADATA, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
