"""The statements that carry what is new into the rollups, each with what it replaces.

They are built from our own names only. `to` is put before the names of the rollups: empty for the
real ones, `pg_temp.` for those of a rebuild. `new` is the condition that says which rows are meant.
"""

from __future__ import annotations

from collections.abc import Sequence

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
}  # fmt: skip
_DETAILS = {
    "revenue_money": ("day", "cadence", "paid_currency", "settled_currency"),
    "revenue_promises": ("day", "cadence", "currency", "kind"),
    "revenue_supporters": ("cadence", "currency", "day"),
    "revenue_retention": ("cadence", "currency", "cohort", "month"),
    "revenue_amounts": ("cadence", "currency", "day", "yearly_minor"),
    "revenue_renewals": ("day", "cadence", "currency", "reason"),
}

SOURCE_OF = """LEFT JOIN revenue_sources s
         ON s.article = left(coalesce({row}.source->>'article', ''), 200)
        AND s.appeal = left(coalesce({row}.source->>'appeal', ''), 200)
        AND s.campaign = left(coalesce({row}.source->>'campaign', ''), 200)"""

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


def sliced(table: str, joint: str) -> str:
    """Sums by source and country, and the same added up for every other slice."""
    details, sums = ", ".join(_DETAILS[table]), _SUMS[table]
    added = ", ".join(f"sum({name})::bigint" for name in sums)
    parts = [f"SELECT 4, source_id, country, {details}, {', '.join(sums)} FROM {joint}"]
    for number, member, country in (
        (0, "0", "''"),
        (1, "coalesce(s.campaign_id, 0)", "''"),
        (2, "coalesce(s.appeal_id, 0)", "''"),
        (3, "0", f"{joint}.country"),
    ):
        parts.append(
            f"SELECT {number}, {member}, {country}, {details}, {added} FROM {joint}"
            f" LEFT JOIN revenue_sources s ON s.id = {joint}.source_id"
            f" GROUP BY {_group(member, country)}{details}"
        )
    return "\n    UNION ALL ".join(parts)


def _group(*parts: str) -> str:
    return "".join(f"{part}, " for part in parts if "." in part)


def unknown_sources(rows: str) -> str:
    """Combinations of campaign, appeal and article that have no number yet."""
    return f"""
    SELECT DISTINCT left(coalesce(r.source->>'campaign', ''), 200) AS campaign,
                    left(coalesce(r.source->>'appeal', ''), 200) AS appeal,
                    left(coalesce(r.source->>'article', ''), 200) AS article
    FROM ({rows}) AS r
    {SOURCE_OF.format(row="r")}
    WHERE s.id IS NULL"""


def fold_money(to: str, new: str) -> str:
    """Add ledger transactions `t`; needs `first` and `begins`."""
    rows = sliced("revenue_money", "joint")
    return f"""
    WITH moved AS MATERIALIZED (
        SELECT t.id, t.charge_id, t.occurred_at,
               max(e.account) FILTER (WHERE e.account NOT IN {SIDES})
                   AS account,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.account IN {RECEIVED}), 0)::bigint
                   AS net,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'fees'), 0)::bigint AS fee,
               coalesce(max(e.currency) FILTER (WHERE e.account IN ('stripe', 'fees')),
                        max(e.currency)) AS settled_currency,
               max(e.currency) FILTER (WHERE e.account NOT IN {SIDES})
                   AS paid_currency,
               sum(e.amount_minor) FILTER (
                   WHERE e.account NOT IN {SIDES})::bigint AS paid
        FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE {new} GROUP BY t.id
    ), known AS (
        SELECT {day_of("m.occurred_at")} AS day, m.account, m.net + m.fee AS amount, m.net, m.fee,
               m.settled_currency, coalesce(m.paid_currency, m.settled_currency) AS paid_currency,
               m.paid, coalesce(s.id, 0) AS source_id, coalesce(c.card_country, '') AS country,
               CASE WHEN c.id IS NULL THEN '' WHEN p.id IS NULL THEN 'once'
                    ELSE {CADENCE_AT.format(moment="c.created_at")} END AS cadence,
               CASE WHEN m.account IN ('gifts', 'pledges') THEN -sign(m.paid)::bigint
                    ELSE 0 END AS payment,
               c.months, c.fee_cover_minor
        FROM moved m LEFT JOIN charges c ON c.id = m.charge_id
        LEFT JOIN pledges p ON p.id = c.pledge_id
        {SOURCE_OF.format(row="c")}
        WHERE m.account IS DISTINCT FROM 'bank'
    ), joint AS MATERIALIZED (
        SELECT source_id, country, day, cadence, paid_currency, settled_currency,
               sum(payment)::bigint AS payments,
               coalesce(sum(payment * months) FILTER (WHERE cadence <> 'once'), 0)::bigint
                   AS periods,
               coalesce(sum(-paid) FILTER (WHERE payment <> 0), 0)::bigint AS gross_paid,
               coalesce(sum(payment * fee_cover_minor), 0)::bigint AS covered_paid,
               coalesce(sum(amount) FILTER (WHERE payment <> 0), 0)::bigint AS gross,
               coalesce(sum(-amount) FILTER (WHERE account = 'refunds'), 0)::bigint AS refunds,
               coalesce(sum(-amount) FILTER (WHERE account = 'disputes'), 0)::bigint AS disputes,
               coalesce(sum(fee) FILTER (WHERE account IS DISTINCT FROM 'other'), 0)::bigint
                   AS fees,
               coalesce(sum(net) FILTER (WHERE account = 'other'), 0)::bigint AS other
        FROM known GROUP BY 1, 2, 3, 4, 5, 6
    )
    {add("revenue_money", to, rows)}"""


def fold_renewals(to: str, new: str) -> str:
    """Write the outcomes of renewals whose first attempt `a` was made on days not in the rollup."""
    rows = sliced("revenue_renewals", "joint")
    return f"""
    WITH asked AS (
        SELECT {day_of("a.started_at")} AS day, coalesce(s.id, 0) AS source_id,
               coalesce(c.card_country, p.card_country, '') AS country,
               {CADENCE_AT.format(moment="c.created_at")} AS cadence, c.currency, c.amount_minor,
               CASE WHEN a.status = 'succeeded' THEN ''
                    ELSE coalesce(a.decline_code, a.error_code, 'unknown') END AS reason,
               a.status <> 'succeeded' AND c.status = 'succeeded' AS recovered
        FROM attempts a JOIN charges c ON c.id = a.charge_id JOIN pledges p ON p.id = c.pledge_id
        {SOURCE_OF.format(row="c")}
        WHERE a.number = 1 AND c.period > 0 AND a.kind = 'off_session'
          AND a.status IN ('succeeded', 'declined', 'refused') AND {new}
    ), joint AS MATERIALIZED (
        SELECT source_id, country, day, cadence, currency, reason, count(*) AS renewals,
               count(*) FILTER (WHERE recovered) AS recovered,
               sum(amount_minor)::bigint AS amount_minor,
               coalesce(sum(amount_minor) FILTER (WHERE recovered), 0)::bigint AS recovered_minor
        FROM asked GROUP BY 1, 2, 3, 4, 5, 6
    )
    {add("revenue_renewals", to, rows)}"""


def zero(table: str, row: str) -> str:
    """Whether a row of a rollup says nothing: every sum of it is 0."""
    return " AND ".join(f"{row}.{name} = 0" for name in _SUMS[table])


def columns(names: Sequence[str], row: str) -> str:
    """Columns of a row, for a list."""
    return ", ".join(f"{row}.{name}" for name in names)
