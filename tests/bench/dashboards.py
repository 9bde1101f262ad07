"""Every revenue page, at many charges and at few, side by side in one run; and by plain SQL.

CHARGES=1000000 SMALL=100000 TIMES=11 python -m tests.bench dashboards

With HOUSES=directory both histories are kept there, and measured again without being made again.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event

from billing.app import create_app
from billing.clock import SystemClock
from tests.bench.figures import Figure, Say
from tests.bench.history import write_history
from tests.bench.house import House, opened
from tests.bench.plain_sql import LISTS, PLAIN
from tests.bench.visitor import Visitor
from tests.support.addresses import address, questions, revenue_pages
from tests.support.staff import local_link

CHARGES = int(os.environ.get("CHARGES", "10000000"))
SMALL = int(os.environ.get("SMALL", "100000"))
TIMES = int(os.environ.get("TIMES", "11"))
HOUSES = os.environ.get("HOUSES")
WIRE_KB = 150
QUERIES = 12
_PERCENT = 95


@dataclass
class Seen:
    """What was measured of a page: seconds by question, at few charges and at many."""

    few: dict[str, list[float]] = field(default_factory=dict)
    many: dict[str, list[float]] = field(default_factory=dict)
    largest: int = 0
    queries: int = 0


def run(say: Say) -> list[Figure]:
    """Both newsrooms stand beside each other; every address is asked of one, then of the other."""
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(opened(Path(HOUSES) / name if HOUSES else None))
            for name in ("few", "many")
        )
        write_history(few, SMALL, say)
        figures = write_history(many, CHARGES, say)
        for house in (few, many):
            house.start_standin()
            house.start_web()
        known, today = _known(many), _today(many)
        pages = _pages(many, say)
        seen = {page: Seen() for page in pages}
        visitors = Visitor(few), Visitor(many)
        say(f"{len(pages)} pages, {TIMES} times each …")
        for page in pages:
            for question in questions(known, today):
                _ask(seen[page], visitors, address(page, question))
            for figure in _figures(page, seen[page])[:2]:
                say(figure.line())
        _count_queries(many, seen)
        for page in pages:
            figures += _figures(page, seen[page])
        return figures + _beside_plain(many, seen, today, say)


def _pages(house: House, say: Say) -> list[str]:
    """Every page of the routes that answers with a page."""
    settings = house.runtime(pool_size=1).settings
    visitor, found = Visitor(house), []
    for page in revenue_pages(create_app(settings)):
        answer = visitor.ask(page)
        if answer.kind == "text/html" and answer.status == 200:
            found.append(page)
        else:
            say(f"left out: {page} ({answer.status}, {answer.kind})")
    return found


def _ask(seen: Seen, visitors: Sequence[Visitor], path: str) -> None:
    """One address in turns, so that both meet the same moments of this machine."""
    if any(visitor.ask(path).status == 400 for visitor in visitors):
        return
    for _ in range(TIMES):
        for visitor, kept in zip(visitors, (seen.few, seen.many), strict=True):
            answer = visitor.ask(path)
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}")
            kept.setdefault(path, []).append(answer.seconds)
            seen.largest = max(seen.largest, len(answer.body))


def _count_queries(house: House, seen: Mapping[str, Seen]) -> None:
    """The most queries of a page, whatever it is asked."""
    runtime = house.runtime(pool_size=2)
    app = create_app(runtime.settings, runtime)
    app.config.update(WTF_CSRF_ENABLED=False)
    client, asked = app.test_client(), [0]
    client.post(local_link(runtime))

    @event.listens_for(runtime.database.engine, "before_cursor_execute")
    def _count(*_: object) -> None:
        asked[0] += 1

    for each in seen.values():
        for path in each.many:
            asked[0] = 0
            client.get(path)
            each.queries = max(each.queries, asked[0])
    runtime.database.dispose()


def _figures(page: str, seen: Seen) -> list[Figure]:
    few, many = _flat(seen.few), _flat(seen.many)
    medians = {path: statistics.median(took) for path, took in seen.many.items()}
    slowest = max(medians, key=lambda path: medians[path])
    return [
        Figure(f"{page}: 95th percentile", _percentile(many) * 1e3, "ms", at_most=150),
        Figure(f"{page}: times as long as at {SMALL:,}",
               _sum_of_medians(seen.many) / _sum_of_medians(seen.few), "times", at_most=1.5),
        Figure(f"{page}: 95th percentile at {SMALL:,}", _percentile(few) * 1e3, "ms"),
        Figure(f"  slowest by its median: {slowest.removeprefix(page)[:150]}",
               medians[slowest] * 1e3, "ms"),
        Figure(f"{page}: over the wire at most", seen.largest / 1e3, "KB", at_most=WIRE_KB),
        Figure(f"{page}: queries at most", seen.queries, "queries", at_most=QUERIES),
    ]  # fmt: skip


def _beside_plain(house: House, seen: Mapping[str, Seen], today: date, say: Say) -> list[Figure]:
    """The figures of the last twelve months: how long plain SQL takes for them, in this run."""
    figures = []
    first = today.replace(day=1).replace(year=today.year - 1)
    given = {"first": first, "last": today, "zone": "Europe/Riga"}
    took: dict[str, float] = {}
    with house.database() as database:
        for query in {query for page in seen for query in PLAIN.get(page, ())}:
            took[query] = min(_time(database, query, given) for _ in range(2))
            say(f"{took[query]:.1f} s: {' '.join(query.split())[:60]} …")
    for page in seen:
        if page in LISTS:
            continue
        plain = sum(took[query] for query in PLAIN[page])
        path = address(page, {"period": "last-12-months"})
        ours = statistics.median(seen[page].many[path])
        figures += [
            Figure(f"{page}: plain SQL for its figures", plain, "s"),
            Figure(f"{page}: times as fast as plain SQL", plain / ours, "times", at_least=50),
        ]
    return figures


def _time(database: psycopg.Connection[Any], query: str, given: Mapping[str, object]) -> float:
    began = time.monotonic()
    database.execute(query.encode(), given).fetchall()
    return time.monotonic() - began


def _known(house: House) -> dict[str, str]:
    """For each filter the commonest of its values: where the most rows are read."""
    query = """
        SELECT {0} FROM charges WHERE mod(id, 97) = 0 AND {0} IS NOT NULL
        GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"""
    columns = {
        "campaign": "source->>'campaign'",
        "appeal": "source->>'appeal'",
        "article": "source->>'article'",
        "country": "card_country",
        "currency": "currency",
    }
    found = {name: house.scalar(query.format(column))
             for name, column in columns.items()}  # fmt: skip
    return {**found, "cadence": "monthly"}


def _today(house: House) -> date:
    zone = house.runtime(pool_size=1).settings.newsroom.timezone
    return SystemClock().now().astimezone(zone).date()


def _flat(times: Mapping[str, Sequence[float]]) -> list[float]:
    return sorted(each for found in times.values() for each in found)


def _percentile(values: Sequence[float]) -> float:
    """The 95th of a hundred, by the nearest rank."""
    return values[math.ceil(len(values) * _PERCENT / 100) - 1]


def _sum_of_medians(times: Mapping[str, Sequence[float]]) -> float:
    return sum(statistics.median(found) for found in times.values())
