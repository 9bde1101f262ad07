"""Reminders by day and by what lists find renewals; the rollups are computed anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_COMPUTED_ANEW = (
    "money", "lines", "moves", "promises", "supporters", "retention", "amounts", "renewals",
    "gifts", "givers", "conversions", "starts", "begun", "steps", "state",
)  # fmt: skip
_WRITER = "(pg_current_xact_id()::text::bigint)"
_LINE = (
    "day", "country", "currency", "cadence", "source_id", "reason", "tries", "started_at",
    "attempt_id",
)  # fmt: skip
_COUNTS = ("asked", "under_way", "sent", "gave_before", "not_wanted", "gave", "still_open")


def upgrade() -> None:
    for name in _COMPUTED_ANEW:
        op.execute(f"TRUNCATE revenue_{name}")
    op.add_column("reminders", sa.Column("written_in", sa.BigInteger()))
    op.alter_column("reminders", "written_in", server_default=sa.text(_WRITER))
    op.create_index(
        "ix_reminders_written_in",
        "reminders",
        ["written_in"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )
    op.create_table(
        "revenue_renewal_lines",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("cadence", sa.String(8), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", billing.db.UtcDateTime(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*_LINE, name=op.f("pk_revenue_renewal_lines")),
    )
    op.create_index(
        "ix_revenue_renewal_lines_failed",
        "revenue_renewal_lines",
        ["day", "reason", "country", "currency", "cadence", "source_id", "tries", "started_at",
         "attempt_id"],
        postgresql_where="reason <> ''",
    )  # fmt: skip
    op.create_table(
        "revenue_reminders",
        sa.Column("slice", sa.SmallInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint(
            "slice", "member_id", "country", "day", name=op.f("pk_revenue_reminders")
        ),
    )
