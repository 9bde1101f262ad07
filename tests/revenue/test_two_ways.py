"""Every figure from the rollups is that of the plain loops over the raw rows, whatever is asked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from dateutil.relativedelta import relativedelta
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.audit.figures import rollups_are_the_ledger
from billing.pledges.domain import Cadence
from billing.revenue import figures
from billing.revenue.cells import Cells, find_cells
from billing.revenue.drilldown import (
    MoneyFigure,
    money_lines,
    move_lines,
    place_of_money,
    place_of_move,
    read_place,
)
from billing.revenue.filters import Filters
from billing.revenue.folding import count_expected
from billing.revenue.reading import takings_of
from billing.revenue.rebuild import rebuild
from billing.revenue.tables import MoveKind
from billing.runtime import Runtime
from tests.revenue.lives import ENDS, RIGA, Lives
from tests.revenue.plain import Plain, period
from tests.revenue.plain_money import PlainMoney
from tests.revenue.plain_people import PlainPeople
from tests.revenue.two_ways_money import money_agrees
from tests.revenue.two_ways_people import forecasts_agree, leave_past_due, people_agree
from tests.revenue.two_ways_sql import plain_sql_agrees

pytestmark = pytest.mark.alone
"""What others write on the same server, in whatever database, holds a fold back."""

PERIODS = (
    period("2025-01-01", "2026-12-31"),
    period("2025-03-30", "2025-10-26"),
    period("2026-03-01", "2026-03-31"),
    period("2025-12-31", "2025-12-31"),
)
CHOICES: dict[str, tuple[object, ...]] = {
    "campaign": (None, "spring"),
    "appeal": (None, "banner"),
    "article": (None, "/a", "nothing"),
    "country": (None, "LV"),
    "cadence": (None, Cadence.MONTHLY, Cadence.ONCE),
    "currency": (None, "usd"),
}
FILTERS = [
    Filters(period=PERIODS[0], **dict(zip(CHOICES, chosen, strict=True)))  # type: ignore[arg-type]
    for chosen in itertools.product(*CHOICES.values())
]
SEED = 4


def test_every_figure_is_the_same_both_ways(runtime: Runtime) -> None:
    """The history was folded in many steps, some of them while others were still writing."""
    Lives(runtime, SEED).live()
    with runtime.database.transaction() as session:
        leave_past_due(session)
        plain = PlainPeople(session, RIGA)
        _, over = figures.told(session)
        assert over > PERIODS[1].last, "whole months are read as one"
        for months_until in (date.min, over):
            _figures_agree(session, plain, months_until)
        people_agree(session, plain, asked(), over)
        forecasts_agree(session, plain, over)
        money_agrees(session, PlainMoney(plain, session, RIGA), asked(), over)
        _cohorts_agree(session, plain)
        _movements_make_the_end(session)
        _lists_add_up(session, over)
        count_expected(session, RIGA, ENDS)  # What is past due by now is expected no longer.
        assert plain_sql_agrees(session, period("2025-01-01", "2026-04-12"), RIGA, ENDS)
    assert [each for each in rebuild(runtime) if each.wrong] == []
    with runtime.database.transaction() as session:
        assert _lists_of_renewals(runtime, session) == []
        session.execute(text("UPDATE revenue_renewal_lines SET tries = 0 WHERE tries = 2"))
        assert _lists_of_renewals(runtime, session)
        session.rollback()


def _lists_of_renewals(runtime: Runtime, session: Session) -> list[str]:
    """What the audit has against them."""
    found = rollups_are_the_ledger(runtime, session).offenders
    return [each for each in found if each.startswith("of the renewals")]


def asked() -> Iterator[Filters]:
    for place, filters in enumerate(FILTERS[::5]):
        yield replace(filters, period=PERIODS[place % len(PERIODS)])
    for each in PERIODS:
        yield Filters(period=each)
    yield Filters(period=PERIODS[0], variant="short")
    yield Filters(period=PERIODS[1], referrer="search")
    yield Filters(period=PERIODS[0], referrer="search", campaign="spring", country="LV")
    yield Filters(period=PERIODS[1], variant="long", article="/b", cadence=Cadence.MONTHLY)


def _figures_agree(session: Session, plain: Plain, months_until: date) -> None:
    kinds = {line.kind for line in plain.lines}
    assert len(kinds) == 8, kinds
    compared = 0
    for filters in asked():
        cells = find_cells(session, filters, months_until=months_until)
        [rows] = figures.money(session, cells, [filters.period])
        seen = {
            (r.cadence, r.paid_currency, r.settled_currency): {
                name: getattr(r, name) for name in figures.MONEY if getattr(r, name)
            }
            for r in rows
        }
        expected = {
            key: {name: minor for name, minor in sums.items() if minor}
            for key, sums in plain.money(filters).items()
        }
        assert _full(seen) == _full(expected), filters
        compared += len(seen)

        first, last = filters.period.first, filters.period.last
        [before] = figures.promised(session, cells, [first])
        assert _full(before) == _full(plain.promised(filters, first))
        [moves] = figures.moves(session, cells, [filters.period])
        assert _full({(m.kind.value, m.currency): m.yearly_minor for m in moves}) == _full(
            plain.moves(filters)
        ), filters
        assert figures.supporters(session, cells, [first, last]) == [
            plain.supporters(filters, first),
            plain.supporters(filters, last),
        ], filters
        amounts = figures.amounts(session, cells, last)
        assert {
            currency: sorted((each.twelfths, each.people) for each in found)
            for currency, found in amounts.items()
        } == plain.amounts(filters, last), filters
        [renewals] = figures.renewals(session, cells, [filters.period])
        assert {
            (r.currency, r.reason): (
                r.renewals, r.recovered, r.amount_minor, r.recovered_minor)
            for r in renewals
        } == plain.renewals(filters), filters  # fmt: skip
    assert compared > 50


def _cohorts_agree(session: Session, plain: Plain) -> None:
    ends = [date(2025, 1, 1) + relativedelta(months=n, days=-1) for n in range(1, 22)]
    for filters in FILTERS[::37]:
        people: dict[tuple[date, date], int] = {}
        money: dict[tuple[date, date, str], int] = {}
        for currency, change in figures.retention(session, find_cells(session, filters)):
            for end in ends:
                if change.month > end:
                    continue
                if not currency:
                    key = (change.cohort, end)
                    people[key] = people.get(key, 0) + change.supporters
                if currency:
                    which = (change.cohort, end, currency)
                    money[which] = money.get(which, 0) + change.twelfths
        assert _full(people) == _full(plain.retained(filters, ends)), filters
        assert _full(money) == _full(plain.retained_money(filters, ends)), filters


def _movements_make_the_end(session: Session) -> None:
    """On every single day."""
    for filters in (FILTERS[0], replace(FILTERS[0], cadence=Cadence.ANNUAL)):
        cells = find_cells(session, filters)
        day = date(2025, 1, 1)
        days = [day + relativedelta(days=n) for n in range(500)]
        moved = figures.moves(session, cells, [period(f"{d}", f"{d}") for d in days])
        end = days[-1] + relativedelta(days=1)
        stands, at_the_end = figures.promised(session, cells, [day, end])
        for place, found in enumerate(moved):
            for move in found:
                stands[move.currency] = stands.get(move.currency, 0) + move.yearly_minor
            assert all(minor >= 0 for minor in stands.values()), days[place]
        assert _full(stands) == _full(at_the_end)


def _lists_add_up(session: Session, over: date) -> None:
    """Every figure is the sum of the list that it opens, page after page."""
    for filters in itertools.islice(asked(), 3, None, 7):
        cells = find_cells(session, filters, months_until=over)
        [rows] = figures.money(session, cells, [filters.period])
        takings = takings_of(rows, "usd")
        for figure in MoneyFigure:
            assert _sum_of_lines(session, filters, cells, figure) == getattr(takings, figure), (
                filters
            )
        [moved] = figures.moves(session, cells, [filters.period])
        for kind in MoveKind:
            found = _lines_of_kind(session, filters, cells, kind)
            of_kind = {m.currency: m.yearly_minor for m in moved if m.kind is kind}
            assert _full(found) == _full(of_kind), filters


def _sum_of_lines(session: Session, filters: Filters, cells: Cells, figure: MoneyFigure) -> int:
    total, after = 0, None
    while True:
        lines = money_lines(session, filters, cells, figure, settled_currency="usd", zone=RIGA,
                            after=after, limit=97)  # fmt: skip
        total += sum(line.minor for line in lines)
        if len(lines) < 97:
            return total
        after = read_place(str(place_of_money(lines[-1])))


def _lines_of_kind(
    session: Session, filters: Filters, cells: Cells, kind: MoveKind
) -> dict[str, int]:
    found: dict[str, int] = {}
    after = None
    while True:
        lines = move_lines(session, filters, cells, kind, after=after, limit=23)
        for line in lines:
            found[line.currency] = found.get(line.currency, 0) + line.yearly_minor
        if len(lines) < 23:
            return found
        after = read_place(str(place_of_move(lines[-1])))


def _full(sums: dict) -> dict:  # type: ignore[type-arg]
    """Without what is empty: whether nothing is said or 0 is the same."""
    return {key: value for key, value in sums.items() if value}
