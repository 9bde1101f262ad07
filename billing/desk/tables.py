"""The tables of the desk: deeds done once, and notes about supporters."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Moment, RowId, UtcDateTime


class DeskAction(Base):
    """Something that staff did, under the key of the page it was done from: it is done once."""

    __tablename__ = "desk_actions"

    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(String(32), unique=True)
    """Random, made with the page that asks: the same button pressed twice has the same key."""
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"))
    supporter_id: Mapped[int | None] = mapped_column(ForeignKey("supporters.id"))
    """None where it is about somebody who asked to be reminded and has not given."""
    what: Mapped[str] = mapped_column(String(64))
    """The deed and what it was done to, such as `refund:charge:17`."""
    outcome: Mapped[str] = mapped_column(String(1000))
    """What came of it, in words, for whoever pressed the button and presses it again."""
    done_at: Mapped[Moment]


class DeskNote(Base):
    """What staff wrote down about a supporter; gone with the supporter's address."""

    __tablename__ = "desk_notes"
    __table_args__ = (
        CheckConstraint(
            "(erased_at IS NULL) = (text_encrypted IS NOT NULL)", name="text_until_erased"
        ),
        Index("ix_desk_notes_supporter_id", "supporter_id"),
    )

    id: Mapped[RowId]
    supporter_id: Mapped[int] = mapped_column(ForeignKey("supporters.id"))
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"))
    text_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    written_at: Mapped[Moment]
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
