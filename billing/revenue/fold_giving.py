"""The statements that carry gifts, givers, beginnings of pledges and readers' steps into rollups.

As in `fold_moves.py`, whoever has something new is looked at as a whole: the old line is taken
back, the new one added. A rebuild uses the same sums (`filling.py`).
"""

from __future__ import annotations

from billing.revenue.fold_sql import SOURCE_OF, add, daily, day_of, with_months

GIVER = (
    "supporter_id, charge_id, day, currency, amount_minor, source_id, country, again_on, pledged_on"
)
START = "pledge_id, supporter_id, day, currency, yearly_minor, cadence, source_id, country, stayed"
_WINDOWS = (30, 90, 365)


def _added(table: str, sums: str, *, begun: bool = False) -> str:
    """Add sums by source and country to a rollup; `begun` where queries are named before."""
    return f"""{", " if begun else "WITH "}joint AS MATERIALIZED ({sums}), {daily(table, "joint")}
    {add(table, "", with_months(table, "daily"))}"""


def _signed(columns: str) -> str:
    return f"SELECT 1 AS sign, {columns} FROM fresh UNION ALL SELECT -1, {columns} FROM before"


def _kept(table: str, columns: str) -> str:
    """Write the fresh lines that differ; the first column is the key."""
    key, *names = columns.split(", ")
    kept, fresh = (", ".join(f"{row}.{name}" for name in names) for row in ("kept", "excluded"))
    return f"""
        INSERT INTO {table} AS kept ({columns}) SELECT {columns} FROM fresh
        ON CONFLICT ({key}) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in names)}
        WHERE ({kept}) IS DISTINCT FROM ({fresh})"""


def _counted(condition: str) -> str:
    return f"coalesce(sum(sign) FILTER (WHERE {condition}), 0)::bigint"


def gift_sums(new: str) -> str:
    """The gifts of ledger transactions `t` by the sum that was asked for, source and country."""
    return f"""
    SELECT coalesce(s.id, 0) AS source_id, coalesce(c.card_country, '') AS country,
           {day_of("t.occurred_at")} AS day, c.currency, c.amount_minor,
           sum(-sign(e.amount_minor))::bigint AS gifts
    FROM ledger_transactions t
    JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'gifts'
    JOIN charges c ON c.id = t.charge_id
    {SOURCE_OF.format(row="c")}
    WHERE {new} GROUP BY 1, 2, 3, 4, 5 HAVING sum(-sign(e.amount_minor)) <> 0"""


def fold_gifts(new: str) -> str:
    """Add the gifts of ledger transactions `t`; needs `months_until`."""
    return _added("revenue_gifts", gift_sums(new))


def fresh_givers(touched: str) -> str:
    """Named queries, at last `fresh`: the line of each giver whom `touched` names by their id."""
    return f"""touched AS MATERIALIZED ({touched}),
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
        FROM placed g {SOURCE_OF.format(row="g")}
        WHERE g.place = 1
    )"""


def giver_sums(lines: str) -> str:
    """What became of givers, by source and country; each line has a `sign`."""
    windows = ", ".join(
        f"{_counted(f'pledged_on >= day AND pledged_on <= day + {days}')} AS within_{days}"
        for days in _WINDOWS
    )
    return f"""
    SELECT source_id, country, day, currency, sum(sign)::bigint AS givers,
           {_counted("again_on IS NOT NULL")} AS again,
           {_counted("pledged_on < day")} AS had_pledged, {windows}
    FROM ({lines}) AS lines GROUP BY 1, 2, 3, 4"""


def fold_givers(touched: str) -> str:
    """Look anew at the gifts of everybody whom `touched`, a query of supporters' ids, names."""
    return f"""
    WITH {fresh_givers(touched)},
    before AS MATERIALIZED (
        SELECT {GIVER} FROM touched JOIN revenue_givers USING (supporter_id)
    ), gone AS (
        DELETE FROM revenue_givers kept USING touched
        WHERE kept.supporter_id = touched.supporter_id
          AND NOT EXISTS (SELECT FROM fresh WHERE fresh.supporter_id = kept.supporter_id)
    ), kept_givers AS ({_kept("revenue_givers", GIVER)}
    ), sums AS MATERIALIZED ({giver_sums(_signed(GIVER))})
    {_added("revenue_conversions", "SELECT * FROM sums", begun=True)}"""


