"""The statements that carry what is new into the rollups, each with what it replaces.

They are built from our own names only. `new` is the condition that says which rows are meant; `to`
is put before the names of the rollups: empty for the real ones, `pg_temp.` for those of a rebuild.
What is added up goes through three steps: sums by source and country (`MONEY_SUMS` and its like
beside), the same in every slice (`daily`), and what of it belongs to months that are over
(`monthly`).
"""

from __future__ import annotations

from collections.abc import Sequence

from billing.revenue.tables import MONTHS, Slice

KEYS = ("slice", "member_id", "country")

_SUMS = {
    "revenue_money": (
        "payments", "periods", "gross_paid", "covered_paid", "gross", "refunds", "disputes",
        "fees", "other",
    ),
    "revenue_promises": ("moves", "yearly_minor"),
    "revenue_supporters": ("supporters",),
    "revenue_retention": ("supporters", "yearly_minor"),
    "revenue_amounts": ("supporters",),
    "revenue_renewals": ("renewals", "recovered", "amount_minor", "recovered_minor"),
    "revenue_gifts": ("gifts",),
    "revenue_conversions": (
        "givers", "again", "had_pledged", "within_30", "within_90", "within_365",
    ),
    "revenue_begun": ("pledges", "yearly_minor", "stayed"),
    "revenue_steps": ("shown", "opened", "began"),
    "revenue_reminders": (
        "asked", "under_way", "sent", "gave_before", "not_wanted", "gave", "still_open",
    ),
}  # fmt: skip
_DETAILS = {
    "revenue_money": ("day", "cadence", "paid_currency", "settled_currency"),
    "revenue_promises": ("day", "cadence", "currency", "kind", "reason"),
    "revenue_supporters": ("cadence", "currency", "day"),
    "revenue_retention": ("cadence", "currency", "cohort", "month"),
    "revenue_amounts": ("cadence", "currency", "day", "yearly_minor"),
    "revenue_renewals": ("day", "cadence", "currency", "reason", "tries"),
    "revenue_gifts": ("day", "currency", "amount_minor"),
    "revenue_conversions": ("day", "currency"),
    "revenue_begun": ("day", "cadence", "currency"),
    "revenue_steps": ("day",),
    "revenue_reminders": ("day",),
}

PARTS = ("article", "appeal", "campaign", "variant", "referrer")
"""The parts of a source, in the order of their index."""

SAME_SOURCE = "\n        AND ".join(
    f"s.{part} = left(coalesce({{row}}.source->>'{part}', ''), 200)" for part in PARTS
)
"""That a row came from source `s`."""

SOURCE_OF = f"LEFT JOIN revenue_sources s\n         ON {SAME_SOURCE}"

CADENCE_AT = """CASE WHEN p.version = 0 THEN p.cadence ELSE coalesce(
        (SELECT h.cadence FROM pledge_changes h
         WHERE h.pledge_id = p.id AND h.occurred_at <= {moment} ORDER BY h.version DESC LIMIT 1),
        (SELECT h.old_cadence FROM pledge_changes h
         WHERE h.pledge_id = p.id ORDER BY h.version LIMIT 1)) END"""
"""A pledge's rhythm at a moment: the history knows it, whatever it is by now."""


RECEIVED = "('stripe', 'offline')"
"""Accounts on which money arrives: through Stripe, or by bank and cheque."""

SIDES = "('stripe', 'fees', 'conversion', 'offline')"
"""Accounts that do not say what a transaction was: the one besides them does."""


def sums_of(table: str) -> tuple[str, ...]:
    """The columns of a rollup that are added up."""
    return _SUMS[table]


def details_of(table: str) -> tuple[str, ...]:
    """The columns of a rollup's key beside those of its slice."""
    return _DETAILS[table]


def day_of(moment: str) -> str:
    """The newsroom's day of a moment: `begins` are the first moments of all days since `first`."""
    return f"(:first + width_bucket({moment}, :begins) - 1)"


def add(table: str, to: str, rows: str) -> str:
    """Add rows to a rollup, whose columns are named as its own."""
    keys, sums = (*KEYS, *_DETAILS[table]), _SUMS[table]
    added = ", ".join(f"{name} = kept.{name} + excluded.{name}" for name in sums)
    return f"""
    INSERT INTO {to}{table} AS kept ({", ".join((*keys, *sums))})
    {rows}
    ON CONFLICT ({", ".join(keys)}) DO UPDATE SET {added}"""


PAIR = "(coalesce(s.campaign_id, 0) << 31 | coalesce(s.appeal_id, 0))"
"""The number of a campaign and an appeal together, of a row `s` of the sources."""

BY_DAY = ("revenue_money", "revenue_promises", "revenue_supporters", "revenue_amounts",
          "revenue_renewals", "revenue_gifts", "revenue_conversions", "revenue_begun",
          "revenue_steps", "revenue_reminders")  # fmt: skip
"""The rollups by day: those that are summed up by month as well."""


