"""Computing the rollups anew from the ledger, the movements and the attempts, and comparing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue.days import DAY, Days, day_of
from billing.revenue.fold_moves import fold_moves
from billing.revenue.fold_sql import details_of, fold_money, sums_of, zero
from billing.revenue.folding import (
    LOCK,
    Folded,
    Present,
    count_renewals,
    fold,
    fold_new,
    is_usable,
    look,
    number_sources,
    run,
)
from billing.revenue.tables import ROLLUPS, RevenueMove, RevenueState
from billing.runtime import Runtime

TEMP = "pg_temp."
CHUNK = 500_000
"""How many ledger transactions, or supporters, are counted by one statement."""

_OLD = "coalesce(t.written_in, 0) < :horizon AND t.id > :after AND t.id <= :until"
_EVERYBODY = (
    "SELECT DISTINCT m.supporter_id FROM pledge_movements m"
    " WHERE m.supporter_id > :after AND m.supporter_id <= :until"
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
        session.execute(text("SET temp_buffers = '256MB'"))
        session.execute(text("SET LOCAL work_mem = '256MB'"))
        present = look(session)
        state = session.get(RevenueState, 1)
        if state is not None and is_usable(state, present, zone):
            fold_new(session, state, present, zone, now, outcomes=True)
        _compute(session, present.horizon, zone, now)
        found = [_replace(session, table.__tablename__) for table in ROLLUPS]
        _note(session, state, present, zone, now)
        for table in ROLLUPS:
            session.execute(text(f"DROP TABLE {TEMP}{table.__tablename__}"))
    return found


def _compute(session: Session, horizon: int, zone: ZoneInfo, now: datetime) -> None:
    """Fill tables of this session's own, as if the whole history were new."""
    for table in ROLLUPS:
        name = table.__tablename__
        session.execute(text(f"CREATE TEMP TABLE {name} (LIKE {name} INCLUDING INDEXES)"))
    for origin in ("charges", "pledges"):
        number_sources(session, f"SELECT source FROM {origin}", {})
    days = _history(session, zone, now)
    for after, until in _chunks(session, "ledger_transactions", "id"):
        given = {"horizon": horizon, "after": after, "until": until}
        run(session, fold_money(TEMP, _OLD), days, given)
    for after, until in _chunks(session, "pledge_movements", "supporter_id"):
        run(session, fold_moves(TEMP, _EVERYBODY), days, {"after": after, "until": until})
    count_renewals(session, TEMP, days)


def _history(session: Session, zone: ZoneInfo, now: datetime) -> Days:
    oldest = [
        session.scalar(text(f"SELECT min({column}) FROM {table}"))
        for table, column in (
            ("ledger_transactions", "occurred_at"),
            ("pledge_changes", "occurred_at"),
            ("attempts", "started_at"),
        )
    ]
    first = min([now, *(each for each in oldest if each is not None)])
    return Days(day_of(first, zone), day_of(now, zone) + DAY, zone)


def _chunks(session: Session, table: str, column: str) -> list[tuple[int, int]]:
    """Ranges of ids: above the first number, up to the second."""
    last = session.scalar(text(f"SELECT coalesce(max({column}), 0) FROM {table}")) or 0
    return [(after, after + CHUNK) for after in range(0, last, CHUNK)]


def _replace(session: Session, name: str) -> Difference:
    """Put what was computed in the place of what is kept, unless both are the same."""
    kept = f"{_schema(session, name)}.{name}"
    columns = _columns(name)
    full = "" if name == RevenueMove.__tablename__ else f" WHERE NOT ({zero(name, 'r')})"
    rows = {where: f"SELECT {columns} FROM {where} AS r{full}" for where in (kept, f"{TEMP}{name}")}
    first, second = rows.values()
    differ = f"({first} EXCEPT ALL {second}) UNION ALL ({second} EXCEPT ALL {first})"
    if session.scalar(text(f"SELECT 1 FROM {kept} LIMIT 1")) is None:
        differ = second
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


def _columns(name: str) -> str:
    if name == RevenueMove.__tablename__:
        return ", ".join(column.name for column in RevenueMove.__table__.columns)
    return ", ".join(("slice", "member_id", "country", *details_of(name), *sums_of(name)))


def _note(
    session: Session, state: RevenueState | None, present: Present, zone: ZoneInfo, now: datetime
) -> None:
    """Write down how far the rollups have come."""
    state = state or RevenueState(id=1)
    state.horizon = present.horizon
    state.database_system = present.database_system
    state.timezone = zone.key
    state.folded_at = state.renewals_until = state.rebuilt_at = now
    session.add(state)
