"""The checks that need only our own database. Each query writes out what is wrong, with its ids."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from billing.audit.findings import Finding, count, offenders
from billing.charges.notices import AT_LEAST
from billing.runtime import Runtime

GRACE = timedelta(days=1)
"""How long work may be overdue before it counts as forgotten."""

CLOCK_SET_BACK = timedelta(minutes=30)
"""By how much a clock may have been set back between two moments that are compared. An outcome that
nobody knew is found out later than that; sooner, the index of open attempts lets no other begin."""

MAIL_GRACE = timedelta(days=6)
"""How long an email may be under way: its tries go on for five days."""


def charged_once(runtime: Runtime, session: Session) -> Finding:
    """Invariant 1, and that the database still holds it."""
    return Finding(
        1,
        count(session, "charges"),
        offenders(
            session,
            """
            SELECT 'pledge ' || pledge_id || ' period ' || period || ' has ' || count(*)
                   || ' charges (' || string_agg(id::text, ', ' ORDER BY id) || ')'
            FROM charges WHERE pledge_id IS NOT NULL
            GROUP BY pledge_id, period HAVING count(*) > 1
            """,
        )
        + offenders(
            session,
            """
            SELECT 'charge ' || charge_id || ' has ' || count(*) || ' open attempts ('
                   || string_agg(id::text, ', ' ORDER BY id) || ')'
            FROM attempts WHERE status IN ('in_flight', 'unknown', 'processing')
            GROUP BY charge_id HAVING count(*) > 1
            """,
        )
        + offenders(
            session,
            """
            SELECT 'charge ' || charge_id || ' was paid ' || count(*) || ' times (attempts '
                   || string_agg(id::text, ', ' ORDER BY id) || ')'
            FROM attempts WHERE status = 'succeeded'
            GROUP BY charge_id HAVING count(*) > 1
            """,
        )
        + _missing_indexes(session, "uq_charges_pledge_id_period", "uq_attempts_one_open"),
    )


def within_agreement(runtime: Runtime, session: Session) -> Finding:
    """Invariant 2."""
    return Finding(
        2,
        count(session, "attempts", "kind = 'off_session'"),
        offenders(
            session,
            """
            SELECT 'attempt ' || a.id || ' came after pledge ' || p.id || ' was cancelled'
            FROM attempts a
            JOIN charges c ON c.id = a.charge_id JOIN pledges p ON p.id = c.pledge_id
            WHERE a.kind = 'off_session' AND a.started_at > p.cancelled_at
            """,
        )
        + offenders(
            session,
            """
            SELECT 'attempt ' || a.id || ' asked ' || (a.params->>'amount') || ' for charge '
                   || c.id || ' of ' || c.amount_minor
            FROM attempts a JOIN charges c ON c.id = a.charge_id
            WHERE a.kind = 'off_session' AND (a.params->>'amount')::bigint > c.amount_minor
              AND a.status NOT IN ('declined', 'refused', 'absent')
            """,
        )
        + offenders(
            session,
            """
            SELECT 'attempt ' || a.id || ' of charge ' || a.charge_id || ' asked '
                   || (a.params->>'amount') || ', above the ' || a.agreed_minor || ' agreed to'
            FROM attempts a WHERE (a.params->>'amount')::bigint > a.agreed_minor
            """,
        ),
    )


def recorded_first(runtime: Runtime, session: Session) -> Finding:
    """Invariant 3, as far as our side shows it."""
    return Finding(
        3,
        count(session, "attempts"),
        offenders(
            session,
            """
            SELECT 'attempt ' || id || ' has no key or no parameters' FROM attempts
            WHERE idempotency_key = '' OR params = '{}'::jsonb
            """,
        )
        + offenders(
            session,
            """
            SELECT 'charge ' || c.id || ' is ' || c.status || ' without an attempt'
            FROM charges c
            WHERE c.status IN ('submitted', 'processing', 'succeeded')
              AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.charge_id = c.id)
              AND NOT EXISTS (SELECT 1 FROM offline_gifts o WHERE o.charge_id = c.id)
            """,
        ),
    )


def unknown_resolved(runtime: Runtime, session: Session) -> Finding:
    """Invariant 4: no attempt begins while an earlier one of its charge is without an outcome."""
    return Finding(
        4,
        count(session, "attempts"),
        offenders(
            session,
            """
            SELECT 'attempt ' || later.id || ' began before attempt ' || earlier.id || ' was known'
            FROM attempts earlier JOIN attempts later
              ON later.charge_id = earlier.charge_id AND later.number > earlier.number
            WHERE earlier.finished_at IS NULL
               OR earlier.finished_at > later.started_at + :set_back
            """,
            set_back=CLOCK_SET_BACK,
        )
        + offenders(
            session,
            """
            SELECT 'attempt ' || id || ' has been ' || status || ' since ' || started_at
            FROM attempts
            WHERE status IN ('in_flight', 'unknown') AND started_at < :long_ago
            """,
            long_ago=runtime.clock.now() - GRACE,
        ),
    )


def books_balanced(runtime: Runtime, session: Session) -> Finding:
    """Invariant 5, as far as our side shows it, and that the database still holds it."""
    return Finding(
        5,
        count(session, "ledger_transactions"),
        offenders(
            session,
            """
            SELECT 'ledger transaction ' || transaction_id || ' is off by ' || sum(amount_minor)
                   || ' ' || currency
            FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0
            """,
        )
        + offenders(
            session,
            """
            SELECT 'ledger transaction ' || t.id || ' has no entries' FROM ledger_transactions t
            WHERE NOT EXISTS (SELECT 1 FROM ledger_entries e WHERE e.transaction_id = t.id)
            """,
        )
        + offenders(
            session,
            """
            SELECT 'the rule ' || rule || ' is missing or off'
            FROM unnest(ARRAY['ledger_transactions_append_only', 'ledger_entries_append_only',
                              'ledger_entries_balanced', 'pledge_movements_append_only',
                              'pledge_changes_append_only', 'staff_audit_append_only',
                              'staff_audit_no_truncate']) AS rule
            WHERE NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgname = rule AND tgenabled = 'O')
            """,
        ),
    )


def outbox_complete(runtime: Runtime, session: Session) -> Finding:
    """Invariant 6."""
    return Finding(
        6,
        count(session, "outbox"),
        offenders(
            session,
            """
            SELECT 'charge ' || c.id || ' has no receipt' FROM charges c
            JOIN supporters s ON s.id = c.supporter_id
            WHERE c.status = 'succeeded' AND s.erased_at IS NULL AND NOT EXISTS
                (SELECT 1 FROM outbox o WHERE o.unique_key = 'receipt:charge:' || c.id)
              AND NOT EXISTS (SELECT 1 FROM offline_gifts g WHERE g.charge_id = c.id)
            """,
        )
        + offenders(
            session,
            """
            SELECT 'reminder ' || r.id || ' is ' || r.status || ' but not in the outbox'
            FROM reminders r WHERE r.status IN ('queued', 'sent') AND NOT EXISTS
                (SELECT 1 FROM outbox o WHERE o.unique_key = 'reminder:' || r.id)
            """,
        )
        + offenders(
            session,
            """
            SELECT 'message ' || string_agg(id::text, ', ' ORDER BY id) || ' say the same: '
                   || unique_key
            FROM outbox GROUP BY unique_key HAVING count(*) > 1
            """,
        )
        + offenders(
            session,
            """
            SELECT 'message ' || id || ' has been waiting since ' || created_at FROM outbox
            WHERE status IN ('waiting', 'sending')
              AND (created_at < :too_long_ago OR tries = 0 AND created_at < :long_ago)
            """,
            long_ago=runtime.clock.now() - GRACE,
            too_long_ago=runtime.clock.now() - MAIL_GRACE,
        )
        + _missing_indexes(session, "uq_outbox_unique_key"),
    )


def nothing_forgotten(runtime: Runtime, session: Session) -> Finding:
    """Invariant 7.

    An annual pledge may be overdue while its notice is on its way (which invariant 6 watches), has
    been with the supporter for less than a week, or could not be delivered (which staff are told).
    """
    long_ago = runtime.clock.now() - GRACE
    return Finding(
        7,
        count(session, "pledges"),
        offenders(
            session,
            """
            SELECT 'charge ' || id || ' has been due since ' || next_attempt_at FROM charges
            WHERE next_attempt_at < :long_ago
            UNION ALL
            SELECT 'charge ' || id || ' is due and will never be asked for' FROM charges
            WHERE status = 'due' AND next_attempt_at IS NULL
            UNION ALL
            SELECT 'pledge ' || id || ' should have been charged at ' || next_charge_at
            FROM pledges
            WHERE status = 'active' AND held_since IS NULL AND cadence <> 'annual'
              AND next_charge_at < :long_ago
            UNION ALL
            SELECT 'pledge ' || p.id || ' should have been charged at ' || p.next_charge_at
                   || CASE WHEN o.id IS NULL THEN ' and is not even announced' ELSE '' END
            FROM pledges p LEFT JOIN outbox o ON o.id = p.renewal_notice_id
            WHERE p.status = 'active' AND p.held_since IS NULL AND p.cadence = 'annual'
              AND p.next_charge_at < :long_ago
              AND (o.id IS NULL OR o.status = 'sent' AND o.sent_at < :told_long_ago)
              AND EXISTS (SELECT 1 FROM supporters s
                          WHERE s.id = p.supporter_id AND s.erased_at IS NULL)
            UNION ALL
            SELECT 'pledge ' || id || ' is active and has no next charge' FROM pledges
            WHERE status = 'active' AND next_charge_at IS NULL
            UNION ALL
            SELECT 'reminder ' || id || ' has been due since ' || due_at FROM reminders
            WHERE status = 'waiting' AND due_at < :long_ago
            """,
            long_ago=long_ago,
            told_long_ago=long_ago - AT_LEAST,
        )
        + offenders(
            session,
            """
            SELECT 'charge ' || earlier.id || ' was made when charge ' || later.id
                   || ' of the same pledge was due already'
            FROM charges earlier JOIN charges later
              ON later.pledge_id = earlier.pledge_id AND later.period > earlier.period
            WHERE earlier.period > 0 AND earlier.created_at >= later.due_at
            """,
        ),
    )


def events_handled(runtime: Runtime, session: Session) -> Finding:
    """Invariant 8, as far as our side shows it."""
    return Finding(
        8,
        count(session, "webhook_events"),
        offenders(
            session,
            """
            SELECT 'event ' || stripe_event_id || ' is stored ' || count(*) || ' times (rows '
                   || string_agg(id::text, ', ' ORDER BY id) || ')'
            FROM webhook_events GROUP BY stripe_event_id HAVING count(*) > 1
            """,
        )
        + offenders(
            session,
            """
            SELECT 'event ' || stripe_event_id || ' (row ' || id || ') is ' || status
                   || ' since ' || received_at
            FROM webhook_events
            WHERE status = 'failed' OR (status = 'stored' AND received_at < :long_ago)
            """,
            long_ago=runtime.clock.now() - GRACE,
        )
        + _missing_indexes(session, "uq_webhook_events_stripe_event_id"),
    )


def _missing_indexes(session: Session, *names: str) -> list[str]:
    return offenders(
        session,
        """
        SELECT 'the unique index ' || name || ' is missing'
        FROM unnest(CAST(:names AS text[])) AS name
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE c.relname = name AND i.indisunique AND i.indisvalid
        )
        """,
        names=list(names),
    )
