"""The tables of charges, attempts and webhook events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.charges.declines import Remedy
from billing.charges.domain import AttemptKind, AttemptStatus, ChargeKind, ChargeStatus
from billing.db import Base, Json, Minor, Moment, RowId, UtcDateTime, choice


class Charge(Base):
    """One sum due: a gift, or one period of a pledge."""

    __tablename__ = "charges"
    __table_args__ = (
        UniqueConstraint("pledge_id", "period"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint(
            "fee_cover_minor >= 0 AND fee_cover_minor < amount_minor", name="cover_within_amount"
        ),
        CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= amount_minor", name="refund_within_amount"
        ),
        CheckConstraint("(pledge_id IS NULL) = (period IS NULL)", name="pledge_has_period"),
        CheckConstraint("months >= 1", name="months_positive"),
        Index(
            "ix_charges_next_attempt_at",
            "next_attempt_at",
            "id",
            postgresql_where="next_attempt_at IS NOT NULL",
        ),
        Index("ix_charges_supporter_id", "supporter_id"),
        Index(
            "ix_charges_gifts_of_customer",
            "stripe_customer_id",
            postgresql_where="pledge_id IS NULL AND stripe_customer_id IS NOT NULL",
        ),
        Index("ix_charges_prepaid", "pledge_id", postgresql_where="months > 1"),
        Index(
            "ix_charges_prepaid_refunded",
            "pledge_id",
            postgresql_where="months > 1 AND refunded_minor > 0",
        ),
        Index("ix_charges_settled_at", "settled_at"),
        Index(
            "ix_charges_period_over",
            "due_at",
            postgresql_where="status = 'cancelled' AND decline_code = 'period_over'",
        ),
    )

    id: Mapped[RowId]
    kind: Mapped[ChargeKind] = mapped_column(choice(ChargeKind))
    status: Mapped[ChargeStatus] = mapped_column(choice(ChargeStatus))
    supporter_id: Mapped[int] = mapped_column(ForeignKey("supporters.id"))
    pledge_id: Mapped[int | None] = mapped_column(ForeignKey("pledges.id"))
    period: Mapped[int | None]
    """The pledge's period: 0 was paid at checkout. Empty for a gift."""
    months: Mapped[int] = mapped_column(default=1, server_default="1")
    """How many periods it pays for, from `period` on: more than one where they are prepaid."""
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[Minor]
    """What is taken, the covered fee included."""
    fee_cover_minor: Mapped[Minor]
    refunded_minor: Mapped[Minor] = mapped_column(default=0)
    due_at: Mapped[Moment]
    created_at: Mapped[Moment]
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the saved card is asked next; empty when it will not be asked by itself."""
    first_declined_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the retries began to be counted."""
    queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was last claimed by a worker; it is claimed anew when this grows old."""
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stripe_customer_id: Mapped[str | None] = mapped_column(String(255))
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    stripe_charge_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    decline_code: Mapped[str | None] = mapped_column(String(64))
    """Stripe's word for why it was not paid, or ours (`opening.py`, `over.py`)."""
    card_country: Mapped[str | None] = mapped_column(String(2))
    """Where the first card that paid it is from (ISO 3166); never changed afterwards."""
    source: Mapped[Json] = mapped_column(JSONB)


