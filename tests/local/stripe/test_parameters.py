"""What Stripe would refuse is refused, and by name."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from billing.local.stripe.errors import ApiError
from billing.local.stripe.forms import parse_form
from tests.local.stripe.helpers import KEY, StandIn

ENDIVE = "2026-10-28.endive"
BASE = {"amount": "500", "currency": "usd"}


def refused(standin: StandIn, path: str, params: dict[str, Any]) -> dict[str, Any]:
    answer = standin.api("POST", path, params, Stripe_Version=ENDIVE)
    assert answer.status == 400, answer.text
    error: dict[str, Any] = answer.json["error"]
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(
    ("path", "params", "name"),
    [
        ("/v1/payment_intents", {**BASE, "foo": "1"}, "foo"),
        ("/v1/payment_intents", {**BASE, "payment_method_options[card][foo]": "1"},
         "payment_method_options[card][foo]"),
        ("/v1/payment_intents", {**BASE, "payment_method_types[]": "card"},
         "payment_method_types"),
        ("/v1/checkout/sessions", {"mode": "payment", "payment_method_types[]": "card"},
         "payment_method_types"),
        ("/v1/checkout/sessions", {"mode": "payment", "line_items[0][foo]": "1"},
         "line_items[0][foo]"),
        ("/v1/customers", {"emial": "a@b.c"}, "emial"),
        ("/v1/customers", {"address[street]": "x"}, "address[street]"),
    ],
)  # fmt: skip
def test_an_unknown_parameter_is_named(
    standin: StandIn, path: str, params: dict[str, Any], name: str
) -> None:
    error = refused(standin, path, params)
    assert error["code"] == "parameter_unknown"
    assert error["message"] == f"Received unknown parameter: {name}"
    assert error["param"] == name


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"currency": "usd"}, "amount", "parameter_missing"),
        ({**BASE, "amount": "5.00"}, "amount", "parameter_invalid_integer"),
        ({**BASE, "amount": ""}, "amount", "parameter_invalid_empty"),
        ({**BASE, "amount": "49"}, "amount", "amount_too_small"),
        ({**BASE, "amount": "100000000"}, "amount", "amount_too_large"),
        ({"amount": "29", "currency": "gbp"}, "amount", "amount_too_small"),
        ({"amount": "49", "currency": "jpy"}, "amount", "amount_too_small"),
        ({**BASE, "currency": "zzz"}, "currency", None),
        ({**BASE, "confirm": "perhaps"}, "confirm", None),
        ({**BASE, "capture_method": "sometimes"}, "capture_method", None),
        ({**BASE, "metadata": "text"}, "metadata", None),
        ({**BASE, "customer": "cus_none"}, "customer", "resource_missing"),
        ({**BASE, "payment_method": "pm_none"}, "payment_method", "resource_missing"),
        ({**BASE, "off_session": "true"}, "off_session", None),
        ({**BASE, "statement_descriptor": "GIFTS"}, "statement_descriptor", None),
        ({**BASE, "statement_descriptor_suffix": "SUPPORT OF THE PRESS"},
         "statement_descriptor_suffix", None),
        ({**BASE, "statement_descriptor_suffix": "ПОДДЕРЖКА"},
         "statement_descriptor_suffix", None),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(
    standin: StandIn, params: dict[str, Any], param: str, code: str | None
) -> None:
    error = refused(standin, "/v1/payment_intents", params)
    assert error["param"] == param
    assert error.get("code") == code


@pytest.mark.parametrize("amount", [50, 99_999_999])
def test_the_limits_themselves_are_fine(client: stripe.StripeClient, amount: int) -> None:
    made = client.v1.payment_intents.create({"amount": amount, "currency": "usd"})
    assert made.amount == amount


def test_an_older_version_may_still_name_payment_method_types(standin: StandIn) -> None:
    params = {**BASE, "payment_method_types[]": "card"}
    answer = standin.api("POST", "/v1/payment_intents", params)
    assert answer.json["payment_method_types"] == ["card"]


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        ("", "You did not provide an API key"),
        ("Bearer nonsense", "Invalid API Key provided: nons****"),
        ("Bearer sk_live_0123456789", "live"),
    ],
)
def test_a_request_without_a_test_key_is_a_401(
    standin: StandIn, authorization: str, words: str
) -> None:
    answer = standin.call("GET", "/v1/customers", None, {"Authorization": authorization})
    assert answer.status == 401
    assert words in answer.json["error"]["message"]


def test_basic_auth_is_as_good_as_bearer(standin: StandIn) -> None:
    basic = "c2tfdGVzdF9zdGFuZF9pbl8wMTIzNDU2Nzg5Og=="
    answer = standin.call("GET", "/v1/customers", None, {"Authorization": f"Basic {basic}"})
    assert KEY.startswith("sk_test_stand_in")
    assert answer.status == 200


def test_an_unknown_address_is_stripes_404(standin: StandIn) -> None:
    answer = standin.api("GET", "/v1/nothing")
    assert answer.status == 404
    assert answer.json["error"]["message"].startswith(
        "Unrecognized request URL (GET: /v1/nothing)."
    )


def test_a_missing_object_is_a_404(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.customers.retrieve("cus_none")
    assert raised.value.http_status == 404
    assert raised.value.user_message == "No such customer: 'cus_none'"
    assert raised.value.code == "resource_missing"


@pytest.mark.parametrize(
    ("form", "decoded"),
    [
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[][b]=1&a[][c]=2&a[][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        (
            "a[][b][c]=1&a[][b][d]=2&a[][e]=3&a[][b][c]=4",
            {"a": [{"b": {"c": "1", "d": "2"}, "e": "3"}, {"b": {"c": "4"}}]},
        ),
        ("a[][b][]=1&a[][b][]=2&a[][c]=3", {"a": [{"b": ["1", "2"], "c": "3"}]}),
        ("a%5Bb%5D=%D0%B6+1", {"a": {"b": "ж 1"}}),
        ("a=", {"a": ""}),
    ],
)
def test_bracket_forms_are_decoded(form: str, decoded: dict[str, Any]) -> None:
    assert parse_form(form) == decoded


@pytest.mark.parametrize("form", ["a[b=1", "[a]=1", "a[b]c=1", "a=1&a[b]=2"])
def test_a_form_that_makes_no_sense_is_refused(form: str) -> None:
    with pytest.raises(ApiError):
        parse_form(form)


def test_a_method_serves_its_own_customer_only(client: stripe.StripeClient) -> None:
    one, two = client.v1.customers.create({}), client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": one.id})
    params: Any = {"amount": 500, "currency": "usd", "payment_method": method.id, "confirm": True}
    for more in ({}, {"customer": two.id}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.create({**params, **more})


def test_a_detached_method_is_of_no_more_use(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.payment_methods.detach(method.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_methods.attach(method.id, {"customer": customer.id})
