"""Search as Stripe documents it: https://docs.stripe.com/search."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

import pytest
import stripe

Client = stripe.StripeClient


@pytest.fixture
def mark() -> str:
    """What tells this test's objects from those of all the others."""
    return secrets.token_hex(6)


@pytest.fixture
def readers(client: Client, mark: str) -> dict[str, str]:
    """Ann, Bob and Cid: their ids at Stripe, by name."""
    made: dict[str, str] = {}
    for name, more in (("Ann", {"tier": "gold"}), ("Bob", {"tier": "tin"}), ("Cid", {})):
        given: Any = {
            "name": f"{name} O'Neil {mark}",
            "email": f"{name}@{mark}.example.org",
            "metadata": {"mark": mark, **more},
        }
        made[name] = client.v1.customers.create(given).id
    return made


def names(client: Client, query: str) -> list[str]:
    """First names of the customers that a query finds, as they come."""
    found = client.v1.customers.search({"query": query}).data
    return [str(customer.name).partition(" ")[0] for customer in found]


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('metadata["mark"]:"MARK"', ["Cid", "Bob", "Ann"]),
        ("metadata['mark']:'MARK'", ["Cid", "Bob", "Ann"]),
        ('email:"ann@MARK.example.org"', ["Ann"]),
        ('email:"ANN@MARK.EXAMPLE.ORG"', ["Ann"]),
        ('email:"MARK.example.org"', []),
        ('email~"MARK.exam"', ["Cid", "Bob", "Ann"]),
        ("name:'Bob O\\'Neil MARK'", ["Bob"]),
        ('name:"Bob O\'Neil MARK"', ["Bob"]),
        ('metadata["mark"]:"MARK" AND -metadata["tier"]:"gold"', ["Cid", "Bob"]),
        ('metadata["mark"]:"MARK" metadata["tier"]:"tin"', ["Bob"]),
        ('metadata["mark"]:"MARK" and metadata["tier"]:null', ["Cid"]),
        ('metadata["mark"]:"MARK" AND -metadata["tier"]:NULL', ["Bob", "Ann"]),
        ('email:"ann@MARK.example.org" OR email:"cid@MARK.example.org"', ["Cid", "Ann"]),
        ('email~"MARK" AND phone:null', ["Cid", "Bob", "Ann"]),
        ('email~"MARK" AND created>1000000000', ["Cid", "Bob", "Ann"]),
        ('email~"MARK" AND created<=1000000000', []),
    ],
)
def test_customers_are_found(client: Client, mark: str, query: str, found: list[str]) -> None:
    assert names(client, query.replace("MARK", mark)) == found


def test_a_deleted_customer_is_not_found(
    client: Client, mark: str, readers: dict[str, str]
) -> None:
    client.v1.customers.delete(readers["Bob"])
    assert names(client, f'email~"{mark}"') == ["Cid", "Ann"]


def pay(client: Client, mark: str, amount: int, card: str = "pm_card_visa") -> str:
    """A payment of so much: its id. One that is declined has one as well."""
    params: Any = {"amount": amount, "currency": "usd", "metadata": {"mark": mark}}
    intent = client.v1.payment_intents.create(
        {**params, "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )
    with suppress(stripe.CardError):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": card})
    return intent.id


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("amount>500", [700, 600]),
        ("amount>=600", [700, 600]),
        ("amount<600", [500]),
        ("amount:600", [600]),
        ('amount:"600"', [600]),
        ("-amount:600", [700, 500]),
        ('status:"succeeded"', [600, 500]),
        ('currency:"USD"', [700, 600, 500]),
        ('-currency:"usd"', []),
    ],
)
def test_payments_are_found_by_sum_and_state(
    client: Client, mark: str, query: str, found: list[int]
) -> None:
    for amount, card in ((500, "visa"), (600, "visa"), (700, "chargeDeclined")):
        pay(client, mark, amount, f"pm_card_{card}")
    result = client.v1.payment_intents.search({"query": f'metadata["mark"]:"{mark}" AND {query}'})
    assert [intent.amount for intent in result.data] == found


