"""A payout's lines go with it, and name the ledger's transactions as charges do: by number alone."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("payout_id", "transaction_id"):
        op.drop_constraint(f"fk_payout_lines_{column}", "payout_lines")
    op.create_foreign_key(
        op.f("fk_payout_lines_payout_id"),
        "payout_lines",
        "payouts",
        ["payout_id"],
        ["id"],
        ondelete="CASCADE",
    )
