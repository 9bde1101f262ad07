"""What a pledge's card looks like, another card put in, and the notice before an annual charge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import billing.db

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LOSSES = ("detached", "customer_deleted")
_STATUSES = ("open", "saved", "expired")


def upgrade() -> None:
    _pledges()
    _card_updates()


def _pledges() -> None:
    for column in (
        sa.Column("card_brand", sa.String(32)),
        sa.Column("card_last4", sa.String(4)),
        sa.Column("card_expires_on", sa.Date()),
        sa.Column("card_lost", _choice("cardloss", _LOSSES)),
        sa.Column("renewal_notice_id", sa.BigInteger()),
    ):
        op.add_column("pledges", column)
    op.create_foreign_key(
        op.f("fk_pledges_renewal_notice_id"),
        "pledges",
        "outbox",
        ["renewal_notice_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(
        "ix_pledges_annual_due",
        "pledges",
        ["next_charge_at", "id"],
        postgresql_where="status = 'active' AND cadence = 'annual'",
    )
    op.create_index(
        "ix_pledges_card_expires_on",
        "pledges",
        ["card_expires_on"],
        postgresql_where="status = 'active' AND card_expires_on IS NOT NULL",
    )
    for column in ("stripe_payment_method_id", "stripe_customer_id"):
        op.create_index(f"ix_pledges_{column}", "pledges", [column])


def _card_updates() -> None:
    moment = billing.db.UtcDateTime(timezone=True)
    op.create_table(
        "card_updates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("pledge_id", sa.BigInteger(), nullable=False),
        sa.Column("status", _choice("cardupdatestatus", _STATUSES), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=False),
        sa.Column("params", postgresql.JSONB(), nullable=False),
        sa.Column("stripe_session_id", sa.String(255)),
        sa.Column("stripe_url", sa.Text()),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.ForeignKeyConstraint(
            ["pledge_id"], ["pledges.id"], name=op.f("fk_card_updates_pledge_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_updates")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_card_updates_idempotency_key")),
        sa.UniqueConstraint("stripe_session_id", name=op.f("uq_card_updates_stripe_session_id")),
    )
    op.create_index("ix_card_updates_pledge_id", "card_updates", ["pledge_id"])
    op.create_index(
        "ix_card_updates_open", "card_updates", ["expires_at"], postgresql_where="status = 'open'"
    )


def _choice(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
