"""What was answered survives a kill; stopping is clean; a taken port is said in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.local.stripe.helpers import Receiver, StandIn, until
from tests.support.ports import free_port

PAID: Any = {
    "amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
}  # fmt: skip


def test_everything_is_there_after_a_kill(tmp_path: Path) -> None:
    standin = StandIn(tmp_path / "state.sqlite").start()
    client = standin.client()
    paid = client.v1.payment_intents.create(PAID, {"idempotency_key": "before"})
    refund = client.v1.refunds.create({"payment_intent": paid.id})
    standin.stop(signal.SIGKILL)
    standin.start()
    try:
        again = client.v1.payment_intents.create(PAID, {"idempotency_key": "before"})
        assert again.id == paid.id
        assert again.last_response is not None
        assert again.last_response.headers["Idempotent-Replayed"] == "true"
        assert client.v1.refunds.retrieve(refund.id).payment_intent == paid.id
        assert len(client.v1.charges.list({"payment_intent": paid.id}).data) == 1
    finally:
        assert standin.stop() == 0


def test_undelivered_events_are_delivered_after_a_kill(tmp_path: Path) -> None:
    receiver = Receiver()
    standin = StandIn(tmp_path / "state.sqlite", receiver.url)
    receiver.answers = [500] * 3
    standin.start()
    customer = standin.client().v1.customers.create({})
    receiver.wait("customer.created", customer.id)
    standin.stop(signal.SIGKILL)
    receiver.answers = []
    standin.start()
    try:
        standin.control("POST", "clock", {"advance_seconds": 60})
        until(
            lambda: standin.control("GET", "deliveries?state=delivered")["deliveries"], "delivered"
        )
    finally:
        assert standin.stop(signal.SIGINT) == 0
        receiver.close()


def test_a_clock_file_is_shared(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    standin = StandIn(tmp_path / "state.sqlite", "", "--clock-file", str(path)).start()
    try:
        before = standin.control("GET", "clock")
        standin.control("POST", "clock", {"advance_seconds": 3600})
        assert float(path.read_text()) == 3600
        path.write_text("7200")
        after = standin.control("GET", "clock")
        assert after["offset_seconds"] == 7200
        assert after["now"] >= before["now"] + 7200
    finally:
        standin.stop()


def test_a_taken_port_is_said_in_one_line(standin: StandIn) -> None:
    command = [sys.executable, "-m", "billing.local.stripe", "--port", str(standin.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "in use" in ended.stderr


def test_it_does_not_start_beside_a_live_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_0123456789")
    command = [sys.executable, "-m", "billing.local.stripe", "--port", str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1


def test_requests_are_logged_without_their_bodies(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    client.v1.customers.create({"email": "secret@example.org"})
    log = standin.log.read_text()
    assert "POST /v1/customers 200" in log
    assert "secret@example.org" not in log
