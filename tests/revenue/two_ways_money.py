"""The figures about gifts, sources and fees, and the lists that they open, each in both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import TypeVar

from sqlalchemy.orm import Session

from billing.revenue import figures, giving
from billing.revenue.cells import Cells, find_cells, find_sources
from billing.revenue.drilldown import Place, read_place
from billing.revenue.fees import fees_of
from billing.revenue.filters import Filters
from billing.revenue.fold_reminders import ReminderStep
from billing.revenue.giving import DIMENSIONS, Wanted
from billing.revenue.listing import GiverStep, StartStep, giver_lines, start_lines
from billing.revenue.reminded import read_reminded, reminder_lines
from tests.revenue.lives import RIGA
from tests.revenue.plain_money import PlainMoney

T = TypeVar("T")
_RATES = {each: Fraction(1) for each in ("usd", "eur", "gbp", "jpy")}


def money_agrees(session: Session, plain: PlainMoney, asked: Iterable[Filters], over: date) -> None:
    """Under all filters, by the day and by whole months."""
    seen: Counter[str] = Counter()
    for place, filters in enumerate(asked):
        cells = find_cells(session, filters, months_until=over)
        seen["gifts"] += _gifts_agree(session, plain, filters, cells)
        seen["givers"] += _givers_agree(session, plain, filters, cells)
        [rows] = figures.money(session, cells, [filters.period])
        fees, expected = fees_of(rows, "usd"), plain.fees(filters, "usd")
        for name in ("fees", "gross", "covered", "prepaid_saved", "annual_saved"):
            assert getattr(fees, name) == expected.get(name, 0), (filters, name)
        seen["saved"] += fees.prepaid_saved
        by = list(DIMENSIONS)[place % len(DIMENSIONS)]
        seen.update(_sources_agree(session, plain, filters, cells, by))
        seen["begun"] += _starts_agree(session, plain, filters, cells)
        seen.update(_reminders_agree(session, plain, filters, cells))
    assert all(seen[each] for each in ("gifts", "givers", "saved", "shown", "pledges", "begun"))
    assert all(seen[step] for step in ReminderStep), seen


def _gifts_agree(session: Session, plain: PlainMoney, filters: Filters, cells: Cells) -> int:
    found: Counter[Fraction] = Counter()
    for each in giving.amounts(session, cells, filters.period, _RATES):
        found[each.amount] += each.gifts
    expected: Counter[Fraction] = Counter()
    for (_, amount), count in plain.amounts(filters).items():
        expected[Fraction(amount)] += count
    assert _full(found) == _full(expected), filters
    return len(expected)


def _givers_agree(session: Session, plain: PlainMoney, filters: Filters, cells: Cells) -> int:
    [found] = giving.givers(session, cells, [filters.period])
    expected = plain.givers(filters)
    assert found.givers == len(expected["all"]), filters
    assert found.again == len(expected["again"]), filters
    assert found.had_pledged == len(expected["had-pledged"]), filters
    for days, count in found.within.items():
        assert count == len(expected[f"{days}"]), (filters, days)
    for step in GiverStep:
        listed = _all_of(
            lambda after, step=step: giver_lines(
                session, filters, cells, step, after=after, limit=7
            ),
            lambda line: Place(line.day.toordinal(), line.supporter_id),
        )
        assert sorted(line.supporter_id for line in listed) == sorted(expected[step.value])
    return found.givers


def _starts_agree(session: Session, plain: PlainMoney, filters: Filters, cells: Cells) -> int:
    expected = plain.begun(filters)
    for step in StartStep:
        listed = _all_of(
            lambda after, step=step: start_lines(
                session, filters, cells, step, after=after, limit=9
            ),
            lambda line: Place(line.day.toordinal(), line.pledge_id),
        )
        found = {line.pledge_id: (line.currency, line.yearly_minor) for line in listed}
        assert found == expected[step.value], (filters, step)
        assert len(found) == len(listed)
    return len(expected["stayed"])


def _reminders_agree(
    session: Session, plain: PlainMoney, filters: Filters, cells: Cells
) -> Counter[str]:
    [found] = read_reminded(session, cells, [filters.period])
    expected, seen = plain.reminders(filters), Counter[str]()
    for step in ReminderStep:
        listed = _all_of(
            lambda after, step=step: reminder_lines(
                session, filters, cells, step, RIGA, after=after, limit=6
            ),
            lambda line: Place.after_moment(line.asked_at, line.id),
        )
        moments = [(line.asked_at, line.id) for line in listed]
        assert moments == sorted(moments, reverse=True)
        assert {line.id for line in listed} == expected[step.value], (filters, step)
        assert len(listed) == len(expected[step.value]) == getattr(found, step.value)
        seen[step] = len(listed)
    return seen


def _sources_agree(
    session: Session, plain: PlainMoney, filters: Filters, cells: Cells, by: str
) -> Counter[str]:
    """Money, beginnings and steps of each name, and that there is no other."""
    sources = find_sources(session, filters) if filters.names else None
    wanted = Wanted(filters=filters, cells=cells, by=by, sources=sources)
    brought = giving.brought(session, wanted, filters.period)
    begun = giving.begun(session, wanted, filters.period)
    stepped = {each.name: each for each in giving.stepped(session, wanted, filters.period)}
    names = plain.names(filters, by)
    assert {each.name for each in (*brought, *begun, *stepped.values())} <= {*names, ""}
    seen: Counter[str] = Counter()
    for name in names:
        of_name = replace(filters, **{by: name})
        gifts, sums = plain.brought(of_name)
        rows = [each for each in brought if each.name == name]
        if name:  # What belongs to no charge came from nowhere, and stands under no name.
            assert sum(each.gifts for each in rows) == gifts, (of_name, by)
            assert _full({e.settled_currency: (e.gross, e.net) for e in rows}) == _full(sums)
        promised: Counter[str] = Counter()
        expected = plain.begun(of_name)
        for currency, yearly in expected["all"].values():
            promised[currency] += yearly
        pledges = [each for each in begun if each.name == name]
        assert sum(each.pledges for each in pledges) == len(expected["all"]), (of_name, by)
        assert sum(each.stayed for each in pledges) == len(expected["stayed"]), (of_name, by)
        assert _full({e.currency: e.yearly_minor for e in pledges}) == _full(promised)
        steps, each = plain.steps(of_name), stepped.get(name)
        for step in ("shown", "opened", "began"):
            assert (getattr(each, step) if each else 0) == steps[step], (of_name, by, step)
        seen.update({"shown": steps["shown"], "pledges": len(expected["all"])})
    return seen


def _all_of(read: Callable[[Place | None], Sequence[T]], place: Callable[[T], Place]) -> list[T]:
    found: list[T] = []
    after: Place | None = None
    while lines := read(after):
        found += lines
        after = read_place(str(place(lines[-1])))
    return found


def _full(sums: dict) -> dict:  # type: ignore[type-arg]
    return {key: value for key, value in sums.items() if value and value != (0, 0)}
