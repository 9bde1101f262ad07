"""The queries that `make bench` sets against the pages return the pages' figures, no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.reminders.domain import APPEAL
from billing.revenue import figures, giving, listing
from billing.revenue.at_risk import stakes
from billing.revenue.cells import Cells, find_cells
from billing.revenue.expected import expected
from billing.revenue.filters import Filters
from billing.revenue.fold_reminders import ReminderStep
from billing.revenue.giving import Wanted
from billing.revenue.months import month_on
from billing.revenue.people_figures import departures, renewals_by_try
from billing.revenue.periods import Period, Step, steps
from billing.revenue.reminded import read_reminded, reminder_lines
from billing.revenue.tables import MoveKind
from tests.bench import plain_sql

Sums = Counter[tuple[Any, ...]]


@dataclass(frozen=True)
class _Both:
    """What a comparison needs: the same questions put to both."""

    session: Session
    filters: Filters
    cells: Cells
    zone: ZoneInfo
    now: datetime

    @property
    def months(self) -> list[Period]:
        return steps(self.filters.period, Step.MONTH)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What plain SQL says."""
        period = self.filters.period
        given = {"first": period.first, "last": period.last, "zone": self.zone.key}
        found = self.session.connection().exec_driver_sql(query, given)
        return [tuple(row) for row in found]


def plain_sql_agrees(session: Session, period: Period, zone: ZoneInfo, now: datetime) -> set[str]:
    """Compare every query.

    Returns:
        Those that had something to compare.
    """
    session.execute(text("SET LOCAL jit = off"))
    filters = Filters(period=period)
    _, over = figures.told(session)
    both = _Both(session, filters, find_cells(session, filters, months_until=over), zone, now)
    compared, wrong = set(), {}
    for query, ours in _COMPARED.items():
        theirs, of_pages = ours(both, both.rows(query))
        different = {key for key in {*theirs, *of_pages} if theirs[key] != of_pages[key]}
        wrong |= {(ours.__name__, *key): (theirs[key], of_pages[key]) for key in different}
        compared |= {query} if of_pages else set()
    assert not wrong, wrong
    return compared


