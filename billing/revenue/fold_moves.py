"""The statements that carry movements of monthly recurring revenue into the rollups.

Whoever has a new movement is looked at as a whole: what counted for them before is taken back, and
what counts now is added. So a movement that arrives late, or that counts on a day to come, leaves
no trace of the order in which it was known.
"""

from __future__ import annotations

from collections.abc import Sequence

from billing.revenue.fold_sql import CADENCE_AT, PAIR, SOURCE_OF, add, daily, day_of, with_months
from billing.revenue.tables import PEOPLE, Slice

LINE = (
    "origin_id, part, supporter_id, pledge_id, day, kind, currency, yearly_minor, cadence,"
    " source_id, country, cohort, reason"
)
_CELL = "slice, member_id, country, cadence, currency"
_CELL_OF_ALIKE = "k.slice, k.member_id, k.country, v.cadence, v.currency"
BY_DAY = "NULL::date AS cohort, v.day"
BY_COHORT = "v.cohort, date_trunc('month', v.day)::date AS day"
"""What those alike are added up by, for what is counted by day, or by cohort and month."""

_PLACES = {
    Slice.ALL: "(0, 0::bigint, '')",
    Slice.CAMPAIGN: "(1, coalesce(s.campaign_id, 0), '')",
    Slice.APPEAL: "(2, coalesce(s.appeal_id, 0), '')",
    Slice.COUNTRY: "(3, 0::bigint, v.country)",
    Slice.PAIR: f"(5, {PAIR}, '')",
    Slice.PAIR_COUNTRY: f"(6, {PAIR}, v.country)",
    Slice.ARTICLE: "(7, coalesce(s.article_id, 0), '')",
    Slice.CAMPAIGN_COUNTRY: "(8, coalesce(s.campaign_id, 0), v.country)",
    Slice.APPEAL_COUNTRY: "(9, coalesce(s.appeal_id, 0), v.country)",
}
"""Of a line `v` and its source `s`: the slice, its member and country."""


def fold_moves(touched: str) -> str:
    """Count everybody anew whom `touched`, a query of supporters' ids, names."""
    return f"""
    WITH {fresh_lines(touched)},
    before AS MATERIALIZED (
        SELECT {LINE} FROM touched JOIN revenue_moves USING (supporter_id)
    ), signed AS MATERIALIZED (
        SELECT 1 AS sign, {LINE} FROM fresh UNION ALL SELECT -1, {LINE} FROM before
    ), kept_moves AS (
        INSERT INTO revenue_moves AS kept ({LINE}) SELECT {LINE} FROM fresh
        ON CONFLICT (origin_id, part) DO UPDATE SET
            day = excluded.day, kind = excluded.kind, yearly_minor = excluded.yearly_minor,
            cadence = excluded.cadence, source_id = excluded.source_id,
            country = excluded.country, cohort = excluded.cohort, reason = excluded.reason
        WHERE (kept.day, kept.kind, kept.yearly_minor, kept.cadence, kept.source_id, kept.country,
               kept.cohort, kept.reason)
            IS DISTINCT FROM (excluded.day, excluded.kind, excluded.yearly_minor,
               excluded.cadence, excluded.source_id, excluded.country, excluded.cohort,
               excluded.reason)
    ), joint AS MATERIALIZED (
        SELECT source_id, country, day, cadence, currency, kind, reason,
               sum(sign)::bigint AS moves, added_up(sign * yearly_minor) AS yearly_minor
        FROM signed GROUP BY 1, 2, 3, 4, 5, 6, 7
        HAVING sum(sign) <> 0 OR added_up(sign * yearly_minor) <> 0
    ), {daily("revenue_promises", "joint")},
    kept_promises AS ({add("revenue_promises", "", with_months("revenue_promises", "daily"))}),
    {standing("signed")},
    people AS MATERIALIZED ({people(PEOPLE)}),
    supporters AS ({SUPPORTERS}),
    kept_supporters AS (
        {add("revenue_supporters", "", with_months("revenue_supporters", "supporters"))}),
    kept_retention AS ({add("revenue_retention", "", RETENTION)}),
    amounts AS ({AMOUNTS}),
    kept_amounts AS ({add("revenue_amounts", "", with_months("revenue_amounts", "amounts"))})
    SELECT count(*) FROM touched"""


