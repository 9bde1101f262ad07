"""The statements that carry renewals into their rollup, and lines by which lists find them.

What becomes of a renewal is known weeks after its first attempt, so a day is counted as a whole
whenever one of its renewals has found another outcome.
"""

from __future__ import annotations

from billing.revenue.fold_sql import CADENCE_AT, SOURCE_OF, day_of, put_right

_TRIES = """(SELECT coalesce(min(t.number) FILTER (WHERE t.status = 'succeeded'), max(t.number))
                          FROM attempts t WHERE t.charge_id = c.id)::smallint"""
"""Which attempt paid a charge `c`; the last one where it was paid without any of ours."""

_LINE = ("day", "country", "currency", "cadence", "source_id", "reason", "tries", "started_at",
         "attempt_id")  # fmt: skip

RENEWAL_SUMS = """
    SELECT source_id, country, day, cadence, currency, reason, tries, count(*) AS renewals,
           count(*) FILTER (WHERE recovered) AS recovered,
           added_up(amount_minor) AS amount_minor,
           coalesce(added_up(amount_minor) FILTER (WHERE recovered), 0) AS recovered_minor
    FROM asked GROUP BY 1, 2, 3, 4, 5, 6, 7"""
"""What the lines of `asked_lines` come to, by source and country."""


def asked_lines(new: str) -> str:
    """A named query, `asked`: renewals whose first attempt is `a`; needs `first` and `begins`."""
    return f"""asked AS MATERIALIZED (
        SELECT {day_of("a.started_at")} AS day, coalesce(s.id, 0) AS source_id,
               coalesce(c.card_country, p.card_country, '') AS country,
               {CADENCE_AT.format(moment="c.created_at")} AS cadence, c.currency, c.amount_minor,
               CASE WHEN a.status = 'succeeded' THEN ''
                    ELSE coalesce(a.decline_code, a.error_code, 'unknown') END AS reason,
               a.status <> 'succeeded' AND c.status = 'succeeded' AS recovered,
               CASE WHEN c.status <> 'succeeded' THEN 0 WHEN a.status = 'succeeded' THEN 1
                    ELSE {_TRIES} END AS tries,
               a.started_at, a.id AS attempt_id
        FROM attempts a JOIN charges c ON c.id = a.charge_id JOIN pledges p ON p.id = c.pledge_id
        {SOURCE_OF.format(row="c")}
        WHERE a.number = 1 AND c.period > 0 AND a.kind = 'off_session'
          AND a.status IN ('succeeded', 'declined', 'refused') AND {new}
    )"""


def kept_renewals(to: str) -> str:
    """A named query that writes a line for each of `asked_lines`, of which there is none yet."""
    return f"""kept_lines AS (
        INSERT INTO {to}revenue_renewal_lines ({", ".join(_LINE)})
        SELECT {", ".join(_LINE)} FROM asked
    )"""


def fold_renewals(new: str) -> str:
    """Make what is kept of the days from `day` to `last_day` what attempts `a` say by now.

    Of lines too only differences are written: what differs in anything is another line.
    """
    line = ", ".join(_LINE)
    known = f"SELECT {line} FROM revenue_renewal_lines WHERE day >= :day AND day <= :last_day"
    same = " AND ".join(f"kept.{name} = gone.{name}" for name in _LINE)
    return f"""
    WITH {asked_lines(new)}, removed AS (
        DELETE FROM revenue_renewal_lines AS kept
        USING ({known} EXCEPT SELECT {line} FROM asked) AS gone
        WHERE kept.day >= :day AND kept.day <= :last_day AND {same}
    ), kept_lines AS (
        INSERT INTO revenue_renewal_lines ({line})
        SELECT {line} FROM asked EXCEPT ({known})
    ), {put_right("revenue_renewals", RENEWAL_SUMS)}"""
