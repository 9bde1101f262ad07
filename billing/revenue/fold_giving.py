"""The statements that carry gifts, givers, beginnings of pledges and readers' steps into rollups.

As in `fold_moves.py`, whoever has something new is looked at as a whole: the old line is taken
back, the new one added.
"""

from __future__ import annotations

from billing.revenue.fold_sql import add, add_origins, day_of, sliced, source_of

_GIVER = (
    "supporter_id, charge_id, day, currency, amount_minor, source_id, country, again_on, pledged_on"
)
_START = "pledge_id, supporter_id, day, currency, yearly_minor, cadence, source_id, country, stayed"
STEPS = ("shown", "opened", "began")


def fold_gifts(to: str, new: str) -> str:
    """Add the gifts of ledger transactions `t`, by the sum that was asked for."""
    return f"""
    WITH joint AS MATERIALIZED (
        SELECT coalesce(s.id, 0) AS source_id, coalesce(c.card_country, '') AS country,
               {day_of("t.occurred_at")} AS day, c.currency, c.amount_minor,
               sum(-sign(e.amount_minor))::bigint AS gifts
        FROM ledger_transactions t
        JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'gifts'
        JOIN charges c ON c.id = t.charge_id
        {source_of("c")}
        WHERE {new} GROUP BY 1, 2, 3, 4, 5 HAVING sum(-sign(e.amount_minor)) <> 0
    )
    {add("revenue_gifts", to, sliced("revenue_gifts", "joint"))}"""


def fold_givers(to: str, touched: str) -> str:
    """Look anew at the gifts of everybody whom `touched`, a query of supporters' ids, names."""
    return f"""
    WITH touched AS MATERIALIZED ({touched}),
    gifts AS (
        SELECT c.supporter_id, c.id AS charge_id, min({day_of("t.occurred_at")}) AS day,
               c.currency, c.amount_minor, c.source, c.card_country
        FROM touched JOIN charges c USING (supporter_id)
        JOIN ledger_transactions t ON t.charge_id = c.id
        JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'gifts'
        WHERE c.kind = 'gift' GROUP BY c.id HAVING sum(-sign(e.amount_minor)) > 0
    ), placed AS (
        SELECT *, row_number() OVER given AS place, lead(day) OVER given AS again_on
        FROM gifts WINDOW given AS (PARTITION BY supporter_id ORDER BY day, charge_id)
    ), fresh AS MATERIALIZED (
        SELECT g.supporter_id, g.charge_id, g.day, g.currency, g.amount_minor,
               coalesce(s.id, 0) AS source_id, coalesce(g.card_country, '') AS country, g.again_on,
               (SELECT min(m.effective_on) FROM pledge_movements m
                WHERE m.supporter_id = g.supporter_id) AS pledged_on
        FROM placed g {source_of("g")}
        WHERE g.place = 1
    ), before AS MATERIALIZED (
        SELECT {_GIVER} FROM touched JOIN {to}revenue_givers USING (supporter_id)
    ), gone AS (
        DELETE FROM {to}revenue_givers kept USING touched
        WHERE kept.supporter_id = touched.supporter_id
          AND NOT EXISTS (SELECT FROM fresh WHERE fresh.supporter_id = kept.supporter_id)
    ), kept_givers AS (
        INSERT INTO {to}revenue_givers AS kept ({_GIVER}) SELECT {_GIVER} FROM fresh
        ON CONFLICT (supporter_id) DO UPDATE SET {_excluded(_GIVER)}
        WHERE {_differs(_GIVER)}
    ), joint AS MATERIALIZED (
        SELECT source_id, country, day, currency, sum(sign)::bigint AS givers,
               {_counted("again_on IS NOT NULL")} AS again,
               {_counted("pledged_on < day")} AS had_pledged,
               {", ".join(f"{_counted(_within(days))} AS within_{days}" for days in (30, 90, 365))}
        FROM (SELECT 1 AS sign, {_GIVER} FROM fresh
              UNION ALL SELECT -1, {_GIVER} FROM before) AS signed
        GROUP BY 1, 2, 3, 4
    )
    {add("revenue_conversions", to, sliced("revenue_conversions", "joint"))}"""


