"""What a journal is made from: balances before and after, and each movement between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from billing.ledger.domain import Account
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.revenue.exports.tables import each_of
from billing.revenue.journal.domain import NAMES, Balances, Entry, Line
from billing.revenue.months import Month


def as_of_one_moment(session: Session) -> None:
    """Begin to read: what is posted meanwhile is not seen."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def first_moment(session: Session) -> datetime | None:
    """When the ledger begins; None while it is empty."""
    oldest = select(LedgerTransaction.occurred_at).order_by(LedgerTransaction.occurred_at).limit(1)
    return session.scalars(oldest).one_or_none()


def balances(session: Session, before: datetime) -> Balances:
    """What stood on each account, before a moment."""
    query = (
        select(LedgerEntry.account, LedgerEntry.currency, func.sum(LedgerEntry.amount_minor))
        .where(LedgerEntry.occurred_at < before)
        .group_by(LedgerEntry.account, LedgerEntry.currency)
    )
    found = session.execute(query).all()
    return {(Account(account), currency): int(minor) for account, currency, minor in found}


def entries(session: Session, month: Month) -> Iterator[Entry]:
    """Every movement of a month, the oldest first, read as they are taken."""
    query = (
        select(
            LedgerTransaction.id,
            LedgerTransaction.stripe_balance_transaction_id,
            LedgerTransaction.category,
            LedgerTransaction.charge_id,
            LedgerTransaction.occurred_at,
            LedgerEntry.account,
            LedgerEntry.currency,
            LedgerEntry.amount_minor,
        )
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(
            LedgerTransaction.occurred_at >= month.begins,
            LedgerTransaction.occurred_at < month.ends,
        )
        .order_by(LedgerTransaction.occurred_at, LedgerTransaction.id, LedgerEntry.id)
    )
    for _, rows in groupby(each_of(session, query), key=lambda row: row.id):
        yield _entry(list(rows))


def _entry(rows: list[Any]) -> Entry:
    first = rows[0]
    return Entry(
        id=first.id,
        stripe_id=first.stripe_balance_transaction_id,
        category=first.category,
        charge_id=first.charge_id,
        occurred_at=first.occurred_at,
        lines=tuple(
            Line(NAMES[Account(row.account)], row.currency, row.amount_minor) for row in rows
        ),
    )
