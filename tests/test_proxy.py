"""Calls to Stripe by way of the proxy that the environment names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
import urllib3

from billing.wire import Wire, mind_departure
from tests.support.proxy import Proxy, behind_tls, certificate

HOST = "api.stripe.test"
"""A name that only the proxy knows: who gets there has gone by way of it."""

CREDENTIALS = "редакция:p@ss:wörd/1"
IN_ADDRESS = ":".join(quote(part, safe="") for part in CREDENTIALS.split(":", 1))


class Stripe(BaseHTTPRequestHandler):
    """Says that it was reached, and whether it was shown what only the proxy should see."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"told" if self.headers["Proxy-Authorization"] else b"reached"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        return


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_other_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def stripe_pem(tmp_path: Path) -> Path:
    return certificate(tmp_path, HOST)


@pytest.fixture
def secure(stack: ExitStack, stripe_pem: Path) -> int:
    """The port of a Stripe that speaks TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stripe)
    server.daemon_threads = True
    behind_tls(server, stripe_pem)
    stack.enter_context(serving(server))
    return server.server_port


@pytest.fixture
def plain(stack: ExitStack) -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stripe)
    server.daemon_threads = True
    stack.enter_context(serving(server))
    return server.server_port


def proxy_to(stack: ExitStack, port: int, credentials: str | None, pem: Path | None) -> Proxy:
    proxy = Proxy(port, credentials)
    if pem is not None:
        behind_tls(proxy, pem)
    stack.enter_context(serving(proxy))
    return proxy


def ask(address: str, ca_certs: str = "") -> bytes:
    wire = Wire(address, ca_certs=ca_certs, connect_seconds=3, read_seconds=5)
    try:
        return wire.send("post", f"{address}/v1/things", {"A": "b"}, "a=b")[0]
    finally:
        wire.close()


@pytest.mark.parametrize("credentials", [None, CREDENTIALS], ids=["open", "with-password"])
@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
def test_stripe_is_reached_through_a_proxy_that_does_not_see_what_is_said(
    credentials: str | None,
    scheme: str,
    secure: int,
    stack: ExitStack,
    stripe_pem: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pem = certificate(tmp_path, "127.0.0.1") if scheme == "https://" else None
    if pem is not None:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    proxy = proxy_to(stack, secure, credentials, pem)
    who = f"{IN_ADDRESS}@" if credentials else ""
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}{who}127.0.0.1:{proxy.server_port}")
    assert ask(f"https://{HOST}", str(stripe_pem)) == b"reached"
    assert proxy.seen == [f"CONNECT {HOST}:443"]


@pytest.mark.parametrize("scheme", ["http://", "https://"])
def test_an_address_without_tls_is_asked_of_the_proxy(
    scheme: str, plain: int, stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path, "127.0.0.1") if scheme == "https://" else None
    if pem is not None:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    proxy = proxy_to(stack, plain, CREDENTIALS, pem)
    monkeypatch.setenv("http_proxy", f"{scheme}{IN_ADDRESS}@127.0.0.1:{proxy.server_port}")
    assert ask(f"http://{HOST}") == b"reached"
    assert proxy.seen == [f"POST http://{HOST}/v1/things"]


def test_a_proxy_for_everything_serves_where_none_is_named_for_the_scheme(
    plain: int, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = proxy_to(stack, plain, None, None)
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    assert ask(f"http://{HOST}") == b"reached"


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "example.org, 127.0.0.1"])
def test_what_is_exempt_goes_straight(
    exempt: str, plain: int, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = proxy_to(stack, plain, CREDENTIALS, None)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert ask(f"http://127.0.0.1:{plain}") == b"reached"
    assert proxy.seen == []


def test_what_is_not_exempt_does_not(
    plain: int, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = proxy_to(stack, plain, None, None)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("NO_PROXY", "stripe.example, 10.0.0.1")
    assert ask(f"http://{HOST}") == b"reached"
    assert len(proxy.seen) == 1


def test_a_proxy_that_refuses_us_is_an_error_without_the_password(
    secure: int, stack: ExitStack, stripe_pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = proxy_to(stack, secure, "another:one", None)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:sesame@127.0.0.1:{proxy.server_port}")
    with pytest.raises(urllib3.exceptions.HTTPError) as refused:
        ask(f"https://{HOST}", str(stripe_pem))
    assert "sesame" not in repr(refused.value)


class Told(NamedTuple):
    """Lets requests leave at once, and notes when they did."""

    at: list[float]

    def leave(self) -> None:
        return

    def sent(self, at: float) -> None:
        self.at.append(at)


def test_it_tells_that_a_request_has_left_through_a_proxy(
    secure: int, stack: ExitStack, stripe_pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = proxy_to(stack, secure, None, None)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    told: list[float] = []
    mind_departure(Told(told))
    ask(f"https://{HOST}", str(stripe_pem))
    assert len(told) == 1
