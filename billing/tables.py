"""Every slice's tables in one place, for the migrations and the audit to know them all."""

from __future__ import annotations

from billing.charges import (
    tables as charges,
    tables_after as after_payment,
    tables_offline as offline,
)
from billing.checkout import steps, tables as checkout
from billing.db import Base
from billing.desk import tables as desk
from billing.digest import tables as digest
from billing.ledger import tables as ledger
from billing.outbox import OutboxMessage
from billing.pledges import tables as pledges
from billing.reminders import tables as reminders
from billing.revenue import tables as revenue, tables_giving as revenue_giving
from billing.staff import tables as staff
from billing.supporters import tables as supporters

SLICES = (
    charges,
    after_payment,
    checkout,
    desk,
    digest,
    ledger,
    offline,
    OutboxMessage,
    pledges,
    reminders,
    revenue,
    revenue_giving,
    staff,
    steps,
    supporters,
)
METADATA = Base.metadata
