"""A sum of whole numbers that is one: PostgreSQL's own `sum(bigint)` counts in `numeric`.

That takes a block of memory for each sum of each group, and hash tables of the rollups three times as
large as need be. This one holds eight bytes, and raises "bigint out of range" where they don't do.
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE AGGREGATE added_up(bigint)"
        " (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE)"
    )
