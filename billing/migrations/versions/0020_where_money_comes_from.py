"""Givers, beginnings of pledges, readers' steps, lines of payouts; and indexes for the day's page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_PARTS = ("variant", "referrer")
_OLD_ROLLUPS = (
    "money", "moves", "promises", "supporters", "retention", "amounts", "renewals", "state",
    "sources", "labels",
)  # fmt: skip
_FOUND = (
    ("charges", "prepaid_refunded", ["pledge_id"], "months > 1 AND refunded_minor > 0"),
    ("attempts", "refused", ["finished_at"], "status = 'refused'"),
    ("attempts", "unmapped", ["finished_at"], "mapped IS FALSE"),
    (
        "attempts",
        "long",
        ["finished_at"],
        "kind = 'off_session' AND finished_at - started_at > interval '1 minute'",
    ),
    ("webhook_events", "failed", ["id"], "status = 'failed'"),
    ("webhook_events", "last_error", ["last_error", "received_at"], "last_error IS NOT NULL"),
    ("pledges", "past_due_since", ["past_due_since", "id"], "status = 'past_due'"),
    (
        "pledges",
        "without_card",
        ["id"],
        "stripe_payment_method_id IS NULL AND status IN ('active', 'past_due', 'paused')",
    ),
    ("pledges", "cancelled_at", ["cancelled_at"], "cancelled_at IS NOT NULL"),
    ("pledges", "renewal_notice_id", ["renewal_notice_id"], "renewal_notice_id IS NOT NULL"),
    ("outbox", "failed", ["id"], "status IN ('failed', 'dropped')"),
    ("supporters", "erased", ["id"], "erased_at IS NOT NULL"),
)


def upgrade() -> None:
    for table, name, columns, where in _FOUND:
        op.create_index(f"ix_{table}_{name}", table, columns, postgresql_where=where)
    op.create_index("ix_payouts_arrives_at", "payouts", ["arrives_at", "id"])
    op.add_column("reminders", sa.Column("gave", sa.Boolean()))
    op.create_index("ix_reminders_asked_at", "reminders", ["asked_at", "id"])
    _payout_lines()
    _steps()
    _sources()
    _rollup("revenue_gifts", [_day("day"), _text("currency", 3), _number("amount_minor")],
            ["gifts"])  # fmt: skip
    _rollup(
        "revenue_conversions",
        [_day("day"), _text("currency", 3)],
        ["givers", "again", "had_pledged", "within_30", "within_90", "within_365"],
    )
    _givers()
    _starts()
    kept = [_day("day"), _text("cadence", 8), _text("currency", 3)]
    _rollup("revenue_begun", kept, ["pledges", "yearly_minor", "stayed"])
    _rollup("revenue_steps", [_day("day")], ["shown", "opened", "began"])
    for table in ("revenue_money", "revenue_begun", "revenue_steps"):
        op.create_index(
            f"ix_{table}_by_name",
            table,
            ["slice", "day"],
            postgresql_where="slice IN (1, 2, 7, 10, 11, 21, 22, 27, 30, 31)",
        )
    _expected()


def _payout_lines() -> None:
    op.create_table(
        "payout_lines",
        _number("payout_id"),
        _number("transaction_id"),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_payout_lines_payout_id")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_payout_lines_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("payout_id", "transaction_id", name=op.f("pk_payout_lines")),
    )
    op.create_index("ix_payout_lines_transaction_id", "payout_lines", ["transaction_id"])


def _steps() -> None:
    op.create_table(
        "step_notes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _day("day"),
        _step(),
        sa.Column("source", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step_notes")),
    )
    op.create_table(
        "reader_steps",
        _number("source_id"),
        _day("day"),
        _step(),
        _number("times"),
        sa.PrimaryKeyConstraint("source_id", "day", "step", name=op.f("pk_reader_steps")),
    )
    op.create_index("ix_reader_steps_day", "reader_steps", ["day"])


def _sources() -> None:
    """Sources have more parts now, so all rollups are thrown away; the worker computes them anew."""
    for name in _OLD_ROLLUPS:
        op.execute(f"TRUNCATE revenue_{name} CASCADE")
    op.drop_constraint("ck_revenue_labels_labelkind", "revenue_labels")
    op.create_check_constraint(
        op.f("ck_revenue_labels_labelkind"),
        "revenue_labels",
        "kind IN ('campaign', 'appeal', 'variant', 'article', 'referrer')",
    )
    op.drop_constraint("uq_revenue_sources_article_appeal_campaign", "revenue_sources")
    op.add_column("revenue_sources", _text("variant", 200))
    op.add_column("revenue_sources", _text("referrer", 200))
    for part in _PARTS:
        op.add_column("revenue_sources", _number(f"{part}_id"))
        op.create_foreign_key(
            op.f(f"fk_revenue_sources_{part}_id"),
            "revenue_sources",
            "revenue_labels",
            [f"{part}_id"],
            ["id"],
        )
    op.create_unique_constraint(
        op.f("uq_revenue_sources_article_appeal_campaign_variant_referrer"),
        "revenue_sources",
        ["article", "appeal", "campaign", "variant", "referrer"],
    )
    moment = billing.db.UtcDateTime(timezone=True)
    op.add_column("revenue_state", sa.Column("expected_at", moment, nullable=False))


def _givers() -> None:
    op.create_table(
        "revenue_givers",
        _number("supporter_id"),
        _number("charge_id"),
        _day("day"),
        _text("currency", 3),
        _number("amount_minor"),
        _number("source_id"),
        _text("country", 2),
        sa.Column("again_on", sa.Date()),
        sa.Column("pledged_on", sa.Date()),
        sa.PrimaryKeyConstraint("supporter_id", name=op.f("pk_revenue_givers")),
    )
    op.create_index("ix_revenue_givers_day", "revenue_givers", ["day", "supporter_id"])
    op.create_index("ix_revenue_givers_source_id_day", "revenue_givers", ["source_id", "day"])


def _starts() -> None:
    op.create_table(
        "revenue_starts",
        _number("pledge_id"),
        _number("supporter_id"),
        _day("day"),
        _text("currency", 3),
        _number("yearly_minor"),
        _text("cadence", 8),
        _number("source_id"),
        _text("country", 2),
        sa.Column("stayed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("pledge_id", name=op.f("pk_revenue_starts")),
    )
    op.create_index("ix_revenue_starts_supporter_id", "revenue_starts", ["supporter_id"])
    op.create_index("ix_revenue_starts_day", "revenue_starts", ["day", "pledge_id"])
    op.create_index("ix_revenue_starts_source_id_day", "revenue_starts", ["source_id", "day"])


def _expected() -> None:
    op.create_table(
        "revenue_expected",
        _day("day"),
        _text("currency", 3),
        _number("pledges"),
        _number("amount_minor"),
        sa.PrimaryKeyConstraint("day", "currency", name=op.f("pk_revenue_expected")),
    )


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


def _step() -> sa.Column:
    kinds = sa.Enum(
        "shown", "opened", "began", name="readerstep", native_enum=False, create_constraint=True,
        length=32,
    )  # fmt: skip
    return sa.Column("step", kinds, nullable=False)
