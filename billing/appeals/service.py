"""This month's progress, from the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.appeals.domain import Progress, month_of
from billing.ledger.domain import Account
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.money import Money
from billing.runtime import Runtime
from billing.settings import NewsroomSettings

FRESH_FOR = timedelta(minutes=1)
"""How long a month's progress is shown before the ledger is asked again."""


def month_progress(session: Session, newsroom: NewsroomSettings, *, now: datetime) -> Progress:
    """What supporters' payments have come to this month, after fees, refunds and disputes.

    Counted is what they moved on the Stripe balance in the goal's currency, and what came by bank
    or cheque, on the newsroom's days; payouts and what is not Tuppence's doing have no charge and
    are left out.
    """
    start, end = month_of(now, newsroom.timezone)
    net = session.scalar(
        select(func.coalesce(func.sum(LedgerEntry.amount_minor), 0))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(
            LedgerEntry.account.in_((Account.STRIPE, Account.OFFLINE)),
            LedgerEntry.currency == newsroom.goal.currency,
            LedgerEntry.occurred_at >= start,
            LedgerEntry.occurred_at < end,
            LedgerTransaction.charge_id.is_not(None),
        )
    )
    return Progress(newsroom.goal, Money(int(net or 0), newsroom.goal.currency))


class ProgressBoard:
    """Remembers a month's progress for a minute, so that a busy article asks the ledger rarely."""

    def __init__(self) -> None:
        self._seen: tuple[datetime, Progress] | None = None

    def look(self, runtime: Runtime) -> Progress:
        """The progress, at most a minute old and never of another month."""
        now = runtime.clock.now()
        newsroom = runtime.settings.newsroom
        if self._seen is not None and self._is_fresh(self._seen[0], now, newsroom):
            return self._seen[1]
        with runtime.database.transaction() as session:
            progress = month_progress(session, newsroom, now=now)
        self._seen = (now, progress)
        return progress

    @staticmethod
    def _is_fresh(seen_at: datetime, now: datetime, newsroom: NewsroomSettings) -> bool:
        start, _ = month_of(now, newsroom.timezone)
        return start <= seen_at <= now < seen_at + FRESH_FOR
