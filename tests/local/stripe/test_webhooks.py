"""Events: signed, retried, snapshots of their moment."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.local.stripe.helpers import Receiver, StandIn, until


@pytest.fixture
def mine() -> Any:
    made = Receiver()
    yield made
    made.close()


def test_every_step_is_told_and_signed(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = client.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    created = receiver.wait("payment_intent.created", intent.id)
    succeeded = receiver.wait("payment_intent.succeeded", intent.id)
    assert created.data.object["status"] != "succeeded"
    assert succeeded.data.object["status"] == "succeeded"
    assert succeeded.api_version == "2026-10-28.endive"
    assert receiver.forged == 0


def test_an_update_tells_the_old_values(client: stripe.StripeClient, receiver: Receiver) -> None:
    customer = client.v1.customers.create({"name": "Before"})
    client.v1.customers.update(customer.id, {"name": "After"})
    assert receiver.previous("customer.updated", customer.id) == {"name": "Before"}


def test_a_card_is_updated_by_the_bank(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    standin.control("POST", f"payment_methods/{method.id}/auto_update", {"exp_year": 2045})
    event = receiver.wait("payment_method.automatically_updated", method.id)
    assert event.data.object["card"]["exp_year"] == 2045


def test_a_mandate_can_be_revoked(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    customer = client.v1.customers.create({})
    setup = client.v1.setup_intents.create(
        {
            "customer": customer.id, "confirm": True, "return_url": "https://example.org",
            "payment_method_data": {
                "type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"},
                "billing_details": {"name": "A", "email": "a@example.org"},
            },
        }
    )  # fmt: skip
    mandate = client.v1.mandates.retrieve(str(setup.mandate))
    assert mandate.status == "active"
    standin.control("POST", f"mandates/{mandate.id}/revoke")
    until(lambda: len(receiver.of("mandate.updated", mandate.id)) == 2, "both events")
    statuses = {e.data.object["status"] for e in receiver.of("mandate.updated", mandate.id)}
    assert "inactive" in statuses


def test_a_refused_event_comes_again(start: Any, mine: Receiver) -> None:
    mine.answers = [500, 503]
    standin = start(mine.url)
    customer = standin.client().v1.customers.create({})
    for _ in range(2):
        standin.control("POST", "clock", {"advance_seconds": 60})
    until(lambda: len(mine.of("customer.created", customer.id)) == 3, "the third try")
    delivered = until(
        lambda: standin.control("GET", "deliveries?state=delivered")["deliveries"], "delivered"
    )
    assert delivered[0]["attempts"] == 3
    assert len({event.id for event in mine.events}) == 1


def test_more_endpoints_get_what_they_asked_for(
    client: stripe.StripeClient, mine: Receiver
) -> None:
    endpoint = client.v1.webhook_endpoints.create(
        {"url": mine.url, "enabled_events": ["customer.created"]}
    )
    assert endpoint.secret is not None
    assert client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict().get("secret") is None
    client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    client.v1.customers.create({})
    until(lambda: mine.forged == 1, "one event, signed with the endpoint's own secret")
    client.v1.webhook_endpoints.delete(endpoint.id)


@pytest.mark.parametrize(("kind", "copies"), [("duplicate", 2), ("lose", 0)])
def test_events_go_astray_on_demand(start: Any, mine: Receiver, kind: str, copies: int) -> None:
    standin = start(mine.url)
    standin.control("POST", "faults", {"rules": [{"kind": kind, "path": "customer.created"}]})
    client = standin.client()
    first = client.v1.customers.create({})
    second = client.v1.customers.create({})
    mine.wait("customer.created", second.id)
    until(lambda: not standin.control("GET", "deliveries?state=waiting")["deliveries"], "all done")
    assert len(mine.of("customer.created", first.id)) == copies
    assert (
        client.v1.events.list({"type": "customer.created"}).data[-1].data.object["id"] == first.id
    )


def test_events_are_kept_for_30_days(start: Any) -> None:
    standin = start()
    client = standin.client()
    client.v1.customers.create({})
    standin.control("POST", "clock", {"advance_seconds": 29 * 86_400})
    assert len(client.v1.events.list({"type": "customer.created"}).data) == 1
    standin.control("POST", "clock", {"advance_seconds": 2 * 86_400})
    assert client.v1.events.list({"type": "customer.created"}).data == []
