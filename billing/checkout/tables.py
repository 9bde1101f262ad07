"""The table of checkouts: a reader on the way from the support page to a payment."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.checkout.domain import CheckoutStatus
from billing.db import Base, Json, Minor, Moment, RowId, UtcDateTime, choice
from billing.pledges.domain import Cadence


class Checkout(Base):
    """One trip through Stripe Checkout, recorded before Stripe is called (invariant 3)."""

    __tablename__ = "checkouts"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint(
            "fee_cover_minor >= 0 AND fee_cover_minor < amount_minor", name="cover_within_amount"
        ),
        CheckConstraint(
            "(prepays_pledge_id IS NULL) = (months = 1)", name="several_months_of_a_pledge"
        ),
        Index("ix_checkouts_status_expires_at", "status", "expires_at"),
        Index(
            "ix_checkouts_session_missing",
            "finished_at",
            postgresql_where="failure_code = 'session_missing'",
        ),
        Index(
            "ix_checkouts_prepays_pledge_id",
            "prepays_pledge_id",
            postgresql_where="prepays_pledge_id IS NOT NULL",
        ),
        Index(
            "ix_checkouts_prepaying",
            "id",
            postgresql_where="status = 'open' AND prepays_pledge_id IS NOT NULL",
        ),
    )

    id: Mapped[RowId]
    form_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """The form as it was sent: the same form sent twice makes one checkout."""
    status: Mapped[CheckoutStatus] = mapped_column(choice(CheckoutStatus))
    cadence: Mapped[Cadence] = mapped_column(choice(Cadence))
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[Minor]
    """What is taken, the covered fee included."""
    fee_cover_minor: Mapped[Minor]
    language: Mapped[str] = mapped_column(String(8))
    source: Mapped[Json] = mapped_column(JSONB)
    idempotency_key: Mapped[str] = mapped_column(String(255), unique=True)
    params: Mapped[Json] = mapped_column(JSONB)
    """The request as it is sent to Stripe; a second try sends exactly this."""
    stripe_session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    stripe_url: Mapped[str | None] = mapped_column(Text)
    failure_code: Mapped[str | None] = mapped_column(String(64))
    charge_id: Mapped[int | None] = mapped_column(ForeignKey("charges.id"), index=True)
    """Set from the start where a checkout makes good a charge that was declined."""
    prepays_pledge_id: Mapped[int | None] = mapped_column(ForeignKey("pledges.id"))
    """The pledge for which several months are paid ahead."""
    prepays_version: Mapped[int | None]
    """That pledge's version when the page was opened: once it has another, the page is closed."""
    months: Mapped[int] = mapped_column(default=1, server_default="1")
    """How many periods are paid for."""
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CardUpdateStatus(StrEnum):
    """Where the saving of another card stands."""

    OPEN = "open"
    SAVED = "saved"
    EXPIRED = "expired"


class CardUpdate(Base):
    """One trip to Stripe to save another card, recorded before Stripe is called (invariant 3)."""

    __tablename__ = "card_updates"
    __table_args__ = (
        Index("ix_card_updates_pledge_id", "pledge_id"),
        Index(
            "ix_card_updates_open",
            "expires_at",
            postgresql_where="status = 'open'",
        ),
    )

    id: Mapped[RowId]
    pledge_id: Mapped[int] = mapped_column(ForeignKey("pledges.id"))
    status: Mapped[CardUpdateStatus] = mapped_column(choice(CardUpdateStatus))
    idempotency_key: Mapped[str] = mapped_column(String(255), unique=True)
    params: Mapped[Json] = mapped_column(JSONB)
    """The request as it is sent to Stripe; a second try sends exactly this."""
    stripe_session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    stripe_url: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
