"""The stand-in's own books, to hold against the application's ledger; and what `/` shows."""

import json
from datetime import UTC, datetime
from typing import Any

from billing.local.stripe.currencies import shown
from billing.local.stripe.house import House
from billing.local.stripe.query import Filter

RECENT = 20
MAX_DELIVERIES = 1000


def summary(house: House, given: dict[str, Any], _: str) -> dict[str, Any]:
    """GET /_standin/books: counts and sums; `metadata_key=` groups succeeded payments by it."""
    house.store.flush()
    return {
        "charges": _charges(house),
        "balance_transactions": _transactions(house),
        "refunds": _by_status(house, "refund"),
        "disputes": _by_status(house, "dispute"),
        "payouts": _by_status(house, "payout"),
        "payments": _payments(house, given.get("metadata_key")),
    }


def _charges(house: House) -> list[dict[str, Any]]:
    rows = house.store.db.execute(
        "SELECT json_extract(body, '$.currency'), json_extract(body, '$.status'), count(*), "
        "sum(json_extract(body, '$.amount')), sum(json_extract(body, '$.amount_captured')), "
        "sum(json_extract(body, '$.amount_refunded')) "
        "FROM objects WHERE kind = 'charge' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    names = ("currency", "status", "count", "amount", "amount_captured", "amount_refunded")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _transactions(house: House) -> dict[str, dict[str, Any]]:
    rows = house.store.db.execute(
        "SELECT json_extract(body, '$.currency'), json_extract(body, '$.reporting_category'), "
        "count(*), sum(json_extract(body, '$.amount')), sum(json_extract(body, '$.fee')), "
        "sum(json_extract(body, '$.net')) "
        "FROM objects WHERE kind = 'balance_transaction' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    found: dict[str, dict[str, Any]] = {}
    for currency, category, count, amount, fee, net in rows:
        totals = found.setdefault(
            currency, {"count": 0, "amount": 0, "fee": 0, "net": 0, "by_category": {}}
        )
        line = {"count": count, "amount": amount, "fee": fee, "net": net}
        totals["by_category"][category] = line
        for name, value in line.items():
            totals[name] += value
    return found


def _by_status(house: House, kind: str) -> dict[str, int]:
    rows = house.store.db.execute(
        "SELECT json_extract(body, '$.status'), count(*) FROM objects WHERE kind = ? GROUP BY 1",
        (kind,),
    )
    return dict(rows.fetchall())


def _payments(house: House, key: str | None) -> dict[str, Any]:
    """How often each value of a metadata key was paid: more than once is a double charge."""
    if key is None:
        row = house.store.db.execute(
            "SELECT count(*), coalesce(sum(json_extract(body, '$.amount_received')), 0) FROM "
            "objects WHERE kind = 'payment_intent' AND json_extract(body, '$.status') = 'succeeded'"
        ).fetchone()
        return {"succeeded": row[0], "amount_received": row[1]}
    path = '$.metadata."' + key.replace('"', "") + '"'
    rows = house.store.db.execute(
        "SELECT json_extract(body, ?), count(*), sum(json_extract(body, '$.amount_received')), "
        "min(created) "
        "FROM objects WHERE kind = 'payment_intent' AND json_extract(body, '$.status') = "
        "'succeeded' AND json_extract(body, ?) IS NOT NULL GROUP BY 1 ORDER BY 1",
        (path, path),
    )
    names = ("count", "amount_received", "first_at")
    return {value: dict(zip(names, row, strict=True)) for value, *row in rows}


def deliveries(house: House, given: dict[str, Any], _: str) -> dict[str, Any]:
    """GET /_standin/deliveries, newest first: `event`, `state`, `type` and `limit` narrow it."""
    where, values = ["1 = 1"], []
    for name in ("event", "state"):
        if given.get(name):
            where.append(f"d.{name} = ?")
            values.append(given[name])
    if given.get("type"):
        where.append("json_extract(o.body, '$.type') = ?")
        values.append(given["type"])
    limit = min(int(given.get("limit", 100)), MAX_DELIVERIES)
    rows = house.store.db.execute(
        "SELECT d.event, json_extract(o.body, '$.type'), d.url, d.state, d.attempts, d.status, "  # noqa: S608
        "d.error, d.created, d.next_at FROM deliveries d JOIN objects o ON o.id = d.event "
        f"WHERE {' AND '.join(where)} ORDER BY d.seq DESC LIMIT ?",
        (*values, limit),
    )
    names = ("event", "type", "url", "state", "attempts", "status", "error", "created", "next_at")
    return {"deliveries": [dict(zip(names, row, strict=True)) for row in rows]}


def overview(house: House) -> dict[str, Any]:
    """What the page at `/` shows."""
    store = house.store
    recent = Filter(limit=RECENT)
    payments = store.select("payment_intent", recent)[0]
    sessions = store.select("checkout.session", recent)[0]
    rows = store.db.execute(
        "SELECT body FROM objects WHERE kind = 'event' ORDER BY created DESC, seq DESC LIMIT ?",
        (RECENT,),
    )
    events = [json.loads(row[0]) for row in rows]
    found = {
        "payments": payments,
        "sessions": sessions,
        "events": events,
        "deliveries": deliveries(house, {"limit": RECENT}, "")["deliveries"],
        "books": summary(house, {}, ""),
        "receivers": [receiver.url for receiver in store.receivers],
        "now": house.clock.now(),
        "offset": house.clock.offset(),
        "shown": shown,
        "when": lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC",
    }
    store.rollback()
    return found
