"""The page of the day: this month against its goal, and what happens now. At most eleven queries.

Sums come from the rollups, everything else from a few rows that an index finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeKind, ChargeStatus
from billing.charges.tables import Charge
from billing.money import Money
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.tables import Pledge
from billing.revenue import figures
from billing.revenue.bridge import TWELFTHS, Bridge, Rates, bridge, month_of
from billing.revenue.days import DAY, day_of
from billing.revenue.domain import Takings
from billing.revenue.expected import Goal, Waiting, fee_share, goal_of, read_waiting
from billing.revenue.figures import MoneyRow
from billing.revenue.filters import Filters
from billing.revenue.months import month_on
from billing.revenue.periods import Period
from billing.revenue.reading import MonthlyRates, Part, ask, takings_of
from billing.settings import NewsroomSettings

CHART_MONTHS = 12
RECENT = 20
PAST_DUE_SHOWN = 50


@dataclass(frozen=True)
class Converted:
    """What was paid in a currency other than the one in which Stripe settled it."""

    paid: Money
    settled: Money


@dataclass(frozen=True)
class Promised:
    """The part of MRR that is promised in another currency."""

    promised: Money
    """A month's worth in its own currency."""
    value: Money | None
    """The same at the month's fixed rate; None when there is no rate."""


@dataclass(frozen=True, kw_only=True)
class People:
    """Supporters with a running pledge; whoever has one of both rhythms is in both counts."""

    all: int
    monthly: int
    annual: int


@dataclass(frozen=True, kw_only=True)
class MonthSoFar:
    """The sums of the page; those who may not see people see these."""

    now: datetime
    period: Period
    """The whole of the running month."""
    folded_at: datetime | None
    currency: str
    chart: list[Part]
    """Twelve months, the running one last."""
    elsewhere: list[Takings]
    converted: list[Converted]
    goal: Goal
    fee_share: Fraction
    mrr: Bridge
    """Without its movements."""
    others: list[Promised]
    people: People
    waiting: Waiting

    @property
    def this_month(self) -> Takings:
        """The running month so far."""
        return self.chart[-1].takings

    @property
    def is_new(self) -> bool:
        """Whether this newsroom has not been given anything yet."""
        empty = all(each.takings.is_empty for each in self.chart)
        return self.folded_at is not None and empty and not self.people.all


@dataclass(frozen=True, kw_only=True)
class RecentCharge:
    """A line in the list of charges. No name: supporters have numbers here."""

    id: int
    supporter_id: int
    kind: ChargeKind
    cadence: Cadence
    renewal: bool
    status: ChargeStatus
    amount: Money
    refunded: Money
    decline_code: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class PastDuePledge:
    """A pledge whose last charge was refused."""

    id: int
    supporter_id: int
    cadence: Cadence
    amount: Money
    since: datetime
    reason: str | None


def read_month(session: Session, newsroom: NewsroomSettings, now: datetime) -> MonthSoFar:
    """This month's sums. Six queries."""
    zone, currency = newsroom.timezone, newsroom.goal.currency
    today = now.astimezone(zone).date()
    month = month_on(today, zone)
    period = Period(month.first, day_of(month.ends, zone) - DAY)
    asked = ask(session, newsroom, Filters(period=period), today, sees_people=True)
    rates = MonthlyRates(session, asked, [period])
    valued_at, months = rates.of(today), rates.months()
    before, stands = figures.promised(session, asked.cells, [period.first, today + DAY])
    mrr = bridge(before, [], currency=currency, rates_before=rates.before(period.first))
    at_the_end = bridge(stands, [], currency=currency, rates_before=valued_at)
    share = fee_share((row for _, rows in months[-CHART_MONTHS - 1 :] for row in rows), currency)
    chart = [_part(each, rows, currency, today) for each, rows in months[-CHART_MONTHS:]]
    this_month = months[-1][1]
    people = figures.people_by_rhythm(session, asked.cells, today)
    waiting = read_waiting(session, month, zone=zone, now=now)
    due = waiting.expected
    net, end = chart[-1].takings.net, at_the_end.end
    return MonthSoFar(
        now=now,
        period=period,
        folded_at=asked.folded_at,
        currency=currency,
        chart=chart,
        elsewhere=_elsewhere(this_month, currency),
        converted=_converted(this_month, currency),
        goal=goal_of(newsroom.goal, net=net, mrr=end, due=due, share=share, rates=valued_at),
        fee_share=share,
        mrr=Bridge(
            currency=currency,
            start=mrr.start,
            moves={},
            currency_effect=0,
            end=end,
            unvalued=at_the_end.unvalued,
        ),
        others=_others(stands, currency, valued_at),
        people=People(
            all=people.get("", 0),
            monthly=people.get(Cadence.MONTHLY.value, 0),
            annual=people.get(Cadence.ANNUAL.value, 0),
        ),
        waiting=waiting,
    )


