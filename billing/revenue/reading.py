"""What the revenue pages read: figures of a period, and of those it is compared with.

Each reads as of one moment and in a number of queries that no data changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import TypeVar

from dateutil.relativedelta import relativedelta
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue import figures
from billing.revenue.bridge import SUPPORTERS, Bridge, Rates, Stretch, bridge
from billing.revenue.cells import Cells, find_cells
from billing.revenue.churn import Amount, median
from billing.revenue.domain import Takings, valued
from billing.revenue.expected import fee_share
from billing.revenue.figures import MoneyRow, Moved
from billing.revenue.filters import Filters
from billing.revenue.periods import Period, Step, a_year_before, previous, steps
from billing.revenue.rates import fixed_rates
from billing.revenue.recovery import Recovery, Renewals, is_final, recovery
from billing.revenue.tables import MoveKind, Slice
from billing.revenue.viewers import (
    Hidden,
    Sight,
    coarse_bridge,
    coarse_count,
    coarse_takings,
    hidden_in_any,
    hidden_money,
    hidden_moves,
    hidden_renewals,
    rounding_step,
)
from billing.settings import NewsroomSettings
from billing.staff.suppression import is_small

T = TypeVar("T")

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
EVERYTHING = Cells(slice=Slice.ALL, members=None, country=None, cadence=None, currency=None)


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
    sight: Sight = field(default_factory=Sight)

    @property
    def sees_people(self) -> bool:
        """Whether whoever looks may see people; if not, figures are those of viewers."""
        return self.sight.sees_people


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
    """With a running pledge at its end; for viewers to the nearest 5."""
    recovery: Recovery
    hidden: Hidden = frozenset()
    """What is not shown to a viewer: see `viewers.py`."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A period beside the one before and the same a year before."""

    now: Standing
    previous: Standing
    year_before: Standing
    fee_share: Fraction
    """The part of all that was paid in the last 13 months which Stripe kept."""
    rates: Rates
    """Of the month in which the period ends."""
    median: Fraction | None
    """In twelfths in minor units of the reporting currency; None for viewers."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A day, week or month of a period."""

    period: Period
    takings: Takings
    complete: bool
    hidden: Hidden = frozenset()
    """What is not shown to a viewer: see `viewers.py`."""


def ask(
    session: Session,
    newsroom: NewsroomSettings,
    filters: Filters,
    today: date,
    *,
    sees_people: bool = False,
) -> Asked:
    """Begin to read. Three queries at most."""
    session.execute(_READING)
    folded_at, months_until = figures.told(session)
    return Asked(
        filters=filters,
        cells=find_cells(session, filters, months_until=months_until),
        currency=newsroom.goal.currency,
        today=today,
        folded_at=folded_at,
        sight=Sight(sees_people=sees_people, step=rounding_step(newsroom.goal)),
    )


def read_overview(session: Session, asked: Asked) -> Overview:
    """The figures of three periods. Seven queries, six without filters."""
    period = asked.filters.period
    periods = [period, previous(period), a_year_before(period)]
    months = [steps(each, Step.MONTH) for each in periods]
    rates = MonthlyRates(session, asked, periods, beside=[m for each in months for m in each])
    money = [[next(rates.beside) for _ in of_period] for of_period in months]
    moved = _by_period(figures.moves, session, asked, months)
    firsts = [each.first for each in periods]
    before = figures.promised(session, asked.cells, firsts)
    people = figures.supporters(session, asked.cells, [each.last for each in periods])
    renewals = _by_period(figures.renewals, session, asked, months)
    standings = [
        _standing(asked, rates, each, *parts)
        for each, *parts in zip(
            periods, months, money, moved, before, people, renewals, strict=True
        )
    ]
    return Overview(
        now=standings[0],
        previous=standings[1],
        year_before=standings[2],
        fee_share=fee_share(
            (row for _, rows in rates.months()[-_RATES_REACH:] for row in rows), asked.currency
        ),
        rates=rates.of(period.last),
        median=_median(session, asked, rates.of(period.last)) if asked.sees_people else None,
    )