def fold_starts(to: str, touched: str) -> str:
    """Look anew at the pledges of everybody whom `touched` names, once `fold_moves` has run."""
    begun = add_origins(
        to,
        "SELECT source_id, day, cadence, currency AS paid_currency, '' AS settled_currency,"
        " sign AS pledges, sign * yearly_minor AS yearly_minor, sign * stayed::int AS stayed"
        " FROM signed",
        ("pledges", "yearly_minor", "stayed"),
    )
    return f"""
    WITH touched AS MATERIALIZED ({touched}),
    lived AS (
        SELECT m.*, min(m.day) OVER (PARTITION BY m.pledge_id) AS begins
        FROM touched JOIN {to}revenue_moves m USING (supporter_id)
        WHERE m.kind NOT IN ('paused', 'rhythm')
    ), fresh AS MATERIALIZED (
        SELECT pledge_id, supporter_id, begins AS day, currency,
               sum(yearly_minor) FILTER (WHERE day = begins)::bigint AS yearly_minor,
               (array_agg(cadence ORDER BY day, origin_id))[1] AS cadence,
               min(source_id) AS source_id, min(country) AS country,
               sum(yearly_minor) FILTER (WHERE day <= begins + interval '3 months') > 0 AS stayed
        FROM lived GROUP BY pledge_id, supporter_id, begins, currency
    ), before AS MATERIALIZED (
        SELECT {_START} FROM touched JOIN {to}revenue_starts USING (supporter_id)
    ), signed AS MATERIALIZED (
        SELECT 1 AS sign, {_START} FROM fresh UNION ALL SELECT -1, {_START} FROM before
    ), kept_starts AS (
        INSERT INTO {to}revenue_starts AS kept ({_START}) SELECT {_START} FROM fresh
        ON CONFLICT (pledge_id) DO UPDATE SET {_excluded(_START)}
        WHERE {_differs(_START)}
    )
    {begun}"""


def fold_steps(to: str, counted: str) -> str:
    """Add readers' steps by source: rows of `day`, `step`, `source_id` and `times`."""
    columns = ", ".join(
        f"CASE step WHEN '{each}' THEN times ELSE 0 END AS {each}" for each in STEPS
    )
    rows = (
        "SELECT source_id, day, '' AS cadence, '' AS paid_currency, '' AS settled_currency,"
        f" {columns} FROM ({counted}) AS counted"
    )
    return add_origins(to, rows, STEPS)


TAKE_STEPS = f"""
    WITH taken AS (DELETE FROM step_notes RETURNING day, step, source),
    counted AS MATERIALIZED (
        SELECT r.day, r.step, coalesce(s.id, 0) AS source_id, count(*) AS times
        FROM taken r {source_of("r")} GROUP BY 1, 2, 3
    ), kept_steps AS (
        INSERT INTO reader_steps AS kept (day, step, source_id, times) SELECT * FROM counted
        ON CONFLICT (source_id, day, step) DO UPDATE SET times = kept.times + excluded.times
    )
    {fold_steps("", "SELECT * FROM counted")}"""
"""Notes become counts, and are gone. What is not committed yet is not seen, and taken later."""

COUNT_EXPECTED = f"""
    INSERT INTO revenue_expected (day, currency, pledges, amount_minor)
    SELECT {day_of("next_charge_at")}, currency, count(*), sum(amount_minor)::bigint
    FROM pledges
    WHERE status = 'active' AND next_charge_at >= :starts_at AND next_charge_at < :ends_at
    GROUP BY 1, 2"""


def _within(days: int) -> str:
    return f"pledged_on >= day AND pledged_on <= day + {days}"


def _counted(condition: str) -> str:
    return f"coalesce(sum(sign) FILTER (WHERE {condition}), 0)::bigint"


def _excluded(columns: str) -> str:
    _, *names = columns.split(", ")
    return ", ".join(f"{name} = excluded.{name}" for name in names)


def _differs(columns: str) -> str:
    _, *names = columns.split(", ")
    kept, fresh = (", ".join(f"{row}.{name}" for name in names) for row in ("kept", "excluded"))
    return f"({kept}) IS DISTINCT FROM ({fresh})"
