"""Declined charges are asked for again, and may be made good on a Checkout page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import billing.db

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('attempts', sa.Column('remedy', sa.Enum('retry_later', 'needs_payer', 'never_again', 'unknown_outcome', name='remedy', native_enum=False, create_constraint=True, length=32), nullable=True))
    op.add_column('attempts', sa.Column('mapped', sa.Boolean(), nullable=True))
    op.add_column('charges', sa.Column('next_attempt_at', billing.db.UtcDateTime(timezone=True), nullable=True))
    op.add_column('charges', sa.Column('first_declined_at', billing.db.UtcDateTime(timezone=True), nullable=True))
    op.drop_index(op.f('ix_charges_due'), table_name='charges', postgresql_where="((status)::text = 'due'::text)")
    op.create_index('ix_charges_next_attempt_at', 'charges', ['next_attempt_at', 'id'], unique=False, postgresql_where='next_attempt_at IS NOT NULL')
    op.drop_constraint(op.f('uq_checkouts_charge_id'), 'checkouts', type_='unique')
    op.create_index(op.f('ix_checkouts_charge_id'), 'checkouts', ['charge_id'], unique=False)
    op.execute("UPDATE charges SET next_attempt_at = due_at WHERE status = 'due'")