def _by_period(
    read: Callable[[Session, Cells, Sequence[Period]], list[list[T]]],
    session: Session,
    asked: Asked,
    months: Sequence[Sequence[Period]],
) -> list[list[list[T]]]:
    """The rows of each period, month by month. One query."""
    found = iter(read(session, asked.cells, [each for period in months for each in period]))
    return [[next(found) for _ in period] for period in months]


def _standing(
    asked: Asked,
    rates: MonthlyRates,
    period: Period,
    months: Sequence[Period],
    money: Sequence[Sequence[MoneyRow]],
    moved: Sequence[Sequence[Moved]],
    before: dict[str, int],
    people: int,
    renewals: Sequence[Sequence[Renewals]],
) -> Standing:
    """A period's figures, put together from those of its months."""
    rows = [row for month in money for row in month]
    due = [row for month in renewals for row in month]
    stretches = _stretches(months, moved, rates)
    exact = Standing(
        period=period,
        takings=takings_of(rows, asked.currency),
        payments=sum(row.payments for row in rows),
        gifts=sum(row.payments for row in rows if row.is_gift),
        bridge=_bridge(period, before, stretches, rates, asked.currency),
        supporters=people,
        recovery=recovery(due, rates.of(period.last)),
    )
    if asked.sees_people:
        return exact
    hidden = hidden_in_any(
        [
            *(hidden_payments(month) for month in money),
            hidden_moves([_counts(month) for month in moved]),
            *(
                _hidden_renewals(of_month, is_final(month.last, asked.today))
                for month, of_month in zip(months, renewals, strict=True)
            ),
            frozenset({SUPPORTERS} if is_small(people) else ()),
        ]
    )
    return replace(
        exact,
        takings=coarse_takings(exact.takings, asked.sight.step, hidden),
        bridge=coarse_bridge(exact.bridge, asked.sight.step, hidden),
        supporters=coarse_count(people),
        hidden=hidden,
    )


def hidden_payments(rows: Sequence[MoneyRow]) -> Hidden:
    """What viewers are not shown of a month's payments."""
    gifts = sum(row.payments for row in rows if row.is_gift)
    payments = sum(row.payments for row in rows)
    moved = any(row.gross or row.refunds or row.disputes or row.fees for row in rows)
    return hidden_money(gifts, payments - gifts, moved=moved)


def _hidden_renewals(rows: Sequence[Renewals], final: bool) -> Hidden:
    seen = recovery(rows, {})
    return hidden_renewals(seen.due, seen.failed, seen.recovered, final=final)


