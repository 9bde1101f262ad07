"""What the gateway makes of Stripe's error classes is what the table says about each."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from billing.charges.declines import ERROR_CLASSES, Remedy, remedy_for
from billing.gateway import BusyError, Gateway, OutcomeUnknownError, RefusedError
from billing.settings import StripeSettings

ANSWERS = {
    "APIError": (500, {"type": "api_error", "message": "we are sorry"}),
    "AuthenticationError": (401, {"type": "invalid_request_error", "message": "no such key"}),
    "CardError": (402, {"type": "card_error", "message": "no"}),
    "IdempotencyError": (400, {"type": "idempotency_error", "message": "another request"}),
    "InvalidRequestError": (400, {"type": "invalid_request_error", "message": "what?"}),
    "PermissionError": (403, {"type": "invalid_request_error", "message": "not you"}),
    "RateLimitError": (429, {"type": "invalid_request_error", "message": "slowly"}),
}
"""Status and error of an answer that the library raises as that class, without any code."""

CUT_OFF = "APIConnectionError"


@contextmanager
def answering(status: int, error: dict[str, str]) -> Iterator[str]:
    """A server whose every answer is this error; status 0 hangs up instead."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if status:
                body = json.dumps({"error": error}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def charge(address: str) -> None:
    Gateway(
        StripeSettings(
            api_key="sk_test_nobody",
            api_base=address,
            checkout_origin=address,
            webhook_secret=None,
            requests_per_second=20,
            connect_seconds=3,
            read_seconds=3,
        )
    ).charge_off_session({"amount": 500}, "key")


@pytest.mark.parametrize("name", ERROR_CLASSES)
def test_an_error_without_a_code_ends_as_its_class_says(name: str) -> None:
    status, error = ANSWERS.get(name, (0, {}))
    assert status or name == CUT_OFF
    with (
        answering(status, error) as address,
        pytest.raises((OutcomeUnknownError, BusyError, RefusedError)) as raised,
    ):
        charge(address)
    if ERROR_CLASSES[name] is Remedy.UNKNOWN_OUTCOME:
        assert raised.type is OutcomeUnknownError
    else:
        assert raised.type is not OutcomeUnknownError
        assert remedy_for(None, None, None) is ERROR_CLASSES[name]
