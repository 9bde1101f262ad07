"""How far a run has come is read from the attempts of the day."""

from __future__ import annotations

from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_attempts_started_at', 'attempts', ['started_at'], unique=False)
