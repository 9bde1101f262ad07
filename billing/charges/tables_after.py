"""The tables of what happens after a payment: refunds, disputes, fraud warnings, payouts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.charges.domain import DisputeStatus, PayoutStatus, RefundStatus, WarningDecision
from billing.db import Base, Json, Minor, Moment, RowId, UtcDateTime, choice


class Refund(Base):
    """Money given back: asked for by staff (`asked_by`), or begun on Stripe and taken over."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("amount_minor <= left_minor", name="within_what_is_left"),
        CheckConstraint(
            "(asked_by IS NULL) = (idempotency_key IS NULL)"
            " AND (asked_by IS NULL) = (left_minor IS NULL)"
            " AND (asked_by IS NOT NULL OR stripe_refund_id IS NOT NULL)",
            name="ours_or_stripes",
        ),
        CheckConstraint(
            "(status = 'requested') = (next_try_at IS NOT NULL)", name="requested_has_turn"
        ),
        Index(
            "uq_refunds_one_requested",
            "charge_id",
            unique=True,
            postgresql_where="status = 'requested'",
        ),
        Index("ix_refunds_next_try_at", "next_try_at", postgresql_where="status = 'requested'"),
        Index("ix_refunds_charge_id", "charge_id"),
    )

    id: Mapped[RowId]
    charge_id: Mapped[int] = mapped_column(ForeignKey("charges.id"))
    status: Mapped[RefundStatus] = mapped_column(choice(RefundStatus))
    amount_minor: Mapped[Minor]
    currency: Mapped[str] = mapped_column(String(3))
    asked_by: Mapped[str | None] = mapped_column(String(100))
    """Which member of staff; empty for one begun on Stripe."""
    left_minor: Mapped[int | None]
    """What was left to give back when it was asked for, seen under the charge's lock."""
    idempotency_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    params: Mapped[Json] = mapped_column(JSONB)
    """The request as it was first sent; a replay sends exactly this."""
    requested_at: Mapped[Moment]
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the key may first have reached Stripe; its 24 hours count from here."""
    stripe_refund_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    failure_code: Mapped[str | None] = mapped_column(String(64))
    """Why Stripe refused it or the bank sent it back, in Stripe's words."""
    changed_at: Mapped[Moment]


class Dispute(Base):
    """A payer who told their bank that a payment was wrong, or a bank that asks (an inquiry)."""

    __tablename__ = "disputes"
    __table_args__ = (Index("ix_disputes_charge_id", "charge_id"),)

    id: Mapped[RowId]
    stripe_dispute_id: Mapped[str] = mapped_column(String(255), unique=True)
    charge_id: Mapped[int] = mapped_column(ForeignKey("charges.id"))
    status: Mapped[DisputeStatus] = mapped_column(choice(DisputeStatus))
    reason: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[Minor]
    currency: Mapped[str] = mapped_column(String(3))
    opened_at: Mapped[Moment]
    respond_by: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class FraudWarning(Base):
    """An early fraud warning: the card's network thinks that a payment was not its owner's."""

    __tablename__ = "fraud_warnings"
    __table_args__ = (
        CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name="decision_has_moment"),
        Index("ix_fraud_warnings_charge_id", "charge_id"),
        Index("ix_fraud_warnings_undecided", "id", postgresql_where="decision IS NULL"),
    )

    id: Mapped[RowId]
    stripe_warning_id: Mapped[str] = mapped_column(String(255), unique=True)
    charge_id: Mapped[int] = mapped_column(ForeignKey("charges.id"))
    fraud_type: Mapped[str] = mapped_column(String(64))
    warned_at: Mapped[Moment]
    decision: Mapped[WarningDecision | None] = mapped_column(choice(WarningDecision))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None] = mapped_column(String(100))


class Payout(Base):
    """Money that Stripe sent to the newsroom's bank, and whether the ledger explains all of it."""

    __tablename__ = "payouts"
    __table_args__ = (
        CheckConstraint("reconciled_at IS NULL OR difference_minor = 0", name="reconciled_to_zero"),
        Index("ix_payouts_open", "id", postgresql_where="reconciled_at IS NULL"),
        Index("ix_payouts_arrives_at", "arrives_at", "id"),
    )

    id: Mapped[RowId]
    stripe_payout_id: Mapped[str] = mapped_column(String(255), unique=True)
    status: Mapped[PayoutStatus] = mapped_column(choice(PayoutStatus))
    automatic: Mapped[bool]
    """Only automatic payouts are tied by Stripe to the movements that they pay out."""
    amount_minor: Mapped[Minor]
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[Moment]
    arrives_at: Mapped[Moment]
    movements: Mapped[int | None]
    """How many balance transactions it pays out, its own not counted."""
    difference_minor: Mapped[int | None]
    """The ledger's sum of those movements less the payout; empty until they were looked at."""
    unposted: Mapped[int | None]
    """How many of them the ledger does not hold yet."""
    reconciled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure_code: Mapped[str | None] = mapped_column(String(64))


class PayoutLine(Base):
    """A movement that a payout pays out, as Stripe's list says; the ledger holds what it was."""

    __tablename__ = "payout_lines"
    __table_args__ = (Index("ix_payout_lines_transaction_id", "transaction_id"),)

    payout_id: Mapped[int] = mapped_column(
        ForeignKey("payouts.id", ondelete="CASCADE"), primary_key=True
    )
    transaction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Of the ledger, which is never deleted from."""
