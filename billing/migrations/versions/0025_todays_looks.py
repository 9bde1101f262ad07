"""What the page of the day and the cohorts of one source look for is found by an index."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_charges_prepaid", "charges", ["pledge_id"], postgresql_where="months > 1"
    )
    op.create_index(
        "ix_checkouts_session_missing",
        "checkouts",
        ["finished_at"],
        postgresql_where="failure_code = 'session_missing'",
    )
    op.drop_index("ix_revenue_moves_source_id_country", "revenue_moves")
    op.create_index(
        "ix_revenue_moves_source_id_country",
        "revenue_moves",
        ["source_id", "country"],
        postgresql_include=[
            "supporter_id", "day", "yearly_minor", "cadence", "currency", "cohort",
        ],
    )
