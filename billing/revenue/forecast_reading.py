"""What the forecast is made of: what is due, and how much of such sums arrived of late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from billing.pledges.domain import Cadence
from billing.revenue import figures
from billing.revenue.bridge import TWELFTHS, Rates
from billing.revenue.churn import annual_churn
from billing.revenue.churn_reading import net_share
from billing.revenue.domain import valued
from billing.revenue.figures import MoneyRow
from billing.revenue.forecast import (
    LEAST_MONTHS,
    Due,
    Forecast,
    Range,
    forecast,
    spread,
    survival,
)
from billing.revenue.people_figures import Departed, Tried, departures, renewals_by_try
from billing.revenue.periods import Period
from billing.revenue.reading import Asked, MonthlyRates
from billing.revenue.recovery import is_final, recovery
from billing.revenue.tables import MoveKind

LOOKED_AT = 12
"""How many months that are over are looked at for gifts, failures and churn."""
RECENT = 6
"""How many of them tell the range of failures and churn: cards and readers change."""
REACHES = (3, 6, 12)
"""How many months ahead may be asked for."""


@dataclass(frozen=True, kw_only=True)
class MonthAhead:
    """A month to come; sums in minor units of the reporting currency, before fees."""

    period: Period
    monthly: int
    """Due from monthly pledges."""
    annual: int
    """Due from annual ones: what they paid a year before."""
    sources: list[Period]
    """The days, a year before, in which those paid."""
    seen: Forecast


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the forecast goes by, and the days it was learnt in."""

    failed: Range
    recovered: Fraction
    closed: Period | None
    """The months whose failures can't be recovered any more; None where there are none."""
    churn: Range
    """The part of monthly pledges, by value, that is lost in a month."""
    annual: Fraction
    """The part of annual pledges due that their supporters end first."""
    covered: Fraction
    """What supporters add to monthly pledges to cover fees, as a part of these."""
    fees: Fraction
    """The part of all that is paid which Stripe keeps."""
    gifts: list[int]
    """What gifts brought in each month looked at, before fees."""
    standing: int
    """Monthly pledges by now, in twelfths."""
    recent: Period
    looked_at: Period


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The months to come, and what is assumed about them."""

    assumptions: Assumptions
    months: list[MonthAhead]
    history: int
    """How many months that are over there are since the first income."""

    @property
    def enough(self) -> bool:
        """Whether there is history enough to speak of a forecast."""
        return self.history >= LEAST_MONTHS

    @property
    def together(self) -> Forecast:
        """All months at their lowest, as is likely, and at their highest."""
        seen = [each.seen for each in self.months]
        return Forecast(
            low=sum(each.low for each in seen),
            likely=sum(each.likely for each in seen),
            high=sum(each.high for each in seen),
        )


@dataclass(frozen=True, kw_only=True)
class _Past:
    """A month that is over."""

    period: Period
    money: list[MoneyRow]
    """Settled in the reporting currency."""
    renewals: list[Tried]
    departed: list[Departed]
    standing: dict[str, int]
    """Monthly pledges at its beginning, by currency."""
    rates: Rates

    @property
    def gross(self) -> int:
        """All that was paid."""
        return sum(row.gross for row in self.money)

    def lost(self) -> Fraction | None:
        """The part of monthly pledges that ended, by value."""
        stood = valued(self.standing, self.rates)
        gone: dict[str, int] = {}
        for each in self.departed:
            if each.cadence == Cadence.MONTHLY:
                gone[each.currency] = gone.get(each.currency, 0) - each.yearly_minor
        return Fraction(valued(gone, self.rates), stood) if stood > 0 else None


def read_outlook(session: Session, asked: Asked, reach: int) -> Outlook:
    """The next `reach` months, from today, whatever the period. Five queries."""
    this = asked.today.replace(day=1)
    back = [_month(this, -each) for each in range(LOOKED_AT, 0, -1)]
    ahead = [_month(this, each) for each in range(1, reach + 1)]
    sources = [_a_year_before(each, asked.today) for each in ahead]
    days = [each for periods in sources for each in periods]
    rates = MonthlyRates(session, asked, [*back, Period(this, asked.today)])
    money = iter(figures.money(session, asked.cells, [*back, *days]))
    standing = iter(_standing(session, asked, back, ahead))
    renewals = renewals_by_try(session, asked.cells, back)
    departed = departures(session, asked.cells, back)
    past = [
        _Past(
            period=each,
            money=_own(next(money), asked.currency),
            renewals=renewals[place],
            departed=departed[place],
            standing=next(standing),
            rates=rates.of(each.first),
        )
        for place, each in enumerate(back)
    ]
    lived = _lived(past)
    now = rates.of(asked.today)
    assumed = _assume(lived or past[-1:], valued(next(standing), now), asked.today)
    months = [
        _month_ahead(
            place,
            each,
            monthly=valued(next(standing), now),
            sources=sources[place - 1],
            paid=[row for _ in sources[place - 1] for row in _own(next(money), asked.currency)],
            assumed=assumed,
        )
        for place, each in enumerate(ahead, 1)
    ]
    return Outlook(assumptions=assumed, months=months, history=len(lived))


def _standing(
    session: Session, asked: Asked, back: Sequence[Period], ahead: Sequence[Period]
) -> list[dict[str, int]]:
    """Monthly pledges at the beginning of past months, now, and at the end of those to come.

    What is known to end by then has left already. One query.
    """
    ends = [each.last + timedelta(days=1) for each in ahead]
    days = [*(each.first for each in back), asked.today + timedelta(days=1), *ends]
    if asked.cells.cadence not in (None, Cadence.MONTHLY.value):
        return [{} for _ in days]
    return figures.promised(session, replace(asked.cells, cadence=Cadence.MONTHLY.value), days)


def _assume(past: Sequence[_Past], standing: int, today: date) -> Assumptions:
    recent = past[-RECENT:]
    closed = [each for each in past if is_final(each.period.last, today)]
    seen = [recovery(each.renewals, each.rates) for each in closed]
    failed_value = sum((each.failed_value for each in seen), Fraction())
    recovered_value = sum((each.recovered_value for each in seen), Fraction())
    failed = [recovery(each.renewals, each.rates).failed_rate for each in recent]
    lost = [each.lost() for each in recent]
    return Assumptions(
        failed=spread([each for each in failed if each is not None]),
        recovered=recovered_value / failed_value if failed_value else Fraction(),
        closed=_over(closed) if closed else None,
        churn=spread([each for each in lost if each is not None]),
        annual=_annual(past),
        covered=_covered(row for each in recent for row in each.money),
        fees=1 - net_share(row for each in past for row in each.money),
        gifts=[sum(row.gross for row in each.money if row.is_gift) for each in past],
        standing=standing,
        recent=_over(recent),
        looked_at=_over(past),
    )


def _month_ahead(
    place: int,
    period: Period,
    *,
    monthly: int,
    sources: list[Period],
    paid: Iterable[MoneyRow],
    assumed: Assumptions,
) -> MonthAhead:
    annual = sum(row.gross for row in paid if row.cadence == Cadence.ANNUAL)
    due = round(Fraction(monthly, TWELFTHS) * (1 + assumed.covered))
    least, usual, most = (survival(each, place) for each in reversed(assumed.churn))
    renewing = (survival(assumed.annual, 1),) * 3
    return MonthAhead(
        period=period,
        monthly=due,
        annual=annual,
        sources=sources,
        seen=forecast(
            [Due(due, (least, usual, most)), Due(annual, renewing)],
            failed=assumed.failed,
            recovered=assumed.recovered,
            gifts=assumed.gifts,
        ),
    )


def _lived(past: Sequence[_Past]) -> list[_Past]:
    """The months since the first that had any income."""
    for place, each in enumerate(past):
        if each.gross:
            return list(past[place:])
    return []


def _annual(past: Sequence[_Past]) -> Fraction:
    """Cancelled / (asked for and cancelled), of annual pledges."""
    asked_for = sum(
        row.renewals for each in past for row in each.renewals if row.cadence == Cadence.ANNUAL
    )
    ended = sum(
        row.moves
        for each in past
        for row in each.departed
        if row.cadence == Cadence.ANNUAL and row.kind is MoveKind.CHURN_VOLUNTARY
    )
    return annual_churn(ended, asked_for + ended) or Fraction()


def _covered(rows: Iterable[MoneyRow]) -> Fraction:
    """Covered fees / what is given without them, of monthly pledges."""
    covered = given = Fraction()
    for row in rows:
        if row.cadence == Cadence.MONTHLY and row.gross_paid > 0:
            part = Fraction(row.covered_paid * row.gross, row.gross_paid)
            covered, given = covered + part, given + row.gross - part
    return covered / given if given > 0 else Fraction()


def _own(rows: Iterable[MoneyRow], currency: str) -> list[MoneyRow]:
    return [row for row in rows if row.settled_currency == currency]


def _over(past: Sequence[_Past]) -> Period:
    return Period(past[0].period.first, past[-1].period.last)


def _month(this: date, later: int) -> Period:
    first = this + relativedelta(months=later)
    return Period(first, first + relativedelta(months=1, days=-1))


def _a_year_before(month: Period, today: date) -> list[Period]:
    """The same month a year before; what of it is still to come, a year before that."""
    first = month.first - relativedelta(years=1)
    last = first + relativedelta(months=1, days=-1)
    if last <= today:
        return [Period(first, last)]
    rest = today + timedelta(days=1)
    earlier = Period(
        rest - relativedelta(years=1), first + relativedelta(years=-1, months=1, days=-1)
    )
    return [Period(first, today)] + ([earlier] if earlier.first <= earlier.last else [])
