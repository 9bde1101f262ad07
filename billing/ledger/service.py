"""Posting to the ledger. Rows are only ever added; the database refuses anything else."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.ledger.domain import Account, Movement, lines_for
from billing.ledger.tables import LedgerEntry, LedgerTransaction


def post(
    session: Session,
    movement: Movement,
    *,
    stripe_balance_transaction_id: str,
    stripe_charge_id: str | None,
    charge_id: int | None,
    income: Account | None,
    occurred_at: datetime,
    available_at: datetime | None,
    now: datetime,
) -> bool:
    """Post one balance transaction of Stripe's, once.

    Returns:
        Whether it is new to the ledger.
    """
    transaction_id = session.execute(
        insert(LedgerTransaction)
        .values(
            stripe_balance_transaction_id=stripe_balance_transaction_id,
            stripe_charge_id=stripe_charge_id,
            category=movement.category,
            charge_id=charge_id,
            occurred_at=occurred_at,
            available_at=available_at,
            recorded_at=now,
        )
        .on_conflict_do_nothing(index_elements=[LedgerTransaction.stripe_balance_transaction_id])
        .returning(LedgerTransaction.id)
    ).scalar_one_or_none()
    if transaction_id is None:
        return False
    rows = [
        {
            "transaction_id": transaction_id,
            "account": line.account,
            "currency": line.currency,
            "amount_minor": line.minor,
            "occurred_at": occurred_at,
        }
        for line in lines_for(movement, income)
    ]
    if rows:
        session.execute(plain_insert(LedgerEntry), rows)
    return True
