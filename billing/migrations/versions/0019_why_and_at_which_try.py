"""Rollups know why pledges ended and which try recovered; indexes for the lists behind figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_COMPUTED_ANEW = (
    "revenue_money", "revenue_moves", "revenue_promises", "revenue_supporters",
    "revenue_retention", "revenue_amounts", "revenue_renewals", "revenue_state",
)  # fmt: skip
_SLICE = ("slice", "member_id", "country", "day", "cadence", "currency")
_CHURN = "kind IN ('churn_voluntary', 'churn_involuntary')"


def upgrade() -> None:
    for table in _COMPUTED_ANEW:
        op.execute(f"TRUNCATE {table}")
    op.add_column("revenue_moves", _reason())
    _add_to_key("revenue_promises", _reason(), (*_SLICE, "kind", "reason"))
    tries = sa.Column("tries", sa.SmallInteger(), nullable=False)
    _add_to_key("revenue_renewals", tries, (*_SLICE, "reason", "tries"))
    _index_lists()
    op.create_index(
        "ix_pledges_past_due",
        "pledges",
        ["past_due_since", "id"],
        postgresql_where="status = 'past_due'",
        postgresql_include=["currency", "cadence", "amount_minor", "fee_cover_minor"],
    )
    op.create_index("ix_webhook_events_object_id", "webhook_events", ["object_id"])


def _index_lists() -> None:
    op.create_index("ix_revenue_moves_cohort", "revenue_moves", ["cohort", "supporter_id"])
    op.create_index(
        "ix_revenue_moves_churn",
        "revenue_moves",
        ["kind", "reason", "day", "origin_id"],
        postgresql_where=_CHURN,
    )
    op.create_index(
        "ix_attempts_first_failed",
        "attempts",
        [sa.text("coalesce(decline_code, error_code, 'unknown')"), "started_at", "id"],
        postgresql_where="number = 1 AND status IN ('declined', 'refused')",
    )


def _reason() -> sa.Column:
    return sa.Column("reason", sa.String(64), nullable=False)


def _add_to_key(table: str, column: sa.Column, key: tuple[str, ...]) -> None:
    op.add_column(table, column)
    op.drop_constraint(op.f(f"pk_{table}"), table)
    op.create_primary_key(op.f(f"pk_{table}"), table, list(key))
