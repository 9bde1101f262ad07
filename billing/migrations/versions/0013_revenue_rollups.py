"""Rollups for the revenue pages, and what they need to know: who wrote a row, the card's country."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_WRITER = "(pg_current_xact_id()::text::bigint)"
_MOVES = (
    "new", "reactivation", "expansion", "contraction", "churn_voluntary", "churn_involuntary",
    "paused", "rhythm",
)  # fmt: skip


def upgrade() -> None:
    _written_in()
    for table in ("charges", "pledges"):
        op.add_column(table, sa.Column("card_country", sa.String(2)))
    op.create_index(
        "ix_attempts_returned_at",
        "attempts",
        ["returned_at"],
        postgresql_where="returned_at IS NOT NULL",
    )
    op.create_index("ix_pledge_movements_supporter_id", "pledge_movements", ["supporter_id"])
    _state()
    _sources()
    _moves()
    _rollup(
        "revenue_money",
        [_day("day"), _text("cadence", 8), _text("paid_currency", 3), _text("settled_currency", 3)],
        ["payments", "periods", "gross_paid", "covered_paid", "gross", "refunds", "disputes",
         "fees", "other"],
    )  # fmt: skip
    _rollup(
        "revenue_promises",
        [_day("day"), _text("cadence", 8), _text("currency", 3), _kind()],
        ["moves", "yearly_minor"],
    )
    kept = [_text("cadence", 8), _text("currency", 3)]
    _rollup("revenue_supporters", [*kept, _day("day")], ["supporters"])
    kept = [_text("cadence", 8), _text("currency", 3)]
    _rollup(
        "revenue_retention",
        [*kept, _day("cohort"), _day("month")],
        ["supporters", "yearly_minor"],
    )
    kept = [_text("cadence", 8), _text("currency", 3)]
    amounts = sa.Column("yearly_minor", sa.BigInteger(), nullable=False)
    _rollup("revenue_amounts", [*kept, _day("day"), amounts], ["supporters"])
    _rollup(
        "revenue_renewals",
        [_day("day"), _text("cadence", 8), _text("currency", 3), _text("reason", 64)],
        ["renewals", "recovered", "amount_minor", "recovered_minor"],
    )
    op.create_index("ix_revenue_renewals_day", "revenue_renewals", ["day"])


def _written_in() -> None:
    """Rows that are there already stay without it: no table is written anew."""
    for table in ("ledger_transactions", "pledge_movements", "pledge_changes"):
        op.add_column(table, sa.Column("written_in", sa.BigInteger()))
        op.alter_column(table, "written_in", server_default=sa.text(_WRITER))
        op.create_index(
            f"ix_{table}_written_in",
            table,
            ["written_in"],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        )


def _state() -> None:
    moment = billing.db.UtcDateTime(timezone=True)
    op.create_table(
        "revenue_state",
        _number("id"),
        _number("horizon"),
        _number("database_system"),
        _text("timezone", 64),
        sa.Column("folded_at", moment, nullable=False),
        sa.Column("renewals_until", moment, nullable=False),
        sa.Column("rebuilt_at", moment, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_revenue_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revenue_state")),
    )


def _sources() -> None:
    kinds = sa.Enum(
        "campaign", "appeal", name="labelkind", native_enum=False, create_constraint=True, length=32
    )
    op.create_table(
        "revenue_labels",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", kinds, nullable=False),
        _text("name", 200),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revenue_labels")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_revenue_labels_kind_name")),
    )
    op.create_table(
        "revenue_sources",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _text("campaign", 200),
        _text("appeal", 200),
        _text("article", 200),
        _number("campaign_id"),
        _number("appeal_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revenue_sources")),
        sa.UniqueConstraint(
            "article",
            "appeal",
            "campaign",
            name=op.f("uq_revenue_sources_article_appeal_campaign"),
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], ["revenue_labels.id"], name=op.f(f"fk_revenue_sources_{column}")
            )
            for column in ("campaign_id", "appeal_id")
        ),
    )
    for column in ("campaign_id", "appeal_id"):
        op.create_index(f"ix_revenue_sources_{column}", "revenue_sources", [column])


def _moves() -> None:
    op.create_table(
        "revenue_moves",
        _number("origin_id"),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        _number("supporter_id"),
        _number("pledge_id"),
        _day("day"),
        _kind(),
        _text("currency", 3),
        _number("yearly_minor"),
        _text("cadence", 8),
        _number("source_id"),
        _text("country", 2),
        _day("cohort"),
        sa.PrimaryKeyConstraint("origin_id", "part", name=op.f("pk_revenue_moves")),
    )
    op.create_index("ix_revenue_moves_supporter_id", "revenue_moves", ["supporter_id"])
    op.create_index("ix_revenue_moves_day", "revenue_moves", ["day", "origin_id", "part"])
    op.create_index("ix_revenue_moves_source_id_day", "revenue_moves", ["source_id", "day"])


def _rollup(table: str, keys: list[sa.Column], sums: list[str]) -> None:
    keys = [
        sa.Column("slice", sa.SmallInteger(), nullable=False),
        _number("member_id"),
        _text("country", 2),
        *keys,
    ]
    op.create_table(
        table,
        *keys,
        *(_number(name) for name in sums),
        sa.PrimaryKeyConstraint(*(key.name for key in keys), name=op.f(f"pk_{table}")),
    )


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _text(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False)


def _day(name: str) -> sa.Column:
    return sa.Column(name, sa.Date(), nullable=False)


def _kind() -> sa.Column:
    return sa.Column(
        "kind",
        sa.Enum(*_MOVES, name="movekind", native_enum=False, create_constraint=True, length=32),
        nullable=False,
    )
