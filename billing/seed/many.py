"""`tuppence seed`: a large made-up history in an empty database, and its rollups."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from sqlalchemy import text

from billing.revenue.fold_sql import SOURCE_OF
from billing.revenue.folding import number_sources
from billing.revenue.rebuild import build
from billing.runtime import Runtime
from billing.seed import standin
from billing.seed.books import Books
from billing.seed.copying import (
    Copier,
    NotEmptyError,
    check_references,
    set_counters,
    without_keys,
)
from billing.seed.history import History
from billing.seed.scene import Scene, make_scene

_HOLD_DATA = ("supporters", "charges", "pledges", "checkouts", "ledger_transactions", "reminders",
              "reader_steps")  # fmt: skip
_NUMBERED = ("supporters", "charges", "pledges", "ledger_transactions", "reminders", "payouts")

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """How much was written, and how long it took in seconds."""

    rows: dict[str, int]
    telling: float
    keys: float
    rollups: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.telling + self.keys + self.rollups


def seed(
    runtime: Runtime, *, supporters: int, months: int, number: int, say: Say = lambda _: None
) -> Seeded:
    """Make up a history of so many months that ends yesterday, the same for the same `number`.

    Stripe, or its stand-in, is told nothing: this is for looking and measuring, not for charging.

    Raises:
        NotEmptyError: beside a live key or any data, or where no stand-in takes Stripe's place.
    """
    settings = runtime.settings
    if settings.stripe.live or not settings.local or not standin.is_standin(settings.stripe):
        raise NotEmptyError("A made-up history is only written beside the stand-ins.")
    began = time.monotonic()
    with psycopg.connect(_address(runtime)) as connection:
        if filled := [name for name in _HOLD_DATA if _has_rows(connection, name)]:
            raise NotEmptyError(f"There is data already, in {', '.join(filled)}.")
        rows, telling = _write(connection, runtime, supporters, months, number, say)
    check_references(_address(runtime))
    written = time.monotonic()
    say("making the rollups …")
    build(runtime)
    return Seeded(
        rows=rows,
        telling=telling - began,
        keys=written - telling,
        rollups=time.monotonic() - written,
    )


def _write(
    connection: psycopg.Connection, runtime: Runtime, supporters: int, months: int, number: int,
    say: Say,
) -> tuple[dict[str, int], float]:  # fmt: skip
    """Tell the history; when that was done."""
    newsroom = runtime.settings.newsroom
    chance = random.Random(number)  # noqa: S311 - the same history every time
    today = runtime.clock.now().astimezone(newsroom.timezone).date()
    scene = make_scene(
        chance, supporters=supporters, months=months, until=today, zone=newsroom.timezone
    )
    books, numbers = Books(scene, newsroom.goal.currency), _number_sources(runtime, scene)
    history = History(scene, chance, books, runtime.vault, numbers)
    tables = history.tables()
    with without_keys(connection, [table.name for table in tables]):
        copier = Copier(connection, tables)
        try:
            history.tell(copier)
        finally:
            copier.close()
        told = time.monotonic()
        say("making the keys and indexes …")
    set_counters(connection, list(_NUMBERED))
    return {table.name: table.written for table in tables}, told


def _number_sources(runtime: Runtime, scene: Scene) -> list[int]:
    """The ids of the scene's sources, by which readers' steps are counted; they name nobody."""
    rows = "SELECT source FROM jsonb_array_elements(CAST(:sources AS jsonb)) AS t (source)"
    query = text(
        "SELECT s.id FROM jsonb_array_elements(CAST(:sources AS jsonb))"
        f" WITH ORDINALITY AS t (source, place) {SOURCE_OF.format(row='t')} ORDER BY place"
    )
    given = {"sources": json.dumps(scene.sources)}
    with runtime.database.transaction() as session:
        number_sources(session, rows, given)
        return list(session.scalars(query, given))


def _address(runtime: Runtime) -> str:
    return runtime.settings.database_url.replace("postgresql+psycopg:", "postgresql:", 1)


def _has_rows(connection: psycopg.Connection, table: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} LIMIT 1".encode()).fetchone() is not None
