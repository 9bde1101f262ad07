"""What the revenue pages read: figures of a period, and of those it is compared with.

Each reads as of one moment and in a number of queries that no data changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from dateutil.relativedelta import relativedelta
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue import figures
from billing.revenue.bridge import Bridge, Rates, Stretch, bridge
from billing.revenue.cells import Cells, find_cells
from billing.revenue.churn import Amount, median
from billing.revenue.domain import Takings, valued
from billing.revenue.figures import MoneyRow, Moved
from billing.revenue.filters import Filters
from billing.revenue.periods import Period, Step, a_year_before, previous, steps
from billing.revenue.rates import fixed_rates
from billing.revenue.recovery import Recovery, recovery
from billing.revenue.tables import MoveKind, Slice
from billing.settings import NewsroomSettings

_RATES_REACH = 13
"""How many months before a period its rates are looked for."""
_READING = text(
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL jit = off;"
    " SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
    " SET LOCAL enable_sort = off; SET LOCAL max_parallel_workers_per_gather = 0"
)
"""As of one moment. Each query walks along an index, for each of a few periods or until a list's
page is full. Where PostgreSQL takes that for much it sorts, hashes or compiles, and reads whole
tables."""
_EVERYTHING = Cells(slice=Slice.ALL, members=None, country=None, cadence=None, currency=None)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a page was asked for, and what every page needs."""

    filters: Filters
    cells: Cells
    currency: str
    """The reporting currency."""
    today: date
    folded_at: datetime | None
    """Up to when the figures are told; None before they were first made."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One period's figures."""

    period: Period
    takings: Takings
    payments: int
    gifts: int
    """How many."""
    bridge: Bridge
    supporters: int
    """With a running pledge at its end."""
    recovery: Recovery


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A period beside the one before and the same a year before."""

    now: Standing
    previous: Standing
    year_before: Standing
    median: Fraction | None
    """In twelfths in minor units of the reporting currency."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A day, week or month of a period."""

    period: Period
    takings: Takings
    complete: bool


def ask(session: Session, newsroom: NewsroomSettings, filters: Filters, today: date) -> Asked:
    """Begin to read. Three queries at most."""
    session.execute(_READING)
    folded_at, months_until = figures.told(session)
    return Asked(
        filters=filters,
        cells=find_cells(session, filters, months_until=months_until),
        currency=newsroom.goal.currency,
        today=today,
        folded_at=folded_at,
    )


def read_overview(session: Session, asked: Asked) -> Overview:
    """The figures of three periods. Six queries."""
    period = asked.filters.period
    periods = [period, previous(period), a_year_before(period)]
    rates = _MonthlyRates(session, asked, periods)
    money = figures.money(session, asked.cells, periods)
    moved = _stretches(session, asked, periods, rates)
    firsts = [each.first for each in periods]
    before = figures.promised(session, asked.cells, firsts)
    people = figures.supporters(session, asked.cells, [each.last for each in periods])
    renewals = figures.renewals(session, asked.cells, periods)
    standings = [
        Standing(
            period=each,
            takings=takings_of(money[place], asked.currency),
            payments=sum(row.payments for row in money[place]),
            gifts=sum(row.payments for row in money[place] if row.is_gift),
            bridge=_bridge(each, before[place], moved[place], rates, asked.currency),
            supporters=people[place],
            recovery=recovery(renewals[place], rates.of(each.last)),
        )
        for place, each in enumerate(periods)
    ]
    return Overview(
        now=standings[0],
        previous=standings[1],
        year_before=standings[2],
        median=_median(session, asked, rates.of(period.last)),
    )


def read_bridges(session: Session, asked: Asked) -> tuple[Bridge, list[tuple[Period, Bridge]]]:
    """The bridge of the period, and that of each of its months. Three queries."""
    period = asked.filters.period
    months = steps(period, Step.MONTH)
    rates = _MonthlyRates(session, asked, [period])
    [moved] = _stretches(session, asked, [period], rates)
    [before] = figures.promised(session, asked.cells, [period.first])
    found, stands = [], before
    for month, stretch in zip(months, moved, strict=True):
        found.append((month, _bridge(month, stands, [stretch], rates, asked.currency)))
        for sums in stretch.moves.values():
            stands = {
                each: stands.get(each, 0) + sums.get(each, 0) for each in stands.keys() | sums
            }
    return _bridge(period, before, moved, rates, asked.currency), found