def test_charges_are_found_by_what_stands_on_the_card(client: Client, mark: str) -> None:
    pay(client, mark, 500)
    pay(client, mark, 600, "pm_card_mastercard")
    mine = f"metadata['mark']:'{mark}'"

    def sums(query: str) -> list[int]:
        return [charge.amount for charge in client.v1.charges.search({"query": query}).data]

    assert sums(f"{mine} AND payment_method_details.card.last4:4242") == [500]
    assert sums(f"{mine} AND payment_method_details.card.brand:'mastercard'") == [600]
    assert sums(f"{mine} AND refunded:'false' AND disputed:'false'") == [600, 500]
    assert sums(f"{mine} AND refunded:'true'") == []


@pytest.mark.usefixtures("readers")
def test_pages_follow_each_other(client: Client, mark: str) -> None:
    query = f'email~"{mark}"'
    first = client.v1.customers.search({"query": query, "limit": 2})
    assert (first.object, first.url) == ("search_result", "/v1/customers/search")
    assert (len(first.data), first.has_more) == (2, True)
    assert first.next_page is not None
    last = client.v1.customers.search({"query": query, "limit": 2, "page": first.next_page})
    assert (len(last.data), last.has_more, last.next_page) == (1, False, None)
    walked = client.v1.customers.search({"query": query, "limit": 1}).auto_paging_iter()
    assert [customer.id for customer in walked] == [*[c.id for c in first.data], last.data[0].id]


@pytest.mark.usefixtures("readers")
def test_the_number_is_told_when_asked_for(client: Client, mark: str) -> None:
    query = f'email~"{mark}"'
    told = client.v1.customers.search({"query": query, "limit": 1, "expand": ["total_count"]})
    assert told.total_count == 3
    untold = client.v1.customers.search({"query": query})
    assert "total_count" not in untold.to_dict()


def test_what_is_found_can_be_expanded(client: Client, mark: str) -> None:
    intent = pay(client, mark, 500)
    found = client.v1.payment_intents.search(
        {"query": f'metadata["mark"]:"{mark}"', "expand": ["data.latest_charge"]}
    )
    [payment] = found.data
    assert payment.id == intent
    assert payment.latest_charge.amount == 500  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "query"),
        ("   ", "unable to parse"),
        ("ann", "unable to parse"),
        ('email:"ann', "unable to parse"),
        ("email:ann", "unable to parse"),
        ('(email:"ann")', "unable to parse"),
        ('email:"a" AND', "unable to parse"),
        ('AND email:"a"', "unable to parse"),
        ('metadata["k]:"v"', "unable to parse"),
        ('metadata:"v"', "unsupported search field"),
        ('shoe_size:"44"', "`shoe_size` is an unsupported search field for resource `customers`"),
        ('amount:"1"', "unsupported search field"),
        ('email:"a" AND name:"b" OR phone:"c"', "AND and OR"),
        ('email:"a" name:"b" OR phone:"c"', "AND and OR"),
        ('email>"a"', "operator"),
        ('metadata["k"]~"value"', "operator"),
        ("created~123", "operator"),
        ('created>"yesterday"', "number"),
        ("created>null", "null"),
        ('email~"ab"', "3 characters"),
        (" ".join(['email:"a"'] * 11), "10"),
    ],
)
def test_a_query_that_says_nothing_is_refused(client: Client, query: str, says: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.search({"query": query})
    assert refused.value.http_status == 400
    assert refused.value.param == "query"
    assert says in str(refused.value.user_message)


def test_what_else_is_wrong_is_refused(client: Client) -> None:
    def refused(path: str) -> Any:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client.raw_request("get", f"/v1/customers/search{path}")
        return raised.value

    assert refused("").param == "query"
    assert refused("?query=created%3E1&limit=101").param == "limit"
    assert refused("?query=created%3E1&limit=0").param == "limit"
    assert refused("?query=created%3E1&page=nowhere").param == "page"
    assert refused("?query=created%3E1&starting_after=cus_1").code == "parameter_unknown"
    with pytest.raises(stripe.InvalidRequestError):
        client.raw_request("get", "/v1/subscriptions/search?query=created%3E1")


def test_a_page_belongs_to_its_query(client: Client, mark: str, readers: dict[str, str]) -> None:
    first = client.v1.customers.search({"query": f'email~"{mark}"', "limit": 1})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.search({"query": "created>1", "page": str(first.next_page)})
    assert refused.value.param == "page"
