"""Money becomes available once a day, and is told once: however many payments there were."""

from __future__ import annotations

from collections.abc import Callable

from tests.local.stripe.helpers import StandIn

DAY = 86_400
PAYMENTS = 4


def test_what_becomes_available_at_one_moment_is_told_once(start: Callable[..., StandIn]) -> None:
    standin = start()
    client = standin.client()
    for _ in range(PAYMENTS):
        client.v1.payment_intents.create(
            {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
    standin.control("POST", "clock", {"advance_seconds": 4 * DAY})
    told = client.v1.events.list({"type": "balance.available"}).data
    assert len({event.created for event in told}) == len(told)
    assert 1 <= len(told) < PAYMENTS
    rows = client.v1.balance_transactions.list({"type": "charge"}).data
    assert [row.status for row in rows] == ["available"] * PAYMENTS
