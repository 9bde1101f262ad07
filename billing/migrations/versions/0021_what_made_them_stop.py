"""What made supporters stop, where they told us."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import billing.db

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ANSWERS = (
    "costs_too_much", "limited_time", "worried_about_safety", "payment_trouble", "what_we_publish",
    "gives_otherwise", "something_else",
)  # fmt: skip


def upgrade() -> None:
    answers = sa.Enum(
        *_ANSWERS, name="endanswer", native_enum=False, create_constraint=True, length=32
    )
    op.create_table(
        "pledge_answers",
        sa.Column("pledge_id", sa.BigInteger(), nullable=False),
        sa.Column("answer", answers),
        sa.Column("answered_at", billing.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "written_in",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text::bigint)"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["pledge_id"], ["pledges.id"], name=op.f("fk_pledge_answers_pledge_id")
        ),
        sa.PrimaryKeyConstraint("pledge_id", name=op.f("pk_pledge_answers")),
    )
    op.create_index(
        "ix_pledge_answers_written_in",
        "pledge_answers",
        ["written_in"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )
