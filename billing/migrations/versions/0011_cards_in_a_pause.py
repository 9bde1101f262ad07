"""Cards that expire are looked for among paused pledges, too."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_pledges_card_expires_on", "pledges")
    op.create_index(
        "ix_pledges_card_expires_on",
        "pledges",
        ["card_expires_on"],
        postgresql_where="status IN ('active', 'paused') AND card_expires_on IS NOT NULL",
    )
