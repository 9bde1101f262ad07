"""The supporter desk: deeds done once, notes, gifts that came by bank or cheque."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_MOMENT = billing.db.UtcDateTime(timezone=True)
_ACCOUNTS = (
    "stripe", "bank", "offline", "gifts", "pledges", "fees", "refunds", "disputes", "conversion",
    "other",
)  # fmt: skip


def upgrade() -> None:
    _ledger()
    _offline_gifts()
    _desk()
    op.create_index(
        "ix_charges_gifts_of_customer",
        "charges",
        ["stripe_customer_id"],
        postgresql_where="pledge_id IS NULL AND stripe_customer_id IS NOT NULL",
    )
    op.create_index(
        "ix_outbox_about",
        "outbox",
        [sa.text("split_part(unique_key, ':', 2)"), sa.text("split_part(unique_key, ':', 3)")],
        postgresql_where=sa.text(
            "unique_key NOT LIKE 'receipt:%' AND unique_key NOT LIKE 'reminder:%'"
        ),
    )


def _ledger() -> None:
    """What is not Stripe's may be in the ledger, once a charge."""
    op.drop_constraint(op.f("ck_ledger_entries_account"), "ledger_entries")
    allowed = ", ".join(f"'{name}'" for name in _ACCOUNTS)
    op.create_check_constraint(
        op.f("ck_ledger_entries_account"), "ledger_entries", f"account IN ({allowed})"
    )
    op.alter_column("ledger_transactions", "stripe_balance_transaction_id", nullable=True)
    op.create_check_constraint(
        op.f("ck_ledger_transactions_stripes_or_offline"),
        "ledger_transactions",
        "(stripe_balance_transaction_id IS NULL) = (category IN ('offline', 'offline_reversal'))"
        " AND (stripe_balance_transaction_id IS NOT NULL OR charge_id IS NOT NULL)",
    )
    op.create_index(
        "uq_ledger_transactions_offline",
        "ledger_transactions",
        ["charge_id", "category"],
        unique=True,
        postgresql_where="stripe_balance_transaction_id IS NULL",
    )


def _offline_gifts() -> None:
    op.create_table(
        "offline_gifts",
        sa.Column("charge_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "method",
            sa.Enum("bank", "cheque", "cash", name="offlinemethod", native_enum=False,
                    create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("entered_by", sa.String(length=100), nullable=False),
        sa.Column("entered_at", _MOMENT, nullable=False),
        sa.Column("reversed_at", _MOMENT),
        sa.ForeignKeyConstraint(
            ["charge_id"], ["charges.id"], name=op.f("fk_offline_gifts_charge_id")
        ),
        sa.PrimaryKeyConstraint("charge_id", name=op.f("pk_offline_gifts")),
    )  # fmt: skip


def _desk() -> None:
    op.create_table(
        "desk_actions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("staff_member_id", sa.BigInteger(), nullable=False),
        sa.Column("supporter_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=1000), nullable=False),
        sa.Column("done_at", _MOMENT, nullable=False),
        _points("desk_actions", "staff_member_id", "staff_members"),
        _points("desk_actions", "supporter_id", "supporters"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_actions")),
        sa.UniqueConstraint("key", name=op.f("uq_desk_actions_key")),
    )
    op.create_table(
        "desk_notes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("supporter_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_member_id", sa.BigInteger(), nullable=False),
        sa.Column("text_encrypted", sa.LargeBinary()),
        sa.Column("written_at", _MOMENT, nullable=False),
        sa.Column("erased_at", _MOMENT),
        _points("desk_notes", "supporter_id", "supporters"),
        _points("desk_notes", "staff_member_id", "staff_members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_notes")),
        sa.CheckConstraint(
            "(erased_at IS NULL) = (text_encrypted IS NOT NULL)",
            name=op.f("ck_desk_notes_text_until_erased"),
        ),
    )
    op.create_index("ix_desk_notes_supporter_id", "desk_notes", ["supporter_id"])


def _points(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))