def _counts(rows: Sequence[Moved]) -> dict[str, int]:
    """Movements by kind, in all currencies."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.kind] = found.get(row.kind, 0) + row.moves
    return found


def read_bridges(
    session: Session, asked: Asked, rates: MonthlyRates | None = None
) -> tuple[Bridge, list[tuple[Period, Bridge]]]:
    """The bridge of the period, and that of each of its months.

    Four queries at most; one fewer where the rates are known.
    """
    period = asked.filters.period
    months = steps(period, Step.MONTH)
    rates = rates or MonthlyRates(session, asked, [period])
    [moved] = _by_period(figures.moves, session, asked, [months])
    [before] = figures.promised(session, asked.cells, [period.first])
    found, stands = [], before
    for month, stretch in zip(months, _stretches(months, moved, rates), strict=True):
        found.append((month, _bridge(month, stands, [stretch], rates, asked.currency)))
        for sums in stretch.moves.values():
            stands = {
                each: stands.get(each, 0) + sums.get(each, 0) for each in stands.keys() | sums
            }
    whole = _bridge(period, before, _stretches(months, moved, rates), rates, asked.currency)
    if asked.sees_people:
        return whole, found
    return _bridges_for_viewers(session, asked, whole, found, [_counts(each) for each in moved])


def _bridges_for_viewers(
    session: Session,
    asked: Asked,
    whole: Bridge,
    months: Sequence[tuple[Period, Bridge]],
    counts: Sequence[dict[str, int]],
) -> tuple[Bridge, list[tuple[Period, Bridge]]]:
    """The same bridges without what tells of few people. One query."""
    ends = [months[0][0].first - timedelta(days=1), *(month.last for month, _ in months)]
    people = figures.supporters(session, asked.cells, ends)
    few = [frozenset({SUPPORTERS} if is_small(each) else ()) for each in people]
    kinds = [hidden_moves([count]) for count in counts]
    hidden = [hidden_in_any(each) for each in zip(kinds, few[:-1], few[1:], strict=True)]
    step = asked.sight.step
    return (
        coarse_bridge(whole, step, hidden_in_any([*kinds, few[0], few[-1]])),
        [
            (month, coarse_bridge(each, step, left_out))
            for (month, each), left_out in zip(months, hidden, strict=True)
        ],
    )


def read_ending(session: Session, asked: Asked) -> int:
    """What is known to end or begin after the period, in twelfths: scheduled cancellations.

    They are few, so viewers are not told.
    """
    if not asked.sees_people:
        return 0
    last = asked.filters.period.last
    to_come = Period(last + timedelta(days=1), last + relativedelta(years=3))
    [moved] = figures.moves(session, asked.cells, [to_come])
    rates = MonthlyRates(session, asked, [Period(last, last)]).of(last)
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
    found = [
        Part(
            period=each,
            takings=takings_of(rows, asked.currency),
            complete=each.last < asked.today,
            hidden=frozenset() if asked.sees_people else hidden_payments(rows),
        )
        for each, rows in zip(parts, money, strict=True)
    ]
    whole = takings_of(everything, asked.currency)
    if asked.sees_people:
        return whole, found, [takings_of(everything, each) for each in others]
    step = asked.sight.step
    return (
        coarse_takings(whole, step, hidden_in_any(each.hidden for each in found)),
        [replace(each, takings=coarse_takings(each.takings, step, each.hidden)) for each in found],
        [],
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


class MonthlyRates:
    """The fixed rates of all months that some periods touch. One query.

    `beside` are periods of which the page wants the money as well, as it is filtered: another query
    where it is.
    """

    def __init__(
        self,
        session: Session,
        asked: Asked,
        periods: Sequence[Period],
        *,
        beside: Sequence[Period] = (),
    ) -> None:
        first = min(each.first for each in periods).replace(day=1)
        first -= relativedelta(months=_RATES_REACH)
        last = max(each.last for each in periods)
        self._months = steps(Period(first, last), Step.MONTH)
        everything = replace(EVERYTHING, months_until=asked.cells.months_until)
        of = asked.cells
        unfiltered = of.slice is Slice.ALL and of.cadence is of.currency is None
        as_well = beside if unfiltered else ()
        found = figures.money(session, everything, [*self._months, *as_well])
        self._money = found[: len(self._months)]
        if beside and not as_well:
            found += figures.money(session, asked.cells, beside)
        self.beside = iter(found[len(self._months) :])
        """The money of each of those periods, in turn."""
        paid = [_paid(rows, asked.currency) for rows in self._money]
        self._rates = dict(
            zip((m.first for m in self._months), fixed_rates(paid, asked.currency), strict=True)
        )

    def months(self) -> list[tuple[Period, list[MoneyRow]]]:
        """All the money of each month, whatever is asked for; the last may be cut."""
        return list(zip(self._months, self._money, strict=True))

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
    months: Sequence[Period], moved: Sequence[Sequence[Moved]], rates: MonthlyRates
) -> list[Stretch]:
    """The movements of a period, month by month."""
    return [
        Stretch(rates=rates.of(month.first), moves=_by_kind(rows))
        for month, rows in zip(months, moved, strict=True)
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
    rates: MonthlyRates,
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
