"""A stand-in as a subprocess, a receiver of its events, and a payer who posts forms."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import stripe

from tests.support.ports import free_port

SECRET = "whsec_test_of_the_stand_in"
KEY = "sk_test_stand_in_0123456789"
PATIENCE = 15.0
Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str) -> Found:
    """Poll until `look` finds something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


@dataclass
class Answer:
    """An HTTP answer, redirects not followed."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class StandIn:
    """One process; `state` outlives it."""

    def __init__(self, state: Path, webhook_url: str = "", *flags: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [
            sys.executable, "-m", "billing.local.stripe", "--port", str(self.port),
            "--state", str(state), "--webhook-url", webhook_url, "--webhook-secret", SECRET,
            *flags,
        ]  # fmt: skip
        self.log = state.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> StandIn:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until(self._answers, "the stand-in listens")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.call("GET", "/_standin/health").status == 200
        except OSError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(10)

    def client(self, retries: int = 0) -> stripe.StripeClient:
        return stripe.StripeClient(
            KEY, base_addresses={"api": self.url}, max_network_retries=retries
        )

    def call(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def api(
        self, method: str, path: str, params: dict[str, Any] | None = None, **headers: str
    ) -> Answer:
        """A request as curl would send it: no SDK, no Stripe-Version unless given."""
        sent = {"Authorization": f"Bearer {KEY}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = urllib.parse.urlencode(params or {}, doseq=True)
        if method == "GET":
            return self.call(method, f"{path}?{body}", None, sent)
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        return self.call(method, path, body, sent)

    def control(self, method: str, path: str, given: dict[str, Any] | None = None) -> Any:
        """One of `/_standin/…`."""
        answer = self.call(method, f"/_standin/{path}", json.dumps(given or {}))
        assert answer.status == 200, answer.text
        return answer.json

    def post_form(self, url: str, **fields: str) -> Answer:
        """A browser's form, sent."""
        path = urllib.parse.urlsplit(url).path
        return self.call(
            "POST", path, urllib.parse.urlencode(fields),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip

    def pay(self, url: str, number: str = "4242424242424242", **more: str) -> Answer:
        """Fill in the Checkout page and press the button."""
        fields = {"email": "reader@example.org", "number": number, "exp": "12/34", "cvc": "123"}
        return self.post_form(url, **{**fields, "name": "A Reader", **more})


@dataclass
class Receiver:
    """Takes events, checks each with the SDK, and can be told to fail."""

    events: list[stripe.Event] = field(default_factory=list)
    forged: int = 0
    answers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                payload = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take(payload, self.headers["Stripe-Signature"])
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, payload: bytes, signature: str) -> int:
        try:
            event = stripe.Webhook.construct_event(payload, signature, SECRET, tolerance=300)
        except stripe.SignatureVerificationError:
            self.forged += 1
            return 400
        self.events.append(event)
        return self.answers.pop(0) if self.answers else 200

    def of(self, kind: str, object_id: str | None = None) -> list[stripe.Event]:
        return [
            event
            for event in list(self.events)
            if event.type == kind and (object_id is None or object_id == event.data.object["id"])
        ]

    def previous(self, kind: str, object_id: str) -> Any:
        """`previous_attributes` of the first such event, plain."""
        return self.wait(kind, object_id).to_dict()["data"]["previous_attributes"]

    def wait(self, kind: str, object_id: str | None = None) -> stripe.Event:
        return until(lambda: self.of(kind, object_id), f"event {kind}")[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
