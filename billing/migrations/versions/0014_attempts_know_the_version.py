"""An attempt keeps which version of its pledge it was made for: clocks may be set back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("pledge_version", sa.BigInteger()))
