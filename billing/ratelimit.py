"""One pace for all workers: a bucket of tokens in Redis that slows down when Stripe says so.

There are as many tokens as calls are allowed in a second, and each comes back a second after its
call has *left*, not after it was meant to: a thread that was held up takes its delay along, so that
no second, wherever it begins, sees more calls than the limit. Calls are spread over the second.

It may be lost at any moment (invariant 7): without Redis each process keeps a careful pace of its
own. The rate halves on a 429 and climbs back by a tenth of the limit every ten seconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, cast

import redis

_TAKE = """
local limit, wanted = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local state = redis.call('HMGET', KEYS[1], 'rate', 'rated_at', 'turn', 'last', 'seen')
local rate = math.min(limit, tonumber(state[1]) or limit)
local rated_at = tonumber(state[2]) or now
local turn, last = tonumber(state[3]) or 0, tonumber(state[4]) or 0
if now < (tonumber(state[5]) or 0) - 1 then
  redis.call('DEL', KEYS[1])
  rated_at, last = now, 0
end
if rate < limit and now - rated_at >= 10 then
  rate = math.min(limit, rate + limit / 10)
  rated_at = now
end
for i = 3, #ARGV, 2 do
  local left = math.min(now, tonumber(ARGV[i + 1]))
  if turn - tonumber(ARGV[i]) < 256 then
    redis.call('HSET', KEYS[1], 't' .. ARGV[i] % 256, string.format('%.6f', left))
  end
  last = math.max(last, left)