def _money(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    theirs, ours = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for month, settled, what, payments, amount, fees, paid in rows:
        kind = {"gifts": "gross", "pledges": "gross"}.get(what, what)
        sign = 1 if kind in ("gross", "other") else -1
        theirs[month, settled, kind] += sign * (amount - (fees if what == "other" else 0))
        theirs[month, settled, "fees"] += fees if what != "other" else 0
        theirs[month, settled, f"{what} paid"] += paid
        theirs[month, settled, f"{what} payments"] += payments
    for month, of_month in zip(both.months, _by_month(both, figures.money), strict=True):
        for row in of_month:
            of = (month.first, row.settled_currency)
            for name in ("gross", "refunds", "disputes", "fees", "other"):
                ours[*of, name] += getattr(row, name)
            what = "gifts" if row.is_gift else "pledges"
            ours[*of, f"{what} paid"] += row.gross_paid
            ours[*of, f"{what} payments"] += row.payments
    return theirs, ours


def _saved(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    theirs, ours = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for cadence, currency, settled, covered, periods, paid in rows:
        for name, value in (("covered", covered), ("periods", periods), ("paid", paid)):
            theirs[cadence, currency, settled, name] += value
    [found] = figures.money(both.session, both.cells, [both.filters.period])
    for row in found:
        of = (row.cadence, row.paid_currency, row.settled_currency)
        ours[*of, "covered"] += row.covered_paid
        ours[*of, "periods"] += row.periods
        ours[*of, "paid"] += row.gross_paid
    return theirs, ours


def _brought(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    theirs, ours = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for name, settled, gifts, gross, net in rows:
        for of, value in (("gifts", gifts), ("gross", gross), ("net", net)):
            theirs[name, settled, of] += value or 0 if name else 0
    for row in giving.brought(both.session, _wanted(both, "campaign"), both.filters.period):
        for of in ("gifts", "gross", "net"):
            ours[row.name, row.settled_currency, of] += getattr(row, of) if row.name else 0
    return theirs, ours


def _movements(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    first = both.filters.period.first
    within = [row for row in rows if row[0] >= first]
    theirs, ours = _added(within), Counter[tuple[Any, ...]]()
    for month, moved in zip(both.months, _by_month(both, figures.moves), strict=True):
        for each in moved:
            if each.kind is not MoveKind.RHYTHM:
                key = (month.first, each.kind.value, each.currency)
                ours[*key, 0] += each.moves
                ours[*key, 1] += each.yearly_minor
    for month, _, currency, _, yearly in rows:
        theirs["before", currency] += yearly if month < first else 0
    [before] = figures.promised(both.session, both.cells, [first])
    ours.update({("before", currency): yearly for currency, yearly in before.items()})
    return theirs, ours


def _departed(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    [found] = departures(both.session, both.cells, [both.filters.period])
    ours = [(e.kind.value, e.currency, e.reason, e.moves, e.yearly_minor) for e in found]
    return _added(rows), _added(ours)


def _people(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    [people] = figures.supporters(both.session, both.cells, [both.filters.period.last])
    return _added(rows, keys=0), _added([(people,)], keys=0)


def _amounts(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    found = figures.amounts(both.session, both.cells, both.filters.period.last)
    ours = [(code, each.twelfths, each.people) for code, of in found.items() for each in of]
    return _added(rows, keys=2), _added(ours, keys=2)


def _renewals(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    found = zip(both.months, _by_month(both, renewals_by_try), strict=True)
    ours = [
        (m.first, e.currency, e.reason, e.tries, e.renewals, e.amount_minor, e.recovered)
        for m, of_month in found
        for e in of_month
    ]
    return _added(rows, keys=4), _added(ours, keys=4)


def _cohorts(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    changes = figures.retention(both.session, both.cells)
    ours = [(each.cohort, each.month, each.supporters) for code, each in changes if not code]
    return _added(rows, keys=2), _added(ours, keys=2)


def _gifts(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    one = dict.fromkeys({row[0] for row in rows}, 1)
    found = giving.amounts(both.session, both.cells, both.filters.period, one)
    theirs = [(amount, gifts) for _, amount, gifts in rows]
    return _added(theirs, keys=1), _added([(each.amount, each.gifts) for each in found], keys=1)


def _givers(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    found = zip(both.months, giving.givers(both.session, both.cells, both.months), strict=True)
    ours = [
        (month.first, each.givers, each.again, each.had_pledged, *each.within.values())
        for month, each in found
    ]
    return _added(rows, keys=1), _added(ours, keys=1)


def _begun(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    found = giving.begun(both.session, _wanted(both, "campaign"), both.filters.period)
    ours = [(e.name, e.currency, e.pledges, e.yearly_minor, e.stayed) for e in found]
    return _added(rows, keys=2), _added(ours, keys=2)


def _steps(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    theirs, ours = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for campaign, appeal, *times in rows:
        theirs.update(_added([("campaign", campaign, *times), ("appeal", appeal, *times)], keys=2))
    for by in ("campaign", "appeal"):
        found = giving.stepped(both.session, _wanted(both, by), both.filters.period)
        ours.update(_added([(by, e.name, e.shown, e.opened, e.began) for e in found], keys=2))
    return theirs, ours


def _reminded(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    found = read_reminded(both.session, both.cells, both.months)
    for step in ReminderStep:
        listed = reminder_lines(
            both.session, both.filters, both.cells, step, both.zone, after=None, limit=10_000
        )
        assert len(listed) == sum(getattr(each, step.value) for each in found), step
    ours = [
        (month.first, each.asked, each.sent, each.gave_before, each.gave)
        for month, each in zip(both.months, found, strict=True)
    ]
    return _added(rows, keys=1), _added(ours, keys=1)


def _paid_by_appeal(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    wanted, period = _wanted(both, "appeal"), both.filters.period
    paid = [(row.name, row.gifts) for row in giving.brought(both.session, wanted, period)]
    paid += [(row.name, row.pledges) for row in giving.begun(both.session, wanted, period)]
    others = sum(count for name, count in paid if name not in ("", APPEAL))
    return _added(rows, keys=0), _added([(others,)], keys=0)


def _payouts(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    found = listing.payout_totals(both.session, both.filters, both.zone)
    ours = [
        (e.currency, e.payouts, e.amount_minor, e.amount_minor + e.difference_minor) for e in found
    ]
    return _added(rows, keys=1), _added(ours, keys=1)


def _stakes(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    found = stakes(both.session, both.filters)
    ours = [(e.currency, e.pledges, e.owed_minor, e.yearly_minor) for e in found]
    return _added(rows, keys=1), _added(ours, keys=1)


def _expected(both: _Both, rows: list[tuple[Any, ...]]) -> tuple[Sums, Sums]:
    month = month_on(both.filters.period.last, both.zone)
    found = expected(both.session, month, zone=both.zone, now=both.now)
    return _added(rows, keys=1), _added(list(found.items()), keys=1)


_COMPARED: dict[str, Callable[[_Both, list[tuple[Any, ...]]], tuple[Sums, Sums]]] = {
    plain_sql.MONEY: _money,
    plain_sql.SAVED: _saved,
    plain_sql.BROUGHT: _brought,
    plain_sql.MOVEMENTS: _movements,
    plain_sql.DEPARTED: _departed,
    plain_sql.PEOPLE: _people,
    plain_sql.AMOUNTS: _amounts,
    plain_sql.RENEWALS: _renewals,
    plain_sql.COHORTS: _cohorts,
    plain_sql.GIFTS: _gifts,
    plain_sql.GIVERS: _givers,
    plain_sql.BEGUN: _begun,
    plain_sql.STEPS: _steps,
    plain_sql.REMINDED: _reminded,
    plain_sql.PAID_BY_APPEAL: _paid_by_appeal,
    plain_sql.PAYOUTS: _payouts,
    plain_sql.STAKES: _stakes,
    plain_sql.EXPECTED: _expected,
}


def _by_month(both: _Both, read: Callable[..., list[list[Any]]]) -> list[list[Any]]:
    return read(both.session, both.cells, both.months)


def _wanted(both: _Both, by: str) -> Wanted:
    return Wanted(filters=both.filters, cells=both.cells, by=by, sources=None)


def _added(rows: Iterable[tuple[Any, ...]], keys: int = 3) -> Sums:
    """Sums by the first columns, each of those that follow by itself."""
    found: Sums = Counter()
    for row in rows:
        for place, value in enumerate(row[keys:]):
            found[*row[:keys], place] += value or 0
    return found
