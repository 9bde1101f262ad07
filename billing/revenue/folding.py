"""Keeping the rollups up to date, and computing them anew.

A transaction has a number; everything below the *horizon* has ended, so what it wrote can be seen
and nothing will be added to it. Each fold takes what was written from the last horizon up to the
present one, and moves the horizon in the same transaction: nothing is left out because it was
committed late, and nothing counts twice after a crash. See ADR 55.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, BigInteger, Date, bindparam, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.db import UtcDateTime
from billing.revenue.days import DAY, Days, day_of
from billing.revenue.fold_giving import (
    COUNT_EXPECTED,
    TAKE_STEPS,
    fold_gifts,
    fold_givers,
    fold_starts,
)
from billing.revenue.fold_moves import fold_moves
from billing.revenue.fold_reminders import fold_reminders
from billing.revenue.fold_renewals import fold_renewals
from billing.revenue.fold_sql import (
    BY_DAY,
    PARTS,
    fold_money,
    sum_months,
    unknown_sources,
)
from billing.revenue.tables import LabelKind, RevenueLabel, RevenueSource, RevenueState
from billing.runtime import Runtime

LOCK = 7_230_155
"""Any number: whoever folds or rebuilds does so alone."""

RENEWALS_EVERY = timedelta(minutes=1)
"""How often the outcomes of renewals are looked at."""

EXPECTED_EVERY = timedelta(minutes=5)
"""How often what is still due is counted: it reads every active pledge."""

MOST_SOURCES = 50_000
"""When there are so many, readers who pay nothing make no new one: anybody can name an article."""

OVERLAP = timedelta(minutes=10)
"""How far each look at outcomes reaches back: longer than anybody's transaction lasts."""

_UNDER_WAY = timedelta(days=20)
"""How long after its beginning an attempt may find its outcome (a debit that comes back aside)."""

_PLAN_AFRESH = text("SET LOCAL plan_cache_mode = force_custom_plan")
"""A plan for any numbers reads whole tables; one for these reads the little that is new."""

_WRITTEN = "{row}.written_in >= :since AND {row}.written_in < :horizon"
STARTED = "a.started_at >= :starts_at AND a.started_at < :ends_at"
_ASKED = "m.asked_at >= :starts_at AND m.asked_at < :ends_at"
_TOUCHED = f"""
    SELECT m.supporter_id FROM pledge_movements m WHERE {_WRITTEN.format(row="m")}
    UNION SELECT p.supporter_id FROM pledge_answers w JOIN pledges p ON p.id = w.pledge_id
    WHERE {_WRITTEN.format(row="w")}
    UNION SELECT p.supporter_id FROM pledge_changes h JOIN pledges p ON p.id = h.pledge_id
    WHERE {_WRITTEN.format(row="h")} AND h.cadence <> h.old_cadence"""
_GIVERS = f"""
    SELECT c.supporter_id FROM ledger_transactions t JOIN charges c ON c.id = t.charge_id
    WHERE c.kind = 'gift' AND {_WRITTEN.format(row="t")}
    UNION SELECT g.supporter_id FROM pledge_movements m JOIN revenue_givers g USING (supporter_id)
    WHERE {_WRITTEN.format(row="m")}"""
_OLDEST = text(
    "SELECT min(fresh.occurred_at) FROM (SELECT t.occurred_at FROM ledger_transactions t"
    f" WHERE {_WRITTEN.format(row='t')} OFFSET 0) AS fresh"
)
"""Without the fence PostgreSQL may walk down the index of moments and find nothing for long."""

_NOW = text(
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,"
    " (SELECT system_identifier FROM pg_control_system()) AS database_system"
)
_SOURCES_OF_MONEY = (
    "SELECT c.source FROM ledger_transactions t JOIN charges c ON c.id = t.charge_id"
    f" WHERE {_WRITTEN.format(row='t')}"
)
_SOURCES_OF_MOVES = (
    "SELECT p.source FROM pledge_movements m JOIN pledges p ON p.id = m.pledge_id"
    f" WHERE {_WRITTEN.format(row='m')}"
)
_SOURCES_OF_REMINDERS = f"SELECT m.source FROM reminders m WHERE {_WRITTEN.format(row='m')}"
_REMINDERS = text(
    f"SELECT DISTINCT m.asked_at FROM reminders m WHERE {_WRITTEN.format(row='m')}"
).columns(asked_at=UtcDateTime)
_CHANGED_DAYS = text(
    """
    SELECT DISTINCT first.started_at FROM attempts a
    JOIN charges c ON c.id = a.charge_id AND c.period > 0
    JOIN attempts first ON first.charge_id = a.charge_id AND first.number = 1
    WHERE (a.started_at >= :under_way AND a.finished_at >= :since) OR a.returned_at >= :since
    """
).bindparams(bindparam("under_way", type_=UtcDateTime), bindparam("since", type_=UtcDateTime))


