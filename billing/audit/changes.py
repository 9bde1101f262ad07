"""The checks of what supporters changed: pledges paused, skipped, changed in terms, and prepaid."""

from __future__ import annotations

from sqlalchemy.orm import Session

from billing.audit.database import GRACE
from billing.audit.findings import Finding, count, offenders
from billing.runtime import Runtime


def months_paid_once(runtime: Runtime, session: Session) -> Finding:
    """Invariant 1: a month that was paid ahead is not charged once more."""
    return Finding(
        1,
        count(session, "charges", "months > 1"),
        offenders(
            session,
            """
            SELECT 'charge ' || later.id || ' is for period ' || later.period || ' of pledge '
                   || later.pledge_id || ', which charge ' || ahead.id || ' has paid for'
            FROM charges ahead JOIN charges later
              ON later.pledge_id = ahead.pledge_id AND later.period > ahead.period
             AND later.period < ahead.period + ahead.months
            WHERE ahead.months > 1 AND ahead.status = 'succeeded' AND later.status <> 'cancelled'
            """,
        ),
    )


def wishes_kept(runtime: Runtime, session: Session) -> Finding:
    """Invariant 2: nothing is taken for what was left out, in a pause, or on other terms."""
    return Finding(
        2,
        count(session, "pledge_changes"),
        offenders(
            session,
            """
            SELECT 'charge ' || c.id || ' is for period ' || c.period || ' of pledge '
                   || c.pledge_id || ', which was left out (change ' || h.id || ')'
            FROM pledge_changes h JOIN charges c
              ON c.pledge_id = h.pledge_id AND c.period >= h.spared_from
             AND c.period < h.spared_until
            WHERE h.kind <> 'prepaid' AND c.status <> 'cancelled'
            """,
        )
        + offenders(
            session,
            """
            SELECT 'attempt ' || a.id || ' began while pledge ' || c.pledge_id || ' was paused'
            FROM pledge_changes h JOIN charges c ON c.pledge_id = h.pledge_id
            JOIN attempts a ON a.charge_id = c.id
            WHERE h.kind = 'paused' AND a.kind = 'off_session'
              AND CASE WHEN a.pledge_version IS NULL THEN a.started_at > h.occurred_at
                       ELSE a.pledge_version >= h.version END
              AND NOT EXISTS (
                  SELECT 1 FROM pledge_changes r
                  WHERE r.pledge_id = h.pledge_id AND r.version > h.version
                    AND r.kind = 'resumed'
                    AND CASE WHEN a.pledge_version IS NULL THEN r.occurred_at <= a.started_at
                             ELSE r.version <= a.pledge_version END)
            """,
        )
        + offenders(
            session,
            """
            SELECT 'pledge ' || p.id || ' takes ' || p.amount_minor || ' ' || p.cadence
                   || ', not the ' || h.amount_minor || ' ' || h.cadence || ' agreed to last'
            FROM pledges p JOIN pledge_changes h ON h.pledge_id = p.id AND h.version = p.version
            WHERE (p.amount_minor, p.fee_cover_minor, p.cadence)
                  IS DISTINCT FROM (h.amount_minor, h.fee_cover_minor, h.cadence)
            UNION ALL
            SELECT 'pledge ' || p.id || ' was changed ' || p.version || ' times, its history has '
                   || count(h.id)
            FROM pledges p LEFT JOIN pledge_changes h ON h.pledge_id = p.id
            WHERE p.version > 0 GROUP BY p.id HAVING count(h.id) <> p.version
            """,
        ),
    )


def changes_confirmed(runtime: Runtime, session: Session) -> Finding:
    """Invariant 6: every change has its letter."""
    return Finding(
        6,
        count(session, "pledge_changes"),
        offenders(
            session,
            """
            SELECT 'change ' || h.id || ' of pledge ' || p.id || ' (' || h.kind || ') has no letter'
            FROM pledge_changes h JOIN pledges p ON p.id = h.pledge_id
            JOIN supporters s ON s.id = p.supporter_id
            WHERE h.kind <> 'prepaid' AND s.erased_at IS NULL AND NOT EXISTS (
                SELECT 1 FROM outbox o WHERE o.unique_key =
                    CASE h.kind WHEN 'terms' THEN 'amount_changed' ELSE 'pledge_changed' END
                    || ':pledge:' || p.id || ':' || h.version)
            """,
        ),
    )


def pauses_end(runtime: Runtime, session: Session) -> Finding:
    """Invariant 7: a pledge whose pause is over goes on."""
    return Finding(
        7,
        count(session, "pledges", "status = 'paused'"),
        offenders(
            session,
            """
            SELECT 'pledge ' || id || ' was to go on at ' || paused_until FROM pledges
            WHERE status = 'paused' AND paused_until < :long_ago
            """,
            long_ago=runtime.clock.now() - GRACE,
        ),
    )


def revenue_explained(runtime: Runtime, session: Session) -> Finding:
    """Invariant 9: a changed pledge counts for what its movements of revenue add up to."""
    return Finding(
        9,
        count(session, "pledges", "version > 0"),
        offenders(
            session,
            """
            SELECT 'pledge ' || id || ' counts ' || worth || ' a year, its movements '
                   || coalesce(moved, 0)
            FROM (
                SELECT p.id,
                       CASE WHEN p.status NOT IN ('active', 'past_due') THEN 0
                            ELSE (p.amount_minor - p.fee_cover_minor)
                                 * CASE p.cadence WHEN 'monthly' THEN 12 ELSE 1 END END AS worth,
                       (SELECT sum(m.yearly_minor) FROM pledge_movements m
                        WHERE m.pledge_id = p.id) AS moved
                FROM pledges p WHERE p.version > 0
            ) AS pledge WHERE worth <> coalesce(moved, 0)
            """,
        ),
    )
