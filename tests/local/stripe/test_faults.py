"""Faults on demand, as the SDK meets them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.local.stripe.helpers import KEY, StandIn

PAID: Any = {
    "amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _clear(standin: StandIn) -> Iterator[None]:
    yield
    standin.control("DELETE", "faults")


def rule(standin: StandIn, kind: str, **more: Any) -> None:
    given = {"kind": kind, "method": "POST", "path": "/v1/payment_intents", **more}
    standin.control("POST", "faults", {"rules": [given]})


def count(standin: StandIn, key: str) -> int:
    found = standin.control("GET", "books?metadata_key=try")["payments"]
    return int(found.get(key, {}).get("count", 0))


def impatient(standin: StandIn, retries: int = 0) -> stripe.StripeClient:
    return stripe.StripeClient(
        KEY, base_addresses={"api": standin.url}, max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=0.5),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "done"),
    [("timeout_before", 0), ("timeout_after", 1), ("reset_before", 0), ("reset_after", 1)],
)
def test_an_answer_is_lost(standin: StandIn, kind: str, done: int) -> None:
    rule(standin, kind)
    params = {**PAID, "metadata": {"try": kind}}
    client = impatient(standin)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.payment_intents.create(params, {"idempotency_key": kind})
    assert count(standin, kind) == done
    again = client.v1.payment_intents.create(params, {"idempotency_key": kind})
    assert again.status == "succeeded"
    assert count(standin, kind) == 1


def test_the_sdk_retries_a_reset_by_itself(standin: StandIn) -> None:
    rule(standin, "reset_after")
    params = {**PAID, "metadata": {"try": "sdk"}}
    assert impatient(standin, 2).v1.payment_intents.create(params).status == "succeeded"
    assert count(standin, "sdk") == 1


def test_a_500_after_the_charge_hides_it(standin: StandIn) -> None:
    rule(standin, "error_500_after")
    params = {**PAID, "metadata": {"try": "hidden"}}
    with pytest.raises(stripe.APIError):
        standin.client().v1.payment_intents.create(params)
    assert count(standin, "hidden") == 1


def test_a_lock_timeout_is_a_429(standin: StandIn) -> None:
    rule(standin, "lock_timeout")
    with pytest.raises(stripe.RateLimitError) as raised:
        standin.client().v1.payment_intents.create(PAID)
    assert raised.value.error is not None
    assert raised.value.error.code == "lock_timeout"


def test_the_rate_is_limited_and_measured(standin: StandIn) -> None:
    standin.control("DELETE", "rate")
    standin.control("POST", "faults", {"rate_limit": 5})
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: standin.api("GET", "/v1/balance"), range(10)))
    assert sum(answer.status == 200 for answer in answers) <= 10
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert refused[0].json["error"]["code"] == "rate_limit"
    rate = standin.control("GET", "rate")
    assert rate["max_per_second"] <= 5
    assert rate["refused"] == len(refused)


def test_an_endpoint_has_a_limit_of_its_own(standin: StandIn) -> None:
    standin.control("POST", "faults", {"endpoint_rate_limit": 1})
    statuses = [
        standin.api("GET", path).status
        for path in ("/v1/prices", "/v1/prices", "/v1/products", "/v1/products")
    ]
    assert statuses[0] == statuses[2] == 200
    assert 429 in statuses


def test_probability_repeats_with_its_seed(standin: StandIn) -> None:
    def run() -> list[int]:
        given = {"kind": "error_409", "path": "/v1/balance", "times": None, "probability": 0.5}
        standin.control("POST", "faults", {"seed": 7, "rules": [given]})
        statuses = [standin.api("GET", "/v1/balance").status for _ in range(12)]
        standin.control("DELETE", "faults")
        return statuses

    first = run()
    assert set(first) == {200, 409}
    assert run() == first


def test_nonsense_is_refused(standin: StandIn) -> None:
    for body in ('{"rules": [{"kind": "magic"}]}', '{"latency": 3}', "[]", "{"):
        assert standin.call("POST", "/_standin/faults", body).status == 400
