"""Weeks, and what of few people is told. Pure.

Whoever reads the digest reads it in a mailbox, so it tells no more than a viewer may know: sums are
rounded, and none stands there that fewer than five payments or movements make (ADR 0068).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SENT_AT = time(7)
"""On Mondays, in the newsroom's zone."""
WEEK = timedelta(days=7)
YEAR = 52 * WEEK
"""The same week a year before, by its days of the week."""
CHART_WEEKS = 13


@dataclass(frozen=True, order=True)
class Week:
    """Monday to Sunday."""

    monday: date

    @property
    def sunday(self) -> date:
        """Its last day."""
        return self.monday + timedelta(days=6)

    def back(self, by: timedelta) -> Week:
        """The week so long before."""
        return Week(self.monday - by)


def due_monday(now: datetime, zone: ZoneInfo) -> date:
    """The last Monday whose digest is due: its own from the hour of sending on.

    After an outage that is the latest one alone; what was missed before is not sent any more.
    """
    local = now.astimezone(zone)
    monday = local.date() - timedelta(days=local.weekday())
    return monday if local >= datetime.combine(monday, SENT_AT, tzinfo=zone) else monday - WEEK


def bar(minor: int | None, most: int) -> int:
    """How long a bar is, in hundredths of the longest; at least 1 where there is anything."""
    if minor is None or minor <= 0 or most <= 0:
        return 0
    return max(1, round(100 * minor / most))
