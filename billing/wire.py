"""HTTP to Stripe over one pool of kept connections, which tells when each request has left.

Stripe's library brings a client over `requests`, at twice the work a call and with a pool a thread.
This is the layer beneath it, `urllib3`, used as it comes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

_KEPT = 256
"""Connections kept open; more threads than a worker has."""


class _Leaving(threading.local):
    """What is to be told when this thread's request has left, if anything is."""

    tell: Callable[[float], None] | None = None


_leaving = _Leaving()


def when_sent(tell: Callable[[float], None] | None) -> None:
    """Tell `tell` the moment (of `time.monotonic`) at which this thread's next request has left."""
    _leaving.tell = tell


def _left() -> None:
    tell, _leaving.tell = _leaving.tell, None
    if tell is not None:
        tell(time.monotonic())


class _Connection(HTTPConnection):
    def request(self, *arguments: Any, **named: Any) -> None:
        super().request(*arguments, **named)
        _left()


class _SecureConnection(HTTPSConnection):
    def request(self, *arguments: Any, **named: Any) -> None:
        super().request(*arguments, **named)
        _left()


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
    parts = urlsplit(address)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(proxy, **options)
    manager = urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
