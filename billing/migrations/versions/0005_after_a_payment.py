"""Refunds, disputes, fraud warnings and payouts; pledges that are held, and why one ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import billing.db

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_REFUNDS = ("requested", "pending", "succeeded", "failed", "refused")
_DISPUTES = (
    "warning_needs_response", "warning_under_review", "warning_closed", "needs_response",
    "under_review", "prevented", "lost", "won",
)  # fmt: skip
_DECISIONS = ("kept", "refunded", "disputed")
_PAYOUTS = ("pending", "in_transit", "paid", "canceled", "failed")
_ENDS = ("supporter", "disputed", "fraud_warning", "erased")


def upgrade() -> None:
    _attempts()
    _pledges()
    _refunds()
    _disputes()
    _fraud_warnings()
    _payouts()


def _attempts() -> None:
    op.add_column("attempts", sa.Column("agreed_minor", sa.BigInteger()))
    op.add_column("attempts", sa.Column("returned_at", _moment()))
    op.execute(
        "UPDATE attempts a SET agreed_minor = p.amount_minor FROM charges c"
        " JOIN pledges p ON p.id = c.pledge_id"
        " WHERE c.id = a.charge_id AND a.kind = 'off_session'"
    )


def _pledges() -> None:
    op.add_column("pledges", sa.Column("held_since", _moment()))
    op.add_column("pledges", sa.Column("end_reason", _choice("endreason", _ENDS)))
    op.execute("UPDATE pledges SET end_reason = 'supporter' WHERE status = 'cancelled'")
    op.create_check_constraint(
        op.f("ck_pledges_only_the_ended_have_a_reason"),
        "pledges",
        "end_reason IS NULL OR status = 'cancelled'",
    )


def _refunds() -> None:
    op.create_table(
        "refunds",
        _id(),
        sa.Column("charge_id", sa.BigInteger(), nullable=False),
        sa.Column("status", _choice("refundstatus", _REFUNDS), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("asked_by", sa.String(100)),
        sa.Column("left_minor", sa.BigInteger()),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("params", postgresql.JSONB(), nullable=False),
        sa.Column("requested_at", _moment(), nullable=False),
        sa.Column("next_try_at", _moment()),
        sa.Column("key_since", _moment()),
        sa.Column("stripe_refund_id", sa.String(255)),
        sa.Column("failure_code", sa.String(64)),
        sa.Column("changed_at", _moment(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint(
            "amount_minor <= left_minor", name=op.f("ck_refunds_within_what_is_left")
        ),
        sa.CheckConstraint(
            "(asked_by IS NULL) = (idempotency_key IS NULL)"
            " AND (asked_by IS NULL) = (left_minor IS NULL)"
            " AND (asked_by IS NOT NULL OR stripe_refund_id IS NOT NULL)",
            name=op.f("ck_refunds_ours_or_stripes"),
        ),
        sa.CheckConstraint(
            "(status = 'requested') = (next_try_at IS NOT NULL)",
            name=op.f("ck_refunds_requested_has_turn"),
        ),
        *_keys("refunds", "idempotency_key", "stripe_refund_id"),
    )
    requested = "status = 'requested'"
    op.create_index(
        "uq_refunds_one_requested", "refunds", ["charge_id"],
        unique=True, postgresql_where=requested,
    )  # fmt: skip
    op.create_index(
        "ix_refunds_next_try_at", "refunds", ["next_try_at"], postgresql_where=requested
    )
    op.create_index("ix_refunds_charge_id", "refunds", ["charge_id"])


def _disputes() -> None:
    op.create_table(
        "disputes",
        _id(),
        sa.Column("stripe_dispute_id", sa.String(255), nullable=False),
        sa.Column("charge_id", sa.BigInteger(), nullable=False),
        sa.Column("status", _choice("disputestatus", _DISPUTES), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("opened_at", _moment(), nullable=False),
        sa.Column("respond_by", _moment()),
        sa.Column("closed_at", _moment()),
        *_keys("disputes", "stripe_dispute_id"),
    )
    op.create_index("ix_disputes_charge_id", "disputes", ["charge_id"])


def _fraud_warnings() -> None:
    op.create_table(
        "fraud_warnings",
        _id(),
        sa.Column("stripe_warning_id", sa.String(255), nullable=False),
        sa.Column("charge_id", sa.BigInteger(), nullable=False),
        sa.Column("fraud_type", sa.String(64), nullable=False),
        sa.Column("warned_at", _moment(), nullable=False),
        sa.Column("decision", _choice("warningdecision", _DECISIONS)),
        sa.Column("decided_at", _moment()),
        sa.Column("decided_by", sa.String(100)),
        sa.CheckConstraint(
            "(decision IS NULL) = (decided_at IS NULL)",
            name=op.f("ck_fraud_warnings_decision_has_moment"),
        ),
        *_keys("fraud_warnings", "stripe_warning_id"),
    )
    op.create_index("ix_fraud_warnings_charge_id", "fraud_warnings", ["charge_id"])
    op.create_index(
        "ix_fraud_warnings_undecided", "fraud_warnings", ["id"], postgresql_where="decision IS NULL"
    )


def _payouts() -> None:
    op.create_table(
        "payouts",
        _id(),
        sa.Column("stripe_payout_id", sa.String(255), nullable=False),
        sa.Column("status", _choice("payoutstatus", _PAYOUTS), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("arrives_at", _moment(), nullable=False),
        sa.Column("movements", sa.BigInteger()),
        sa.Column("difference_minor", sa.BigInteger()),
        sa.Column("unposted", sa.BigInteger()),
        sa.Column("reconciled_at", _moment()),
        sa.Column("failure_code", sa.String(64)),
        sa.CheckConstraint(
            "reconciled_at IS NULL OR difference_minor = 0",
            name=op.f("ck_payouts_reconciled_to_zero"),
        ),
        *_keys("payouts", "stripe_payout_id", of_charge=False),
    )
    op.create_index("ix_payouts_open", "payouts", ["id"], postgresql_where="reconciled_at IS NULL")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _moment() -> billing.db.UtcDateTime:
    return billing.db.UtcDateTime(timezone=True)


def _keys(table: str, *unique: str, of_charge: bool = True) -> list[sa.Constraint]:
    keys: list[sa.Constraint] = [sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))]
    if of_charge:
        keys.append(
            sa.ForeignKeyConstraint(
                ["charge_id"], ["charges.id"], name=op.f(f"fk_{table}_charge_id")
            )
        )
    for column in unique:
        keys.append(sa.UniqueConstraint(column, name=op.f(f"uq_{table}_{column}")))
    return keys


def _choice(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
