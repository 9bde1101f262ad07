"""The newsroom's months as moments. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta


@dataclass(frozen=True, order=True)
class Month:
    """A month of the newsroom's calendar: from `begins` up to, not including, `ends` (UTC)."""

    first: date
    begins: datetime
    ends: datetime


def month_on(day: date, zone: ZoneInfo) -> Month:
    """The month that holds a day of the newsroom's.

    A month begins with its first day's midnight in `zone`; where daylight saving skips that
    midnight, with the moment of the jump; where it comes twice, with the first of the two.
    """
    first = day.replace(day=1)
    return Month(first, _midnight(first, zone), _midnight(first + relativedelta(months=1), zone))


def months_up_to(now: datetime, zone: ZoneInfo, count: int) -> list[Month]:
    """The last `count` months of `zone`, oldest first; the one that holds `now` is the last."""
    today = now.astimezone(zone).date()
    return [month_on(today - relativedelta(months=back), zone) for back in reversed(range(count))]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