def read_ending(session: Session, asked: Asked) -> int:
    """What is known to end or begin after the period, in twelfths: scheduled cancellations."""
    last = asked.filters.period.last
    to_come = Period(last + timedelta(days=1), last + relativedelta(years=3))
    [moved] = figures.moves(session, asked.cells, [to_come])
    rates = _MonthlyRates(session, asked, [Period(last, last)]).of(last)
    return sum(valued({each.currency: each.yearly_minor}, rates) for each in moved)


def read_parts(session: Session, asked: Asked) -> tuple[Takings, list[Part], list[Takings]]:
    """A period's money, that of its days, weeks or months, and what was settled elsewhere.

    One query.
    """
    period = asked.filters.period
    parts = steps(period, asked.filters.step)
    money = figures.money(session, asked.cells, parts)
    everything = [row for rows in money for row in rows]
    others = sorted({row.settled_currency for row in everything} - {asked.currency})
    return (
        takings_of(everything, asked.currency),
        [
            Part(
                period=each,
                takings=takings_of(rows, asked.currency),
                complete=each.last < asked.today,
            )
            for each, rows in zip(parts, money, strict=True)
        ],
        [takings_of(everything, each) for each in others],
    )


def takings_of(rows: Iterable[MoneyRow], currency: str) -> Takings:
    """Sums of what was settled in a currency."""
    rows = [row for row in rows if row.settled_currency == currency]

    def total(name: str, *, once: bool | None = None) -> int:
        return sum(getattr(row, name) for row in rows if once is None or row.is_gift is once)

    return Takings(
        currency=currency,
        gifts=total("gross", once=True),
        pledges=total("gross", once=False),
        refunds=total("refunds"),
        disputes=total("disputes"),
        fees=total("fees"),
        other=total("other"),
    )


class _MonthlyRates:
    """The fixed rates of all months that some periods touch. One query."""

    def __init__(self, session: Session, asked: Asked, periods: Sequence[Period]) -> None:
        first = min(each.first for each in periods).replace(day=1)
        first -= relativedelta(months=_RATES_REACH)
        last = max(each.last for each in periods)
        self._months = steps(Period(first, last), Step.MONTH)
        everything = replace(_EVERYTHING, months_until=asked.cells.months_until)
        paid = [
            _paid(rows, asked.currency) for rows in figures.money(session, everything, self._months)
        ]
        self._rates = dict(
            zip((m.first for m in self._months), fixed_rates(paid, asked.currency), strict=True)
        )

    def of(self, day: date) -> Rates:
        """The rates of a day's month."""
        return self._rates[day.replace(day=1)]

    def before(self, day: date) -> Rates:
        """The rates at which what stood when a day began was valued."""
        return self.of(day - timedelta(days=1))


def _paid(rows: Iterable[MoneyRow], currency: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.settled_currency == currency != row.paid_currency:
            paid, settled = found.get(row.paid_currency, (0, 0))
            found[row.paid_currency] = (paid + row.gross_paid, settled + row.gross)
    return found


def _stretches(
    session: Session, asked: Asked, periods: Sequence[Period], rates: _MonthlyRates
) -> list[list[Stretch]]:
    """The movements of each period, month by month. One query."""
    months = [steps(each, Step.MONTH) for each in periods]
    moved = iter(figures.moves(session, asked.cells, [m for each in months for m in each]))
    return [
        [Stretch(rates=rates.of(m.first), moves=_by_kind(next(moved))) for m in each]
        for each in months
    ]


def _by_kind(moved: Iterable[Moved]) -> dict[MoveKind, dict[str, int]]:
    found: dict[MoveKind, dict[str, int]] = {}
    for each in moved:
        found.setdefault(each.kind, {})[each.currency] = each.yearly_minor
    return found


def _bridge(
    period: Period,
    before: dict[str, int],
    stretches: Sequence[Stretch],
    rates: _MonthlyRates,
    currency: str,
) -> Bridge:
    first = rates.before(period.first)
    return bridge(before, stretches, currency=currency, rates_before=first)


def _median(session: Session, asked: Asked, rates: Rates) -> Fraction | None:
    """The median over what each supporter promises in each currency. One query."""
    found: dict[str, list[Amount]] = figures.amounts(
        session, asked.cells, asked.filters.period.last
    )
    return median(
        [
            Amount(round(each.twelfths * rates[currency]), each.people)
            for currency, amounts in found.items()
            if currency in rates
            for each in amounts
        ]
    )
