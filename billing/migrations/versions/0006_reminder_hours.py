"""How many reminders were asked for in each hour: the brake against invented addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "reminder_hours",
        sa.Column("hour", billing.db.UtcDateTime(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("turned_away", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "turned_away >= 0 AND turned_away <= asked",
            name=op.f("ck_reminder_hours_turned_away_were_asked"),
        ),
        sa.PrimaryKeyConstraint("hour", name=op.f("pk_reminder_hours")),
    )
