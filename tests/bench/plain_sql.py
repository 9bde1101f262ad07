"""The pages' figures by plain SQL over ledger, charges, movements, attempts and steps: no rollups.

Written as one would write them at hand, with the indexes as they are. Parameters: `first` and
`last` (days), `zone`. What each query returns is compared with what its pages are made of in
`tests/revenue/two_ways_sql.py`.
"""

from __future__ import annotations

_DAY = "(t.occurred_at AT TIME ZONE %(zone)s)::date"
_MOVED = f"""
    moved AS (
        SELECT t.id, t.charge_id, date_trunc('month', {_DAY})::date AS month,
               coalesce(max(e.account) FILTER (
                   WHERE e.account NOT IN ('stripe', 'fees', 'conversion', 'offline')), '') AS what,
               coalesce(max(e.currency) FILTER (WHERE e.account IN ('stripe', 'fees')),
                        max(e.currency)) AS settled,
               coalesce(sum(e.amount_minor) FILTER (
                   WHERE e.account IN ('stripe', 'offline')), 0) AS net,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'fees'), 0) AS fee,
               -coalesce(sum(e.amount_minor) FILTER (
                   WHERE e.account IN ('gifts', 'pledges')), 0) AS paid
        FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE t.occurred_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
          AND t.occurred_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
          AND t.category NOT IN ('payout', 'payout_reversal')
        GROUP BY t.id)"""
MONEY = f"""
    WITH {_MOVED}
    SELECT month, settled, what, sum(sign(paid))::bigint AS payments,
           sum(net + fee)::bigint AS amount,
           sum(fee)::bigint AS fees, sum(paid)::bigint AS paid
    FROM moved GROUP BY 1, 2, 3"""
SAVED = f"""
    WITH {_MOVED}
    SELECT coalesce((SELECT h.cadence FROM pledge_changes h
                     WHERE h.pledge_id = p.id AND h.occurred_at <= c.created_at
                     ORDER BY h.version DESC LIMIT 1),
                    (SELECT h.old_cadence FROM pledge_changes h
                     WHERE h.pledge_id = p.id ORDER BY h.version LIMIT 1),
                    p.cadence, 'once') AS cadence,
           c.currency, m.settled, sum(sign(m.paid) * c.fee_cover_minor)::bigint AS covered,
           sum(CASE WHEN p.id IS NULL THEN 0 ELSE sign(m.paid) * c.months END)::bigint AS periods,
           sum(m.paid)::bigint AS paid
    FROM moved m JOIN charges c ON c.id = m.charge_id LEFT JOIN pledges p ON p.id = c.pledge_id
    WHERE m.what IN ('gifts', 'pledges') GROUP BY 1, 2, 3"""
BROUGHT = f"""
    WITH {_MOVED}
    SELECT coalesce(c.source->>'campaign', '') AS name, m.settled,
           (sum(sign(m.paid)) FILTER (WHERE m.what = 'gifts'))::bigint AS gifts,
           (sum(m.net + m.fee) FILTER (WHERE m.what IN ('gifts', 'pledges')))::bigint AS gross,
           sum(m.net)::bigint AS net
    FROM moved m JOIN charges c ON c.id = m.charge_id GROUP BY 1, 2"""

_COUNTED = """
    told AS (
        SELECT m.*, kind IN ('paused', 'resumed') AS pauses,
               min(effective_on) OVER (PARTITION BY supporter_id) AS first_on
        FROM pledge_movements m
    ), days AS (
        SELECT supporter_id, effective_on, sum(yearly_minor) AS change,
               sum(sum(yearly_minor)) OVER (PARTITION BY supporter_id ORDER BY effective_on)
                   AS stands,
               max(id) FILTER (WHERE kind LIKE 'churn%%') AS churn
        FROM told WHERE NOT pauses GROUP BY supporter_id, effective_on
    ), nets AS (
        SELECT supporter_id, effective_on, currency, sum(yearly_minor) AS net
        FROM told WHERE NOT pauses GROUP BY supporter_id, effective_on, currency
    ), counted AS (
        SELECT t.*, CASE
            WHEN pauses THEN 'paused'
            WHEN d.stands = d.change AND (d.stands <> 0 OR t.kind IN ('new', 'reactivation'))
            THEN CASE WHEN t.effective_on = first_on THEN 'new' ELSE 'reactivation' END
            WHEN d.stands = d.change THEN t.kind
            WHEN d.stands = 0 THEN CASE WHEN t.kind LIKE 'churn%%' OR w.kind IS NULL
                                        THEN t.kind ELSE w.kind END
            WHEN n.net >= 0 THEN 'expansion' ELSE 'contraction' END AS counts_as,
            CASE WHEN t.kind LIKE 'churn%%' THEN t.id ELSE d.churn END AS churned
        FROM told t LEFT JOIN days d USING (supporter_id, effective_on)
        LEFT JOIN nets n USING (supporter_id, effective_on, currency)
        LEFT JOIN pledge_movements w ON w.id = d.churn)"""
