"""HTTP to Stripe over one pool of kept connections, with a say in when each request leaves.

Stripe's library brings a client over `requests`, at twice the work a call and with a pool a thread.
This is the layer beneath it, `urllib3`, used as it comes.
"""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

_KEPT = 256
"""Connections kept open; more threads than a worker has."""


class Departure(Protocol):
    """Somebody who minds when a request leaves."""

    def leave(self) -> None:
        """It is ready: wait until it may leave."""
        ...

    def sent(self, at: float) -> None:
        """It has left, at this moment of `time.monotonic`."""
        ...


class _Next(threading.local):
    """Who minds when this thread's next request leaves, if anybody does."""

    departure: Departure | None = None


_next = _Next()


def mind_departure(departure: Departure | None) -> None:
    """Have `departure` asked before this thread's next request leaves, and told afterwards."""
    _next.departure = departure


@contextmanager
def _departing() -> Iterator[None]:
    departure, _next.departure = _next.departure, None
    if departure is not None:
        departure.leave()
    yield
    if departure is not None:
        departure.sent(time.monotonic())


class _Connection(HTTPConnection):
    def request(self, *arguments: Any, **named: Any) -> None:
        with _departing():
            super().request(*arguments, **named)


class _SecureConnection(HTTPSConnection):
    def request(self, *arguments: Any, **named: Any) -> None:
        with _departing():
            super().request(*arguments, **named)


class Wire:
    """A pool of connections to one address, shared by all threads of a process."""

    def __init__(
        self, address: str, *, ca_certs: str, connect_seconds: float, read_seconds: float
    ) -> None:
        options: dict[str, Any] = {
            "maxsize": _KEPT,
            "timeout": urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            "retries": False,
        }
        if address.startswith("https:"):
            options["ca_certs"] = ca_certs
        self._manager = _manager(address, options)

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: str | None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request and its answer: body, status and headers (looked up in any case).

        Raises:
            urllib3.exceptions.HTTPError: when there is no answer.
        """
        answer = self._manager.urlopen(
            method.upper(),
            url,
            redirect=False,
            headers=headers,
            body=None if body is None else body.encode(),
        )
        return answer.data, answer.status, answer.headers

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._manager.clear()


def _manager(address: str, options: dict[str, Any]) -> urllib3.PoolManager:
    """Straight to the address, or by way of the proxy that the environment names for it."""
    proxy = _proxy_for(address)
    if proxy is None:
        manager = urllib3.PoolManager(**options)
    else:
        where, credentials = _take_credentials(proxy)
        manager = urllib3.ProxyManager(
            where,
            proxy_headers=credentials,
            # The proxy's certificate is its operator's: Stripe's authorities do not vouch for it.
            proxy_ssl_context=ssl.create_default_context() if where.startswith("https:") else None,
            **options,
        )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def _proxy_for(address: str) -> str | None:
    """The proxy in HTTPS_PROXY, HTTP_PROXY or else ALL_PROXY, unless NO_PROXY exempts the host."""
    parts, proxies = urlsplit(address), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _take_credentials(proxy: str) -> tuple[str, dict[str, str]]:
    """A proxy's address without its user and password, and these as a header (RFC 7617)."""
    parts = urlsplit(proxy)
    user, separator, where = parts.netloc.rpartition("@")
    bare = f"{parts.scheme.lower()}://{where}"
    if not separator:
        return bare, {}
    name, _, password = user.partition(":")
    said = f"{unquote(name)}:{unquote(password)}".encode()
    return bare, {"Proxy-Authorization": f"Basic {base64.b64encode(said).decode()}"}


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