class Attempt(Base):
    """One call to Stripe for a charge, recorded before it is made."""

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("charge_id", "number"),
        Index(
            "uq_attempts_one_open",
            "charge_id",
            unique=True,
            postgresql_where="status IN ('in_flight', 'unknown', 'processing')",
        ),
        Index("ix_attempts_started_at", "started_at"),
        Index("ix_attempts_returned_at", "returned_at", postgresql_where="returned_at IS NOT NULL"),
        Index("ix_attempts_stripe_payment_intent_id", "stripe_payment_intent_id"),
        Index("ix_attempts_refused", "finished_at", postgresql_where="status = 'refused'"),
        Index("ix_attempts_unmapped", "finished_at", postgresql_where="mapped IS FALSE"),
        Index(
            "ix_attempts_long",
            "finished_at",
            postgresql_where="kind = 'off_session'"
            " AND finished_at - started_at > interval '1 minute'",
        ),
        Index(
            "ix_attempts_first_failed",
            func.coalesce(text("decline_code"), text("error_code"), text("'unknown'")),
            "started_at",
            "id",
            postgresql_where="number = 1 AND status IN ('declined', 'refused')",
        ),
        Index(
            "ix_attempts_unsettled",
            "started_at",
            postgresql_where="status IN ('in_flight', 'unknown')",
        ),
    )

    id: Mapped[RowId]
    charge_id: Mapped[int] = mapped_column(ForeignKey("charges.id"))
    number: Mapped[int]
    kind: Mapped[AttemptKind] = mapped_column(choice(AttemptKind))
    status: Mapped[AttemptStatus] = mapped_column(choice(AttemptStatus))
    idempotency_key: Mapped[str] = mapped_column(String(255), unique=True)
    params: Mapped[Json] = mapped_column(JSONB)
    """The request as it was first sent; a replay sends exactly this."""
    started_at: Mapped[Moment]
    last_sent_at: Mapped[Moment]
    key_since: Mapped[Moment]
    """When the key may first have reached Stripe; its 24 hours count from here."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(String(255))
    error_code: Mapped[str | None] = mapped_column(String(64))
    decline_code: Mapped[str | None] = mapped_column(String(64))
    advice_code: Mapped[str | None] = mapped_column(String(64))
    network_decline_code: Mapped[str | None] = mapped_column(String(64))
    remedy: Mapped[Remedy | None] = mapped_column(choice(Remedy))
    """What the tables of failures said to do about it."""
    mapped: Mapped[bool | None]
    """Whether its codes are in those tables; False is a line for staff."""
    agreed_minor: Mapped[int | None]
    """What the pledge's supporter agreed to at the last look; the sum asked is never above it."""
    pledge_version: Mapped[int | None]
    """How often the pledge had been changed at the last look: it tells which came first, whatever
    the clocks said."""
    returned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a bank debit that had been reported as paid came back."""


class EventStatus(StrEnum):
    """Where a webhook event stands."""

    STORED = "stored"
    PROCESSED = "processed"
    IGNORED = "ignored"
    """Of a type that Tuppence does not act on, or about an object that is not ours."""
    FAILED = "failed"
    """Tried many times; a person should look."""


class WebhookEvent(Base):
    """An event of Stripe's: its name and what it is about, never its personal contents."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        Index(
            "ix_webhook_events_stored",
            "next_try_at",
            "id",
            postgresql_where="status = 'stored'",
        ),
        Index("ix_webhook_events_object_id", "object_id"),
        Index("ix_webhook_events_failed", "id", postgresql_where="status = 'failed'"),
        Index(
            "ix_webhook_events_last_error",
            "last_error",
            "received_at",
            postgresql_where="last_error IS NOT NULL",
        ),
    )

    id: Mapped[RowId]
    stripe_event_id: Mapped[str] = mapped_column(String(255), unique=True)
    type: Mapped[str] = mapped_column(String(255))
    object_id: Mapped[str | None] = mapped_column(String(255))
    api_version: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[Moment]
    """When it happened at Stripe."""
    received_at: Mapped[Moment]
    backfilled: Mapped[bool]
    """Whether it never came by itself and was found in Stripe's list of events."""
    status: Mapped[EventStatus] = mapped_column(choice(EventStatus))
    next_try_at: Mapped[Moment]
    tries: Mapped[int]
    processed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(Text)


class SweepMark(Base):
    """Until when a sweep over Stripe's lists has seen everything."""

    __tablename__ = "sweep_marks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_until: Mapped[Moment]
