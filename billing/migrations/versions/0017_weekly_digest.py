"""Staff may have a weekly digest by email."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "digest_readers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("staff_member_id", sa.BigInteger(), nullable=False),
        sa.Column("email_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("email_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("confirmed_at", _MOMENT),
        sa.Column("last_week", sa.Date()),
        sa.ForeignKeyConstraint(
            ["staff_member_id"], ["staff_members.id"],
            name=op.f("fk_digest_readers_staff_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest_readers")),
        sa.UniqueConstraint("staff_member_id", name=op.f("uq_digest_readers_staff_member_id")),
    )
