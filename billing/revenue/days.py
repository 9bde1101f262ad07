"""The newsroom's days as moments. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day in `zone`, in UTC.

    Where daylight saving skips midnight it is the moment of the jump; where midnight comes twice,
    the first of the two.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The newsroom's day of a moment (aware)."""
    return moment.astimezone(zone).date()


@dataclass(frozen=True)
class Days:
    """Consecutive days of `zone` from `first` to `last`, both among them."""

    first: date
    last: date
    zone: ZoneInfo

    def begins(self) -> list[datetime]:
        """The first moment of each day, oldest first."""
        count = (self.last - self.first).days + 1
        return [begins(self.first + DAY * each, self.zone) for each in range(count)]

    @property
    def starts_at(self) -> datetime:
        """The first moment of all."""
        return begins(self.first, self.zone)

    @property
    def ends_at(self) -> datetime:
        """The first moment after the last day."""
        return begins(self.last + DAY, self.zone)
