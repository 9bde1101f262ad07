"""What the database itself refuses."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.ledger.domain import Account, Movement
from billing.ledger.service import post
from billing.runtime import Runtime


def post_gift(runtime: Runtime, now: datetime, name: str = "txn_1") -> bool:
    with runtime.database.transaction() as session:
        return post(
            session,
            Movement(
                category="charge", amount=1000, fee=59, net=941, currency="usd",
                original_amount=1000, original_currency="usd",
            ),
            stripe_balance_transaction_id=name,
            stripe_charge_id="ch_1",
            charge_id=None,
            income=Account.GIFTS,
            occurred_at=now,
            available_at=None,
            now=now,
        )  # fmt: skip


def test_the_same_balance_transaction_is_posted_once(runtime: Runtime, now: datetime) -> None:
    assert post_gift(runtime, now)
    assert not post_gift(runtime, now)
    with runtime.database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM ledger_entries")).scalar_one() == 3


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entries SET amount_minor = 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "UPDATE ledger_transactions SET category = 'x'",
        "DELETE FROM ledger_transactions",
        "TRUNCATE ledger_transactions CASCADE",
    ],
)
def test_what_is_written_stays_written(runtime: Runtime, now: datetime, change: str) -> None:
    post_gift(runtime, now)
    with pytest.raises(DBAPIError, match="append-only"), runtime.database.transaction() as session:
        session.execute(text(change))


def test_a_line_that_does_not_balance_is_refused(runtime: Runtime, now: datetime) -> None:
    post_gift(runtime, now)
    with pytest.raises(DBAPIError, match="sum to zero"), runtime.database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO ledger_entries"
                " (transaction_id, account, currency, amount_minor, occurred_at)"
                " SELECT id, 'stripe', 'usd', 1, occurred_at FROM ledger_transactions"
            )
        )
