"""Identifiers that look like Stripe's: a prefix, then 24 letters and digits.

The first characters grow with time, so that the database appends instead of scattering; the rest
are random.
"""

import itertools
import secrets
import time

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SORTABLE_LENGTH = 10
_TOTAL_LENGTH = 24
_counter = itertools.count(time.monotonic_ns() // 1000)


def new_id(prefix: str, length: int = _TOTAL_LENGTH) -> str:
    """A fresh identifier such as `pi_000abc…` (prefix without the underscore)."""
    return f"{prefix}_{_growing()}{random_text(length - _SORTABLE_LENGTH)}"


def random_text(length: int) -> str:
    """Random letters and digits, from the system's generator."""
    return "".join(_ALPHABET[byte % 62] for byte in secrets.token_bytes(length))


def client_secret(object_id: str) -> str:
    """The secret a browser would hold: `<id>_secret_<random>`."""
    return f"{object_id}_secret_{random_text(25)}"


def _growing() -> str:
    number, letters = next(_counter), ""
    for _ in range(_SORTABLE_LENGTH):
        number, digit = divmod(number, 62)
        letters = _ALPHABET[digit] + letters
    return letters