_OF_ONE_PART = (
    (Slice.ARTICLE, "article"),
    (Slice.VARIANT, "variant"),
    (Slice.REFERRER, "referrer"),
)


def pair(campaign: int, appeal: int) -> int:
    """What `PAIR` says of two labels."""
    return campaign << 31 | appeal


def keys_of(table: str) -> tuple[str, ...]:
    """The columns of a rollup's key."""
    return (*KEYS, *_DETAILS[table])


def daily(table: str, joint: str) -> str:
    """Two named queries, `paired` and `daily`: `joint`'s sums by source and country in each slice.

    Where a slice is coarser than pairs and countries, it is added up from these.
    """
    details, sums = ", ".join(_DETAILS[table]), _SUMS[table]
    added = ", ".join(f"added_up({name}) AS {name}" for name in sums)
    parts = [
        f"""SELECT {Slice.JOINT:d} AS slice, source_id AS member_id, country, {details},
            {", ".join(sums)} FROM {joint}""",
        f"""SELECT {Slice.PAIR_COUNTRY:d}, campaign_id << 31 | appeal_id, country, {details},
            {", ".join(sums)} FROM paired""",
        *(
            f"""SELECT {number:d}, coalesce(s.{part}_id, 0), '', {details}, {added}
            FROM {joint} LEFT JOIN revenue_sources s ON s.id = {joint}.source_id
            GROUP BY coalesce(s.{part}_id, 0), {details}"""
            for number, part in _OF_ONE_PART
        ),
    ]
    for number, member, country, by in (
        (Slice.ALL, "0", "''", ""),
        (Slice.CAMPAIGN, "campaign_id", "''", "campaign_id, "),
        (Slice.APPEAL, "appeal_id", "''", "appeal_id, "),
        (Slice.COUNTRY, "0", "country", "country, "),
        (Slice.PAIR, "campaign_id << 31 | appeal_id", "''", "campaign_id, appeal_id, "),
    ):
        parts.append(
            f"SELECT {number:d}, {member}, {country}, {details}, {added} FROM paired"
            f" GROUP BY {by}{details}"
        )
    return f"""paired AS MATERIALIZED (
        SELECT coalesce(s.campaign_id, 0) AS campaign_id, coalesce(s.appeal_id, 0) AS appeal_id,
               {joint}.country, {details}, {added}
        FROM {joint} LEFT JOIN revenue_sources s ON s.id = {joint}.source_id
        GROUP BY coalesce(s.campaign_id, 0), coalesce(s.appeal_id, 0), {joint}.country, {details}
    ), daily AS (
        {f"{chr(10)}        UNION ALL ".join(parts)}
    )"""


def monthly(table: str, rows: str, which: str) -> str:
    """Rows by day of a rollup, added up by month; `which` says whose."""
    keys = [
        {"slice": f"slice + {MONTHS}", "day": "date_trunc('month', day)::date"}.get(name, name)
        for name in keys_of(table)
    ]
    added = ", ".join(f"added_up({name})" for name in _SUMS[table])
    return f"""SELECT {", ".join(keys)}, {added} FROM {rows}
        WHERE slice < {MONTHS} AND {which}
        GROUP BY {", ".join(str(place) for place in range(1, len(keys) + 1))}"""


def with_months(table: str, rows: str) -> str:
    """Rows by day, and what they add to months that are over; needs `months_until`."""
    columns_ = ", ".join((*keys_of(table), *_SUMS[table]))
    over = monthly(table, rows, "day < :months_until")
    return f"SELECT {columns_} FROM {rows} UNION ALL {over}"


def sum_months(table: str, to: str = "") -> str:
    """Add the sums of whole months to a rollup; needs `months_from` and `months_until`."""
    months = monthly(table, f"{to}{table}", "day >= :months_from AND day < :months_until")
    return f"""
    INSERT INTO {to}{table} ({", ".join((*keys_of(table), *_SUMS[table]))})
    SELECT * FROM ({months}) AS months"""


def unknown_sources(rows: str) -> str:
    """Sources that have no number yet."""
    parts = ", ".join(f"left(coalesce(r.source->>'{part}', ''), 200) AS {part}" for part in PARTS)
    return f"""
    SELECT DISTINCT {parts}
    FROM ({rows}) AS r
    {SOURCE_OF.format(row="r")}
    WHERE s.id IS NULL"""


