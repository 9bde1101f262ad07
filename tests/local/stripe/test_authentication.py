"""3D Secure: who is asked, when, and what comes of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from tests.local.stripe.helpers import StandIn


def off_session(client: stripe.StripeClient, customer: str, method: str) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {
            "amount": 500, "currency": "usd", "customer": customer, "payment_method": method,
            "confirm": True, "off_session": True,
        }
    )  # fmt: skip


def ask(client: stripe.StripeClient, token: str, **more: Any) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {
            "amount": 500, "currency": "usd", "payment_method": token, "confirm": True,
            "return_url": "https://example.org/back?x=1", **more,
        }
    )  # fmt: skip


def page_of(intent: stripe.PaymentIntent) -> str:
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    return str(intent.next_action.redirect_to_url.url)


def test_completing_it_pays_and_returns(standin: StandIn, client: stripe.StripeClient) -> None:
    intent = ask(client, "pm_card_authenticationRequired")
    assert intent.status == "requires_action"
    assert "Complete" in standin.call("GET", urlsplit(page_of(intent)).path).text
    back = standin.post_form(page_of(intent), outcome="complete").headers["Location"]
    query = parse_qs(urlsplit(back).query)
    assert query["x"] == ["1"]
    assert query["payment_intent"] == [intent.id]
    assert query["redirect_status"] == ["succeeded"]
    paid = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert paid.status == "succeeded"
    assert isinstance(paid.latest_charge, stripe.Charge)
    assert paid.latest_charge.payment_method_details is not None
    assert paid.latest_charge.payment_method_details.card is not None
    secure = paid.latest_charge.payment_method_details.card.three_d_secure
    assert secure is not None
    assert secure.result == "authenticated"


def test_failing_it_leaves_the_intent_payable(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    intent = ask(client, "pm_card_authenticationRequired")
    standin.post_form(page_of(intent), outcome="fail")
    failed = client.v1.payment_intents.retrieve(intent.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


@pytest.mark.parametrize(
    ("token", "decline_code"),
    [
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_threeDSecureRequiredChargeDeclined", "generic_decline"),
    ],
)
def test_a_decline_after_it_is_recorded(
    standin: StandIn, client: stripe.StripeClient, token: str, decline_code: str
) -> None:
    intent = ask(client, token)
    back = standin.post_form(page_of(intent), outcome="complete").headers["Location"]
    assert "redirect_status=failed" in back
    failed = client.v1.payment_intents.retrieve(intent.id)
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.decline_code == decline_code


def test_off_session_it_is_a_decline(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach(
        "pm_card_authenticationRequired", {"customer": customer.id}
    )
    with pytest.raises(stripe.CardError) as raised:
        off_session(client, customer.id, method.id)
    error = raised.value.error
    assert error is not None
    assert error.code == error.decline_code == "authentication_required"
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"


def test_set_up_once_it_is_not_asked_off_session(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    customer = client.v1.customers.create({})
    setup = client.v1.setup_intents.create(
        {
            "customer": customer.id, "payment_method": "pm_card_authenticationRequiredOnSetup",
            "confirm": True, "return_url": "https://example.org/back",
        }
    )  # fmt: skip
    assert setup.status == "requires_action"
    assert setup.next_action is not None
    assert setup.next_action.redirect_to_url is not None
    standin.post_form(str(setup.next_action.redirect_to_url.url), outcome="complete")
    setup = client.v1.setup_intents.retrieve(setup.id)
    assert setup.status == "succeeded"
    assert off_session(client, customer.id, str(setup.payment_method)).status == "succeeded"


def test_a_card_already_set_up_pays_off_session_only(client: stripe.StripeClient) -> None:
    token = "pm_card_authenticationRequiredSetupForOffSession"
    assert ask(client, token).status == "requires_action"
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach(token, {"customer": customer.id})
    assert off_session(client, customer.id, method.id).status == "succeeded"


def test_it_can_be_an_error_at_once(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as raised:
        ask(client, "pm_card_authenticationRequired", error_on_requires_action=True)
    assert raised.value.code == "authentication_required"
