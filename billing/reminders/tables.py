"""The tables of reminders and of addresses that want none."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import WRITER, Base, Json, Moment, RowId, UtcDateTime, choice, written_in_index
from billing.reminders.domain import ReminderStatus


class Reminder(Base):
    """One email owed to someone who asked for it."""

    __tablename__ = "reminders"
    __table_args__ = (
        UniqueConstraint("email_digest", "asked_month"),
        Index(
            "uq_reminders_one_waiting",
            "email_digest",
            unique=True,
            postgresql_where="status = 'waiting'",
        ),
        Index("ix_reminders_due", "due_at", "id", postgresql_where="status = 'waiting'"),
        Index("ix_reminders_queued", "id", postgresql_where="status = 'queued'"),
        Index("ix_reminders_asked_at", "asked_at", "id"),
        Index("ix_reminders_kept", "finished_at", postgresql_where="erased_at IS NULL"),
        written_in_index("reminders"),
        CheckConstraint(
            "(erased_at IS NULL) = (email_encrypted IS NOT NULL)"
            " AND (erased_at IS NULL) = (email_digest IS NOT NULL)",
            name="address_until_erased",
        ),
    )

    id: Mapped[RowId]
    email_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """Gone with the address: what must be known for longer is in `suppressions`."""
    email_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    language: Mapped[str] = mapped_column(String(8))
    status: Mapped[ReminderStatus] = mapped_column(choice(ReminderStatus))
    asked_at: Mapped[Moment]
    asked_month: Mapped[date]
    """The first day of the newsroom's month in which it was asked for."""
    due_at: Mapped[Moment]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the email went out, or was found to be no longer wanted."""
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    source: Mapped[Json] = mapped_column(JSONB)
    gave: Mapped[bool | None]
    """Whether its address gave within 30 days of the email. Known before the address is forgotten:
    yes as soon as it is seen, no when the days are over; empty while it is open, and for ever where
    the address was erased before that."""
    written_in: Mapped[int | None] = mapped_column(server_default=WRITER, onupdate=WRITER)
    """The number of the transaction that wrote it last; empty for what is older than this."""


class ReminderHour(Base):
    """How many reminders were asked for in one hour, by nobody knows whom."""

    __tablename__ = "reminder_hours"
    __table_args__ = (
        CheckConstraint("turned_away >= 0 AND turned_away <= asked", name="turned_away_were_asked"),
    )

    hour: Mapped[Moment] = mapped_column(primary_key=True)
    """Its first moment."""
    asked: Mapped[int]
    turned_away: Mapped[int]
    """Those beyond the newsroom's limit; nothing else of them is kept."""


class Suppression(Base):
    """An address that wants no reminder, known by its digest only; it outlives the address."""

    __tablename__ = "suppressions"

    email_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    created_at: Mapped[Moment]
