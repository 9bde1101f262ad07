"""How far a month has come towards what it costs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from billing.money import Money


class GoalState(StrEnum):
    """What can be said about a month."""

    NONE_YET = "none_yet"
    UNDER = "under"
    MET = "met"


@dataclass(frozen=True)
class Progress:
    """What this month costs, and what readers have given towards it, after fees."""

    goal: Money
    net: Money

    @property
    def gap(self) -> Money:
        """What is missing: max(0, goal − net)."""
        return Money(max(0, self.goal.minor - self.net.minor), self.goal.currency)

    @property
    def percent(self) -> int:
        """Whole percents of the goal, 0 to 100, rounded down: 100 means that it is met."""
        return min(100, max(0, self.net.minor * 100 // self.goal.minor))

    @property
    def state(self) -> GoalState:
        """Which of the three sentences is true."""
        if not self.gap:
            return GoalState.MET
        return GoalState.UNDER if self.net.minor > 0 else GoalState.NONE_YET


def month_of(moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of the newsroom's month around `moment`, and of the next month."""
    first = moment.astimezone(zone).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0
    )
    return first.replace(tzinfo=zone), (first + relativedelta(months=1)).replace(tzinfo=zone)