def read_recent(session: Session) -> list[RecentCharge]:
    """The newest charges, newest first. One query."""
    query = (
        select(Charge, Pledge.cadence)
        .outerjoin(Pledge, Pledge.id == Charge.pledge_id)
        .order_by(Charge.id.desc())
        .limit(RECENT)
    )
    return [
        RecentCharge(
            id=charge.id,
            supporter_id=charge.supporter_id,
            kind=charge.kind,
            cadence=cadence or Cadence.ONCE,
            renewal=bool(charge.period),
            status=charge.status,
            amount=Money(charge.amount_minor, charge.currency),
            refunded=Money(charge.refunded_minor, charge.currency),
            decline_code=charge.decline_code,
            at=charge.settled_at or charge.due_at,
        )
        for charge, cadence in session.execute(query)
    ]


def read_past_due(session: Session) -> list[PastDuePledge]:
    """Pledges whose last charge was refused, the latest first. One query."""
    query = (
        select(Pledge)
        .where(Pledge.status == PledgeStatus.PAST_DUE)
        .order_by(Pledge.past_due_since.desc(), Pledge.id.desc())
        .limit(PAST_DUE_SHOWN)
    )
    return [
        PastDuePledge(
            id=pledge.id,
            supporter_id=pledge.supporter_id,
            cadence=pledge.cadence,
            amount=Money(pledge.amount_minor, pledge.currency),
            since=pledge.past_due_since or pledge.created_at,
            reason=pledge.past_due_reason,
        )
        for pledge in session.scalars(query)
    ]


def _part(period: Period, rows: Sequence[MoneyRow], currency: str, today: date) -> Part:
    takings = takings_of(rows, currency)
    return Part(period=period, takings=takings, complete=period.last < today)


def _elsewhere(rows: Sequence[MoneyRow], currency: str) -> list[Takings]:
    """The month's figures in the other currencies in which Stripe settled, never mixed in."""
    others = sorted({row.settled_currency for row in rows} - {currency})
    found = (takings_of(rows, other) for other in others)
    return [each for each in found if not each.is_empty]


def _converted(rows: Sequence[MoneyRow], currency: str) -> list[Converted]:
    """What the month's payments in other currencies came to, one line a currency."""
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.paid_currency != currency == row.settled_currency and (row.gross_paid or row.gross):
            paid, settled = sums.get(row.paid_currency, (0, 0))
            sums[row.paid_currency] = (paid + row.gross_paid, settled + row.gross)
    return [
        Converted(Money(paid, each), Money(settled, currency))
        for each, (paid, settled) in sorted(sums.items())
    ]


def _others(stands: dict[str, int], currency: str, rates: Rates) -> list[Promised]:
    return [
        Promised(
            month_of(twelfths, each),
            Money(round(twelfths * rates[each] / TWELFTHS), currency) if each in rates else None,
        )
        for each, twelfths in sorted(stands.items())
        if each != currency and twelfths
    ]