end
local tokens = math.max(1, math.min(200, math.floor(rate)))
local window = 1.01 * tokens / rate
local answer = {tostring(turn + 1), string.format('%.6f', now)}
for _ = 1, wanted do
  turn = turn + 1
  local used = tonumber(redis.call('HGET', KEYS[1], 't' .. (turn - tokens) % 256) or nil)
  local at = math.max(now, last + window / tokens)
  if used then at = math.max(now, last + 0.9 * window / tokens, used + window) end
  last = at
  redis.call('HSET', KEYS[1], 't' .. turn % 256, string.format('%.6f', at))
  answer[#answer + 1] = string.format('%.6f', at)
end
redis.call('HSET', KEYS[1], 'turn', turn, 'last', string.format('%.6f', last),
           'rate', rate, 'rated_at', rated_at, 'seen', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 3600)
return answer
"""
"""Notes when earlier calls have left, and takes the next tokens, coming back for them if need be.

Turns are numbered; the moment of each is kept for the 256 that follow. A turn comes when the call
as many turns ago as there are tokens has left a second ago: a hundredth more, for what happens on
the way to Stripe. Turns are spread at nine tenths of the even distance, so that what was late is
made good; while it is not known when earlier calls left, at the whole of it.

Where Redis's clock shows more than a second less than it did before (another host, a step of NTP),
what is kept is of no use: the bucket begins anew, at the pace it had and with turns a whole
distance apart. Only then may a second see more calls than the limit, by one bucket at most: those
that had a turn already. A call left before it is told of, so never later than now.
"""

_SLOWER = """
local limit = tonumber(ARGV[1])
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local state = redis.call('HMGET', KEYS[1], 'rate', 'slowed_at')
if math.abs(now - (tonumber(state[2]) or 0)) < 1 then return 0 end
local rate = math.max(limit / 50, (tonumber(state[1]) or limit) / 2)
redis.call('HSET', KEYS[1], 'rate', rate, 'rated_at', now, 'slowed_at', now)
redis.call('EXPIRE', KEYS[1], 3600)
return 1
"""

KEY = "tuppence:stripe-turns"
ALONE_SHARE = 0.25
"""The part of the limit that one process allows itself while Redis is away."""

ALONE_SECONDS = 5.0
"""How long Redis is left alone once it has not answered."""

AHEAD_SECONDS = 0.1
"""How long before its turn a call stops waiting in line: it sleeps until then by itself."""

_ANSWERS = 64
AT_ONCE = 10
"""The most turns that a process takes at once, for as many threads that wait."""


@dataclass(frozen=True)
class _Turn:
    """A moment of `time.monotonic` at which one call may leave."""

    at: float
    number: int | None = None
    offset: float = 0.0
    """What Redis's clock shows beyond `time.monotonic`, or a little more."""


class _Mine(threading.local):
    """The turn that this thread has waited for."""

    turn: _Turn | None = None


class TokenBucket:
    """Calls to Stripe a second, shared by every worker through Redis. Safe between threads."""

    def __init__(self, redis_url: str, requests_per_second: float) -> None:
        self._limit = requests_per_second
        client: Any = redis.Redis.from_url(
            redis_url, socket_timeout=2, socket_connect_timeout=2, health_check_interval=30
        )
        self._take = client.register_script(_TAKE)
        self._slower = client.register_script(_SLOWER)
        self._line = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0
        self._turns: deque[_Turn] = deque()
        self._left: deque[tuple[int, float]] = deque()
        self._mine = _Mine()
        # Redis's clock against ours: its answer was given between our question and its arrival.
        # Of the last answers the quickest say most. A turn is waited for by the one bound and
        # reported by the other, so that what is not known makes calls later and never sooner.
        self._ahead_at_least: deque[float] = deque(maxlen=_ANSWERS)
        self._ahead_at_most: deque[float] = deque(maxlen=_ANSWERS)
        self._alone_until = 0.0
        self._next_alone = 0.0

    def acquire(self, *, ahead: float = 0.0) -> None:
        """Wait until a call may be made, or up to `ahead` seconds less: then `leave` is called."""
        with self._count:
            self._waiting += 1
        with self._line:
            if not self._turns:
                self._turns.extend(self._next_turns())
            turn = self._turns.popleft()
            with self._count:
                self._waiting -= 1
            _sleep_until(turn.at - AHEAD_SECONDS)
        _sleep_until(turn.at - ahead)
        self._mine.turn = turn

    def leave(self) -> None:
        """The call for which this thread waited is ready: wait until it may leave."""
        if self._mine.turn is not None:
            _sleep_until(self._mine.turn.at)

    def sent(self, at: float) -> None:
        """The call for which this thread waited has left, at this moment of `time.monotonic`."""
        turn, self._mine.turn = self._mine.turn, None
        if turn is not None and turn.number is not None:
            self._left.append((turn.number, at + turn.offset))

    def slow_down(self) -> None:
        """Stripe answered 429: halve the rate, at most once a second."""
        try:
            self._slower(keys=[KEY], args=[self._limit])
        except redis.RedisError:
            return

    def _next_turns(self) -> list[_Turn]:
        """Turns for some of those who wait, one at least; the line is held."""
        if time.monotonic() < self._alone_until:
            return [self._alone()]
        wanted = max(1, min(self._waiting, AT_ONCE, int(self._limit * AHEAD_SECONDS / 2)))
        left = [self._left.popleft() for _ in range(len(self._left))]
        reports = [value for number, at in left for value in (number, f"{at:.6f}")]
        asked = time.monotonic()
        try:
            answer = cast(list[bytes], self._take(keys=[KEY], args=[self._limit, wanted, *reports]))
        except redis.RedisError:
            self._alone_until = time.monotonic() + ALONE_SECONDS
            return [self._alone()]
        first, now, *moments = (float(value) for value in answer)
        least, most = self._compare_clocks(now - time.monotonic(), now - asked)
        return [
            _Turn(moment - least, int(first) + place, most) for place, moment in enumerate(moments)
        ]

    def _compare_clocks(self, at_least: float, at_most: float) -> tuple[float, float]:
        """How far ahead Redis's clock is, at least and at most, by the last answers in seconds.

        Answers that contradict each other were given by a clock that was set between them: then
        only the last one counts.
        """
        self._ahead_at_least.append(at_least)
        self._ahead_at_most.append(at_most)
        if max(self._ahead_at_least) > min(self._ahead_at_most):
            self._ahead_at_least.clear()
            self._ahead_at_least.append(at_least)
            self._ahead_at_most.clear()
            self._ahead_at_most.append(at_most)
        return max(self._ahead_at_least), min(self._ahead_at_most)

    def _alone(self) -> _Turn:
        """The next turn at this process's own careful pace."""
        at = max(time.monotonic(), self._next_alone)
        self._next_alone = at + 1 / (self._limit * ALONE_SHARE)
        return _Turn(at)


def _sleep_until(moment: float) -> None:
    pause = moment - time.monotonic()
    if pause > 0:
        time.sleep(pause)
