"""Writing many rows of a table at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from billing.db import Base, Json
from billing.outbox import OutboxStatus

MOMENT = timedelta(seconds=20)
"""How long after Stripe our own side has it written down."""


def insert_rows(session: Session, table: type[Base], rows: Iterable[Json]) -> list[int]:
    """Insert rows and return their ids, in the order of the rows."""
    rows = list(rows)
    if not rows:
        return []
    key: Any = table.__table__.c.id
    query = insert(table).returning(key, sort_by_parameter_order=True)
    return list(session.scalars(query, rows))


def sent_message(unique_key: str, template: str, language: str, at: datetime) -> Json:
    """A row of the outbox whose email went out long ago: its recipient is forgotten."""
    return {
        "unique_key": unique_key,
        "template": template,
        "language": language,
        "context": {},
        "status": OutboxStatus.SENT,
        "created_at": at,
        "next_try_at": at,
        "tries": 1,
        "sent_at": at + MOMENT,
    }
