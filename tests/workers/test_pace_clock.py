"""The shared pace when Redis's clock is set back: another host takes over, or NTP makes a step."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from socket import create_connection, socket
from urllib.parse import urlsplit

import pytest
import redis

from billing.ratelimit import KEY, TokenBucket

AN_HOUR = 3600.0
LIMIT = 50
MOMENT = re.compile(rb"\d{10}\.\d{6}")
PATIENCE_SECONDS = 15


class OtherClock(socketserver.ThreadingTCPServer):
    """A way to Redis on which its clock shows `ahead` seconds more than it does."""

    daemon_threads = True
    ahead = 0.0

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        self.behind = (parts.hostname or "", parts.port or 6379)
        super().__init__(("127.0.0.1", 0), Passing)
        self.url = redis_url.replace(f":{parts.port}", f":{self.server_address[1]}")


class Passing(socketserver.BaseRequestHandler):
    """One connection, both ways."""

    server: OtherClock

    def handle(self) -> None:
        with create_connection(self.server.behind) as behind:
            back = threading.Thread(target=self._pass, args=(behind, self.request, 1), daemon=True)
            back.start()
            self._pass(self.request, behind, -1)

    def _pass(self, source: socket, target: socket, sign: int) -> None:
        def shown(found: re.Match[bytes]) -> bytes:
            return b"%.6f" % (float(found[0]) + sign * self.server.ahead)

        with suppress(OSError):
            while told := source.recv(65536):
                target.sendall(MOMENT.sub(shown, told))
            target.close()


@pytest.fixture
def other_clock(redis_url: str) -> Iterator[OtherClock]:
    with redis.Redis.from_url(redis_url) as connection:
        connection.delete(KEY)
    with OtherClock(redis_url) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def keep_what_an_earlier_clock_wrote(redis_url: str, seconds: float = AN_HOUR) -> None:
    """The bucket's state as a Redis whose clock was so much further on has left it."""
    with redis.Redis.from_url(redis_url) as connection:
        state = connection.hgetall(KEY)
        moments = {name: value for name, value in state.items() if MOMENT.match(value)}
        assert moments
        later = {name: f"{float(value) + seconds:.6f}" for name, value in moments.items()}
        connection.hset(KEY, mapping=later)


def calls(bucket: TokenBucket, number: int) -> list[float]:
    """The moments at which so many calls left, asked for by 16 threads."""
    moments: list[float] = []
    left = iter(range(number))

    def call() -> None:
        for _ in left:
            bucket.acquire()
            at = time.monotonic()
            bucket.sent(at)
            moments.append(at)

    in_time([call] * 16)
    return sorted(moments)


def in_time(works: Sequence[Callable[[], object]]) -> None:
    """Do them side by side; none takes as long as the clock was moved."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_nobody_waits_as_long_as_the_clock_was_set_back(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        connection.delete(KEY)
    calls(TokenBucket(redis_url, LIMIT), 5)
    keep_what_an_earlier_clock_wrote(redis_url)
    in_time([TokenBucket(redis_url, LIMIT).acquire])


@pytest.mark.parametrize("kept", [True, False])
def test_the_pace_is_kept_by_a_process_that_knew_the_earlier_clock(
    other_clock: OtherClock, redis_url: str, *, kept: bool
) -> None:
    other_clock.ahead = AN_HOUR
    bucket = TokenBucket(other_clock.url, LIMIT)
    calls(bucket, 20)
    other_clock.ahead = 0
    if kept:
        keep_what_an_earlier_clock_wrote(redis_url)
    else:
        with redis.Redis.from_url(redis_url) as connection:
            connection.delete(KEY)
    after_turns_already_taken = calls(bucket, 130)[10:]
    assert all(
        later - first >= 1
        for first, later in zip(
            after_turns_already_taken, after_turns_already_taken[LIMIT:], strict=False
        )
    )


def test_what_left_by_the_earlier_clock_is_not_waited_for(
    other_clock: OtherClock, redis_url: str
) -> None:
    """Another process's call, told of only after the clock was set back."""
    other_clock.ahead = AN_HOUR
    late = TokenBucket(other_clock.url, LIMIT)
    late.acquire()
    late.sent(time.monotonic())
    other_clock.ahead = 0
    keep_what_an_earlier_clock_wrote(redis_url)
    calls(TokenBucket(redis_url, LIMIT), 1)
    late.acquire()
    in_time([late.acquire])


def test_too_many_requests_are_heard_although_the_last_ones_seem_to_come(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        connection.delete(KEY)
        bucket = TokenBucket(redis_url, LIMIT)
        bucket.slow_down()
        connection.hincrbyfloat(KEY, "slowed_at", AN_HOUR)
        bucket.slow_down()
        assert float(connection.hget(KEY, "rate")) == LIMIT / 4
