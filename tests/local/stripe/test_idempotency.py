"""Idempotency keys, by Stripe's rules."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest
import stripe

from tests.local.stripe.helpers import Receiver, StandIn

PAID = {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}


def create(standin: StandIn, key: str, **change: Any) -> Any:
    return standin.api("POST", "/v1/payment_intents", {**PAID, **change}, Idempotency_Key=key)


def test_the_same_request_is_answered_from_memory(standin: StandIn) -> None:
    first, second = create(standin, "again"), create(standin, "again")
    assert first.text == second.text
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert second.headers["Request-Id"] != first.headers["Request-Id"]


def test_the_order_of_parameters_does_not_matter(standin: StandIn) -> None:
    create(standin, "order")
    turned = dict(reversed(PAID.items()))
    again = standin.api("POST", "/v1/payment_intents", turned, Idempotency_Key="order")
    assert again.headers["Idempotent-Replayed"] == "true"


def test_the_same_key_with_other_parameters_is_refused(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "A"}, {"idempotency_key": "other"})
    with pytest.raises(stripe.IdempotencyError) as raised:
        client.v1.customers.create({"name": "B"}, {"idempotency_key": "other"})
    assert raised.value.http_status == 400


def test_the_same_key_for_another_endpoint_is_refused(client: stripe.StripeClient) -> None:
    client.v1.customers.create({}, {"idempotency_key": "endpoint"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.setup_intents.create({}, {"idempotency_key": "endpoint"})


def test_a_decline_is_remembered(standin: StandIn) -> None:
    token = "pm_card_visa_chargeDeclined"
    first = create(standin, "declined", payment_method=token)
    second = create(standin, "declined", payment_method=token)
    assert (first.status, second.status) == (402, 402)
    assert first.text == second.text
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_refused_parameter_is_not_remembered(standin: StandIn) -> None:
    assert create(standin, "refused", currency="zzz").status == 400
    assert create(standin, "refused").status == 200


def test_a_missing_key_or_wrong_secret_is_not_remembered(standin: StandIn) -> None:
    refused = standin.call("POST", "/v1/customers", "", {"Idempotency-Key": "secret"})
    assert refused.status == 401
    assert standin.api("POST", "/v1/customers", Idempotency_Key="secret").status == 200


def test_a_500_is_remembered(standin: StandIn) -> None:
    rule = {"kind": "error_500", "method": "POST", "path": "/v1/payment_intents"}
    standin.control("POST", "faults", {"rules": [rule]})
    first, second = create(standin, "broken"), create(standin, "broken")
    standin.control("DELETE", "faults")
    assert (first.status, second.status) == (500, 500)
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_429_and_a_409_are_not_remembered(standin: StandIn) -> None:
    rules = [{"kind": "error_429", "path": "/v1/payment_intents"},
             {"kind": "error_409", "path": "/v1/payment_intents"}]  # fmt: skip
    standin.control("POST", "faults", {"rules": rules})
    assert [create(standin, "busy").status for _ in range(3)] == [429, 409, 200]
    standin.control("DELETE", "faults")


def test_a_key_of_256_characters_is_too_long(standin: StandIn) -> None:
    assert create(standin, "k" * 255).status == 200
    assert create(standin, "k" * 256).status == 400


def test_of_two_at_once_one_works_and_the_other_is_told_so(standin: StandIn) -> None:
    standin.control("POST", "faults", {"latency_ms": 300})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: create(standin, "race"), range(4)))
    standin.control("DELETE", "faults")
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.json["error"]["code"] == "idempotency_key_in_use"
    assert create(standin, "race").headers["Idempotent-Replayed"] == "true"


def test_the_event_tells_the_key(receiver: Receiver, standin: StandIn) -> None:
    made = standin.api("POST", "/v1/customers", Idempotency_Key="told")
    event = receiver.wait("customer.created", made.json["id"])
    assert event.request is not None
    assert event.request.idempotency_key == "told"
    assert event.request.id == made.headers["Request-Id"]


def test_keys_are_forgotten_after_a_day_of_the_stand_ins_clock(start: Any) -> None:
    standin = start()
    first = create(standin, "yesterday")
    standin.control("POST", "clock", {"advance_seconds": 23 * 3600})
    assert create(standin, "yesterday").json["id"] == first.json["id"]
    standin.control("POST", "clock", {"advance_seconds": 2 * 3600})
    assert create(standin, "yesterday").json["id"] != first.json["id"]
