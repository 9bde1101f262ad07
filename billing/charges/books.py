"""From Stripe's balance to the ledger: each balance transaction is posted once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeKind
from billing.charges.sweeps import Seen, pages, sweep_twice
from billing.charges.tables import Charge
from billing.gateway import BalanceTransaction, MoneyMoved, Payment, sign_of
from billing.ledger.domain import Account, Movement
from billing.ledger.service import Posting, post_many
from billing.ledger.tables import LedgerTransaction
from billing.runtime import Runtime

SWEEP = "balance transactions"
UNCLAIMED_AFTER = timedelta(days=3)
"""How long a movement may wait for its charge to become known before it is posted as foreign."""

_INCOME = {ChargeKind.GIFT: Account.GIFTS, ChargeKind.PLEDGE: Account.PLEDGES}


def post_payments(
    session: Session, payments: Sequence[tuple[Charge, Payment]], now: datetime
) -> None:
    """Post payments, and their coming back, where Stripe tells of them already.

    What it does not tell yet is found by reconciliation.
    """
    postings = [
        _posting(
            _moved(transaction, charge, payment.amount, payment.currency),
            charge,
        )
        for charge, payment in payments
        for transaction in (payment.balance_transaction, payment.return_transaction)
        if transaction is not None
    ]
    if postings:
        post_many(session, postings, now=now)


def reconcile(runtime: Runtime) -> int:
    """Post every balance transaction that the ledger does not hold yet, oldest first.

    Refunds, disputes, payouts and payments whose fee came late all enter here.

    Returns:
        How many were new.
    """
    return sweep_twice(runtime, SWEEP, partial(_look, runtime))


def _look(runtime: Runtime, since: datetime, until: datetime | None) -> Seen:
    listed = list(runtime.gateway.list_money_moved(since, until))
    return post_moved(runtime, reversed(listed))


def _not_posted(runtime: Runtime, listed: list[MoneyMoved]) -> list[MoneyMoved]:
    name = LedgerTransaction.stripe_balance_transaction_id
    ids = [moved.transaction.id for moved in listed]
    with runtime.database.transaction() as session:
        posted = set(session.scalars(select(name).where(name.in_(ids))))
    return [moved for moved in listed if moved.transaction.id not in posted]


def post_movements(
    session: Session,
    charge: Charge,
    movements: Iterable[BalanceTransaction],
    *,
    original_amount: int,
    original_currency: str,
    now: datetime,
) -> None:
    """Post what a refund, a dispute or a returned debit of one of our charges moved.

    `original_amount` is the sum in minor units of the charge's currency, without a sign.
    """
    for transaction in movements:
        _post(session, _moved(transaction, charge, original_amount, original_currency), charge, now)


def post_moved(runtime: Runtime, moved: Iterable[MoneyMoved]) -> Seen:
    """Post movements of any kind, oldest first, a transaction each.

    Those whose charge is ours and not recorded yet wait: their time will come.
    """
    now = runtime.clock.now()
    listed = posted = 0
    waits_since: datetime | None = None
    for page in pages(moved):
        listed += len(page)
        for movement in _not_posted(runtime, page):
            with runtime.database.transaction() as session:
                charge = _charge_of(session, movement.stripe_charge_id)
                if charge is None and _may_yet_be_ours(session, movement, now):
                    waits_since = waits_since or movement.transaction.created
                else:
                    posted += _post(session, movement, charge, now)
    return Seen(listed=listed, new=posted, waits_since=waits_since)


def _charge_of(session: Session, stripe_charge_id: str | None) -> Charge | None:
    """Our charge of that id; a payout has none, and is not to be taken for a charge without one."""
    if stripe_charge_id is None:
        return None
    return session.scalars(
        select(Charge).where(Charge.stripe_charge_id == stripe_charge_id)
    ).one_or_none()


def _may_yet_be_ours(session: Session, moved: MoneyMoved, now: datetime) -> bool:
    if moved.stripe_charge_id is None or moved.transaction.created < now - UNCLAIMED_AFTER:
        return False
    if moved.charge_metadata is not None:
        return any(key.startswith("tuppence_") for key in moved.charge_metadata)
    known_as_foreign = select(LedgerTransaction.id).where(
        LedgerTransaction.stripe_charge_id == moved.stripe_charge_id
    )
    return session.scalar(known_as_foreign.limit(1)) is None


def _moved(
    transaction: BalanceTransaction, charge: Charge, amount: int, currency: str
) -> MoneyMoved:
    """A movement of one of our charges; `amount` is in minor units of `currency`, unsigned."""
    return MoneyMoved(
        transaction=transaction,
        stripe_charge_id=charge.stripe_charge_id,
        original_amount=sign_of(transaction.amount) * amount,
        original_currency=currency,
        charge_metadata=None,
    )


def _post(session: Session, moved: MoneyMoved, charge: Charge | None, now: datetime) -> bool:
    return post_many(session, [_posting(moved, charge)], now=now) > 0


def _posting(moved: MoneyMoved, charge: Charge | None) -> Posting:
    transaction = moved.transaction
    return Posting(
        movement=_movement(transaction, moved),
        stripe_balance_transaction_id=transaction.id,
        stripe_charge_id=moved.stripe_charge_id,
        charge_id=charge.id if charge else None,
        income=_INCOME[charge.kind] if charge else None,
        occurred_at=transaction.created,
        available_at=transaction.available,
    )


def _movement(transaction: BalanceTransaction, moved: MoneyMoved) -> Movement:
    return Movement(
        category=transaction.category,
        amount=transaction.amount,
        fee=transaction.fee,
        net=transaction.net,
        currency=transaction.currency,
        original_amount=moved.original_amount,
        original_currency=moved.original_currency,
    )
