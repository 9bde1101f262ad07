"""Rollups by month and by pairs of filters; articles have a number. Everything is computed anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ROLLUPS = (
    "revenue_money", "revenue_moves", "revenue_promises", "revenue_supporters",
    "revenue_retention", "revenue_amounts", "revenue_renewals", "revenue_state",
)  # fmt: skip


def upgrade() -> None:
    for table in _ROLLUPS:
        op.execute(f"TRUNCATE {table}")
    op.add_column("revenue_state", sa.Column("months_until", sa.Date(), nullable=False))
    _number_articles()
    op.drop_index("ix_revenue_renewals_day", "revenue_renewals")
    op.create_index(
        "ix_revenue_renewals_day", "revenue_renewals", ["day"], postgresql_where="slice = 4"
    )
    op.create_index(
        "ix_revenue_moves_source_id_country",
        "revenue_moves",
        ["source_id", "country"],
        postgresql_include=["supporter_id", "day", "yearly_minor", "cadence", "currency"],
    )


def _number_articles() -> None:
    """Give every article a label, as campaigns and appeals have."""
    op.drop_constraint("ck_revenue_labels_labelkind", "revenue_labels")
    op.create_check_constraint(
        op.f("ck_revenue_labels_labelkind"),
        "revenue_labels",
        "kind IN ('campaign', 'appeal', 'article')",
    )
    op.execute(
        "INSERT INTO revenue_labels (kind, name) SELECT DISTINCT 'article', article"
        " FROM revenue_sources"
    )
    op.add_column("revenue_sources", sa.Column("article_id", sa.BigInteger()))
    op.execute(
        "UPDATE revenue_sources s SET article_id = l.id FROM revenue_labels l"
        " WHERE l.kind = 'article' AND l.name = s.article"
    )
    op.alter_column("revenue_sources", "article_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_revenue_sources_article_id"),
        "revenue_sources",
        "revenue_labels",
        ["article_id"],
        ["id"],
    )
    op.create_index("ix_revenue_sources_article_id", "revenue_sources", ["article_id"])
