"""The stand-in's balance transactions as ledger rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.orm import Session

from billing.charges.domain import PayoutStatus
from billing.charges.tables_after import Payout, PayoutLine
from billing.db import Json
from billing.ledger.domain import Account, lines_for
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.seed.bulk import MOMENT, insert_rows
from billing.seed.standin import moment, movement_of


@dataclass(frozen=True)
class Known:
    """A charge of ours, and the account its income belongs to."""

    charge_id: int
    income: Account


def write_ledger(
    session: Session, posted: list[Json], charges: Mapping[str, Known]
) -> dict[str, int]:
    """Write balance transactions; `charges` are ours by Stripe's ids.

    Returns:
        Our ids by Stripe's.
    """
    rows = [_transaction(row, charges.get(row["charge"])) for row in posted]
    ids = insert_rows(session, LedgerTransaction, rows)
    lines: list[Json] = []
    for row, transaction_id in zip(posted, ids, strict=True):
        lines += _lines(row, transaction_id, charges.get(row["charge"]))
    insert_rows(session, LedgerEntry, lines)
    return {row["id"]: own for row, own in zip(posted, ids, strict=True)}


def write_payouts(session: Session, payouts: list[Json], ids: Mapping[str, int]) -> None:
    """Write payouts as reconciled, with the movements in each; `ids` are those of the ledger."""
    rows = [
        {
            "stripe_payout_id": each["id"],
            "status": PayoutStatus(each["status"]),
            "automatic": each["automatic"],
            "amount_minor": each["amount"],
            "currency": each["currency"],
            "created_at": moment(each["created"]),
            "arrives_at": moment(each["arrival_date"]),
            "movements": len(each["paid_out"]),
            "difference_minor": 0,
            "unposted": 0,
            "reconciled_at": moment(each["arrival_date"]) + MOMENT,
        }
        for each in payouts
    ]
    own = insert_rows(session, Payout, rows)
    lines = [
        {"payout_id": payout_id, "transaction_id": ids[name]}
        for payout_id, each in zip(own, payouts, strict=True)
        for name in each["paid_out"]
    ]
    if lines:
        session.execute(insert(PayoutLine), lines)


def _lines(row: Json, transaction_id: int, known: Known | None) -> Iterator[Json]:
    for line in lines_for(movement_of(row), known.income if known else None):
        yield {
            "transaction_id": transaction_id,
            "account": line.account,
            "currency": line.currency,
            "amount_minor": line.minor,
            "occurred_at": moment(row["created"]),
        }


def _transaction(row: Json, known: Known | None) -> Json:
    return {
        "stripe_balance_transaction_id": row["id"],
        "category": row["reporting_category"],
        "charge_id": known.charge_id if known else None,
        "stripe_charge_id": row["charge"],
        "occurred_at": moment(row["created"]),
        "available_at": moment(row["available_on"]),
        "recorded_at": moment(row["created"]) + MOMENT,
    }
