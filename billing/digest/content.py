"""What the digest says: figures of the last whole week, in words and rounded sums.

The same for everybody, so it is made once. Only plain texts go into the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from billing.charges.attention import attention
from billing.db import Json
from billing.digest.domain import CHART_WEEKS, WEEK, YEAR, Week, bar
from billing.digest.suppressed import Counted, suppressed
from billing.money import Money
from billing.reminders import brake
from billing.revenue import figures, reading
from billing.revenue.bridge import GAINED, LOST, Bridge, month_of
from billing.revenue.days import begins
from billing.revenue.domain import Takings
from billing.revenue.expected import Goal
from billing.revenue.figures import Moved
from billing.revenue.filters import Filters
from billing.revenue.periods import Period
from billing.revenue.reading import takings_of
from billing.revenue.viewers import coarse_count, round_to, rounding_step
from billing.settings import NewsroomSettings
from billing.staff.formats import Formats
from billing.staff.suppression import hidden, is_small

FEW, FEW_SHORT = "too few to show", "too few"


@dataclass(frozen=True, kw_only=True)
class WeekMoney:
    """A week's money in minor units of the reporting currency; None for what is left out."""

    week: Week
    payments: int | None
    gifts: int | None
    pledges: int | None
    gross: int | None
    net: int | None


@dataclass(frozen=True, kw_only=True)
class Promised:
    """What is promised a month and how it moved, in twelfths; None for what is left out."""

    end: int | None
    change: int | None
    gained: int | None
    lost: int | None
    supporters: int | None
    """To the nearest 5."""


def read_digest(
    session: Session, newsroom: NewsroomSettings, monday: date, today: date
) -> tuple[list[WeekMoney], Promised] | None:
    """The chart's weeks, then that a year before; and what is promised at the week's end.

    Returns:
        None while the figures do not reach `monday` yet.
    """
    week = Week(monday).back(WEEK)
    filters = Filters(period=Period(week.monday, week.sunday))
    asked = reading.ask(session, newsroom, filters, today, sees_people=True)
    if asked.folded_at is None or asked.folded_at < begins(monday, newsroom.timezone):
        return None
    weeks = [week.back(WEEK * each) for each in reversed(range(CHART_WEEKS))]
    found = _money(session, asked, [*weeks, week.back(YEAR)])
    bridge, _ = reading.read_bridges(session, asked)
    [moved] = figures.moves(session, asked.cells, [filters.period])
    people = figures.supporters(session, asked.cells, [week.sunday])[0]
    return found, _promised(bridge, moved, people)


def write_digest(
    found: tuple[list[WeekMoney], Promised],
    month: Goal,
    needed: int,
    newsroom: NewsroomSettings,
) -> Json:
    """The digest in words, for the templates of emails/digest."""
    weeks, promised = found
    *chart, year_before = weeks
    words = _Words(newsroom)
    now, before = chart[-1], chart[-2]
    return {
        "first_day": words.formats.day(now.week.monday),
        "last_day": words.formats.day(now.week.sunday),
        "net": words.money(now.net),
        "most": words.changed_most(now, before),
        "rows": [
            [name, *(words.money(getattr(each, of)) for each in (now, before, year_before))]
            for name, of in (("Paid in all", "gross"), ("From pledges", "pledges"),
                             ("From gifts", "gifts"), ("After fees and refunds", "net"))
        ],
        "promised": words.promised(promised),
        "goal": words.goal(month),
        "goal_percent": int(100 * month.share(month.received)),
        "chart": words.chart(chart),
        "needed": needed,
        "rounded_to": words.formats.whole(Money(words.step, words.currency)),
    }  # fmt: skip


def count_needed(session: Session, now: datetime) -> int:
    """How many things wait for a person. Which they are stands on the staff pages alone."""
    return len(attention(session, now=now)) + len(brake.attention(session, now=now))


def _money(session: Session, asked: reading.Asked, weeks: list[Week]) -> list[WeekMoney]:
    periods = [Period(each.monday, each.sunday) for each in weeks]
    rows = figures.money(session, asked.cells, periods)
    shown = suppressed([Counted.of(each, asked.currency) for each in rows])
    return [
        _week(week, takings_of(each, asked.currency), counted)
        for week, each, counted in zip(weeks, rows, shown, strict=True)
    ]


