"""The table of supporters."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Moment, RowId, UtcDateTime


class Supporter(Base):
    """A person who has given, or is about to."""

    __tablename__ = "supporters"
    __table_args__ = (
        CheckConstraint(
            "(erased_at IS NULL AND NOT anonymous) = (email_digest IS NOT NULL)"
            " AND (erased_at IS NULL AND NOT anonymous) = (email_encrypted IS NOT NULL)",
            name="address_until_erased",
        ),
        Index("ix_supporters_erased", "id", postgresql_where="erased_at IS NOT NULL"),
    )

    id: Mapped[RowId]
    anonymous: Mapped[bool] = mapped_column(server_default=false())
    """Whether no address was ever known: a gift came by cheque, in cash or by bank."""
    email_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    email_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    name_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    language: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[Moment]
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
