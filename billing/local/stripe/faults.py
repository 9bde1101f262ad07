"""Faults on demand: latency, rate limits, lost answers, errors, and webhooks gone astray.

A rule matches requests by method and path pattern (`fnmatch`), a number of times or with a
probability drawn from a seeded generator, so that a run can be repeated.
"""

import asyncio
import random
import socket
import struct
from bisect import bisect_right, insort
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

from billing.local.stripe.errors import ApiError, internal_error, lock_timeout, rate_limited

BEFORE = ("timeout_before", "reset_before", "error_429", "error_409", "lock_timeout", "error_500")
AFTER = ("timeout_after", "reset_after", "error_500_after")
WEBHOOKS = ("duplicate", "delay", "reorder", "lose")
KINDS = (*BEFORE, *AFTER, *WEBHOOKS)
MAX_LATENCY_MS = 600_000
_REMEMBERED_SECONDS = 3.0
_LAST_DATA_RECV = struct.Struct("52xI")
"""Milliseconds since data came, in Linux's `struct tcp_info`."""

_LONGEST_WAIT = 1.0


@dataclass
class Rule:
    """One fault. `times` counts down to 0 (None: for ever). For webhooks `path` is the type."""

    kind: str
    method: str = "*"
    path: str = "*"
    times: int | None = 1
    probability: float = 1.0
    seconds: float = 5.0
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether it may strike this request."""
        return self.times != 0 and fnmatchcase(method, self.method) and fnmatchcase(path, self.path)


@dataclass(frozen=True)
class Plan:
    """What is to happen to one request."""

    kind: str | None = None
    latency: float = 0.0

    @property
    def early_error(self) -> ApiError | None:
        """The error to answer with, nothing done."""
        return {
            "error_429": rate_limited,
            "error_409": conflict,
            "lock_timeout": lock_timeout,
            "error_500": internal_error,
        }.get(self.kind or "", lambda: None)()


@dataclass
class Window:
    """Requests in the last second, and the most there ever were in one."""

    times: list[float] = field(default_factory=list)
    most: int = 0
    total: int = 0
    refused: int = 0

    def would_be(self, at: float) -> int:
        """How many there would be in the fullest second around `at`, one that comes then included.

        They need not come in the order of their times.
        """
        self._forget(at)
        times = sorted([*self.times, at])
        first, most = 0, 0
        for last, time in enumerate(times):
            while times[first] <= time - 1.0:
                first += 1
            if times[first] <= at <= time:
                most = max(most, last - first + 1)
        return most

    def admit(self, at: float, fullest: int) -> None:
        """One more, which makes that many in its fullest second."""
        insort(self.times, at)
        self.total += 1
        self.most = max(self.most, fullest)

    def _forget(self, at: float) -> None:
        """Those too long ago to share a second with any that is still to be looked at."""
        del self.times[: bisect_right(self.times, at - _REMEMBERED_SECONDS)]


class Faults:
    """The rules in force and the counters."""

    def __init__(self) -> None:
        self.clear()
        self.reset_rate()

    def clear(self) -> None:
        """No faults, no limits, no latency."""
        self.latency_ms = 0.0
        self.limit: int | None = None
        self.endpoint_limit: int | None = None
        self.rules: list[Rule] = []
        self._random = random.Random(0)  # noqa: S311 - repeatable, not secret

    def reset_rate(self) -> None:
        """Forget the counters of `/_standin/rate`."""
        self.all = Window()
        self.endpoints: dict[str, Window] = defaultdict(Window)

    def configure(self, given: dict[str, Any]) -> None:
        """Set what `given` names; raise ValueError (in words) for what can't be."""
        unknown = given.keys() - {
            "latency_ms",
            "rate_limit",
            "endpoint_rate_limit",
            "seed",
            "rules",
        }
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        rules = [_rule(item) for item in given.get("rules", [])]
        if "latency_ms" in given:
            self.latency_ms = _number(given["latency_ms"], "latency_ms", MAX_LATENCY_MS)
        if "rate_limit" in given:
            self.limit = _limit(given["rate_limit"], "rate_limit")
        if "endpoint_rate_limit" in given:
            self.endpoint_limit = _limit(given["endpoint_rate_limit"], "endpoint_rate_limit")
        if "seed" in given:
            self._random = random.Random(given["seed"])  # noqa: S311
        self.rules += rules

    def described(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {
            "latency_ms": self.latency_ms,
            "rate_limit": self.limit,
            "endpoint_rate_limit": self.endpoint_limit,
            "rules": [asdict(rule) for rule in self.rules],
        }

    def rate(self) -> dict[str, Any]:
        """Totals and the most requests in any one-second window (refused ones not counted)."""
        return {
            "max_per_second": self.all.most,
            "total": self.all.total,
            "refused": self.all.refused,
            "endpoints": {
                name: {"max_per_second": w.most, "total": w.total, "refused": w.refused}
                for name, w in sorted(self.endpoints.items())
            },
        }

    def admit(self, endpoint: str, waited: float = 0.0) -> None:
        """Count a request that came `waited` seconds ago, or raise the 429."""
        at = asyncio.get_running_loop().time() - waited
        mine = self.endpoints[endpoint]
        here, all_told = mine.would_be(at), self.all.would_be(at)
        full = self.limit is not None and all_told > self.limit
        own_full = self.endpoint_limit is not None and here > self.endpoint_limit
        if full or own_full:
            self.all.refused += 1
            mine.refused += 1
            raise rate_limited("global-rate" if full else "endpoint-rate")
        self.all.admit(at, all_told)
        mine.admit(at, here)

    def plan(self, method: str, path: str) -> Plan:
        """What happens to this request."""
        return Plan(self._strike(method, path, (*BEFORE, *AFTER)), self.latency_ms / 1000)

    def webhook(self, kind: str) -> Rule | None:
        """The fault that strikes a delivery of an event of that type."""
        for rule in self.rules:
            if rule.kind in WEBHOOKS and rule.matches("POST", kind) and self._hit(rule):
                return rule
        return None

    def _strike(self, method: str, path: str, kinds: tuple[str, ...]) -> str | None:
        for rule in self.rules:
            if rule.kind in kinds and rule.matches(method, path) and self._hit(rule):
                return rule.kind
        return None

    def _hit(self, rule: Rule) -> bool:
        if rule.probability < 1.0 and self._random.random() >= rule.probability:
            return False
        rule.hits += 1
        if rule.times is not None:
            rule.times -= 1
        return True


def waited(request: web.Request) -> float:
    """Seconds for which a request has lain in the kernel, so that it is counted when it came.

    How busy this process was must not make two requests look nearer than they were. 0 where the
    kernel does not tell (elsewhere than on Linux).
    """
    line = request.get_extra_info("socket")
    if line is None or not hasattr(socket, "TCP_INFO"):
        return 0.0
    told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECV.size)
    milliseconds: int = _LAST_DATA_RECV.unpack(told)[0]
    return min(milliseconds / 1000, _LONGEST_WAIT)


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answer: wait until the client gives up."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(1.0)
    return web.Response()


def reset(request: web.Request) -> web.StreamResponse:
    """Break the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def conflict() -> ApiError:
    """409, which the SDK retries by itself."""
    return ApiError(
        409,
        "invalid_request_error",
        "The request conflicts with another request. Please try again.",
        headers={"Stripe-Should-Retry": "true"},
    )


def _rule(given: Any) -> Rule:
    if not isinstance(given, dict) or given.get("kind") not in KINDS:
        raise ValueError(f"a rule needs a kind, one of: {', '.join(KINDS)}")
    unknown = given.keys() - {"kind", "method", "path", "times", "probability", "seconds"}
    if unknown:
        raise ValueError(f"unknown in a rule: {', '.join(sorted(unknown))}")
    return Rule(**given)


def _number(value: Any, name: str, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most}")
    return float(value)


def _limit(value: Any, name: str) -> int | None:
    return None if value is None else int(_number(value, name, 1_000_000))