def fresh_lines(touched: str) -> str:
    """Named queries, `touched` and at last `fresh`: every line of these people as it counts."""
    return f"touched AS MATERIALIZED ({touched}), {_RAW}, {_BALANCE}, {_FRESH}"


def promise_sums(lines: str) -> str:
    """Movements by source and country."""
    return f"""
    SELECT source_id, country, day, cadence, currency, kind, reason, count(*) AS moves,
           added_up(yearly_minor) AS yearly_minor
    FROM {lines} GROUP BY 1, 2, 3, 4, 5, 6, 7"""


def standing(lines: str) -> str:
    """Two named queries about the people of `lines`, each with a `sign`: `alike` and `mixed`.

    Most people have one pledge, or several alike in all that cells are told apart by: what they
    promise is the same in every cell that they are in, and is added up once (`alike`). The others
    are looked at cell by cell (`mixed`).
    """
    return f"""differ AS MATERIALIZED (
        SELECT sign, supporter_id FROM {lines} GROUP BY sign, supporter_id
        HAVING min(source_id) <> max(source_id) OR min(country) <> max(country)
            OR min(cadence) <> max(cadence) OR min(currency) <> max(currency)
    ), alike AS MATERIALIZED (
        SELECT *, (stands > 0)::int - (stands - change > 0)::int AS step
        FROM (SELECT *, added_up(change) OVER (
                  PARTITION BY sign, supporter_id ORDER BY day) AS stands
        FROM (SELECT sign, supporter_id, cohort, day, source_id, country, cadence, currency,
                     added_up(yearly_minor) AS change
              FROM {lines} v WHERE NOT EXISTS (
                  SELECT FROM differ d
                  WHERE d.sign = v.sign AND d.supporter_id = v.supporter_id)
              GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) AS lived) AS stood
    ), mixed AS MATERIALIZED (
        SELECT v.* FROM {lines} v JOIN differ USING (sign, supporter_id)
    )"""


def people(slices: Sequence[Slice], *, summed: str = "") -> str:
    """What each supporter promised in each cell of some slices, before and after each day.

    `summed` says by which columns those alike may be one row: `BY_DAY` or `BY_COHORT`. What each
    stood at isn't known then.
    """
    places = ", ".join(_PLACES[each] for each in slices)
    key = f"v.sign, {summed or 'v.cohort, v.day'}, {_CELL_OF_ALIKE}"
    sums = "added_up(v.change) AS change, NULL::bigint AS stands, sum(v.step) AS step"
    one_by_one = "v.change, v.stands, v.step"
    return f"""
        SELECT v.sign, v.cohort, v.day, v.slice, v.member_id, v.country, cadences.cadence,
               currencies.currency, v.change, v.stands, v.stands - v.change AS stood, v.step
        FROM (SELECT {key}, {sums if summed else one_by_one}
              FROM alike v {_placed(places)}
              {"GROUP BY 1, 2, 3, 4, 5, 6, 7, 8" if summed else ""}) AS v {_RHYTHMS_AND_CURRENCIES}
        UNION ALL
        SELECT sign, cohort, day, {_CELL}, change, stands, stands - change,
               (stands > 0)::int - (stands - change > 0)::int
        FROM (SELECT *, added_up(change) OVER (
                  PARTITION BY sign, supporter_id, {_CELL} ORDER BY day) AS stands
              FROM (SELECT v.sign, v.supporter_id, v.cohort, v.day, k.slice, k.member_id, k.country,
                           cadences.cadence, currencies.currency,
                           added_up(v.yearly_minor) AS change
                    FROM mixed v {_cells(places)}
                    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9) AS cells) AS lived"""


