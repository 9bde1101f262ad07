"""The hosted Checkout page, paid as a browser without JavaScript pays it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe

from tests.local.stripe.helpers import Answer, Receiver, StandIn, until

OFFERED: Any = {
    "mode": "payment",
    "success_url": "https://example.org/thanks?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://example.org/support",
    "line_items": [
        {
            "price_data": {
                "currency": "usd", "unit_amount": 700, "product_data": {"name": "A gift"},
            },
            "quantity": 1,
        }
    ],
    "customer_creation": "always",
    "submit_type": "donate",
    "payment_intent_data": {"setup_future_usage": "off_session", "metadata": {"pledge": "7"}},
    "adaptive_pricing": {"enabled": False},
    "client_reference_id": "ref-1",
    "locale": "en",
}  # fmt: skip


def begin(client: stripe.StripeClient, **change: Any) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.create({**OFFERED, **change})


def look(standin: StandIn, url: str | None) -> Answer:
    parts = urlsplit(str(url))
    return standin.call("GET", f"{parts.path}?{parts.query}")


def test_a_card_pays_and_is_kept_for_renewals(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    session = begin(client)
    assert (session.status, session.payment_status) == ("open", "unpaid")
    answer = standin.pay(str(session.url))
    assert answer.status == 303
    assert answer.headers["Location"] == f"https://example.org/thanks?session={session.id}"
    done = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.payment_method", "customer", "line_items"]}
    )
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert done.client_reference_id == "ref-1"
    assert isinstance(done.customer, stripe.Customer)
    assert done.customer.email == "reader@example.org"
    assert isinstance(done.payment_intent, stripe.PaymentIntent)
    assert done.payment_intent.metadata.to_dict() == {"pledge": "7"}
    method = done.payment_intent.payment_method
    assert isinstance(method, stripe.PaymentMethod)
    assert method.customer == done.customer.id
    assert done.line_items is not None
    assert done.line_items.data[0].description == "A gift"
    receiver.wait("checkout.session.completed", session.id)
    renewal = client.v1.payment_intents.create(
        {
            "amount": 700, "currency": "usd", "customer": done.customer.id,
            "payment_method": method.id, "confirm": True, "off_session": True,
            "payment_method_options": {"card": {"stored_credential_usage": "recurring"}},
        }
    )  # fmt: skip
    assert renewal.status == "succeeded"


def test_pressing_twice_pays_once(standin: StandIn, client: stripe.StripeClient) -> None:
    session = begin(client)
    first, second = standin.pay(str(session.url)), standin.pay(str(session.url))
    assert first.headers["Location"] == second.headers["Location"]
    customer = client.v1.checkout.sessions.retrieve(session.id).customer
    assert len(client.v1.charges.list({"customer": str(customer)}).data) == 1


def test_a_decline_is_shown_and_another_card_pays(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    session = begin(client)
    declined = standin.pay(str(session.url), "4000000000009995")
    assert "Your card has insufficient funds." in declined.text
    assert 'value="reader@example.org"' in declined.text
    assert standin.pay(str(session.url)).status == 303
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


@pytest.mark.parametrize(
    "fields", [{"number": "4242424242424241"}, {"exp": "01/20"}, {"cvc": "1"}, {"email": "none"}]
)
def test_wrong_entries_are_said_on_the_page(
    standin: StandIn, client: stripe.StripeClient, fields: dict[str, str]
) -> None:
    session = begin(client)
    answer = standin.pay(str(session.url), **fields)
    assert answer.status == 402
    assert 'role="alert"' in answer.text
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_the_page_speaks_russian(standin: StandIn, client: stripe.StripeClient) -> None:
    session = begin(client, locale="ru")
    page = look(standin, session.url).text
    assert '<html lang="ru">' in page
    assert "Номер карты" in page
    declined = standin.pay(str(session.url), "4000000000009995").text
    assert "На карте недостаточно средств." in declined


def test_a_test_card_can_be_chosen_without_javascript(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    session = begin(client)
    page = look(standin, f"{session.url}?card=4000000000009995")
    assert 'value="4000000000009995"' in page.text
    assert "<script" not in page.text


def test_3d_secure_leads_back_to_the_shop(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    session = begin(client)
    asked = standin.pay(str(session.url), "4000002760003184")
    path = asked.headers["Location"]
    assert path.startswith("/c/3ds/pi_")
    back = standin.post_form(standin.url + path, outcome="fail")
    assert back.headers["Location"] == f"/c/pay/{session.id}"
    assert "unable to authenticate" in look(standin, session.url).text
    again = standin.pay(str(session.url), "4000002760003184")
    done = standin.post_form(standin.url + again.headers["Location"], outcome="complete")
    assert done.headers["Location"].endswith(session.id)
    receiver.wait("checkout.session.completed", session.id)


def test_a_bank_debit_settles_later(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    session = begin(client)
    standin.pay(str(session.url), method="bank")
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    assert isinstance(done.payment_intent, stripe.PaymentIntent)
    assert done.payment_intent.status == "processing"
    standin.control("POST", f"payment_intents/{done.payment_intent.id}/settle")
    receiver.wait("checkout.session.async_payment_succeeded", session.id)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_a_bank_debit_may_fail(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    session = begin(client)
    standin.pay(str(session.url), method="bank", account="000111111113")
    receiver.wait("checkout.session.async_payment_failed", session.id)
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert isinstance(done.payment_intent, stripe.PaymentIntent)
    assert done.payment_intent.status == "requires_payment_method"


def test_an_expired_session_takes_no_money(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    session = begin(client)
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    receiver.wait("checkout.session.expired", session.id)
    assert "expired" in standin.pay(str(session.url)).text
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)


def test_a_session_expires_by_the_clock(start: Any) -> None:
    standin = start()
    client = standin.client()
    session = begin(client)
    standin.control("POST", "clock", {"advance_seconds": 86_401})
    expired = until(
        lambda: client.v1.checkout.sessions.list({"status": "expired"}).data, "it expires"
    )
    assert expired[0].id == session.id


def test_setup_mode_saves_a_card_without_charging(
    standin: StandIn, client: stripe.StripeClient, receiver: Receiver
) -> None:
    customer = client.v1.customers.create({})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup", "currency": "usd", "customer": customer.id,
            "success_url": "https://example.org/saved",
            "setup_intent_data": {"metadata": {"pledge": "1"}},
        }
    )  # fmt: skip
    assert standin.pay(str(session.url)).headers["Location"] == "https://example.org/saved"
    receiver.wait("setup_intent.succeeded", str(session.setup_intent))
    kept = client.v1.payment_methods.list({"customer": customer.id}).data
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"line_items": []}, "line_items"),
        ({"success_url": "nowhere"}, "success_url"),
        ({"submit_type": "give"}, "submit_type"),
        ({"ui_mode": "hosted"}, "ui_mode"),
        ({"expires_at": 1}, "expires_at"),
        ({"customer_email": "none"}, "customer_email"),
        ({"setup_intent_data": {"description": "x"}}, "setup_intent_data"),
    ],
)
def test_a_session_that_stripe_would_refuse_is_refused(
    client: stripe.StripeClient, change: dict[str, Any], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        begin(client, **change)
    assert raised.value.param == param


def test_a_total_below_the_minimum_is_refused(client: stripe.StripeClient) -> None:
    item = {**OFFERED["line_items"][0]}
    item["price_data"] = {**item["price_data"], "unit_amount": 20}
    with pytest.raises(stripe.InvalidRequestError) as raised:
        begin(client, line_items=[item])
    assert raised.value.code == "amount_too_small"


def test_an_unknown_page_says_so(standin: StandIn) -> None:
    assert standin.call("GET", "/c/pay/cs_test_none").status == 404
