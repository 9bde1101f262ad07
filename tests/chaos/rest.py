"""What is still to be done, as the database shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from billing.charges import books
from billing.charges.events import SWEEP as EVENTS_SWEEP

_DUE_PLEDGES = """
SELECT count(*) FROM pledges p LEFT JOIN outbox o ON o.id = p.renewal_notice_id
WHERE p.status = 'active' AND p.next_charge_at <= %(now)s
  AND (p.cadence <> 'annual' OR o.sent_at <= %(now)s - interval '7 days')
"""
"""An annual pledge waits until its reader has known for a week: then there is nothing to do."""

_BUSY = f"""
SELECT ({_DUE_PLEDGES})
     + (SELECT count(*) FROM charges WHERE status = 'due' AND due_at <= %(now)s)
     + (SELECT count(*) FROM attempts WHERE status = 'in_flight')
     + (SELECT count(*) FROM outbox WHERE status IN ('waiting', 'sending') AND tries < 2)
     + (SELECT count(*) FROM webhook_events WHERE status = 'stored')
     + (SELECT count(*) FROM reminders WHERE status = 'waiting' AND due_at <= %(now)s)
"""  # noqa: S608 - put together from constants

_PLEDGES_LEFT = """
SELECT id FROM pledges WHERE status = 'active' AND next_charge_at <= %(now)s
UNION SELECT pledge_id FROM charges
WHERE pledge_id IS NOT NULL AND (status = 'submitted' OR (status = 'due' AND due_at <= %(now)s))
"""

_NOW = {
    "attempts": """SELECT count(*) FROM attempts WHERE status IN ('in_flight', 'unknown')
        AND last_sent_at < %(now)s - interval '2 minutes'""",
    "events": "SELECT count(*) FROM webhook_events WHERE status = 'stored' "
    "AND next_try_at <= %(now)s",
    "messages": """SELECT count(*) FROM outbox WHERE status IN ('waiting', 'sending')
        AND next_try_at <= %(now)s""",
    "pledges": _DUE_PLEDGES,
    "reminders": "SELECT count(*) FROM reminders WHERE status = 'waiting' AND due_at <= %(now)s",
    "charges": """SELECT count(*) FROM charges
        WHERE status IN ('due', 'declined') AND next_attempt_at <= %(now)s
        AND (queued_at IS NULL OR queued_at < %(now)s - interval '10 minutes')""",
}

_EVER = {
    "pledges": _NOW["pledges"],
    "reminders": _NOW["reminders"],
    "charges": """SELECT count(*) FROM charges WHERE status IN ('submitted', 'processing')
        OR (status = 'due' AND due_at <= %(now)s AND queued_at IS NULL)""",
    "attempts": "SELECT count(*) FROM attempts WHERE status IN ('in_flight', 'unknown')",
    "events": "SELECT count(*) FROM webhook_events WHERE status = 'stored'",
    "messages": "SELECT count(*) FROM outbox WHERE status IN ('waiting', 'sending')",
}


def busy(database: psycopg.Connection[Any], now: datetime) -> int:
    """How much is due and not under way, or under way and not heard of."""
    row = database.execute(_BUSY.encode(), {"now": now}).fetchone()
    return int(row[0]) if row else 0


def pledges_left(database: psycopg.Connection[Any], now: datetime) -> frozenset[int]:
    """The pledges that are due, or have a charge that is, or one without an outcome."""
    return frozenset(row[0] for row in database.execute(_PLEDGES_LEFT, {"now": now}))


def swept(database: psycopg.Connection[Any], since: datetime) -> bool:
    """Whether both sweeps over Stripe's lists have been made after `since`."""
    query = "SELECT count(*) FROM sweep_marks WHERE seen_until >= %s AND name = ANY(%s)"
    row = database.execute(query, [since, [books.SWEEP, EVENTS_SWEEP]]).fetchone()
    return row is not None and row[0] == 2


def unfinished(
    database: psycopg.Connection[Any], now: datetime, *, only_now: bool
) -> dict[str, int]:
    """What has no end yet, by kind; with `only_now` what could be done at this hour."""
    found = {}
    for name, query in (_NOW if only_now else _EVER).items():
        row = database.execute(query.encode(), {"now": now}).fetchone()
        if row and row[0]:
            found[name] = int(row[0])
    return found
