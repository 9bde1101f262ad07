"""A page for months paid ahead keeps which version of its pledge it was opened for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkouts", sa.Column("prepays_version", sa.BigInteger()))
    op.create_index(
        "ix_checkouts_prepaying",
        "checkouts",
        ["id"],
        postgresql_where="status = 'open' AND prepays_pledge_id IS NOT NULL",
    )
