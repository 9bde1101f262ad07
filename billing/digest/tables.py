"""Who on staff gets the digest, and where."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Moment, RowId, UtcDateTime


class DigestReader(Base):
    """A member of staff's wish for the digest. It is deleted with the wish."""

    __tablename__ = "digest_readers"

    id: Mapped[RowId]
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"), unique=True)
    email_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    email_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    asked_at: Mapped[Moment]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Before that nothing but the letter that asks for it goes to the address."""
    last_week: Mapped[date | None] = mapped_column(Date)
    """The Monday of the last digest that was put into the outbox."""