def _week(week: Week, takings: Takings, counted: Counted) -> WeekMoney:
    told = counted.payments is not None
    balanced = told and (bool(counted.payments) or takings.is_empty)
    return WeekMoney(
        week=week,
        payments=counted.payments,
        gifts=None if counted.gifts is None else takings.gifts,
        pledges=None if counted.pledges is None else takings.pledges,
        gross=takings.gross if told else None,
        net=takings.net if balanced else None,
    )


def _promised(bridge: Bridge, moved: list[Moved], people: int) -> Promised:
    """Gained and lost are shown both or neither; the change only if both and all others are."""
    counts = [sum(each.moves for each in moved if each.kind in kinds) for kinds in (GAINED, LOST)]
    others = sum(each.moves for each in moved) - sum(counts)
    few = is_small(people)
    apart = not few and not hidden([*counts, others])
    return Promised(
        end=None if few else bridge.end,
        change=None if few or is_small(sum(counts) + others) else bridge.end - bridge.start,
        gained=bridge.gained if apart else None,
        lost=bridge.churned + bridge.contracted if apart else None,
        supporters=None if few else coarse_count(people),
    )


class _Words:
    """Writes sums for one newsroom, rounded."""

    def __init__(self, newsroom: NewsroomSettings) -> None:
        self.formats = Formats(newsroom.timezone)
        self.currency = newsroom.goal.currency
        self.step = rounding_step(newsroom.goal)

    def money(self, minor: int | None) -> str:
        if minor is None:
            return FEW
        return self.formats.whole(Money(round_to(minor, self.step), self.currency))

    def a_month(self, twelfths: int | None) -> str:
        return FEW if twelfths is None else self.money(month_of(twelfths, self.currency).minor)

    def promised(self, seen: Promised) -> list[list[str]]:
        people = FEW if seen.supporters is None else f"{seen.supporters:,}"
        rows = [["At the end of the week", self.a_month(seen.end)]]
        if seen.change is not None:
            sign = "+" if seen.change >= 0 else "−"
            rows.append(["Change in the week", f"{sign}{self.a_month(abs(seen.change))}"])
        if seen.gained is not None and seen.lost is not None:
            rows.append(["Gained: new, returned, raised", self.a_month(seen.gained)])
            rows.append(["Lost: cancelled, failed, lowered", self.a_month(seen.lost)])
        return [*rows, ["Supporters with a running pledge, to the nearest 5", people]]

    def goal(self, goal: Goal) -> list[list[str]]:
        return [
            ["Received, after fees", self.money(goal.received.minor)],
            ["Still expected", self.money(goal.expected.minor)],
            ["Goal", self.formats.whole(goal.goal)],
        ]

    def chart(self, weeks: list[WeekMoney]) -> list[list[str | int]]:
        most = max((each.gross or 0 for each in weeks), default=0)
        return [
            [
                f"{each.week.monday.day} {self.formats.short_month(each.week.monday)}",
                bar(each.gross, most),
                FEW_SHORT if each.gross is None else self.money(each.gross),
            ]
            for each in weeks
        ]

    def changed_most(self, now: WeekMoney, before: WeekMoney) -> str:
        """In plain words, what differs most from the week before, as far as it may be told."""
        named = (("pledges", now.pledges, before.pledges), ("gifts", now.gifts, before.gifts))
        known = [
            (name, is_, was) for name, is_, was in named if is_ is not None and was is not None
        ]
        if not known and now.gross is not None and before.gross is not None:
            known = [("all together", now.gross, before.gross)]
        if not known:
            return "Too few payments in the week, or in the one before, to compare them."
        name, is_, was = max(known, key=lambda each: abs(each[1] - each[2]))
        difference = round_to(is_, self.step) - round_to(was, self.step)
        if not difference:
            return "Nothing differs much from the week before."
        which = "more" if difference > 0 else "less"
        told = f"{self.money(is_)} instead of {self.money(was)}"
        source = f"came in, {name}," if name.startswith("all") else f"came from {name}"
        words = f"What changed most: {self.money(abs(difference))} {which} {source}"
        return f"{words} than in the week before ({told})."
