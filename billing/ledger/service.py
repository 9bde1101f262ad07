"""Posting to the ledger. Rows are only ever added; the database refuses anything else."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, String, bindparam, text
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.ledger.domain import Account, Movement, lines_for

_POST = text(
    """
    WITH posted AS (
        INSERT INTO ledger_transactions (
            stripe_balance_transaction_id, stripe_charge_id, category, charge_id, occurred_at,
            available_at, recorded_at)
        VALUES (
            :stripe_balance_transaction_id, :stripe_charge_id, :category, :charge_id, :occurred_at,
            :available_at, :recorded_at)
        ON CONFLICT (stripe_balance_transaction_id) DO NOTHING
        RETURNING id, occurred_at
    ), written AS (
        INSERT INTO ledger_entries (
            transaction_id, account, currency, amount_minor, occurred_at)
        SELECT posted.id, line.account, line.currency, line.minor, posted.occurred_at
        FROM posted, unnest(:accounts, :currencies, :minors) AS line (account, currency, minor)
    )
    SELECT id FROM posted
    """
).bindparams(
    bindparam("charge_id", type_=BigInteger),
    bindparam("stripe_charge_id", type_=String),
    bindparam("occurred_at", type_=UtcDateTime),
    bindparam("available_at", type_=UtcDateTime),
    bindparam("recorded_at", type_=UtcDateTime),
    bindparam("accounts", type_=ARRAY(String)),
    bindparam("currencies", type_=ARRAY(String)),
    bindparam("minors", type_=ARRAY(BigInteger)),
)
"""A transaction with its lines in one round trip: either all of it is new, or nothing is."""


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
    lines = lines_for(movement, income)
    posted = session.execute(
        _POST,
        {
            "stripe_balance_transaction_id": stripe_balance_transaction_id,
            "stripe_charge_id": stripe_charge_id,
            "category": movement.category,
            "charge_id": charge_id,
            "occurred_at": occurred_at,
            "available_at": available_at,
            "recorded_at": now,
            "accounts": [line.account.value for line in lines],
            "currencies": [line.currency for line in lines],
            "minors": [line.minor for line in lines],
        },
    )
    return posted.scalar_one_or_none() is not None
