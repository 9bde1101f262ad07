"""Lists, expansion and metadata."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


@pytest.fixture
def customers(client: stripe.StripeClient) -> list[str]:
    """Five of them, oldest first, sharing an address."""
    email = f"{client.v1.customers.create({}).id}@example.org"
    return [client.v1.customers.create({"email": email}).id for _ in range(5)]


def ids(page: Any) -> list[str]:
    return [item.id for item in page.data]


def test_lists_are_newest_first_and_paged(
    client: stripe.StripeClient, customers: list[str]
) -> None:
    email = client.v1.customers.retrieve(customers[0]).email
    newest = customers[::-1]
    first = client.v1.customers.list({"email": str(email), "limit": 2})
    assert (ids(first), first.has_more) == (newest[:2], True)
    second = client.v1.customers.list(
        {"email": str(email), "limit": 2, "starting_after": newest[1]}
    )
    assert (ids(second), second.has_more) == (newest[2:4], True)
    last = client.v1.customers.list({"email": str(email), "starting_after": newest[3]})
    assert (ids(last), last.has_more) == (newest[4:], False)
    back = client.v1.customers.list({"email": str(email), "limit": 2, "ending_before": newest[4]})
    assert (ids(back), back.has_more) == (newest[2:4], True)


def test_the_sdk_walks_all_pages(client: stripe.StripeClient, customers: list[str]) -> None:
    email = str(client.v1.customers.retrieve(customers[0]).email)
    page = client.v1.customers.list({"email": email, "limit": 2})
    assert [item.id for item in page.auto_paging_iter()] == customers[::-1]


@pytest.mark.parametrize("limit", [0, 101])
def test_a_limit_out_of_bounds_is_refused(client: stripe.StripeClient, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.customers.list({"limit": limit})
    assert raised.value.param == "limit"


def test_a_cursor_of_nothing_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.customers.list({"starting_after": "cus_none"})
    assert raised.value.param == "starting_after"


def test_created_is_a_filter(client: stripe.StripeClient, customers: list[str]) -> None:
    oldest = client.v1.customers.retrieve(customers[0])
    email = str(oldest.email)
    at = oldest.created
    assert len(client.v1.customers.list({"email": email, "created": {"gte": at}}).data) == 5
    assert client.v1.customers.list({"email": email, "created": {"lt": at}}).data == []


def test_payments_are_found_by_customer(client: stripe.StripeClient, customers: list[str]) -> None:
    params: Any = {"amount": 500, "currency": "usd", "customer": customers[0]}
    made = [client.v1.payment_intents.create(params).id for _ in range(3)]
    found = client.v1.payment_intents.list({"customer": customers[0]})
    assert ids(found) == made[::-1]


def test_expansion_goes_deep(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Deep"})
    intent = client.v1.payment_intents.create(
        {
            "amount": 500, "currency": "usd", "customer": customer.id, "confirm": True,
            "payment_method": "pm_card_visa",
            "expand": ["latest_charge.balance_transaction.source.customer", "customer"],
        }
    )  # fmt: skip
    assert isinstance(intent.latest_charge, stripe.Charge)
    posted = intent.latest_charge.balance_transaction
    assert isinstance(posted, stripe.BalanceTransaction)
    assert isinstance(posted.source, stripe.Charge)
    assert isinstance(posted.source.customer, stripe.Customer)
    assert posted.source.customer.name == "Deep"
    listed = client.v1.payment_intents.list(
        {"customer": customer.id, "expand": ["data.latest_charge"]}
    )
    assert isinstance(listed.data[0].latest_charge, stripe.Charge)


@pytest.mark.parametrize("path", ["amount", "nothing", "a.b.c.d.e"])
def test_what_cannot_be_expanded_is_refused(client: stripe.StripeClient, path: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 500, "currency": "usd", "expand": [path]})


def test_metadata_is_merged_and_unset(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    cleared = client.v1.customers.update(customer.id, {"metadata": ""})
    assert cleared.metadata is not None
    assert cleared.metadata.to_dict() == {}


def test_metadata_keys_may_be_numbers(client: stripe.StripeClient) -> None:
    for metadata in ({"0": "a", "1": "b"}, {"2024": "a"}):
        made = client.v1.customers.create({"metadata": metadata})
        assert made.metadata is not None
        assert made.metadata.to_dict() == metadata


def test_a_deleted_customer_is_a_stub(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"email": "gone@example.org"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert client.v1.customers.delete(customer.id).deleted is True
    assert client.v1.customers.retrieve(customer.id).deleted is True
    assert client.v1.payment_methods.retrieve(method.id).customer is None
    assert client.v1.customers.list({"email": "gone@example.org"}).data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.update(customer.id, {"name": "x"})


def test_a_customers_methods_are_listed_in_both_places(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert ids(client.v1.payment_methods.list({"customer": customer.id})) == [method.id]
    assert ids(client.v1.customers.payment_methods.list(customer.id)) == [method.id]


def test_events_are_found_by_type(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    found = client.v1.events.list({"types": ["payment_intent.succeeded", "charge.succeeded"]})
    assert {event.type for event in found.data} == {"payment_intent.succeeded", "charge.succeeded"}
    assert intent.id in [event.data.object["id"] for event in found.data]
    one = client.v1.events.list({"type": "payment_intent.succeeded", "limit": 1}).data[0]
    assert one.data.object["id"] == intent.id
    assert client.v1.events.retrieve(one.id).api_version == "2026-10-28.endive"
