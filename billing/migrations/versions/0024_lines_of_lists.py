"""By what lists find ledger transactions; the rollups are computed anew, with every row of money."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_COMPUTED_ANEW = (
    "money", "moves", "promises", "supporters", "retention", "amounts", "renewals", "gifts",
    "givers", "conversions", "starts", "begun", "steps", "state",
)  # fmt: skip


def upgrade() -> None:
    for name in _COMPUTED_ANEW:
        op.execute(f"TRUNCATE revenue_{name}")
    op.create_table(
        "revenue_lines",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("paid_currency", sa.String(3), nullable=False),
        sa.Column("cadence", sa.String(8), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", billing.db.UtcDateTime(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "country", "paid_currency", "cadence", "source_id", "occurred_at",
            "transaction_id", name=op.f("pk_revenue_lines"),
        ),
    )  # fmt: skip
    op.create_index(
        "ix_revenue_lines_rare",
        "revenue_lines",
        ["account", "occurred_at", "transaction_id"],
        postgresql_where="account IN ('refunds', 'disputes', 'other')",
        postgresql_include=["country", "paid_currency", "cadence", "source_id"],
    )
