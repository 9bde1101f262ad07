"""A large made-up history: the same for the same number, and as sound as a real one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing.audit.report import audit
from billing.clock import FixedClock
from billing.revenue.rebuild import rebuild
from billing.runtime import Runtime
from billing.seed.copying import (
    NotEmptyError,
    UnbalancedError,
    check_references,
    without_keys,
)
from billing.seed.many import seed
from tests.bench.plain_sql import PLAIN
from tests.conftest import empty
from tests.revenue.plain import period
from tests.revenue.two_ways_sql import plain_sql_agrees

pytestmark = pytest.mark.alone
"""What others write on the same server, in whatever database, holds a fold back."""

_SAME = """
    SELECT md5(string_agg(t::text, '|' ORDER BY t.id)) FROM (
        SELECT id, kind, status, pledge_id, period, currency, amount_minor, due_at, settled_at,
               decline_code, card_country, source FROM charges) AS t"""
_KEYS = """
    SELECT count(*) FILTER (WHERE convalidated), count(*), (SELECT count(*) FROM pg_indexes)
    FROM pg_constraint"""

_PAID_OUT = """
    SELECT bool_and(p.movements = l.lines AND p.amount_minor = l.minor AND l.lines > 0)
    FROM payouts p LEFT JOIN (
        SELECT l.payout_id, count(DISTINCT l.transaction_id) AS lines, sum(e.amount_minor) AS minor
        FROM payout_lines l LEFT JOIN ledger_entries e
          ON e.transaction_id = l.transaction_id AND e.account = 'stripe'
        GROUP BY 1) AS l ON l.payout_id = p.id"""
"""That what a payout's lines left on Stripe's balance is what it paid out."""


def one(runtime: Runtime, query: str) -> object:
    with runtime.database.transaction() as session:
        return tuple(session.execute(text(query)).one())


def test_a_history_is_sound_and_its_figures_are_right(runtime: Runtime) -> None:
    runtime = replace(runtime, clock=FixedClock(datetime(2026, 4, 12, 9, tzinfo=UTC)))
    keys = one(runtime, _KEYS)
    written = seed(runtime, supporters=300, months=14, number=2)
    assert one(runtime, _KEYS) == keys
    assert written.rows["charges"] > 1000
    for table, count in written.rows.items():
        assert one(runtime, f"SELECT count(*) FROM {table}") == (count,), table  # noqa: S608
    assert [f.offenders for f in audit(runtime, with_stripe=False) if f.offenders] == []
    assert [each for each in rebuild(runtime) if each.wrong] == []
    assert one(runtime, "SELECT count(DISTINCT currency), count(DISTINCT category) FROM"
               " ledger_transactions JOIN ledger_entries ON transaction_id = "
               "ledger_transactions.id") >= (4, 4)  # fmt: skip
    assert one(runtime, "SELECT count(*) > 0 FROM revenue_renewals WHERE recovered > 0") == (True,)
    kinds = one(runtime, "SELECT count(DISTINCT kind) FROM pledge_movements")
    assert kinds == (8,)
    assert one(runtime, "SELECT count(DISTINCT kind) FROM pledge_changes") == (4,)
    assert one(runtime, "SELECT count(DISTINCT status) FROM reminders") >= (4,)
    assert one(runtime, "SELECT count(*) > 0 FROM charges WHERE months > 1") == (True,)
    _everything_is_there(runtime)
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        compared = plain_sql_agrees(session, period("2025-02-01", "2026-04-12"), zone, now)
    assert compared == {query for queries in PLAIN.values() for query in queries}
    first = one(runtime, _SAME)
    with pytest.raises(NotEmptyError, match="There is data already"):
        seed(runtime, supporters=10, months=2, number=2)
    with pytest.raises(IntegrityError), runtime.database.transaction() as session:
        session.execute(text("UPDATE ledger_entries SET amount_minor = 1 WHERE id = 1"))
    empty(runtime.database)
    seed(runtime, supporters=300, months=14, number=2)
    assert one(runtime, _SAME) == first


def _everything_is_there(runtime: Runtime) -> None:
    """Whatever a page of staff tells apart has something to tell."""
    assert one(runtime, "SELECT sum(shown) > sum(opened), sum(opened) > sum(began), sum(began) > 0"
               " FROM revenue_steps") == (True, True, True)  # fmt: skip
    for part in ("variant", "referrer"):
        assert one(runtime, f"SELECT count(DISTINCT source->>'{part}') > 1 FROM charges") == (True,)  # noqa: S608
    assert one(runtime, "SELECT count(DISTINCT gave) FROM reminders") == (2,)
    assert one(runtime, "SELECT bool_or(source->>'appeal' = 'reminder') FROM charges") == (True,)
    assert one(runtime, "SELECT count(DISTINCT answer) > 1 FROM pledge_answers") == (True,)
    assert one(runtime, "SELECT count(*) > 0 FROM fraud_warnings WHERE decision = 'refunded'") == (
        True,
    )
    assert one(runtime, "SELECT count(*) > 0 FROM disputes WHERE closed_at IS NOT NULL") == (True,)
    assert one(runtime, "SELECT count(*) > 0 FROM offline_gifts") == (True,)
    assert one(runtime, "SELECT count(*) > 0 FROM webhook_events") == (True,)
    assert one(runtime, _PAID_OUT) == (True,)


def test_what_breaks_a_foreign_key_is_found_when_all_is_written(runtime: Runtime) -> None:
    address = runtime.settings.database_url.replace("postgresql+psycopg:", "postgresql:", 1)
    with psycopg.connect(address) as connection, without_keys(connection, ["pledge_answers"]):
        connection.execute(
            "INSERT INTO pledge_answers (pledge_id, answer, answered_at)"
            " VALUES (7, 'something_else', now())"
        )
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        check_references(address)
    with pytest.raises(IntegrityError), runtime.database.transaction() as session:
        session.execute(text("INSERT INTO pledge_answers VALUES (8, 'something_else', now())"))
    empty(runtime.database)
    check_references(address)
    assert one(runtime, "SELECT bool_and(convalidated) FROM pg_constraint") == (True,)


def test_a_ledger_that_does_not_balance_is_not_written(runtime: Runtime) -> None:
    address = runtime.settings.database_url.replace("postgresql+psycopg:", "postgresql:", 1)
    lines = "INSERT INTO ledger_entries (transaction_id, account, currency, amount_minor,"
    lines += " occurred_at) VALUES (1, 'stripe', 'eur', 5, now()), (1, 'gifts', 'eur', -4, now())"
    with (
        pytest.raises(UnbalancedError),
        psycopg.connect(address) as connection,
        without_keys(connection, ["ledger_entries"]),
    ):
        connection.execute(lines.encode())
    assert one(runtime, "SELECT count(*) FROM ledger_entries") == (0,)


def test_nothing_is_made_up_beside_a_real_key(runtime: Runtime) -> None:
    live = replace(runtime.settings.stripe, api_key="sk_live_x")
    elsewhere = replace(runtime.settings.stripe, api_base="https://api.stripe.com")
    for stripe in (live, elsewhere):
        real = replace(runtime, settings=replace(runtime.settings, stripe=stripe))
        with pytest.raises(NotEmptyError, match="beside the stand-ins"):
            seed(real, supporters=1, months=1, number=1)
    real = replace(runtime, settings=replace(runtime.settings, local=False))
    with pytest.raises(NotEmptyError):
        seed(real, supporters=1, months=1, number=1)