def _cells(places: str) -> str:
    return f"{_placed(places)} {_RHYTHMS_AND_CURRENCIES}"


def _placed(places: str) -> str:
    return f"""LEFT JOIN revenue_sources s ON s.id = v.source_id
        CROSS JOIN LATERAL (VALUES {places}) AS k (slice, member_id, country)"""


_RHYTHMS_AND_CURRENCIES = """
        CROSS JOIN LATERAL (VALUES (''), (v.cadence)) AS cadences (cadence)
        CROSS JOIN LATERAL (VALUES (''), (v.currency)) AS currencies (currency)"""


_REASON = """CASE WHEN m.kind NOT IN ('churn_voluntary', 'churn_involuntary') THEN ''
                    WHEN m.kind = 'churn_voluntary' OR m.occurred_at = p.cancelled_at
                        THEN coalesce(
                            (SELECT w.answer FROM pledge_answers w WHERE w.pledge_id = p.id),
                            p.end_reason, '')
                    ELSE coalesce(
                        (SELECT coalesce(a.decline_code, a.error_code)
                         FROM charges c JOIN attempts a ON a.charge_id = c.id
                         WHERE c.pledge_id = p.id AND a.status IN ('declined', 'refused')
                           AND a.started_at <= m.occurred_at
                         ORDER BY a.started_at DESC, a.id DESC LIMIT 1), 'unknown') END"""
"""Why a pledge ended: what its supporter said, what ended it, or the last refusal before that."""


_RAW = f"""raw AS MATERIALIZED (
        SELECT m.id AS origin_id, 0 AS part, m.supporter_id, m.pledge_id, m.effective_on AS day,
               m.kind, m.currency, m.yearly_minor, coalesce(s.id, 0) AS source_id,
               {CADENCE_AT.format(moment="m.occurred_at")} AS cadence,
               coalesce(p.card_country, '') AS country,
               m.kind IN ('paused', 'resumed') AS pauses, {_REASON} AS reason
        FROM touched JOIN pledge_movements m USING (supporter_id)
        JOIN pledges p ON p.id = m.pledge_id
        {SOURCE_OF.format(row="p")}
    ), turned AS (
        SELECT h.id AS origin_id, side.part, p.supporter_id, h.pledge_id,
               {day_of("h.occurred_at")} AS day, p.currency,
               side.part * worth.yearly_minor AS yearly_minor, coalesce(s.id, 0) AS source_id,
               side.cadence, coalesce(p.card_country, '') AS country
        FROM touched JOIN pledges p USING (supporter_id)
        JOIN pledge_changes h ON h.pledge_id = p.id AND h.cadence <> h.old_cadence
        {SOURCE_OF.format(row="p")}
        CROSS JOIN LATERAL (
            SELECT added_up(m.yearly_minor) AS yearly_minor FROM pledge_movements m
            WHERE m.pledge_id = p.id AND m.occurred_at < h.occurred_at
              AND m.kind NOT IN ('paused', 'resumed')) AS worth
        CROSS JOIN LATERAL (VALUES (-1, h.old_cadence), (1, h.cadence)) AS side (part, cadence)
        WHERE p.version > 0 AND worth.yearly_minor <> 0
    )"""
"""The history: movements, and changes of rhythm with what the pledge was worth at that time."""