def moved_lines(new: str, charges: str = "true") -> str:
    """Named queries, at last `known`: ledger transactions `t`; needs `first` and `begins`.

    `charges` is a condition that their charges `c` meet anyhow.
    """
    return f"""moved AS MATERIALIZED (
        SELECT t.id, t.charge_id, t.occurred_at,
               max(e.account) FILTER (WHERE e.account NOT IN {SIDES})
                   AS account,
               coalesce(added_up(e.amount_minor) FILTER (WHERE e.account IN {RECEIVED}), 0)
                   AS net,
               coalesce(added_up(e.amount_minor) FILTER (WHERE e.account = 'fees'), 0) AS fee,
               coalesce(max(e.currency) FILTER (WHERE e.account IN ('stripe', 'fees')),
                        max(e.currency)) AS settled_currency,
               max(e.currency) FILTER (WHERE e.account NOT IN {SIDES})
                   AS paid_currency,
               added_up(e.amount_minor) FILTER (WHERE e.account NOT IN {SIDES}) AS paid
        FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE {new} GROUP BY t.id
    ), known AS MATERIALIZED (
        SELECT m.id, m.occurred_at,
               {day_of("m.occurred_at")} AS day, m.account, m.net + m.fee AS amount, m.net, m.fee,
               m.settled_currency, coalesce(m.paid_currency, m.settled_currency) AS paid_currency,
               m.paid, coalesce(s.id, 0) AS source_id, coalesce(c.card_country, '') AS country,
               CASE WHEN m.account = 'gifts' THEN 'once' WHEN c.id IS NULL THEN ''
                    WHEN p.id IS NULL THEN 'once'
                    ELSE {CADENCE_AT.format(moment="c.created_at")} END AS cadence,
               CASE WHEN m.account IN ('gifts', 'pledges') THEN -sign(m.paid)::bigint
                    ELSE 0 END AS payment,
               c.months, c.fee_cover_minor
        FROM moved m LEFT JOIN charges c ON c.id = m.charge_id AND {charges}
        LEFT JOIN pledges p ON p.id = c.pledge_id
        {SOURCE_OF.format(row="c")}
        WHERE m.account IS DISTINCT FROM 'bank'
    )"""


MONEY_SUMS = """
    SELECT source_id, country, day, cadence, paid_currency, settled_currency,
           added_up(payment) AS payments,
           coalesce(added_up(payment * months) FILTER (WHERE cadence <> 'once'), 0) AS periods,
           coalesce(added_up(-paid) FILTER (WHERE payment <> 0), 0) AS gross_paid,
           coalesce(added_up(payment * fee_cover_minor), 0) AS covered_paid,
           coalesce(added_up(amount) FILTER (WHERE payment <> 0), 0) AS gross,
           coalesce(added_up(-amount) FILTER (WHERE account = 'refunds'), 0) AS refunds,
           coalesce(added_up(-amount) FILTER (WHERE account = 'disputes'), 0) AS disputes,
           coalesce(added_up(fee) FILTER (WHERE account IS DISTINCT FROM 'other'), 0) AS fees,
           coalesce(added_up(net) FILTER (WHERE account = 'other'), 0) AS other
    FROM known GROUP BY 1, 2, 3, 4, 5, 6"""
"""What the lines of `moved_lines` come to, by source and country."""


def kept_lines(to: str) -> str:
    """A named query that writes a line for each of `moved_lines`, by which lists find it."""
    return f"""kept_lines AS (
        INSERT INTO {to}revenue_lines (day, country, paid_currency, cadence, source_id,
                                       occurred_at, transaction_id, account)
        SELECT day, country, paid_currency, cadence, source_id, occurred_at, id,
               coalesce(account, '')
        FROM known
    )"""


def fold_money(new: str) -> str:
    """Add ledger transactions `t`; needs `months_until` beside what `moved_lines` does."""
    return f"""
    WITH {moved_lines(new)}, {kept_lines("")},
    joint AS MATERIALIZED ({MONEY_SUMS}),
    {daily("revenue_money", "joint")}
    {add("revenue_money", "", with_months("revenue_money", "daily"))}"""


def put_right(table: str, fresh: str) -> str:
    """Make what is kept of the days from `day` to `last_day` what `fresh` says.

    `fresh` are sums by source and country of all that there is on these days. Only differences are
    written: it costs little to look again and again. Needs `months_until` beside the days.
    """
    details, sums = ", ".join(_DETAILS[table]), _SUMS[table]
    key = f"source_id, country, {details}"
    kept = ", ".join(f"-{name}" for name in sums)
    added = ", ".join(f"added_up({name}) AS {name}" for name in sums)
    differs = " OR ".join(f"added_up({name}) <> 0" for name in sums)
    return f"""joint AS MATERIALIZED (
        SELECT {key}, {added} FROM (
            SELECT {key}, {", ".join(sums)} FROM ({fresh}) AS fresh
            UNION ALL
            SELECT member_id, country, {details}, {kept} FROM {table}
            WHERE slice = {Slice.JOINT:d} AND day >= :day AND day <= :last_day
        ) AS both_ways GROUP BY {key} HAVING {differs}
    ), {daily(table, "joint")}
    {add(table, "", with_months(table, "daily"))}"""


def zero(table: str, row: str) -> str:
    """Whether a row says nothing: every sum of it is 0. A line of one person always says much.

    So does a day's money, even where what moved cancels out: lists are read of the days it names.
    """
    if table == "revenue_money":
        return "false"
    return " AND ".join(f"{row}.{name} = 0" for name in _SUMS.get(table, ())) or "false"


def columns(names: Sequence[str], row: str) -> str:
    """Columns of a row, for a list."""
    return ", ".join(f"{row}.{name}" for name in names)
