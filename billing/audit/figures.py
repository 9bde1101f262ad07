"""The check of the revenue pages' sums: they are those of the ledger, to the cent."""

from __future__ import annotations

from sqlalchemy.orm import Session

from billing.audit.findings import Finding, count, offenders
from billing.runtime import Runtime

_MONTHS = """
    WITH told AS (
        SELECT 'money' AS rollup, slice, day, gross - refunds - disputes - fees + other AS minor
        FROM revenue_money
        UNION ALL SELECT 'promises', slice, day, yearly_minor FROM revenue_promises
        UNION ALL SELECT 'renewals', slice, day, amount_minor FROM revenue_renewals
        UNION ALL SELECT 'supporters', slice, day, supporters FROM revenue_supporters
        UNION ALL SELECT 'amounts', slice, day, supporters * yearly_minor FROM revenue_amounts
        UNION ALL SELECT 'gifts', slice, day, gifts * amount_minor FROM revenue_gifts
        UNION ALL SELECT 'conversions', slice, day, givers + again FROM revenue_conversions
        UNION ALL SELECT 'beginnings', slice, day, yearly_minor FROM revenue_begun
        UNION ALL SELECT 'steps', slice, day, shown + opened + began FROM revenue_steps
        UNION ALL SELECT 'reminders', slice, day, asked + 2 * sent + 4 * gave FROM revenue_reminders
    )
    SELECT 'the months of slice ' || slice % 20 || ' of the ' || rollup || ' come to '
           || coalesce(sum(minor) FILTER (WHERE slice >= 20), 0) || ', their days to '
           || coalesce(sum(minor) FILTER (WHERE slice < 20), 0)
    FROM told, revenue_state r WHERE day < r.months_until GROUP BY rollup, slice % 20
    HAVING coalesce(sum(minor) FILTER (WHERE slice >= 20), 0)
        <> coalesce(sum(minor) FILTER (WHERE slice < 20), 0)
"""
"""Sums are kept by day, and once more by month of the months that are over."""


_RENEWALS = """
    SELECT 'of the renewals of ' || day || ' in ' || currency || ', ' || sum(renewals)
           || ' are counted, ' || sum(lines) || ' are in a list; recovered are '
           || sum(recovered) || ' and ' || sum(recovered_lines)
    FROM (
        SELECT day, currency, renewals, recovered, 0 AS lines, 0 AS recovered_lines
        FROM revenue_renewals WHERE slice = 0
        UNION ALL
        SELECT day, currency, 0, 0, count(*), count(*) FILTER (WHERE reason <> '' AND tries > 0)
        FROM revenue_renewal_lines GROUP BY day, currency
    ) AS told GROUP BY day, currency
    HAVING sum(renewals) <> sum(lines) OR sum(recovered) <> sum(recovered_lines)
"""
_REMINDERS = """
    WITH known AS (
        SELECT count(*) AS asked, count(*) FILTER (WHERE status = 'sent') AS sent
        FROM reminders
        HAVING bool_and(coalesce(written_in, 0) < (SELECT horizon FROM revenue_state))
    ), told AS (
        SELECT slice, sum(asked) AS asked, sum(sent) AS sent
        FROM revenue_reminders WHERE slice < 20 GROUP BY slice
    )
    SELECT 'slice ' || slices.slice || ' of the figures says ' || coalesce(told.asked, 0)
           || ' reminders, ' || coalesce(told.sent, 0) || ' of them sent; there are '
           || known.asked || ' and ' || known.sent
    FROM known CROSS JOIN unnest(ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 10, 11]) AS slices (slice)
    LEFT JOIN told ON told.slice = slices.slice
    WHERE coalesce(told.asked, 0) <> known.asked OR coalesce(told.sent, 0) <> known.sent
"""
"""Looked at when all reminders are counted: one that was written since changes its day's counts."""


def rollups_are_the_ledger(runtime: Runtime, session: Session) -> Finding:
    """Invariant 5: every slice of the rollups says what the ledger says, as far as it was read.

    `tuppence revenue rebuild` compares row by row, and puts right what is wrong.
    """
    return Finding(
        5,
        count(session, "revenue_money"),
        offenders(
            session,
            """
            WITH ledger AS (
                SELECT sum(e.amount_minor) FILTER (
                           WHERE e.account IN ('stripe', 'offline')) AS net,
                       sum(e.amount_minor) FILTER (
                           WHERE e.account = 'fees' AND NOT foreign_) AS fees,
                       e.currency
                FROM revenue_state r, ledger_entries e
                JOIN ledger_transactions t ON t.id = e.transaction_id
                CROSS JOIN LATERAL (SELECT EXISTS (
                    SELECT 1 FROM ledger_entries o WHERE e.account = 'fees'
                     AND o.transaction_id = t.id AND o.account = 'other') AS foreign_) AS whose
                WHERE coalesce(t.written_in, 0) < r.horizon
                  AND e.account IN ('stripe', 'fees', 'offline')
                  AND t.category NOT IN ('payout', 'payout_reversal')
                GROUP BY e.currency
            ), told AS (
                SELECT slice, settled_currency AS currency, sum(fees) AS fees,
                       sum(gross - refunds - disputes - fees + other) AS net
                FROM revenue_money WHERE slice < 20 GROUP BY slice, settled_currency
            )
            SELECT 'slice ' || slices.slice || ' of the figures says ' || coalesce(told.net, 0)
                   || ' ' || ledger.currency || ' net, the ledger ' || ledger.net
            FROM ledger CROSS JOIN unnest(ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 10, 11]) AS slices (slice)
            LEFT JOIN told ON told.currency = ledger.currency AND told.slice = slices.slice
            WHERE coalesce(told.net, 0) <> coalesce(ledger.net, 0)
               OR coalesce(told.fees, 0) <> coalesce(ledger.fees, 0)
            """,
        )
        + offenders(
            session,
            """
            SELECT 'transaction ' || t.id || ' is in no list'
            FROM revenue_state r, ledger_transactions t
            WHERE coalesce(t.written_in, 0) < r.horizon
              AND t.category NOT IN ('payout', 'payout_reversal') AND NOT EXISTS (
                SELECT 1 FROM revenue_lines v WHERE v.transaction_id = t.id)
            UNION ALL
            SELECT 'movement ' || m.id || ' is not in the figures'
            FROM revenue_state r, pledge_movements m
            WHERE coalesce(m.written_in, 0) < r.horizon AND NOT EXISTS (
                SELECT 1 FROM revenue_moves v WHERE v.origin_id = m.id AND v.part = 0)
            UNION ALL
            SELECT 'the movements come to ' || v.yearly_minor || ' ' || v.currency
                   || ' a year, slice ' || slices.slice || ' of the figures says '
                   || coalesce(told.yearly_minor, 0)
            FROM (SELECT currency, sum(yearly_minor) AS yearly_minor FROM revenue_moves
                  GROUP BY currency) AS v
            CROSS JOIN unnest(ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 10, 11]) AS slices (slice)
            LEFT JOIN (SELECT slice, currency, sum(yearly_minor) AS yearly_minor
                       FROM revenue_promises WHERE slice < 20 GROUP BY slice, currency) AS told
                ON told.currency = v.currency AND told.slice = slices.slice
            WHERE v.yearly_minor <> coalesce(told.yearly_minor, 0)
            """,
        )
        + offenders(session, _RENEWALS)
        + offenders(session, _REMINDERS)
        + offenders(session, _MONTHS),
    )
