"""The attempt behind a payment is found by an index: Stripe tells of every payment by its id."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_attempts_stripe_payment_intent_id", "attempts", ["stripe_payment_intent_id"]
    )
