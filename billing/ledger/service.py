"""Posting to the ledger. Rows are only ever added; the database refuses anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, String, bindparam, text
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.ledger.domain import (
    OFFLINE,
    OFFLINE_REVERSAL,
    Account,
    Movement,
    lines_for,
    offline_lines,
)
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.money import Money

_POST = text(
    """
    WITH posted AS (
        INSERT INTO ledger_transactions (
            stripe_balance_transaction_id, stripe_charge_id, category, charge_id, occurred_at,
            available_at, recorded_at)
        SELECT given.*, :recorded_at
        FROM unnest(:ids, :stripe_charges, :categories, :charges, :occurred, :available) AS given
        ON CONFLICT (stripe_balance_transaction_id) DO NOTHING
        RETURNING id, stripe_balance_transaction_id, occurred_at
    ), written AS (
        INSERT INTO ledger_entries (
            transaction_id, account, currency, amount_minor, occurred_at)
        SELECT posted.id, line.account, line.currency, line.minor, posted.occurred_at
        FROM posted JOIN unnest(:owners, :accounts, :currencies, :minors) WITH ORDINALITY
            AS line (owner, account, currency, minor, place)
            ON line.owner = posted.stripe_balance_transaction_id
        ORDER BY line.place
    )
    SELECT count(*) FROM posted
    """
).bindparams(
    bindparam("recorded_at", type_=UtcDateTime),
    bindparam("ids", type_=ARRAY(String)),
    bindparam("stripe_charges", type_=ARRAY(String)),
    bindparam("categories", type_=ARRAY(String)),
    bindparam("charges", type_=ARRAY(BigInteger)),
    bindparam("occurred", type_=ARRAY(UtcDateTime)),
    bindparam("available", type_=ARRAY(UtcDateTime)),
    bindparam("owners", type_=ARRAY(String)),
    bindparam("accounts", type_=ARRAY(String)),
    bindparam("currencies", type_=ARRAY(String)),
    bindparam("minors", type_=ARRAY(BigInteger)),
)
"""Transactions with their lines in one round trip: each is new with all of its lines, or not."""


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One balance transaction of Stripe's, to be posted once."""

    movement: Movement
    stripe_balance_transaction_id: str
    stripe_charge_id: str | None
    charge_id: int | None
    income: Account | None
    occurred_at: datetime
    available_at: datetime | None


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
    posting = Posting(
        movement=movement,
        stripe_balance_transaction_id=stripe_balance_transaction_id,
        stripe_charge_id=stripe_charge_id,
        charge_id=charge_id,
        income=income,
        occurred_at=occurred_at,
        available_at=available_at,
    )
    return post_many(session, [posting], now=now) > 0


def post_many(session: Session, postings: Sequence[Posting], *, now: datetime) -> int:
    """Post balance transactions of Stripe's, each once.

    Returns:
        How many are new to the ledger.
    """
    lines = [
        (posting.stripe_balance_transaction_id, line)
        for posting in postings
        for line in lines_for(posting.movement, posting.income)
    ]
    posted = session.execute(
        _POST,
        {
            "recorded_at": now,
            "ids": [posting.stripe_balance_transaction_id for posting in postings],
            "stripe_charges": [posting.stripe_charge_id for posting in postings],
            "categories": [posting.movement.category for posting in postings],
            "charges": [posting.charge_id for posting in postings],
            "occurred": [posting.occurred_at for posting in postings],
            "available": [posting.available_at for posting in postings],
            "owners": [owner for owner, _ in lines],
            "accounts": [line.account.value for _, line in lines],
            "currencies": [line.currency for _, line in lines],
            "minors": [line.minor for _, line in lines],
        },
    )
    return int(posted.scalar_one())


def post_offline(
    session: Session,
    charge_id: int,
    amount: Money,
    *,
    occurred_at: datetime,
    now: datetime,
    reverses: bool = False,
) -> None:
    """Post a gift that came by bank or cheque, or (`reverses`) what takes such an entry back.

    Raises:
        IntegrityError: from the database, when that was posted for this charge before.
    """
    transaction = LedgerTransaction(
        category=OFFLINE_REVERSAL if reverses else OFFLINE,
        charge_id=charge_id,
        occurred_at=occurred_at,
        recorded_at=now,
    )
    session.add(transaction)
    session.flush()
    minor = -amount.minor if reverses else amount.minor
    session.add_all(
        LedgerEntry(
            transaction_id=transaction.id,
            account=line.account,
            currency=line.currency,
            amount_minor=line.minor,
            occurred_at=occurred_at,
        )
        for line in offline_lines(minor, amount.currency)
    )
    session.flush()
