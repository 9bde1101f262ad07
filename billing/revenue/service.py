"""The overview that staff open every morning, put together from one consistent look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from dateutil.relativedelta import relativedelta
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.money import Money
from billing.revenue import queries
from billing.revenue.domain import (
    Converted,
    Flow,
    Takings,
    after_fees,
    conversions,
    fee_share,
    monthly_rates,
    settled_elsewhere,
    takings,
    valued,
)
from billing.revenue.months import Month, months_up_to
from billing.revenue.mrr import Mrr, mrr_of
from billing.revenue.queries import PastDuePledge, PledgeCounts, RecentCharge, Waiting
from billing.settings import NewsroomSettings

CHART_MONTHS = 12
RECENT = 20
PAST_DUE_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class MonthTakings:
    """One month of the chart."""

    month: Month
    takings: Takings
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Goal:
    """This month against what being free of ads costs, all in the goal's currency."""

    goal: Money
    received: Money
    """Net cash so far."""
    expected: Money
    """Still to be charged this month, after fees at the usual share."""
    committed: Money
    """MRR, after fees at the usual share."""
    unvalued: dict[str, int]
    """Expected in currencies that have no rate yet, in their minor units, before fees."""

    @property
    def gap(self) -> Money:
        """What is missing if nothing more came in this month."""
        return Money(max(0, self.goal.minor - self.received.minor), self.goal.currency)

    @property
    def foreseen(self) -> Money:
        """Received and expected together."""
        return self.received + self.expected

    def share(self, part: Money) -> Fraction:
        """A sum as a share of the goal, never below 0."""
        return Fraction(max(0, part.minor), self.goal.minor)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything on the revenue page."""

    now: datetime
    month: Month
    currency: str
    this_month: Takings
    elsewhere: list[Takings]
    converted: list[Converted]
    goal: Goal
    fee_share: Fraction
    mrr: Mrr
    supporters_year: int
    supporters_month: int
    supporters_since: datetime
    pledges: PledgeCounts
    chart: list[MonthTakings]
    recent: list[RecentCharge]
    past_due: list[PastDuePledge]
    waiting: Waiting

    @property
    def is_new(self) -> bool:
        """Whether this newsroom has not been given anything yet."""
        return not self.recent and all(each.takings.is_empty for each in self.chart)


def overview(session: Session, newsroom: NewsroomSettings, now: datetime) -> Overview:
    """Read every figure of the overview as of one moment: the sums agree with one another."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    zone, currency = newsroom.timezone, newsroom.goal.currency
    months = months_up_to(now, zone, CHART_MONTHS + 1)
    month = months[-1]
    flows = queries.flows(session, months)
    rates = monthly_rates(flows, month.first, currency)
    mrr = mrr_of(
        queries.movements(session, month, now.astimezone(zone).date()),
        currency=currency,
        rates=rates,
        earlier_rates=monthly_rates(flows, months[-2].first, currency),
    )
    this_month = takings(flows, month.first, currency)
    since = _a_year_before(now, newsroom)
    of_year, of_month = queries.supporters(session, since, month)
    return Overview(
        now=now,
        month=month,
        currency=currency,
        this_month=this_month,
        elsewhere=settled_elsewhere(flows, month.first, currency),
        converted=conversions(flows, month.first, currency),
        goal=_goal(newsroom.goal, this_month, mrr, queries.expected(session, month), flows, rates),
        fee_share=fee_share(flows, currency),
        mrr=mrr,
        supporters_year=of_year,
        supporters_month=of_month,
        supporters_since=since,
        pledges=queries.pledge_counts(session),
        chart=_chart(flows, months[1:], currency, now),
        recent=queries.recent_charges(session, RECENT),
        past_due=queries.past_due(session, PAST_DUE_SHOWN),
        waiting=queries.waiting(session),
    )


def _goal(
    goal: Money,
    this_month: Takings,
    mrr: Mrr,
    expected: dict[str, int],
    flows: list[Flow],
    rates: dict[str, Fraction],
) -> Goal:
    share = fee_share(flows, goal.currency)
    return Goal(
        goal=goal,
        received=Money(this_month.net, goal.currency),
        expected=Money(after_fees(valued(expected, rates), share), goal.currency),
        committed=Money(after_fees(mrr.month(mrr.end).minor, share), goal.currency),
        unvalued={each: minor for each, minor in expected.items() if each not in rates},
    )


def _chart(
    flows: list[Flow], months: list[Month], currency: str, now: datetime
) -> list[MonthTakings]:
    return [
        MonthTakings(
            month=each,
            takings=takings(flows, each.first, currency),
            complete=each.ends <= now,
        )
        for each in months
    ]


def _a_year_before(now: datetime, newsroom: NewsroomSettings) -> datetime:
    """The beginning of the newsroom's day a year ago."""
    local = now.astimezone(newsroom.timezone) - relativedelta(years=1)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
