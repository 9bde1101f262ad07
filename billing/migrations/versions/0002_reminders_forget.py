"""Reminders may end undelivered, and forget their digest together with their address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("reminders", "email_digest", existing_type=sa.LargeBinary(32), nullable=True)
    op.drop_constraint(op.f("ck_reminders_address_until_erased"), "reminders", type_="check")
    op.create_check_constraint(
        op.f("ck_reminders_address_until_erased"),
        "reminders",
        "(erased_at IS NULL) = (email_encrypted IS NOT NULL)"
        " AND (erased_at IS NULL) = (email_digest IS NOT NULL)",
    )
    op.drop_constraint(op.f("ck_reminders_reminderstatus"), "reminders", type_="check")
    op.create_check_constraint(
        op.f("ck_reminders_reminderstatus"),
        "reminders",
        "status IN ('waiting', 'queued', 'sent', 'skipped', 'unsubscribed', 'undelivered')",
    )
    op.create_index(
        "ix_reminders_queued", "reminders", ["id"], postgresql_where="status = 'queued'"
    )
    op.create_index(
        "ix_reminders_kept", "reminders", ["finished_at"], postgresql_where="erased_at IS NULL"
    )
