"""Computing the rollups anew from the ledger, the movements and the attempts, and comparing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue.days import DAY, Days, day_of
from billing.revenue.filling import PARTS, History, Part, fill, number_all, without_indexes
from billing.revenue.fold_sql import zero
from billing.revenue.folding import (
    LOCK,
    Folded,
    Present,
    count_expected,
    fold,
    fold_new,
    is_usable,
    look,
    take_steps,
)
from billing.revenue.tables import RevenueState
from billing.revenue.tables_giving import ROLLUPS
from billing.runtime import Runtime

TEMP = "pg_temp."
_AT_ONCE = 2
"""How many parts of a history are counted side by side."""
_COLUMNS = {
    table.__tablename__: ", ".join(column.name for column in table.__table__.columns)
    for table in ROLLUPS
}
_NAMES = [table.__tablename__ for table in ROLLUPS]
_SETTINGS = (
    "SET LOCAL work_mem = '256MB'",
    "SET LOCAL maintenance_work_mem = '512MB'",
    "SET LOCAL jit = off",
)


@dataclass(frozen=True)
class Difference:
    """How many rows of a rollup were not as they must be."""

    table: str
    wrong: int


def keep_up(runtime: Runtime) -> None:
    """Carry what is new into the rollups, or compute them anew where nothing else will do."""
    if fold(runtime) is Folded.UNUSABLE:
        rebuild(runtime)


def rebuild(runtime: Runtime) -> list[Difference]:
    """Compute all rollups anew, in one transaction; what is wrong is replaced.

    Returns:
        One difference for each rollup. Where there was nothing usable before, everything differs.
    """
    zone, now = runtime.settings.newsroom.timezone, runtime.clock.now()
    with runtime.database.transaction() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        _settle_in(session)
        present = look(session)
        state = session.get(RevenueState, 1)
        if state is not None and is_usable(state, present, zone):
            fold_new(session, state, present, zone, now, outcomes=True)
            until = state.months_until
        else:
            until = day_of(now, zone).replace(day=1)
            take_steps(session, until)
        count_expected(session, zone, now)
        days = _history(session, zone, now)
        history = History(to="", horizon=present.horizon, days=days, months_until=until)
        found = _fill(session, history) if _is_new(session) else _compare(session, history)
        _note(session, state, history, present, now)
    return found


def build(runtime: Runtime) -> None:
    """Compute the rollups of a history that nobody adds to and nobody reads yet, by two at once.

    Each part is kept when it is done. The state is written last: without it some parts are not
    taken for the whole, but computed anew by whoever folds next.
    """
    zone, now = runtime.settings.newsroom.timezone, runtime.clock.now()
    with runtime.database.transaction() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        with runtime.database.transaction() as session:
            number_all(session)
            count_expected(session, zone, now)
            present, days = look(session), _history(session, zone, now)
            session.execute(text("ANALYZE revenue_sources, revenue_labels, revenue_expected"))
        until = day_of(now, zone).replace(day=1)
        history = History(to="", horizon=present.horizon, days=days, months_until=until)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            moves = pool.submit(_build_part, runtime, history, PARTS[0])
            parts = {moves: PARTS[0]} | {
                pool.submit(_build_part, runtime, history, part, moves): part for part in PARTS[1:]
            }
            for done in as_completed(parts):
                done.result()
                _keep_as_it_is(holder, parts[done].tables)
        _note(holder, holder.get(RevenueState, 1), history, present, now)


def _build_part(
    runtime: Runtime, history: History, part: Part, moves: Future[None] | None = None
) -> None:
    if moves is not None and part.by_moves:
        moves.result()
    with runtime.database.transaction() as session:
        _settle_in(session)
        with without_indexes(session, part.tables):
            session.execute(text(f"TRUNCATE {', '.join(part.tables)}"))
            part.fill(session, history)
        session.execute(text(f"ANALYZE {', '.join(part.tables)}"))


def _keep_as_it_is(holder: Session, tables: Sequence[str]) -> None:
    """Keep autovacuum away until all is counted: it would write these tables a second time now."""
    holder.execute(text(f"LOCK TABLE {', '.join(tables)} IN SHARE UPDATE EXCLUSIVE MODE"))


def _settle_in(session: Session) -> None:
    session.execute(text("SET temp_buffers = '256MB'"))
    for setting in _SETTINGS:
        session.execute(text(setting))


def _is_new(session: Session) -> bool:
    """Whether nothing was ever counted."""
    filled = " OR ".join(f"EXISTS (SELECT FROM {name})" for name in _NAMES)
    return not session.scalar(text(f"SELECT {filled}"))


def _fill(session: Session, history: History) -> list[Difference]:
    """Count everything right into the tables; all of it is new."""
    with without_indexes(session, _NAMES):
        session.execute(text(f"TRUNCATE {', '.join(_NAMES)}"))
        fill(session, history)
    count = "SELECT count(*) FROM {}"
    return [Difference(name, session.scalar(text(count.format(name))) or 0) for name in _NAMES]


def _compare(session: Session, history: History) -> list[Difference]:
    """Count everything into tables of this session's own, and put right what differs."""
    for name in _NAMES:
        session.execute(text(f"CREATE TEMP TABLE {name} (LIKE {name})"))
    fill(session, replace(history, to=TEMP))
    found = [_replace(session, name) for name in _NAMES]
    for name in _NAMES:
        session.execute(text(f"DROP TABLE {TEMP}{name}"))
    return found


def _history(session: Session, zone: ZoneInfo, now: datetime) -> Days:
    """The days of everything that is counted."""
    oldest = [
        session.scalar(text(f"SELECT min({column}) FROM {table}"))
        for table, column in (
            ("ledger_transactions", "occurred_at"),
            ("pledge_changes", "occurred_at"),
            ("attempts", "started_at"),
            ("reminders", "asked_at"),
        )
    ]
    first = min([now, *(each for each in oldest if each is not None)])
    return Days(day_of(first, zone), day_of(now, zone) + DAY, zone)


def _replace(session: Session, name: str) -> Difference:
    """Put what was computed in the place of what is kept, unless both are the same."""
    kept = f"{_schema(session, name)}.{name}"
    columns, full = _COLUMNS[name], f" WHERE NOT ({zero(name, 'r')})"
    rows = {where: f"SELECT {columns} FROM {where} AS r{full}" for where in (kept, f"{TEMP}{name}")}
    first, second = rows.values()
    differ = f"({first} EXCEPT ALL {second}) UNION ALL ({second} EXCEPT ALL {first})"
    wrong = session.scalar(text(f"SELECT count(*) FROM ({differ}) AS wrong"))
    if wrong:
        session.execute(text(f"DELETE FROM {kept}"))
        session.execute(text(f"INSERT INTO {kept} ({columns}) {second}"))
    return Difference(name, int(wrong or 0))


def _schema(session: Session, name: str) -> str:
    """The schema in which the real table stands: a temporary one of its name is found first."""
    query = text(
        "SELECT schemaname FROM pg_tables"
        " WHERE tablename = :name AND schemaname = ANY(current_schemas(false))"
    )
    return str(session.execute(query, {"name": name}).scalar_one())


def _note(
    session: Session, state: RevenueState | None, history: History, present: Present, now: datetime
) -> None:
    """Write down how far the rollups have come."""
    state = state or RevenueState(id=1)
    state.horizon = present.horizon
    state.database_system = present.database_system
    state.timezone = history.days.zone.key
    state.months_until = history.months_until
    state.folded_at = state.renewals_until = state.rebuilt_at = state.expected_at = now
    session.add(state)
