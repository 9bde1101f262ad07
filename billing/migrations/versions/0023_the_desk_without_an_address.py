"""Givers of whom no address is known, and deeds of the desk that are about no supporter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("desk_actions", "supporter_id", nullable=True)
    op.add_column(
        "supporters",
        sa.Column("anonymous", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.drop_constraint(op.f("ck_supporters_address_until_erased"), "supporters")
    op.create_check_constraint(
        op.f("ck_supporters_address_until_erased"),
        "supporters",
        "(erased_at IS NULL AND NOT anonymous) = (email_digest IS NOT NULL)"
        " AND (erased_at IS NULL AND NOT anonymous) = (email_encrypted IS NOT NULL)",
    )
