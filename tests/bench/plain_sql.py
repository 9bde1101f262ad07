"""The pages' main figures by plain SQL over charges, ledger, movements and attempts: no rollups.

Written as one would write them at hand, with the indexes as they are. Parameters: `first` and
`last` (days), `zone`. A page that is not named here is not compared.
"""

from __future__ import annotations

_MONTHS = """
    SELECT date_trunc('month', t.occurred_at AT TIME ZONE %(zone)s)::date AS month, e.account,
           e.currency, sum(e.amount_minor) AS minor, count(DISTINCT t.id) AS transactions
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.occurred_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND t.occurred_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
      AND t.category NOT IN ('payout', 'payout_reversal')
    GROUP BY 1, 2, 3"""
_MOVEMENTS = """
    SELECT date_trunc('month', effective_on)::date AS month, kind, currency,
           sum(yearly_minor) AS yearly, count(DISTINCT supporter_id) AS people
    FROM pledge_movements WHERE effective_on <= %(last)s GROUP BY 1, 2, 3"""
_PEOPLE = """
    SELECT count(*) FROM (
        SELECT supporter_id FROM pledge_movements
        WHERE effective_on <= %(last)s AND kind NOT IN ('paused', 'resumed')
        GROUP BY supporter_id HAVING sum(yearly_minor) > 0) AS standing"""
_RENEWALS = """
    SELECT date_trunc('month', a.started_at AT TIME ZONE %(zone)s)::date AS month, c.currency,
           a.decline_code, count(*) AS renewals, sum(c.amount_minor) AS minor,
           count(*) FILTER (WHERE a.status <> 'succeeded' AND c.status = 'succeeded') AS recovered
    FROM attempts a JOIN charges c ON c.id = a.charge_id
    WHERE a.number = 1 AND c.period > 0 AND a.kind = 'off_session'
      AND a.started_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND a.started_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    GROUP BY 1, 2, 3"""
_SOURCES = """
    SELECT c.source->>'campaign' AS campaign, c.source->>'appeal' AS appeal,
           c.source->>'article' AS article, c.kind, c.currency, count(*) AS payments,
           sum(c.amount_minor) AS minor
    FROM charges c WHERE c.status = 'succeeded'
      AND c.settled_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND c.settled_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    GROUP BY 1, 2, 3, 4, 5"""
_GIFTS = """
    SELECT date_trunc('month', c.settled_at AT TIME ZONE %(zone)s)::date AS month, c.currency,
           count(*) AS gifts, sum(c.amount_minor) AS minor,
           count(*) FILTER (WHERE EXISTS (
               SELECT FROM pledges p WHERE p.supporter_id = c.supporter_id
               AND p.created_at > c.settled_at)) AS pledged_later
    FROM charges c WHERE c.kind = 'gift' AND c.status = 'succeeded'
      AND c.settled_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
      AND c.settled_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    GROUP BY 1, 2"""
_COHORTS = """
    SELECT cohort, date_trunc('month', m.effective_on)::date AS month, m.currency,
           sum(m.yearly_minor) AS yearly, count(DISTINCT m.supporter_id) AS people
    FROM pledge_movements m JOIN (
        SELECT supporter_id, date_trunc('month', min(effective_on))::date AS cohort
        FROM pledge_movements GROUP BY supporter_id) AS firsts USING (supporter_id)
    GROUP BY 1, 2, 3"""

PLAIN: dict[str, tuple[str, ...]] = {
    "/staff/revenue/": (_MONTHS, _MOVEMENTS, _PEOPLE, _RENEWALS),
    "/staff/revenue/monthly": (_MONTHS, _MOVEMENTS),
    "/staff/revenue/money": (_MONTHS,),
    "/staff/revenue/cohorts": (_COHORTS,),
    "/staff/revenue/churn": (_MOVEMENTS, _PEOPLE),
    "/staff/revenue/recovery": (_RENEWALS,),
    "/staff/revenue/sources": (_SOURCES,),
    "/staff/revenue/gifts": (_GIFTS,),
    "/staff/revenue/fees": (_MONTHS,),
    "/staff/revenue/forecast": (_RENEWALS, _MOVEMENTS),
}
