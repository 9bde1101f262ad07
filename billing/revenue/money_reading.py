"""What the pages about gifts, sources, fees and reminders read; each within eight queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from billing.reminders.domain import APPEAL
from billing.revenue import figures, giving
from billing.revenue.bridge import Rates
from billing.revenue.cells import find_sources
from billing.revenue.domain import valued
from billing.revenue.fees import Fees, by_kind, fees_of
from billing.revenue.figures import MoneyRow
from billing.revenue.filters import Filters
from billing.revenue.funnel import Funnel, lift
from billing.revenue.gifts import (
    OF_GIVERS,
    WINDOWS,
    Givers,
    Spread,
    givers_for_viewers,
    hidden_givers,
    is_closed,
    spread,
)
from billing.revenue.giving import Wanted
from billing.revenue.periods import Period, Step, a_year_before, previous, steps
from billing.revenue.reading import Asked, MonthlyRates, hidden_payments
from billing.revenue.reminded import (
    Reminded,
    hidden_reminders,
    read_reminded,
    reminded_for_viewers,
)
from billing.revenue.viewers import PAID, hidden_in_any

STAYS = relativedelta(months=3)
"""After how long a pledge is asked whether it still stands."""


@dataclass(frozen=True, kw_only=True)
class Gifts:
    """One-off gifts of a period."""

    period: Period
    gifts: int
    gross: int
    """In minor units of the reporting currency."""
    hidden: bool = False
    """Whether viewers are told of neither."""


@dataclass(frozen=True, kw_only=True)
class GiftPage:
    """Gifts beside those of two other periods, and what became of those who gave first in it."""

    now: Gifts
    previous: Gifts
    year_before: Gifts
    spread: Spread | None
    """None where nobody gave, and for viewers: each is a sum that somebody gave."""
    whole: Givers
    months: list[tuple[Period, Givers]]


@dataclass(kw_only=True)
class Source:
    """What one name brought; money in minor units of the reporting currency."""

    name: str
    shown: int = 0
    opened: int = 0
    began: int = 0
    gifts: int = 0
    pledges: int = 0
    gross: int = 0
    net: int = 0
    yearly: int = 0
    """Promised by the pledges that began, in twelfths."""
    old_enough: int = 0
    """Pledges that began three months ago or earlier."""
    stayed: int = 0
    """Of these, those that stood three months later."""
    unvalued: dict[str, int] = field(default_factory=dict)

    @property
    def paid(self) -> int:
        """First payments: gifts, and pledges begun."""
        return self.gifts + self.pledges

    @property
    def share_stayed(self) -> Fraction | None:
        """Of pledges old enough, those that stood three months later."""
        return Fraction(self.stayed, self.old_enough) if self.old_enough else None


@dataclass(frozen=True, kw_only=True)
class FeePage:
    """Fees of a period, by month and by kind of payment."""

    whole: Fees
    months: list[tuple[Period, Fees]]
    kinds: list[tuple[str, str, Fees]]


@dataclass(frozen=True, kw_only=True)
class ReminderPage:
    """Reminders asked for in a period, and how those gave who saw an appeal and did not ask."""

    funnel: Funnel
    whole: Reminded
    months: list[tuple[Period, Reminded]]
    others: int
    """Views of an appeal after which no reminder was asked for."""
    others_gave: int
    """First payments that came by an appeal other than the reminder."""
    lift: Fraction | None


def read_gifts(session: Session, asked: Asked) -> GiftPage:
    """Gifts and what became of their givers. Four queries."""
    if not asked.sees_people:
        return _gifts_for_viewers(session, asked)
    period = asked.filters.period
    periods = [period, previous(period), a_year_before(period)]
    rows = figures.money(session, asked.cells, periods)
    rates = MonthlyRates(session, asked, [period]).of(period.last)
    months = steps(period, Step.MONTH)
    whole, *found = giving.givers(session, asked.cells, [period, *months])
    now, before, a_year = (
        _gifts(each, of, asked.currency) for each, of in zip(periods, rows, strict=True)
    )
    return GiftPage(
        now=now,
        previous=before,
        year_before=a_year,
        spread=spread(giving.amounts(session, asked.cells, period, rates)),
        whole=whole,
        months=list(zip(months, found, strict=True)),
    )


def _gifts_for_viewers(session: Session, asked: Asked) -> GiftPage:
    """The same without what tells of few, month by month. Two queries."""
    period = asked.filters.period
    periods = [period, previous(period), a_year_before(period)]
    months = [steps(each, Step.MONTH) for each in periods]
    found = iter(figures.money(session, asked.cells, [m for each in months for m in each]))
    rows = [[next(found) for _ in each] for each in months]
    whole, *of_months = giving.givers(session, asked.cells, [period, *months[0]])
    hidden = [
        OF_GIVERS if hidden_payments(money) & {"gifts", PAID} else hidden_givers(
            each, _gifts(month, money, asked.currency).gifts,
            [days for days in WINDOWS if is_closed(month.last, days, asked.today)],
        )
        for month, money, each in zip(months[0], rows[0], of_months, strict=True)
    ]  # fmt: skip
    now, before, a_year = (
        _seen_gifts(each, of, asked) for each, of in zip(periods, rows, strict=True)
    )
    return GiftPage(
        now=now,
        previous=before,
        year_before=a_year,
        spread=None,
        whole=givers_for_viewers(whole, hidden_in_any(hidden)),
        months=[
            (month, givers_for_viewers(each, left_out))
            for month, each, left_out in zip(months[0], of_months, hidden, strict=True)
        ],
    )


def read_sources(session: Session, asked: Asked, by: str) -> list[Source]:
    """What each name brought, the one with most money first. Six queries at most."""
    period, wanted = asked.filters.period, _wanted(session, asked, by)
    rates = MonthlyRates(session, asked, [period]).of(period.last)
    found: dict[str, Source] = {}

    def of(name: str) -> Source:
        return found.setdefault(name, Source(name=name))

    for step in giving.stepped(session, wanted, period):
        source = of(step.name)
        source.shown, source.opened, source.began = step.shown, step.opened, step.began
    for brought in giving.brought(session, wanted, period):
        source = of(brought.name)
        source.gifts += brought.gifts
        if brought.settled_currency == asked.currency:
            source.gross += brought.gross
            source.net += brought.net
    for begun in giving.begun(session, wanted, period):
        _begin(of(begun.name), begun, rates)
    old = old_enough(period, asked.today)
    for begun in giving.begun(session, wanted, old) if old else []:
        of(begun.name).old_enough += begun.pledges
        of(begun.name).stayed += begun.stayed
    return sorted(found.values(), key=lambda each: (-each.net, -each.paid, -each.shown, each.name))


def leaves_out_readers(filters: Filters) -> bool:
    """Whether filters ask for what is known of those who pay only: readers have none of it."""
    narrow = (filters.country, filters.currency, filters.cadence)
    return any(each is not None for each in narrow)


def old_enough(period: Period, today: date) -> Period | None:
    """Those days of a period whose pledges have had their three months."""
    last = min(period.last, today - STAYS)
    return Period(period.first, last) if last >= period.first else None


def together(sources: Iterable[Source], name: str = "") -> Source:
    """Several sources as one."""
    whole = Source(name=name)
    for each in sources:
        for of in ("shown", "opened", "began", "gifts", "pledges", "gross", "net", "yearly",
                   "old_enough", "stayed"):  # fmt: skip
            setattr(whole, of, getattr(whole, of) + getattr(each, of))
    return whole


def read_fees(session: Session, asked: Asked) -> FeePage:
    """Fees by month. One query."""
    months = steps(asked.filters.period, Step.MONTH)
    found = figures.money(session, asked.cells, months)
    rows = [row for of_month in found for row in of_month]
    return FeePage(
        whole=fees_of(rows, asked.currency),
        months=[
            (month, fees_of(of_month, asked.currency))
            for month, of_month in zip(months, found, strict=True)
        ],
        kinds=by_kind(rows, asked.currency),
    )


def read_reminders(session: Session, asked: Asked) -> ReminderPage:
    """The funnel of reminders, and that of appeals without them. Five queries at most.

    Country, currency and rhythm say nothing about reminders, so they are left aside.
    """
    filters = replace(asked.filters, country=None, currency=None, cadence=None)
    period = filters.period
    wanted = _wanted(session, replace(asked, filters=filters), "appeal")
    months = steps(period, Step.MONTH)
    found = read_reminded(session, asked.cells, months)
    whole = Reminded.together(found)
    if not asked.sees_people:
        return _reminders_for_viewers(whole, months, found)
    stepped = {s.name: s for s in giving.stepped(session, wanted, period)}
    shown = sum(each.shown for each in stepped.values())
    opened = stepped[APPEAL].opened if APPEAL in stepped else 0
    paid: dict[str, int] = {}
    for brought in giving.brought(session, wanted, period):
        paid[brought.name] = paid.get(brought.name, 0) + brought.gifts
    for begun in giving.begun(session, wanted, period):
        paid[begun.name] = paid.get(begun.name, 0) + begun.pledges
    others_gave = sum(count for name, count in paid.items() if name not in ("", APPEAL))
    others = max(0, shown - whole.asked)
    funnel = Funnel(shown=shown, asked=whole.asked, sent=whole.sent, opened=opened, gave=whole.gave)
    return ReminderPage(
        funnel=funnel,
        whole=whole,
        months=list(zip(months, found, strict=True)),
        others=others,
        others_gave=others_gave,
        lift=lift(whole.gave, whole.sent, others_gave, others),
    )


def _reminders_for_viewers(
    whole: Reminded, months: Sequence[Period], found: Sequence[Reminded]
) -> ReminderPage:
    """The same without what tells of few, and without appeals: who gave by them is of few too."""
    hidden = [hidden_reminders(each) for each in found]
    seen = reminded_for_viewers(whole, hidden_in_any(hidden))
    return ReminderPage(
        funnel=Funnel(shown=None, asked=seen.asked, sent=seen.sent, opened=None, gave=seen.gave),
        whole=seen,
        months=[
            (month, reminded_for_viewers(each, left_out))
            for month, each, left_out in zip(months, found, hidden, strict=True)
        ],
        others=0,
        others_gave=0,
        lift=None,
    )


def _wanted(session: Session, asked: Asked, by: str) -> Wanted:
    """At most one query."""
    sources = find_sources(session, asked.filters) if asked.filters.names else None
    return Wanted(filters=asked.filters, cells=asked.cells, by=by, sources=sources)


def _gifts(period: Period, rows: list[MoneyRow], currency: str) -> Gifts:
    gifts = [row for row in rows if row.is_gift]
    return Gifts(
        period=period,
        gifts=sum(row.payments for row in gifts),
        gross=sum(row.gross for row in gifts if row.settled_currency == currency),
    )


def _seen_gifts(period: Period, months: Sequence[list[MoneyRow]], asked: Asked) -> Gifts:
    if hidden_in_any(hidden_payments(rows) for rows in months) & {"gifts", PAID}:
        return Gifts(period=period, gifts=0, gross=0, hidden=True)
    exact = _gifts(period, [row for rows in months for row in rows], asked.currency)
    return replace(exact, gross=asked.sight.rounded(exact.gross))


def _begin(source: Source, begun: giving.Begun, rates: Rates) -> None:
    source.pledges += begun.pledges
    source.yearly += valued({begun.currency: begun.yearly_minor}, rates)
    if begun.currency not in rates:
        source.unvalued[begun.currency] = begun.yearly_minor