MOVEMENTS = f"""
    WITH {_COUNTED}
    SELECT date_trunc('month', effective_on)::date AS month, counts_as AS kind, currency,
           count(*) AS moves, sum(yearly_minor)::bigint AS yearly
    FROM counted WHERE effective_on <= %(last)s GROUP BY 1, 2, 3"""
DEPARTED = f"""
    WITH {_COUNTED}
    SELECT c.counts_as AS kind, c.currency, CASE
        WHEN w.kind = 'churn_voluntary' OR w.occurred_at = p.cancelled_at
        THEN coalesce((SELECT answer FROM pledge_answers WHERE pledge_id = p.id), p.end_reason, '')
        WHEN w.id IS NULL THEN ''
        ELSE coalesce(
            (SELECT coalesce(a.decline_code, a.error_code) FROM charges g
             JOIN attempts a ON a.charge_id = g.id
             WHERE g.pledge_id = p.id AND a.status IN ('declined', 'refused')
               AND a.started_at <= w.occurred_at
             ORDER BY a.started_at DESC, a.id DESC LIMIT 1), 'unknown') END AS reason,
        count(*) AS moves, sum(c.yearly_minor)::bigint AS yearly
    FROM counted c LEFT JOIN pledge_movements w ON w.id = c.churned
    LEFT JOIN pledges p ON p.id = w.pledge_id
    WHERE c.counts_as LIKE 'churn%%' AND c.effective_on BETWEEN %(first)s AND %(last)s
    GROUP BY 1, 2, 3"""
PEOPLE = """
    SELECT count(*) FROM (
        SELECT supporter_id FROM pledge_movements WHERE effective_on <= %(last)s
        GROUP BY supporter_id HAVING sum(yearly_minor) > 0) AS standing"""
AMOUNTS = """
    SELECT currency, yearly, count(*) FROM (
        SELECT currency, sum(yearly_minor)::bigint AS yearly FROM pledge_movements
        WHERE effective_on <= %(last)s GROUP BY supporter_id, currency
        HAVING sum(yearly_minor) > 0) AS standing GROUP BY 1, 2"""
RENEWALS = """
    SELECT date_trunc('month', a.started_at AT TIME ZONE %(zone)s)::date AS month, c.currency,
           CASE WHEN a.status = 'succeeded' THEN ''
                ELSE coalesce(a.decline_code, a.error_code, 'unknown') END AS reason,
           CASE WHEN c.status <> 'succeeded' THEN 0 ELSE (
               SELECT coalesce(min(number) FILTER (WHERE status = 'succeeded'), max(number))
               FROM attempts WHERE charge_id = c.id) END AS tries,
           count(*) AS renewals, sum(c.amount_minor)::bigint AS minor,
           count(*) FILTER (WHERE a.status <> 'succeeded' AND c.status = 'succeeded') AS recovered
    FROM attempts a JOIN charges c ON c.id = a.charge_id
    WHERE a.number = 1 AND c.period > 0 AND a.kind = 'off_session'
      AND a.status IN ('succeeded', 'declined', 'refused')
      AND a.started_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND a.started_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    GROUP BY 1, 2, 3, 4"""
