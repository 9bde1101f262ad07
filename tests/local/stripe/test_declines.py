"""Every published card does what Stripe's testing page says."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.local.stripe.helpers import StandIn

DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
    ("pm_card_radarBlock", "card_declined", "fraudulent"),
]
NUMBERS = [
    ("4000000000000002", "generic_decline"),
    ("4000000000009995", "insufficient_funds"),
    ("4000000000009987", "lost_card"),
    ("4000000000009979", "stolen_card"),
    ("4000000000000069", "expired_card"),
    ("4000000000000127", "incorrect_cvc"),
    ("4000000000000119", "processing_error"),
    ("4000000000006975", "card_velocity_exceeded"),
    ("4100000000000019", "fraudulent"),
]


def charge(client: stripe.StripeClient, method: str, **more: Any) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "payment_method": method, "confirm": True, **more}
    )


@pytest.mark.parametrize(("token", "code", "decline_code"), DECLINES)
def test_a_declining_token_is_a_402_with_the_intent_payable_again(
    client: stripe.StripeClient, token: str, code: str, decline_code: str
) -> None:
    with pytest.raises(stripe.CardError) as raised:
        charge(client, token)
    error = raised.value.error
    assert error is not None
    assert (raised.value.http_status, error.code, error.decline_code) == (402, code, decline_code)
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"
    kept = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert kept.last_payment_error is not None
    assert kept.last_payment_error.decline_code == decline_code
    assert kept.payment_method is None
    failed = client.v1.charges.retrieve(str(kept.latest_charge))
    assert (failed.status, failed.paid, failed.failure_code) == ("failed", False, code)
    assert failed.balance_transaction is None


@pytest.mark.parametrize(("number", "decline_code"), NUMBERS)
def test_a_declining_number_is_declined(
    client: stripe.StripeClient, number: str, decline_code: str
) -> None:
    method = client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"},
        }
    )
    with pytest.raises(stripe.CardError) as raised:
        charge(client, method.id)
    assert raised.value.error is not None
    assert raised.value.error.decline_code == decline_code


@pytest.mark.parametrize(
    ("decline_code", "advice"),
    [("LostCard", "do_not_try_again"), ("InsufficientFunds", "try_again_later")],
)
def test_a_decline_advises(client: stripe.StripeClient, decline_code: str, advice: str) -> None:
    with pytest.raises(stripe.CardError) as raised:
        charge(client, f"pm_card_visa_chargeDeclined{decline_code}")
    assert raised.value.error is not None
    assert raised.value.error.advice_code == advice
    assert raised.value.error.network_decline_code


@pytest.mark.parametrize("brand", ["visa", "mastercard", "amex", "discover", "jcb", "visa_debit"])
def test_a_good_card_succeeds(client: stripe.StripeClient, brand: str) -> None:
    assert charge(client, f"pm_card_{brand}").status == "succeeded"


def test_a_declining_card_cannot_be_saved(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    with pytest.raises(stripe.CardError):
        client.v1.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": customer.id})


def test_a_card_can_be_saved_and_decline_afterwards(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": customer.id}
    )
    with pytest.raises(stripe.CardError):
        charge(client, method.id, customer=customer.id, off_session=True)


def test_a_wrong_number_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as raised:
        client.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424241", "exp_month": 1,
                                      "exp_year": 2040}}
        )  # fmt: skip
    assert raised.value.code == "incorrect_number"


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ({"exp_month": 13, "exp_year": 2040}, "invalid_expiry_month"),
        ({"exp_month": 1, "exp_year": 2020}, "invalid_expiry_year"),
        ({"exp_month": 1, "exp_year": 2040, "cvc": "12"}, "invalid_cvc"),
    ],
)
def test_wrong_card_details_are_refused(
    client: stripe.StripeClient, card: dict[str, Any], code: str
) -> None:
    with pytest.raises(stripe.CardError) as raised:
        client.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", **card}}
        )
    assert raised.value.code == code


def test_a_test_can_ask_for_any_decline(standin: StandIn, client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    asked = {"decline_code": "revocation_of_authorization", "times": 1}
    standin.control("POST", f"payment_methods/{method.id}/decline", asked)
    with pytest.raises(stripe.CardError) as raised:
        charge(client, method.id, customer=customer.id, off_session=True)
    assert raised.value.error is not None
    assert raised.value.error.decline_code == "revocation_of_authorization"
    assert charge(client, method.id, customer=customer.id, off_session=True).status == "succeeded"
