"""Pledges paused, skipped, changed in amount or rhythm, and prepaid; with their history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STATUSES = ("active", "past_due", "paused", "lapsed", "cancelled")
_MOVEMENTS = (
    "new", "reactivation", "expansion", "contraction", "paused", "resumed", "churn_voluntary",
    "churn_involuntary",
)  # fmt: skip
_KINDS = ("paused", "resumed", "skipped", "terms", "prepaid")
_CADENCES = ("once", "monthly", "annual")


def upgrade() -> None:
    _pledges()
    _charges()
    _changes()


def _pledges() -> None:
    _allow("pledges", "pledgestatus", "status", _STATUSES)
    _allow("pledge_movements", "movementkind", "kind", _MOVEMENTS)
    for column in (
        sa.Column("from_period", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("from_month", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("paused_until", billing.db.UtcDateTime(timezone=True)),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
    ):
        op.add_column("pledges", column)
    op.create_check_constraint(
        op.f("ck_pledges_paused_has_an_end"),
        "pledges",
        "(status = 'paused') = (paused_until IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_pledges_rhythm_has_begun"),
        "pledges",
        "from_period >= 0 AND from_period <= next_period AND from_month >= 0",
    )
    op.create_index(
        "ix_pledges_paused_until", "pledges", ["paused_until"], postgresql_where="status = 'paused'"
    )


def _charges() -> None:
    for table in ("charges", "checkouts"):
        op.add_column(
            table, sa.Column("months", sa.BigInteger(), server_default="1", nullable=False)
        )
    op.create_check_constraint(op.f("ck_charges_months_positive"), "charges", "months >= 1")
    op.add_column("checkouts", sa.Column("prepays_pledge_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_checkouts_prepays_pledge_id"),
        "checkouts",
        "pledges",
        ["prepays_pledge_id"],
        ["id"],
    )
    op.create_check_constraint(
        op.f("ck_checkouts_several_months_of_a_pledge"),
        "checkouts",
        "(prepays_pledge_id IS NULL) = (months = 1)",
    )
    op.create_index(
        "ix_checkouts_prepays_pledge_id",
        "checkouts",
        ["prepays_pledge_id"],
        postgresql_where="prepays_pledge_id IS NOT NULL",
    )


def _changes() -> None:
    moment = billing.db.UtcDateTime(timezone=True)
    op.create_table(
        "pledge_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("pledge_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", _choice("changekind", _KINDS), nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("old_cadence", _choice("old_cadence", _CADENCES), nullable=False),
        sa.Column("cadence", _choice("cadence", _CADENCES), nullable=False),
        sa.Column("old_amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_cover_minor", sa.BigInteger(), nullable=False),
        sa.Column("next_period", sa.BigInteger(), nullable=False),
        sa.Column("from_period", sa.BigInteger(), nullable=False),
        sa.Column("from_month", sa.BigInteger(), nullable=False),
        sa.Column("spared_from", sa.BigInteger()),
        sa.Column("spared_until", sa.BigInteger()),
        sa.Column("paused_until", moment),
        sa.CheckConstraint(
            "(spared_from IS NULL) = (spared_until IS NULL) AND spared_from < spared_until",
            name=op.f("ck_pledge_changes_spared_is_a_range"),
        ),
        sa.ForeignKeyConstraint(
            ["pledge_id"], ["pledges.id"], name=op.f("fk_pledge_changes_pledge_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pledge_changes")),
        sa.UniqueConstraint(
            "pledge_id", "version", name=op.f("uq_pledge_changes_pledge_id_version")
        ),
    )
    op.execute(
        "CREATE TRIGGER pledge_changes_append_only BEFORE UPDATE OR DELETE ON pledge_changes"
        " FOR EACH ROW EXECUTE FUNCTION movements_are_append_only()"
    )


def _allow(table: str, name: str, column: str, values: tuple[str, ...]) -> None:
    """Replace the check that lists a column's values by a longer list."""
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    listed = ", ".join(f"'{value}'" for value in values)
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, f"{column} IN ({listed})")


def _choice(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
