"""The connections to Stripe: kept, shared by all threads, and telling when a request has left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from billing.gateway import Gateway, OutcomeUnknownError
from billing.settings import StripeSettings
from billing.wire import Wire, mind_departure

SLOW_SECONDS = 0.3


class Slow(BaseHTTPRequestHandler):
    """Answers after a while, and says over which connection it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SLOW_SECONDS)
        body = str(self.client_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wire(address: str) -> Iterator[Wire]:
    opened = Wire(address, ca_certs="", connect_seconds=3, read_seconds=5)
    yield opened
    opened.close()


def test_a_connection_is_kept_and_taken_by_whichever_thread_is_next(
    wire: Wire, address: str
) -> None:
    def ask(_: int) -> bytes:
        return wire.send("post", address, {}, "a=b")[0]

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as another:
        assert one.submit(ask, 1).result() == another.submit(ask, 2).result()


class Gate:
    """Lets a request leave after a while, and notes when it did."""

    def __init__(self) -> None:
        self.opened: list[float] = []
        self.told: list[float] = []

    def leave(self) -> None:
        time.sleep(SLOW_SECONDS)
        self.opened.append(time.monotonic())

    def sent(self, at: float) -> None:
        self.told.append(at)


def test_a_request_leaves_when_it_may_and_that_is_told_before_the_answer_comes(
    wire: Wire, address: str
) -> None:
    gate = Gate()
    mind_departure(gate)
    wire.send("post", address, {}, "a=b")
    wire.send("post", address, {}, "a=b")
    [opened], [told] = gate.opened, gate.told
    assert opened <= told
    assert time.monotonic() - told > 1.9 * SLOW_SECONDS  # both answers came after it


def test_a_refused_connection_is_an_error_of_one_kind(wire: Wire) -> None:
    with pytest.raises(urllib3.exceptions.HTTPError):
        wire.send("post", "http://127.0.0.1:9/", {}, "a=b")


def test_a_payment_without_an_answer_has_an_unknown_outcome() -> None:
    gateway = Gateway(
        StripeSettings(
            api_key="sk_test_nobody",
            api_base="http://127.0.0.1:9",
            checkout_origin="http://127.0.0.1:9",
            webhook_secret=None,
            requests_per_second=20,
            connect_seconds=1,
            read_seconds=1,
        )
    )
    gate = Gate()
    with pytest.raises(OutcomeUnknownError):
        gateway.charge_off_session({"amount": 500}, "key", departure=gate)
    assert gate.told == []