_BALANCE = """days AS (
        SELECT supporter_id, day, coalesce(sum(yearly_minor) FILTER (WHERE NOT pauses), 0) AS net,
               (array_agg(kind ORDER BY origin_id DESC)
                   FILTER (WHERE kind IN ('churn_voluntary', 'churn_involuntary')))[1] AS churn,
               (array_agg(reason ORDER BY origin_id DESC)
                   FILTER (WHERE kind IN ('churn_voluntary', 'churn_involuntary')))[1] AS why
        FROM raw GROUP BY supporter_id, day
    ), balance AS (
        SELECT supporter_id, day, churn, why, sum(net) OVER lived - net AS stood,
               sum(net) OVER lived AS stands, min(day) OVER (PARTITION BY supporter_id) AS first_day
        FROM days WINDOW lived AS (PARTITION BY supporter_id ORDER BY day)
    ), nets AS (
        SELECT supporter_id, day, currency,
               coalesce(sum(yearly_minor) FILTER (WHERE NOT pauses), 0) AS net
        FROM raw GROUP BY supporter_id, day, currency
    )"""
"""What each supporter promised before and after each of their days. A pause ends no promise."""

_FRESH = """counted AS (
        SELECT r.*, b.why,
               CASE
                   WHEN r.pauses THEN 'paused'
                   WHEN b.stood = 0 AND b.stands > 0 THEN
                       CASE WHEN r.day = b.first_day THEN 'new' ELSE 'reactivation' END
                   WHEN b.stood = 0 THEN
                       CASE WHEN r.kind NOT IN ('new', 'reactivation') THEN r.kind
                            WHEN r.day = b.first_day THEN 'new' ELSE 'reactivation' END
                   WHEN b.stands = 0 THEN
                       CASE WHEN r.kind IN ('churn_voluntary', 'churn_involuntary') THEN r.kind
                            ELSE coalesce(b.churn, 'contraction') END
                   WHEN n.net >= 0 THEN 'expansion'
                   ELSE 'contraction'
               END AS counts_as,
               date_trunc('month', b.first_day)::date AS cohort
        FROM raw r JOIN balance b USING (supporter_id, day)
        JOIN nets n USING (supporter_id, day, currency)
    ), fresh AS MATERIALIZED (
        SELECT origin_id, part, supporter_id, pledge_id, day, currency, yearly_minor, cadence,
               source_id, country, counts_as AS kind, cohort,
               CASE WHEN counts_as NOT IN ('churn_voluntary', 'churn_involuntary') THEN ''
                    WHEN kind IN ('churn_voluntary', 'churn_involuntary') THEN reason
                    ELSE coalesce(why, '') END AS reason
        FROM counted
        UNION ALL
        SELECT t.origin_id, t.part, t.supporter_id, t.pledge_id, t.day, t.currency, t.yearly_minor,
               t.cadence, t.source_id, t.country, 'rhythm',
               date_trunc('month', f.first_day)::date, ''
        FROM turned t
        JOIN (SELECT supporter_id, min(day) AS first_day FROM days GROUP BY 1) AS f
            USING (supporter_id)
    )"""
"""Each line with why it counts."""

SUPPORTERS = f"""SELECT {_CELL}, day, sum(sign * step)::bigint AS supporters FROM people
    GROUP BY {_CELL}, day HAVING sum(sign * step) <> 0"""

RETENTION = f"""SELECT {_CELL}, cohort, date_trunc('month', day)::date,
           sum(sign * step)::bigint AS supporters,
           coalesce(added_up(sign * change) FILTER (WHERE currency <> ''), 0) AS yearly_minor
    FROM people GROUP BY {_CELL}, cohort, date_trunc('month', day)::date
    HAVING sum(sign * step) <> 0
        OR coalesce(added_up(sign * change) FILTER (WHERE currency <> ''), 0) <> 0"""

AMOUNTS = f"""SELECT {_CELL}, day, worth AS yearly_minor, sum(sign * one)::bigint AS supporters
    FROM people
    CROSS JOIN LATERAL (VALUES (stands, 1), (stood, -1)) AS side (worth, one)
    WHERE currency <> '' AND change <> 0 AND worth > 0
    GROUP BY {_CELL}, day, worth HAVING sum(sign * one) <> 0"""