COHORTS = """
    WITH lived AS (
        SELECT supporter_id, date_trunc('month', effective_on)::date AS month,
               sum(yearly_minor) AS change,
               sum(sum(yearly_minor)) OVER (
                   PARTITION BY supporter_id ORDER BY date_trunc('month', effective_on)) AS stands,
               date_trunc('month', min(min(effective_on)) OVER (PARTITION BY supporter_id))::date
                   AS cohort
        FROM pledge_movements GROUP BY supporter_id, date_trunc('month', effective_on))
    SELECT cohort, month,
           count(*) FILTER (WHERE stands > 0) - count(*) FILTER (WHERE stands - change > 0)
    FROM lived GROUP BY 1, 2"""

_GIVEN = f"""
    given AS (
        SELECT c.id, c.supporter_id, c.currency, c.amount_minor, min({_DAY}) AS day
        FROM charges c JOIN ledger_transactions t ON t.charge_id = c.id
        JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'gifts'
        WHERE c.kind = 'gift' GROUP BY c.id HAVING sum(-sign(e.amount_minor)) > 0
    ), placed AS (
        SELECT *, row_number() OVER given AS place, lead(day) OVER given AS again_on,
               (SELECT min(m.effective_on) FROM pledge_movements m
                WHERE m.supporter_id = given.supporter_id) AS pledged_on
        FROM given WINDOW given AS (PARTITION BY supporter_id ORDER BY day, id))"""
GIVERS = f"""
    WITH {_GIVEN}
    SELECT date_trunc('month', day)::date AS month, count(*), count(again_on),
           count(*) FILTER (WHERE pledged_on < day),
           count(*) FILTER (WHERE pledged_on BETWEEN day AND day + 30),
           count(*) FILTER (WHERE pledged_on BETWEEN day AND day + 90),
           count(*) FILTER (WHERE pledged_on BETWEEN day AND day + 365)
    FROM placed WHERE place = 1 AND day BETWEEN %(first)s AND %(last)s GROUP BY 1"""
GIFTS = """
    SELECT c.currency, c.amount_minor, sum(-sign(e.amount_minor))::bigint
    FROM ledger_transactions t JOIN charges c ON c.id = t.charge_id
    JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'gifts'
    WHERE t.occurred_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND t.occurred_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    GROUP BY 1, 2"""
BEGUN = """
    WITH begun AS (
        SELECT pledge_id, currency, min(effective_on) AS day FROM pledge_movements
        WHERE kind NOT IN ('paused', 'resumed') GROUP BY 1, 2
    ), lived AS (
        SELECT b.pledge_id, b.currency,
               sum(m.yearly_minor) FILTER (WHERE m.effective_on = b.day) AS yearly,
               sum(m.yearly_minor) FILTER (WHERE m.effective_on <= b.day + interval '3 months') > 0
                   AS stayed
        FROM begun b JOIN pledge_movements m USING (pledge_id, currency)
        WHERE m.kind NOT IN ('paused', 'resumed') AND b.day BETWEEN %(first)s AND %(last)s
        GROUP BY 1, 2)
    SELECT coalesce(p.source->>'campaign', '') AS name, l.currency, count(*),
           sum(l.yearly)::bigint, count(*) FILTER (WHERE l.stayed)
    FROM lived l JOIN pledges p ON p.id = l.pledge_id GROUP BY 1, 2"""
STEPS = """
    SELECT s.campaign, s.appeal, coalesce(sum(r.times) FILTER (WHERE step = 'shown'), 0)::bigint,
           coalesce(sum(r.times) FILTER (WHERE step = 'opened'), 0)::bigint,
           coalesce(sum(r.times) FILTER (WHERE step = 'began'), 0)::bigint
    FROM reader_steps r JOIN revenue_sources s ON s.id = r.source_id
    WHERE r.day BETWEEN %(first)s AND %(last)s GROUP BY 1, 2"""

REMINDED = """
    SELECT date_trunc('month', asked_at AT TIME ZONE %(zone)s)::date AS month, count(*),
           count(*) FILTER (WHERE status = 'sent'), count(*) FILTER (WHERE status = 'skipped'),
           count(*) FILTER (WHERE status = 'sent' AND gave)
    FROM reminders WHERE asked_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND asked_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    GROUP BY 1"""
