"""Which months there is a journal of."""

from __future__ import annotations

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date
from dateutil.relativedelta import relativedelta

from billing.revenue.months import Month, month_on

_MONTH = re.compile(r"(?P<year>20\d\d)-(?P<month>0[1-9]|1[0-2])", re.ASCII)


class JournalError(ValueError):
    """There is no such journal; the message is a sentence for its reader."""


def read_month(written: str, now: datetime, zone: ZoneInfo, first: datetime | None) -> Month:
    """The month of `zone` that is written as 2026-10; `first` is when the ledger begins.

    Raises:
        JournalError: when it is no month, is not over, or lies before the ledger.
    """
    month = month_on(_first_day(written), zone)
    name = format_date(month.first, "MMMM y", locale="en")
    if month.ends > now:
        has = "is not over" if month.begins <= now else "has not begun"
        raise JournalError(f"{name} {has}, so its journal would not be whole.")
    if first is None:
        raise JournalError("Nothing is in the ledger yet.")
    if month.ends <= first:
        begins = format_date(first.astimezone(zone).date(), "MMMM y", locale="en")
        raise JournalError(f"The ledger begins in {begins}; there is nothing of {name}.")
    return month


def months_over(now: datetime, zone: ZoneInfo, first: datetime | None) -> list[Month]:
    """The months that are over, from that in which the ledger begins; the newest first."""
    if first is None:
        return []
    found, day = [], first.astimezone(zone).date().replace(day=1)
    while (month := month_on(day, zone)).ends <= now:
        found.append(month)
        day += relativedelta(months=1)
    return found[::-1]


def _first_day(written: str) -> date:
    found = _MONTH.fullmatch(written)
    if found is None:
        raise JournalError(f"“{written[:40]}” is no month such as 2026-10.")
    return date(int(found["year"]), int(found["month"]), 1)
