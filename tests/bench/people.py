"""Supporters with pledges, made in bulk: at the stand-in as customers, in our tables as rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.bench.house import House

_BATCH = 1000

_SUPPORTERS = """
INSERT INTO supporters (email_digest, email_encrypted, language, created_at)
SELECT sha256(('reader-' || n)::bytea), %(email)s, 'en', %(anchor)s
FROM generate_series(1, %(people)s) AS n
"""
_PLEDGES = """
INSERT INTO pledges (
    supporter_id, status, cadence, currency, amount_minor, fee_cover_minor, anchor_at, next_period,
    next_charge_at, stripe_customer_id, stripe_payment_method_id, card_brand, card_last4,
    card_expires_on, language, source, created_at)
SELECT
    id, 'active', 'monthly', 'usd', 500, 0, %(anchor)s, 1,
    CASE WHEN id - %(after)s <= %(due_count)s THEN %(due)s::timestamptz
         ELSE %(due)s::timestamptz + interval '1 day' + (id - %(after)s) * interval '2 s' END,
    'cus_bench_' || id, 'pm_bench_' || id, 'visa', '4242',
    make_date(extract(year FROM %(anchor)s::timestamptz)::int + 1, 12, 31), 'en',
    '{"article": "/articles/harbour"}', %(anchor)s
FROM supporters WHERE id > %(after)s ORDER BY id
"""
_FIRST_CHARGES = """
INSERT INTO charges (
    kind, status, supporter_id, pledge_id, period, currency, amount_minor, fee_cover_minor,
    refunded_minor, due_at, created_at, settled_at, stripe_customer_id, stripe_payment_intent_id,
    stripe_charge_id, source)
SELECT
    'pledge', 'succeeded', supporter_id, id, 0, currency, amount_minor, 0, 0, anchor_at, anchor_at,
    anchor_at, stripe_customer_id, 'pi_bench_' || id, 'ch_bench_' || id, source
FROM pledges WHERE supporter_id > %(after)s ORDER BY id
"""


def write_pledges(
    house: House, *, people: int, due_count: int, anchor: datetime, due: datetime
) -> None:
    """Make `people` monthly pledges first paid at `anchor`; the first `due_count` due at `due`.

    The others fall due over the coming weeks. Each has its first charge behind it. Who is there
    already is left alone.
    """
    sealed = house.runtime().vault.encrypt("reader@example.org")
    after = house.scalar("SELECT coalesce(max(id), 0) FROM supporters")
    values = {"email": sealed, "anchor": anchor, "people": people, "after": after}
    values |= {"due_count": due_count, "due": due}
    with house.database() as database:
        database.execute(_SUPPORTERS, values)
        database.execute(_PLEDGES, values)
        database.execute(_FIRST_CHARGES, values)
        database.execute("VACUUM (ANALYZE)")


def bring_customers(house: House, *, people: int, anchor: datetime, after: int = 0) -> None:
    """Give `people` pledges, those behind `after`, a customer with a card at the stand-in."""
    end = after + people + 1
    for first in range(after + 1, end, _BATCH):
        numbers = range(first, min(first + _BATCH, end))
        told = house.ask("POST", "/_standin/import", _customers(numbers, int(anchor.timestamp())))
        ids = [told["customers"][str(number)] for number in numbers]
        with house.database() as database, database.cursor() as cursor:
            cursor.executemany(
                "UPDATE pledges SET stripe_customer_id = %s, stripe_payment_method_id = %s"
                " WHERE id = %s",
                [
                    (each["customer"], each["payment_method"], number)
                    for each, number in zip(ids, numbers, strict=True)
                ],
            )


def _customers(numbers: range, at: int) -> dict[str, Any]:
    return {
        "key": f"bench {numbers.start}",
        "as_of": at,
        "customers": [
            {"ref": str(number), "at": at, "email": f"reader-{number}@example.org"}
            for number in numbers
        ],
    }
