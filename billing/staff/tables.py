"""The tables of staff, their one-time links and their sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Moment, RowId, UtcDateTime


class StaffMember(Base):
    """Someone who works at the newsroom."""

    __tablename__ = "staff_members"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(100), unique=True)
    created_at: Mapped[Moment]
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInLink(Base):
    """A link that signs one person in, once."""

    __tablename__ = "staff_sign_in_links"

    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"))
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StaffSession(Base):
    """A signed-in browser."""

    __tablename__ = "staff_sessions"

    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"))
    created_at: Mapped[Moment]
    last_seen_at: Mapped[Moment]
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