def fresh_starts(touched: str, moves: str = "revenue_moves") -> str:
    """Named queries, at last `fresh`: the line of each pledge of those whom `touched` names."""
    return f"""touched AS MATERIALIZED ({touched}),
    lived AS (
        SELECT m.*, min(m.day) OVER (PARTITION BY m.pledge_id) AS begins
        FROM touched JOIN {moves} m USING (supporter_id)
        WHERE m.kind NOT IN ('paused', 'rhythm')
    ), fresh AS MATERIALIZED (
        SELECT pledge_id, supporter_id, begins AS day, currency,
               added_up(yearly_minor) FILTER (WHERE day = begins) AS yearly_minor,
               (array_agg(cadence ORDER BY day, origin_id))[1] AS cadence,
               min(source_id) AS source_id, min(country) AS country,
               added_up(yearly_minor) FILTER (
                   WHERE day <= begins + interval '3 months') > 0 AS stayed
        FROM lived GROUP BY pledge_id, supporter_id, begins, currency
    )"""


def start_sums(lines: str) -> str:
    """Beginnings of pledges by source and country; each line has a `sign`."""
    return f"""
    SELECT source_id, country, day, cadence, currency, sum(sign)::bigint AS pledges,
           added_up(sign * yearly_minor) AS yearly_minor,
           {_counted("stayed")} AS stayed
    FROM ({lines}) AS lines GROUP BY 1, 2, 3, 4, 5"""


def fold_starts(touched: str) -> str:
    """Look anew at the pledges of everybody whom `touched` names, once `fold_moves` has run."""
    return f"""
    WITH {fresh_starts(touched)},
    before AS MATERIALIZED (
        SELECT {START} FROM touched JOIN revenue_starts USING (supporter_id)
    ), kept_starts AS ({_kept("revenue_starts", START)}
    ), sums AS MATERIALIZED ({start_sums(_signed(START))})
    {_added("revenue_begun", "SELECT * FROM sums", begun=True)}"""


def step_sums(counted: str) -> str:
    """Readers' steps by source; `counted` has `source_id`, `day`, `step` and `times`."""
    sums = ", ".join(
        f"coalesce(added_up(times) FILTER (WHERE step = '{step}'), 0) AS {step}"
        for step in ("shown", "opened", "began")
    )
    return f"SELECT source_id, '' AS country, day, {sums} FROM ({counted}) AS c GROUP BY 1, 3"


TAKE_STEPS = f"""
    WITH taken AS (DELETE FROM step_notes RETURNING day, step, source),
    counted AS MATERIALIZED (
        SELECT coalesce(s.id, 0) AS source_id, r.day, r.step, count(*) AS times
        FROM taken r {SOURCE_OF.format(row="r")} GROUP BY 1, 2, 3
    ), kept_steps AS (
        INSERT INTO reader_steps AS kept (source_id, day, step, times)
        SELECT source_id, day, step, times FROM counted
        ON CONFLICT (source_id, day, step) DO UPDATE SET times = kept.times + excluded.times
    )
    {_added("revenue_steps", step_sums("SELECT * FROM counted"), begun=True)}"""
"""Notes become counts, and are gone. What is not committed yet is not seen, and taken later."""

COUNT_EXPECTED = f"""
    INSERT INTO revenue_expected (day, currency, pledges, amount_minor)
    SELECT {day_of("next_charge_at")}, currency, count(*), sum(amount_minor)::bigint
    FROM pledges
    WHERE status = 'active' AND next_charge_at >= :starts_at AND next_charge_at < :ends_at
    GROUP BY 1, 2"""