@dataclass(frozen=True, kw_only=True)
class Present:
    """The moment of the database at which a fold begins."""

    horizon: int
    database_system: int


class Folded(StrEnum):
    """What came of a fold."""

    DONE = "done"
    BUSY = "busy"
    """Somebody else is at it."""
    UNUSABLE = "unusable"
    """There are no rollups yet, or they were made elsewhere: they must be computed anew."""


def fold(runtime: Runtime) -> Folded:
    """Carry what is new into the rollups."""
    zone = runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}):
            return Folded.BUSY
        session.execute(_PLAN_AFRESH)
        state = session.get(RevenueState, 1)
        present = look(session)
        if state is None or not is_usable(state, present, zone):
            return Folded.UNUSABLE
        fold_new(session, state, present, zone, runtime.clock.now())
    return Folded.DONE


def is_usable(state: RevenueState, present: Present, zone: ZoneInfo) -> bool:
    """Whether the rollups were made by this very database, in this zone."""
    same = state.database_system == present.database_system
    return same and state.timezone == zone.key


def look(session: Session) -> Present:
    """Which transactions have ended by now."""
    row = session.execute(_NOW).one()
    return Present(horizon=row.horizon, database_system=row.database_system)


def fold_new(
    session: Session,
    state: RevenueState,
    present: Present,
    zone: ZoneInfo,
    now: datetime,
    *,
    outcomes: bool = False,
) -> None:
    """Carry what was written since the state's horizon into the rollups.

    The outcomes of renewals are looked at once in a while only, unless they are asked for.
    """
    if present.horizon > state.horizon:
        between: dict[str, Any] = {"since": state.horizon, "horizon": present.horizon}
        over = {**between, "months_until": state.months_until}
        oldest = session.scalar(_OLDEST, between)
        moved = session.scalar(text(f"SELECT 1 FROM ({_TOUCHED}) AS touched LIMIT 1"), between)
        if oldest is not None or moved:
            number_sources(session, f"{_SOURCES_OF_MONEY} UNION ALL {_SOURCES_OF_MOVES}", between)
        if oldest is not None:
            days = Days(day_of(oldest, zone), day_of(now, zone) + DAY, zone)
            run(session, fold_money(_WRITTEN.format(row="t")), days, over)
            run(session, fold_gifts(_WRITTEN.format(row="t")), days, over)
        if moved:
            days = _days_of_changes(session, zone, now)
            run(session, fold_moves(_TOUCHED), days, over)
            run(session, fold_starts(_TOUCHED), days, over)
        if oldest is not None or moved:
            fold_people_who_gave(session, zone, now, over)
        _fold_reminders(session, zone, over)
        state.horizon = present.horizon
    take_steps(session, state.months_until)
    passed = now - state.renewals_until
    if outcomes or passed >= RENEWALS_EVERY or passed < timedelta():
        fold_outcomes(session, state, zone)
        state.renewals_until = now
    passed = now - state.expected_at
    if outcomes or passed >= EXPECTED_EVERY or passed < timedelta():
        count_expected(session, zone, now)
        state.expected_at = now
    close_months(session, state, day_of(now, zone))
    state.folded_at = now


def fold_people_who_gave(
    session: Session, zone: ZoneInfo, now: datetime, given: dict[str, Any]
) -> None:
    """Look anew at givers of whom there is something new; few folds have any."""
    between = {name: given[name] for name in ("since", "horizon")}
    if session.scalar(text(f"SELECT 1 FROM ({_GIVERS}) AS givers LIMIT 1"), between):
        run(session, fold_givers(_GIVERS), _days_of_gifts(session, zone, now), given)


def take_steps(session: Session, months_until: date) -> None:
    """Count what readers did before they paid, and forget each note of it."""
    if session.scalar(text("SELECT 1 FROM step_notes LIMIT 1")) is None:
        return
    number_sources_of_readers(session, "SELECT source FROM step_notes", {})
    session.execute(text(TAKE_STEPS), {"months_until": months_until})


def _fold_reminders(session: Session, zone: ZoneInfo, given: dict[str, Any]) -> None:
    """Count those days' reminders anew of which one was written; few folds find any."""
    between = {name: given[name] for name in ("since", "horizon")}
    days = sorted({day_of(at, zone) for at in session.scalars(_REMINDERS, between)})
    if days:
        number_sources_of_readers(session, _SOURCES_OF_REMINDERS, between)
    for day in days:
        run(session, fold_reminders(_ASKED), *_whole(day, zone, given["months_until"]))


