"""Money, secrets, signed links and the shared pace of calls."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from cryptography.fernet import Fernet

from billing.crypto import UnreadableError, Vault, token_digest
from billing.links import BrokenLinkError, Links
from billing.money import CurrencyMismatchError, Money
from billing.ratelimit import KEY, TokenBucket
from billing.supporters.address import InvalidAddressError, lookup_form, read_address


def test_money_is_whole_and_keeps_its_currency() -> None:
    assert Money(5, "usd") + Money(7, "usd") == Money(12, "usd")
    assert Money(5, "usd") - Money(7, "usd") == -Money(2, "usd")
    assert Money(1, "usd") < Money(2, "usd") <= Money(2, "usd")
    assert not Money(0, "jpy")
    with pytest.raises(CurrencyMismatchError):
        Money(5, "usd") + Money(5, "eur")
    with pytest.raises(TypeError):
        Money(5.0, "usd")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money(True, "usd")
    with pytest.raises(ValueError, match="lower-case"):
        Money(5, "USD")


def test_keys_can_be_rotated() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Vault((old,), "digest").encrypt("reader@example.org")
    both = Vault((new, old), "digest")
    assert both.decrypt(sealed) == "reader@example.org"
    renewed = both.rotate(sealed)
    assert Vault((new,), "digest").decrypt(renewed) == "reader@example.org"
    with pytest.raises(UnreadableError):
        Vault((new,), "digest").decrypt(sealed)
    with pytest.raises(UnreadableError):
        Vault((new,), "digest").rotate(sealed)


def test_a_digest_is_keyed() -> None:
    key = Fernet.generate_key().decode()
    assert Vault((key,), "one").digest("a") == Vault((key,), "one").digest("a")
    assert Vault((key,), "one").digest("a") != Vault((key,), "other").digest("a")
    assert len(token_digest("token")) == 32


def test_a_link_is_good_for_its_purpose_only() -> None:
    links = Links("a secret", "https://support.example.org")
    token = links.token("cancel", 17)
    assert links.read("cancel", token) == 17
    for broken in (token[:-1], token + "x", "", "17", token.replace(token[0], "Z", 1), "ü" * 40):
        with pytest.raises(BrokenLinkError):
            links.read("cancel", broken)
    with pytest.raises(BrokenLinkError):
        links.read("thanks", token)
    with pytest.raises(BrokenLinkError):
        Links("another secret", "").read("cancel", token)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("reader@example.org", "reader@example.org"),
        ("  Reader@EXAMPLE.org ", "Reader@example.org"),
        ("читатель@почта.рф", "читатель@почта.рф"),
        ("reader@xn--80a1acny.xn--p1ai", "reader@почта.рф"),
        ("rea.der+tag@example.co.uk", "rea.der+tag@example.co.uk"),
    ],
)
def test_an_address_is_read_as_it_was_meant(written: str, read: str) -> None:
    assert read_address(written) == read


@pytest.mark.parametrize(
    "written",
    ["", " ", "reader", "reader@", "@example.org", "a b@example.org", "a@b@example.org",
     "reader@example.org\nBcc: all@example.org", "reader@example.org\r", "reader@exa mple.org",
     "a" * 300 + "@example.org", "reader@" + "a" * 300 + ".org", "reader@example..org",
     "Reader <reader@example.org>", "reader@127.0.0.1", "reader@[127.0.0.1]", "reader@localhost"],
)  # fmt: skip
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(InvalidAddressError):
        read_address(written)


def test_an_address_is_looked_up_in_any_case() -> None:
    assert lookup_form(read_address("READER@Example.org")) == lookup_form("reader@example.org")


@pytest.fixture
def bucket(redis_url: str) -> TokenBucket:
    with redis.Redis.from_url(redis_url) as connection:
        connection.delete(KEY)
    return TokenBucket(redis_url, 50)


def taken(bucket: TokenBucket, calls: int) -> list[float]:
    moments: list[float] = []
    lock = threading.Lock()

    def call(_: int) -> None:
        bucket.acquire()
        with lock:
            moments.append(time.monotonic())

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(calls)))
    return sorted(moments)


def test_calls_are_spread_at_the_limits_pace(bucket: TokenBucket) -> None:
    moments = taken(bucket, 120)
    burst = 50 / 20
    assert moments[-1] - moments[0] > (120 - 1 - burst) / 50 - 0.05


def test_no_second_sees_more_calls_than_the_limit_though_some_leave_late(
    bucket: TokenBucket,
) -> None:
    moments: list[float] = []
    lock = threading.Lock()

    def call(number: int) -> None:
        bucket.acquire()
        time.sleep(0.12 if number % 11 == 0 else 0)
        with lock:
            moments.append(time.monotonic())
        bucket.sent(moments[-1])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(180)))
    moments.sort()
    assert all(later - first >= 1 for first, later in zip(moments, moments[50:], strict=False))


def test_after_too_many_requests_the_pace_halves(bucket: TokenBucket) -> None:
    bucket.slow_down()
    bucket.slow_down()  # within the same second: one 429 is not counted by every thread
    moments = taken(bucket, 40)
    assert moments[-1] - moments[0] > 40 / 50


def test_without_redis_each_process_keeps_a_careful_pace() -> None:
    bucket = TokenBucket("redis://127.0.0.1:9", 50)
    moments = taken(bucket, 10)
    assert moments[-1] - moments[0] > 9 / 50


def test_flushing_redis_costs_nothing_but_the_memory_of_the_pace(
    bucket: TokenBucket, redis_url: str
) -> None:
    bucket.acquire()
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
        connection.script_flush()
    bucket.acquire()
