"""The figures about people, their lists and the forecast, each in both ways."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.pledges.domain import EndAnswer, PledgeStatus
from billing.pledges.service import mark_past_due
from billing.pledges.tables import Pledge
from billing.revenue.at_risk import Order, place_of, queue, stakes
from billing.revenue.cells import Cells, find_cells
from billing.revenue.churn_reading import read_churn
from billing.revenue.drilldown import read_place
from billing.revenue.filters import Filters
from billing.revenue.forecast_reading import read_outlook
from billing.revenue.people_figures import departures, renewals_by_try
from billing.revenue.people_lists import (
    Outcome,
    departed,
    members,
    place_of_departure,
    place_of_member,
    place_of_renewal,
    renewal_lines,
)
from billing.revenue.reading import Asked
from billing.revenue.recovery_reading import read_failures
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import Sight
from billing.revenue.why import codes_of, family
from tests.revenue.lives import RIGA
from tests.revenue.plain import period
from tests.revenue.plain_people import PlainForecast, PlainPeople

TODAY = date(2026, 4, 12)
CHURN = (MoveKind.CHURN_VOLUNTARY, MoveKind.CHURN_INVOLUNTARY)
RATES = {"usd": Fraction(1), "eur": Fraction(11, 10), "jpy": Fraction(1, 100)}


def leave_past_due(session: Session) -> None:
    """Have the last charge of every third pledge refused: promises do not move by that."""
    running = select(Pledge).where(Pledge.status == PledgeStatus.ACTIVE).order_by(Pledge.id)
    for place, pledge in enumerate(session.scalars(running).all()[::3]):
        now = datetime(2026, 4, 11, 8, tzinfo=UTC) - timedelta(hours=5 * place)
        mark_past_due(session, pledge, reason="insufficient_funds", now=now)


def people_agree(
    session: Session, plain: PlainPeople, asked: Iterable[Filters], over: date
) -> None:
    """Departures, renewals by try and pledges past due, and the lists that they open."""
    reasons, tries, pledges = set(), set(), 0
    for place, filters in enumerate(asked):
        cells = find_cells(session, filters, months_until=over)
        [gone] = departures(session, cells, [filters.period])
        found = {
            (e.kind.value, e.reason, e.cadence, e.currency): (e.moves, e.yearly_minor) for e in gone
        }
        expected = plain.departures(filters)
        assert _told(found) == _told(expected), filters
        reasons |= {key[:2] for key in expected}

        [renewed] = renewals_by_try(session, cells, [filters.period])
        by_try = {
            (e.cadence, e.currency, e.reason, e.tries): (
                e.renewals, e.recovered, e.amount_minor, e.recovered_minor)
            for e in renewed
        }  # fmt: skip
        assert by_try == plain.tried(filters), filters
        tries |= {e.tries for e in renewed if e.reason}

        at_stake = {s.currency: (s.pledges, s.owed_minor, s.yearly_minor)
                    for s in stakes(session, filters)}  # fmt: skip
        assert at_stake == plain.past_due(filters), filters
        pledges += sum(count for count, *_ in at_stake.values())
        if place % 5 == 0 or place > 25:
            _lists_agree(session, plain, filters, cells)
    assert {why for _, why in reasons} >= {"supporter", "disputed", "expired_card"}
    assert {why for _, why in reasons} & set(EndAnswer)
    assert tries >= {0, 2}
    assert pledges > 0


def forecasts_agree(session: Session, plain: PlainPeople, over: date) -> None:
    """By the definition, for what is paid in dollars; and churn's and recovery's own sums."""
    whole = period("2025-01-01", "2026-04-12")
    for filters in (
        Filters(period=whole, currency="usd"),
        Filters(period=whole, currency="usd", campaign="spring"),
        Filters(period=whole, currency="usd", country="LV"),
    ):
        asked = _asked(session, filters, over)
        seen = read_outlook(session, asked, 6)
        assert seen.enough
        told = PlainForecast(plain, filters, TODAY)
        for later, month in enumerate(seen.months, 1):
            ahead = month.seen
            found = (month.monthly, month.annual, ahead.low, ahead.likely, ahead.high)
            assert found == told.month(later), (filters, later)
        assert seen.together.low <= seen.together.likely <= seen.together.high
    for filters in (Filters(period=whole), Filters(period=whole, campaign="spring", country="LV")):
        _parts_make_the_whole(session, _asked(session, filters, over))


def _parts_make_the_whole(session: Session, asked: Asked) -> None:
    """Reasons add up to churn, and failures by reason and by try to those of the months."""
    churn = read_churn(session, asked)
    assert churn.reasons
    for kind in CHURN:
        of_kind = [each for each in churn.reasons if each.kind is kind]
        assert sum(each.twelfths for each in of_kind) == churn.whole.moves[kind]
        assert sum(each.ended for each in of_kind) == churn.ended[kind]
        assert churn.ended[kind] == sum(each.ended[kind] for each in churn.months)
    failures = read_failures(session, asked)
    for parts in (failures.reasons, failures.tries):
        assert sum(each.failed for each in parts) == failures.whole.failed > 0
        assert sum(each.recovered for each in parts) == failures.whole.recovered
        assert sum(each.failed_minor for each in parts) == round(failures.whole.failed_value)
        assert sum(each.recovered_minor for each in parts) == round(failures.whole.recovered_value)


def _lists_agree(session: Session, plain: PlainPeople, filters: Filters, cells: Cells) -> None:
    _departed_agree(session, plain, filters, cells)
    _renewals_agree(session, plain, filters, cells)
    _members_agree(session, plain, filters)
    _queue_agrees(session, plain, filters)


def _departed_agree(session: Session, plain: PlainPeople, filters: Filters, cells: Cells) -> None:
    expected = plain.departures(filters)
    for kind in CHURN:
        codes = sorted({why for of, why, *_ in expected if of == kind.value})
        for name in {family(code) for code in codes}:
            meant, listed, after = codes_of(name, codes), [], None
            while True:
                lines = departed(session, filters, cells, kind, meant, after=after, limit=7)
                listed += lines
                if len(lines) < 7:
                    break
                after = read_place(str(place_of_departure(lines[-1])))
            wanted = [v for (of, why, *_), v in expected.items()
                      if of == kind.value and why in meant]  # fmt: skip
            assert len({line.origin_id for line in listed}) == len(listed)
            assert len(listed) == sum(count for count, _ in wanted), filters
            assert sum(line.yearly_minor for line in listed) == sum(minor for _, minor in wanted)


def _renewals_agree(session: Session, plain: PlainPeople, filters: Filters, cells: Cells) -> None:
    asked = plain.first_attempts(filters)
    codes = sorted({why for *_, why in asked if why})
    for outcome, wanted in {
        Outcome.DUE: [c["id"] for _, c, _ in asked],
        Outcome.FAILED: [c["id"] for _, c, why in asked if why],
        Outcome.RECOVERED: [c["id"] for _, c, why in asked if why and c["status"] == "succeeded"],
        Outcome.UNPAID: [c["id"] for _, c, why in asked if why and c["status"] != "succeeded"],
    }.items():
        listed, after = [], None
        while True:
            lines = renewal_lines(
                session, filters, cells, outcome, codes, zone=RIGA, after=after, limit=9
            )
            listed += lines
            if len(lines) < 9:
                break
            after = read_place(str(place_of_renewal(lines[-1])))
        assert sorted(line.charge_id for line in listed) == sorted(wanted), (filters, outcome)
    second = renewal_lines(
        session, filters, cells, Outcome.FAILED, codes, zone=RIGA, tries=2, limit=999
    )
    by_try = plain.tried(filters)
    assert len(second) == sum(v[0] for (*_, why, nth), v in by_try.items() if why and nth == 2)


def _members_agree(session: Session, plain: PlainPeople, filters: Filters) -> None:
    cohort, on = date(2025, 3, 1), date(2025, 10, 31)
    expected = plain.members(filters, cohort, on)
    for gone in (False, True):
        listed, after = [], None
        while True:
            lines = members(session, filters, cohort, on, gone=gone, after=after, limit=4)
            listed += lines
            if len(lines) < 4:
                break
            after = read_place(str(place_of_member(lines[-1])))
        wanted = {
            supporter: {currency: minor for currency, minor in sums.items() if minor > 0}
            for supporter, sums in expected.items()
            if (sum(sums.values()) > 0) is not gone
        }
        assert {line.supporter_id: line.yearly for line in listed} == wanted, filters


def _queue_agrees(session: Session, plain: PlainPeople, filters: Filters) -> None:
    for order in Order:
        listed, after = [], None
        while True:
            lines = queue(session, filters, order, RATES, after=after, limit=3)
            listed += lines
            if len(lines) < 3:
                break
            after = read_place(str(place_of(lines[-1])))
        assert len({line.pledge_id for line in listed}) == len(listed)
        found: dict[str, tuple[int, int, int]] = {}
        for line in listed:
            count, owed, worth = found.get(line.currency, (0, 0, 0))
            found[line.currency] = (
                count + 1, owed + line.owed_minor, worth + line.yearly_minor)  # fmt: skip
        assert found == plain.past_due(filters), filters
        if order is Order.VALUE:
            values = [line.yearly_minor * RATES.get(line.currency, 0) for line in listed]
            assert values == sorted(values, reverse=True)
        else:
            assert [line.since for line in listed] == sorted(line.since for line in listed)


def _asked(session: Session, filters: Filters, over: date) -> Asked:
    return Asked(
        filters=filters,
        cells=find_cells(session, filters, months_until=over),
        currency="usd",
        today=TODAY,
        folded_at=None,
        sight=Sight(sees_people=True),
    )


def _told(found: dict) -> dict:  # type: ignore[type-arg]
    """Without what says nothing."""
    return {key: value for key, value in found.items() if any(value)}