def count_expected(session: Session, zone: ZoneInfo, now: datetime) -> None:
    """Count anew what active pledges are to pay on each day after today."""
    today = day_of(now, zone)
    days = Days(today + DAY, today + 400 * DAY, zone)
    session.execute(text("DELETE FROM revenue_expected"))
    run(session, COUNT_EXPECTED, days, {"starts_at": days.starts_at, "ends_at": days.ends_at})


def fold_outcomes(session: Session, state: RevenueState, zone: ZoneInfo) -> None:
    """Count those days' renewals anew on which one has found another outcome since."""
    since = state.renewals_until - OVERLAP
    moments = {"since": since, "under_way": since - _UNDER_WAY}
    changed = sorted({day_of(at, zone) for at in session.scalars(_CHANGED_DAYS, moments)})
    for day in changed:
        run(session, fold_renewals(STARTED), *_whole(day, zone, state.months_until))


def close_months(session: Session, state: RevenueState, today: date) -> None:
    """Add up the months that are over by now; what is found of them later is added to that."""
    month = today.replace(day=1)
    if state.months_until >= month:
        return
    given = {"months_from": state.months_until, "months_until": month}
    for table in BY_DAY:
        session.execute(text(sum_months(table)), given)
    state.months_until = month


def number_sources_of_readers(session: Session, rows: str, given: dict[str, Any]) -> None:
    """Give the sources of those who pay nothing a number, unless there are too many already."""
    known = session.scalar(text("SELECT count(*) FROM revenue_sources")) or 0
    if known < MOST_SOURCES:
        number_sources(session, rows, given)


def number_sources(session: Session, rows: str, given: dict[str, Any]) -> None:
    """Give every source of `rows` a number."""
    unknown = session.execute(text(unknown_sources(rows)), given).all()
    if not unknown:
        return
    labels = {(LabelKind(part), getattr(row, part)): 0 for part in PARTS for row in unknown}
    session.execute(
        insert(RevenueLabel).on_conflict_do_nothing(),
        [{"kind": kind, "name": name} for kind, name in sorted(labels)],
    )
    for label in session.execute(text("SELECT id, kind, name FROM revenue_labels")):
        labels[LabelKind(label.kind), label.name] = label.id
    session.execute(
        insert(RevenueSource).on_conflict_do_nothing(),
        [
            {
                **row._mapping,  # noqa: SLF001 - its public name for a row as a mapping
                **{f"{part}_id": labels[LabelKind(part), getattr(row, part)] for part in PARTS},
            }
            for row in sorted(unknown)
        ],
    )


def run(session: Session, statement: str, days: Days, given: dict[str, Any]) -> None:
    """Run a statement that tells the newsroom's days."""
    known: dict[str, tuple[Any, Any]] = {
        "first": (days.first, Date),
        "begins": (days.begins(), ARRAY(UtcDateTime)),
        **{name: (value, _type(value)) for name, value in given.items()},
    }
    used = {name: known[name] for name in known if f":{name}" in statement}
    prepared = text(statement).bindparams(
        *(bindparam(name, type_=type_) for name, (_, type_) in used.items())
    )
    session.execute(prepared, {name: value for name, (value, _) in used.items()})


def _whole(day: date, zone: ZoneInfo, months_until: date) -> tuple[Days, dict[str, Any]]:
    """A day, and what a statement is given that counts all of it anew."""
    days = Days(day, day, zone)
    return days, {"starts_at": days.starts_at, "ends_at": days.ends_at, "day": day,
                  "last_day": day, "months_until": months_until}  # fmt: skip


def _type(value: Any) -> Any:
    if isinstance(value, datetime):
        return UtcDateTime
    return Date if isinstance(value, date) else BigInteger


def _days_of_gifts(session: Session, zone: ZoneInfo, now: datetime) -> Days:
    """The days of all gifts ever: a giver is looked at as a whole."""
    query = text("SELECT min(occurred_at) FROM ledger_entries WHERE account = 'gifts'")
    oldest, today = session.scalar(query), day_of(now, zone)
    first: date = day_of(oldest, zone) if oldest is not None else today
    return Days(min(first, today), today + DAY, zone)


def _days_of_changes(session: Session, zone: ZoneInfo, now: datetime) -> Days:
    """The days on which pledges were ever changed: those of touched supporters are among them."""
    oldest = session.scalar(text("SELECT min(occurred_at) FROM pledge_changes"))
    today = day_of(now, zone)
    first: date = day_of(oldest, zone) if oldest is not None else today
    return Days(min(first, today), today + DAY, zone)
