"""One pace for all workers: a token bucket in Redis that slows down when Stripe says so.

It may be lost at any moment (invariant 7): without Redis each process keeps a careful pace of its
own. The rate halves on a 429 and climbs back by a tenth of the limit every ten seconds.
"""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import redis

_BUCKET = """
local limit = tonumber(ARGV[1])
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'rate', 'rated_at')
local rate = math.min(limit, tonumber(state[3]) or limit)
local rated_at = tonumber(state[4]) or now
if rate < limit and now - rated_at >= 10 then
  rate = math.min(limit, rate + limit / 10)
  rated_at = now
end
local burst = math.max(1, rate / 20)
local idle = now - (tonumber(state[2]) or now)
local tokens = math.min(burst, (tonumber(state[1]) or burst) + idle * rate) - 1
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now, 'rate', rate, 'rated_at', rated_at)
redis.call('EXPIRE', KEYS[1], 3600)
if tokens >= 0 then return '0' end
return tostring(-tokens / rate)
"""
"""Takes a token, going into debt if there is none, and returns how many seconds to wait for it.

The debt is the queue: whoever comes later waits longer, and no second sees more than the limit.
"""

_SLOWER = """
local limit = tonumber(ARGV[1])
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local state = redis.call('HMGET', KEYS[1], 'rate', 'slowed_at')
if now - (tonumber(state[2]) or 0) < 1 then return 0 end
local rate = math.max(limit / 50, (tonumber(state[1]) or limit) / 2)
redis.call('HSET', KEYS[1], 'rate', rate, 'rated_at', now, 'slowed_at', now)
redis.call('EXPIRE', KEYS[1], 3600)
return 1
"""

KEY = "tuppence:stripe-calls"
ALONE_SHARE = 0.25
"""The part of the limit that one process allows itself while Redis is away."""


class TokenBucket:
    """Calls to Stripe a second, shared by every worker through Redis. Safe between threads."""

    def __init__(self, redis_url: str, requests_per_second: float) -> None:
        self._limit = requests_per_second
        client: Any = redis.Redis.from_url(
            redis_url, socket_timeout=2, socket_connect_timeout=2, health_check_interval=30
        )
        self._take = client.register_script(_BUCKET)
        self._slower = client.register_script(_SLOWER)
        self._alone = threading.Lock()
        self._next_alone = 0.0

    def acquire(self) -> None:
        """Wait until a call may be made."""
        try:
            wait = float(cast(bytes, self._take(keys=[KEY], args=[self._limit])))
        except redis.RedisError:
            wait = self._wait_alone()
        if wait > 0:
            time.sleep(wait)

    def slow_down(self) -> None:
        """Stripe answered 429: halve the rate, at most once a second."""
        try:
            self._slower(keys=[KEY], args=[self._limit])
        except redis.RedisError:
            return

    def _wait_alone(self) -> float:
        """Seconds to wait at this process's own careful pace."""
        gap = 1 / (self._limit * ALONE_SHARE)
        with self._alone:
            now = time.monotonic()
            turn = max(now, self._next_alone)
            self._next_alone = turn + gap
        return turn - now
