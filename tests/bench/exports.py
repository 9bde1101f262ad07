"""A table of a million rows as CSV, through the web server that production runs."""

from __future__ import annotations

import time
from datetime import timedelta

import requests

from billing.revenue.rebuild import keep_up
from billing.staff.invitations import make_local_link
from tests.bench.figures import Figure, Say
from tests.bench.house import House, opened

SMALL, LARGE = 10_000, 1_000_000
_PATH = "/staff/revenue/export/ledger-lines?period=last-12-months&figure=gross"

_MOVEMENTS = """
INSERT INTO ledger_transactions (
    stripe_balance_transaction_id, stripe_charge_id, category, charge_id, occurred_at,
    recorded_at)
SELECT 'txn_bench_' || n, 'ch_bench_' || n, 'charge', NULL, now() - n * interval '20 s', now()
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_LINES = """
INSERT INTO ledger_entries (transaction_id, account, currency, amount_minor, occurred_at)
SELECT t.id, line.account, 'usd', line.minor, t.occurred_at
FROM ledger_transactions t
CROSS JOIN (VALUES ('stripe', 455), ('fees', 45), ('gifts', -500)) AS line (account, minor)
WHERE t.id > %(known)s
"""


def run(say: Say) -> list[Figure]:
    """The same list with few rows and with many: how long, and how much memory at its most."""
    figures: list[Figure] = []
    with opened() as house:
        house.start_standin()
        _fill(house, 1, SMALL)
        keep_up(house.runtime())
        house.start_web()
        visitor = _signed_in(house)
        _take(house, visitor)  # warms up
        for rows in (SMALL, LARGE):
            if rows == LARGE:
                say(f"{rows:,} rows …")
                _fill(house, SMALL + 1, LARGE)
            before, spent = house.memory_mb("web"), house.cpu_seconds()
            took, found, size, most, first = _take(house, visitor)
            assert found == rows, found
            spent = {name: used - spent[name] for name, used in house.cpu_seconds().items()}
            figures += [
                Figure(f"{rows:,} rows as CSV", took, "s"),
                Figure(f"{rows:,} rows: CPU time of the web process", spent["web"], "s"),
                Figure(f"{rows:,} rows: CPU time of PostgreSQL", spent["postgres"], "s"),
                Figure(f"{rows:,} rows: the first byte after", first, "s"),
                Figure(f"{rows:,} rows: size", size / 1e6, "MB"),
                Figure(f"{rows:,} rows: memory of the web process, more by", most - before, "MB",
                       at_most=30),
                Figure(f"{rows:,} rows: memory of the web process", most, "MB"),
            ]  # fmt: skip
    return figures


def _fill(house: House, first: int, last: int) -> None:
    with house.database() as database:
        database.execute("SET session_replication_role = replica")
        known = database.execute("SELECT coalesce(max(id), 0) FROM ledger_transactions").fetchone()
        database.execute(_MOVEMENTS, {"first": first, "last": last})
        database.execute(_LINES, {"known": known[0] if known else 0})
        database.execute("VACUUM (ANALYZE) ledger_transactions, ledger_entries")


def _signed_in(house: House) -> requests.Session:
    runtime, visitor = house.runtime(), requests.Session()
    with runtime.database.transaction() as session:
        token = make_local_link(session, "Ada", runtime.clock.now(), lasts=timedelta(days=1))
    address = f"{house.web_url}/staff/sign-in/{token}"
    visitor.post(address, data={"csrf_token": _token(visitor.get(address, timeout=30).text)})
    page = visitor.get(f"{house.web_url}{_PATH}", timeout=60)
    if "/verify" in page.url:
        data = {"csrf_token": _token(page.text), "next": _PATH}
        visitor.post(f"{house.web_url}/staff/verify/locally", data=data, timeout=30)
    return visitor


def _token(page: str) -> str:
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


def _take(house: House, visitor: requests.Session) -> tuple[float, int, int, float, float]:
    """Seconds, rows, bytes, memory at its most in MB, and seconds to the first byte."""
    url, rows, size, most = f"{house.web_url}{_PATH}", -1, 0, 0.0
    token = _token(visitor.get(url, timeout=60).text)
    began = time.monotonic()
    with visitor.post(url, data={"csrf_token": token}, stream=True, timeout=300) as answer:
        answer.raise_for_status()
        first = time.monotonic() - began
        for piece in answer.iter_content(1 << 20):
            rows += piece.count(b"\n")
            size += len(piece)
            most = max(most, house.memory_mb("web"))
    return time.monotonic() - began, rows, size, most, first
