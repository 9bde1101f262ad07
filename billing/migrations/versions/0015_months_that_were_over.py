"""Charges that were let go because their month was over are found quickly: staff read of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_charges_period_over",
        "charges",
        ["due_at"],
        postgresql_where=sa.text("status = 'cancelled' AND decline_code = 'period_over'"),
    )
