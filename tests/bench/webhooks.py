"""Webhooks, verified and stored, beside a bare Flask view that inserts one row; then a burst."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from billing.gateway import API_VERSION
from tests.bench.figures import Figure, Say
from tests.bench.house import HOST, WEBHOOK_SECRET, House, opened

ROUNDS = 4
A_ROUND = 1500
BURST = 20_000
CONNECTIONS = 8
BURST_CONNECTIONS = 64
OURS, BARE = "billing.wsgi:app", "tests.bench.bare:app"


def run(say: Say) -> list[Figure]:
    """Rounds in turns, so that both meet the same machine; then 20,000 events at once."""
    rates: dict[str, list[float]] = {OURS: [], BARE: []}
    with opened() as house:
        for number in range(ROUNDS):
            for app in (BARE, OURS):
                house.start_web(app)
                _deliver(house, _events(f"warm{number}{len(app)}", 200), CONNECTIONS)
                say(f"round {number + 1} of {ROUNDS}: {app} …")
                rates[app].append(_rate(house, _events(f"r{number}", A_ROUND)))
                house.end("web")
        house.start_web(OURS)
        say(f"a burst of {BURST:,} events over {BURST_CONNECTIONS} connections …")
        before = house.scalar("SELECT count(*) FROM webhook_events")
        events = _events("burst", BURST)
        began = time.monotonic()
        again = _deliver(house, events, BURST_CONNECTIONS)
        took = time.monotonic() - began
        stored = house.scalar("SELECT count(*) FROM webhook_events") - before
    ours, bare = sum(rates[OURS]) / ROUNDS, sum(rates[BARE]) / ROUNDS
    return [
        Figure("a bare Flask view that inserts one row", bare, "a second"),
        Figure("webhooks verified and stored", ours, "a second"),
        Figure("webhooks: share of the bare view", ours / bare * 100, "%", at_least=70),
        Figure(f"burst of {BURST:,}: stored", BURST / took, "a second"),
        Figure(f"burst of {BURST:,}: sent again because they were not taken", again, "events"),
        Figure(f"burst of {BURST:,}: lost", BURST - stored, "events", at_most=0),
    ]


def _rate(house: House, events: Sequence[bytes]) -> float:
    began = time.monotonic()
    _deliver(house, events, CONNECTIONS)
    return len(events) / (time.monotonic() - began)


def _events(name: str, count: int) -> list[bytes]:
    """Whole requests, signed: an event of the size that Stripe sends for a payment."""
    now = int(time.time())  # noqa: TID251 - the signature's own time
    return [_request(name, number, now) for number in range(count)]


def _request(name: str, number: int, now: int) -> bytes:
    intent = {
        "id": f"pi_{name}_{number}",
        "object": "payment_intent",
        "amount": 500,
        "currency": "usd",
        "status": "succeeded",
        "metadata": {"tuppence_charge": str(number), "filler": "x" * 480},
        "charges": {"filler": ["y" * 60] * 30},
    }
    event = {
        "id": f"evt_{name}_{number}",
        "object": "event",
        "api_version": API_VERSION,
        "created": now,
        "data": {"object": intent},
        "livemode": False,
        "pending_webhooks": 1,
        "type": "payment_intent.succeeded",
    }
    body = json.dumps(event, indent=2).encode()
    signed = hmac.new(WEBHOOK_SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256)
    head = (
        f"POST /stripe/webhook HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: t={now},v1={signed.hexdigest()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _deliver(house: House, requests: Sequence[bytes], connections: int) -> int:
    """Send each until it is taken, as Stripe does; returns how many were sent again."""
    port = urlsplit(house.web_url).port or 0
    senders = [_Sender(port, requests[place::connections]) for place in range(connections)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return sum(sender.again for sender in senders)


class _Sender(threading.Thread):
    """One connection that is kept open, and what goes over it."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        super().__init__(daemon=True)
        self.again = 0
        self._port, self._requests = port, requests
        self._line: socket.socket | None = None

    def run(self) -> None:
        """Send everything, each until it is taken."""
        for request in self._requests:
            while not self._taken(request):
                self.again += 1
                time.sleep(0.05)

    def _taken(self, request: bytes) -> bool:
        try:
            if self._line is None:
                self._line = socket.create_connection((HOST, self._port), timeout=60)
                self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._line.sendall(request)
            answer = self._line.recv(65_536)
        except OSError:
            answer = b""
        if answer.startswith(b"HTTP/1.1 200"):
            return True
        self._line = None
        return False
