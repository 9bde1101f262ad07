"""The ledger's tables. Triggers (see the first migration) forbid change and refuse imbalance."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import (
    WRITER,
    Base,
    Minor,
    Moment,
    RowId,
    UtcDateTime,
    choice,
    written_in_index,
)
from billing.ledger.domain import Account


class LedgerTransaction(Base):
    """One thing that happened to money: a balance transaction of Stripe's, or an offline gift."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        CheckConstraint(
            "(stripe_balance_transaction_id IS NULL)"
            " = (category IN ('offline', 'offline_reversal'))"
            " AND (stripe_balance_transaction_id IS NOT NULL OR charge_id IS NOT NULL)",
            name="stripes_or_offline",
        ),
        Index(
            "uq_ledger_transactions_offline",
            "charge_id",
            "category",
            unique=True,
            postgresql_where="stripe_balance_transaction_id IS NULL",
        ),
        Index("ix_ledger_transactions_occurred_at", "occurred_at"),
        Index("ix_ledger_transactions_charge_id", "charge_id"),
        written_in_index("ledger_transactions"),
    )

    id: Mapped[RowId]
    stripe_balance_transaction_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    """Empty for what never was at Stripe."""
    category: Mapped[str] = mapped_column(String(64))
    """Stripe's reporting category: charge, refund, dispute, payout, … or one of our own: offline,
    offline_reversal."""
    charge_id: Mapped[int | None]
    """The charge it belongs to, where there is one."""
    stripe_charge_id: Mapped[str | None] = mapped_column(String(255), index=True)
    occurred_at: Mapped[Moment]
    available_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    recorded_at: Mapped[Moment]
    written_in: Mapped[int | None] = mapped_column(server_default=WRITER)
    """The number of the transaction that wrote it: what the rollups have not seen yet is found by
    it. Empty in rows older than the rollups."""


class LedgerEntry(Base):
    """One line: so much, in one currency, on one account."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount_not_zero"),
        Index("ix_ledger_entries_transaction_id", "transaction_id"),
        Index("ix_ledger_entries_account_occurred_at", "account", "occurred_at"),
    )

    id: Mapped[RowId]
    transaction_id: Mapped[int] = mapped_column(ForeignKey("ledger_transactions.id"))
    account: Mapped[Account] = mapped_column(choice(Account))
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[Minor]
    occurred_at: Mapped[Moment]
    """The same as its transaction's, kept here so that a month is read from one index."""
