"""The page of the day as of a moment, once everything is in the rollups."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from billing.clock import FixedClock
from billing.revenue.rebuild import keep_up
from billing.revenue.today import MonthSoFar, read_month
from billing.runtime import Runtime


def fold_at(runtime: Runtime, now: datetime) -> None:
    """Carry everything into the rollups, at a moment."""
    keep_up(replace(runtime, clock=FixedClock(now)))


def month_at(runtime: Runtime, now: datetime, folded: datetime | None = None) -> MonthSoFar:
    """The month's sums at a moment; folded then, or later."""
    fold_at(runtime, folded or now)
    with runtime.database.transaction() as session:
        return read_month(session, runtime.settings.newsroom, now)
