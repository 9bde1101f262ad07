"""A plain calendar of the harness's own: when a pledge should be charged.

It shares no line with the product's. Days are counted on paper: the anchor's day of the month, or
the last day of a month that is too short, at the anchor's time of day in the newsroom's zone.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

MONTHS = {"monthly": 1, "annual": 12}

TOLD_AT_LEAST = timedelta(days=7)
TOLD_AT_MOST = timedelta(days=30)
"""How long a supporter must, and may, have known of an annual charge when it is made."""

WRITTEN_AHEAD = timedelta(days=14)
"""How long before an annual charge its notice is owed."""


def moments(anchor: datetime, cadence: str, zone: ZoneInfo) -> Iterator[datetime]:
    """The moments (UTC) of period 1, 2, 3 … of a pledge first paid at `anchor`, without end."""
    local = anchor.astimezone(zone)
    for period in count(1):
        years, month = divmod(local.month - 1 + period * MONTHS[cadence], 12)
        year = local.year + years
        day = min(local.day, monthrange(year, month + 1)[1])
        yield datetime(
            year, month + 1, day, local.hour, local.minute, local.second, tzinfo=zone
        ).astimezone(UTC)


def until(anchor: datetime, cadence: str, zone: ZoneInfo, end: datetime) -> list[datetime]:
    """The moments up to and including `end`, in order: the first is that of period 1."""
    found: list[datetime] = []
    for moment in moments(anchor, cadence, zone):
        if moment > end:
            return found
        found.append(moment)
    raise AssertionError("unreachable")


def announced(due: datetime, told: Iterable[datetime]) -> datetime | None:
    """The earliest moment at which an annual charge may be made, given when its notices came.

    Not before it is due, and a week after a notice that is not older than a month by then; None
    when no notice is good for it.
    """
    possible = ((max(due, moment + TOLD_AT_LEAST), moment) for moment in told)
    return min((at for at, moment in possible if at <= moment + TOLD_AT_MOST), default=None)