PAID_BY_APPEAL = """
    SELECT sum(firsts)::bigint FROM (
        SELECT -sign(e.amount_minor) AS firsts, c.source->>'appeal' AS appeal,
               t.occurred_at AT TIME ZONE %(zone)s AS at
        FROM ledger_transactions t JOIN charges c ON c.id = t.charge_id
        JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'gifts'
        UNION ALL
        SELECT 1, p.source->>'appeal', min(m.effective_on)
        FROM pledge_movements m JOIN pledges p ON p.id = m.pledge_id
        WHERE m.kind NOT IN ('paused', 'resumed') GROUP BY p.id) AS paid
    WHERE coalesce(appeal, '') NOT IN ('', 'reminder')
      AND at >= %(first)s AND at < %(last)s::date + 1"""
PAYOUTS = """
    SELECT p.currency, count(*) AS payouts,
           (sum(p.amount_minor) FILTER (WHERE p.status NOT IN ('failed', 'canceled')))::bigint,
           sum(l.minor)::bigint AS in_ledger
    FROM payouts p LEFT JOIN (
        SELECT l.payout_id, sum(e.amount_minor) AS minor FROM payout_lines l
        JOIN ledger_entries e ON e.transaction_id = l.transaction_id AND e.account = 'stripe'
        GROUP BY 1) AS l ON l.payout_id = p.id
    WHERE p.arrives_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND p.arrives_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    GROUP BY 1"""
STAKES = """
    SELECT currency, count(*), sum(amount_minor)::bigint,
           sum((amount_minor - fee_cover_minor)
               * CASE cadence WHEN 'annual' THEN 1 ELSE 12 END)::bigint
    FROM pledges WHERE status = 'past_due' GROUP BY 1"""
EXPECTED = """
    SELECT currency, sum(minor)::bigint FROM (
        SELECT currency, amount_minor AS minor, next_charge_at AS at FROM pledges
        WHERE status = 'active'
        UNION ALL
        SELECT c.currency, c.amount_minor, c.due_at FROM charges c
        WHERE c.status IN ('due', 'submitted', 'processing') AND (
            c.next_attempt_at IS NOT NULL OR EXISTS (
                SELECT FROM attempts a WHERE a.charge_id = c.id
                AND a.status IN ('in_flight', 'unknown', 'processing')))) AS due
    WHERE at < (date_trunc('month', %(last)s::date) + interval '1 month') AT TIME ZONE %(zone)s
    GROUP BY 1"""

PLAIN: dict[str, tuple[str, ...]] = {
    "/staff/": (MONEY, MOVEMENTS, PEOPLE, EXPECTED),
    "/staff/revenue/": (MONEY, MOVEMENTS, PEOPLE, AMOUNTS, RENEWALS),
    "/staff/revenue/monthly": (MONEY, MOVEMENTS),
    "/staff/revenue/money": (MONEY,),
    "/staff/revenue/cohorts": (COHORTS,),
    "/staff/revenue/churn": (MONEY, MOVEMENTS, DEPARTED, PEOPLE, RENEWALS),
    "/staff/revenue/recovery": (MONEY, RENEWALS, STAKES),
    "/staff/revenue/sources": (BROUGHT, BEGUN, STEPS),
    "/staff/revenue/reminders": (REMINDED, STEPS, PAID_BY_APPEAL),
    "/staff/revenue/gifts": (MONEY, GIFTS, GIVERS),
    "/staff/revenue/fees": (MONEY, SAVED),
    "/staff/revenue/payouts": (PAYOUTS,),
    "/staff/revenue/forecast": (MONEY, MOVEMENTS, DEPARTED, RENEWALS),
}
"""By page, the queries whose figures it shows."""

LISTS = (
    "/staff/revenue/at-risk",
    "/staff/revenue/cohort",
    "/staff/revenue/departed",
    "/staff/revenue/givers",
    "/staff/revenue/lines",
    "/staff/revenue/moves",
    "/staff/revenue/payout",
    "/staff/revenue/reminders/list",
    "/staff/revenue/renewals",
    "/staff/revenue/started",
)
"""Pages that show rows, not figures: a page of rows is all that plain SQL would read as well, so
that there is nothing to be faster than."""
