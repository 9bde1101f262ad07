"""The newsroom's months as moments. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from billing.revenue.days import begins


@dataclass(frozen=True, order=True)
class Month:
    """A month of the newsroom's calendar: from `begins` up to, not including, `ends` (UTC)."""

    first: date
    begins: datetime
    ends: datetime


def month_on(day: date, zone: ZoneInfo) -> Month:
    """The month that holds a day of the newsroom's.

    It begins and ends where days do: see `days.begins`.
    """
    first = day.replace(day=1)
    return Month(first, begins(first, zone), begins(first + relativedelta(months=1), zone))
