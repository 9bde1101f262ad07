"""What readers do before they pay, counted by day and source. It knows nobody.

A note is a row that says *an appeal was shown on this day*, and from where; within seconds it is
added to a count and deleted. There is nothing of the person in it, and no hour (ADR 63).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import structlog
from sqlalchemy import BigInteger, Date, Index, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from billing.db import Base, Json, RowId, choice
from billing.runtime import Runtime

log = structlog.get_logger()


class ReaderStep(StrEnum):
    """How far a reader has come."""

    SHOWN = "shown"
    """An appeal came into view."""
    OPENED = "opened"
    """The support page was opened."""
    BEGAN = "began"
    """A checkout was begun."""


class StepNote(Base):
    """One step of one reader, until it is counted."""

    __tablename__ = "step_notes"

    id: Mapped[RowId]
    day: Mapped[date] = mapped_column(Date)
    step: Mapped[ReaderStep] = mapped_column(choice(ReaderStep))
    source: Mapped[Json] = mapped_column(JSONB)


class ReaderSteps(Base):
    """How often a step was taken on a day, by source. It is the only record of it."""

    __tablename__ = "reader_steps"
    __table_args__ = (Index("ix_reader_steps_day", "day"),)

    source_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """In `revenue_sources`; 0 for what came when there were too many names to keep apart."""
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    step: Mapped[ReaderStep] = mapped_column(choice(ReaderStep), primary_key=True)
    times: Mapped[int]


_NOTE = text(
    """
    WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO step_notes (day, step, source) SELECT :day, :step, :source FROM quick
    """
).bindparams(bindparam("day", type_=Date), bindparam("source", type_=JSONB))
"""It does not wait for the disk: a count that loses its last blink harms nobody."""


def note(runtime: Runtime, step: ReaderStep, source: Json) -> None:
    """Count a step. A page never fails because of it."""
    row = _row(runtime, step, source, runtime.clock.now())
    try:
        with runtime.database.statement() as connection:
            connection.execute(_NOTE, row)
    except SQLAlchemyError as error:
        log.warning("a reader's step was not counted", step=step.value, reason=type(error).__name__)


def note_in(session: Session, runtime: Runtime, step: ReaderStep, source: Json) -> None:
    """Count a step in the transaction of what was done."""
    session.add(StepNote(**_row(runtime, step, source, runtime.clock.now())))


def _row(runtime: Runtime, step: ReaderStep, source: Json, now: datetime) -> Json:
    day = now.astimezone(runtime.settings.newsroom.timezone).date()
    return {"day": day, "step": step, "source": source}
