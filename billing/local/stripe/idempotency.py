"""Idempotency keys, by Stripe's rules (https://docs.stripe.com/api/idempotent_requests).

A key remembers the status and body of the first answer once the endpoint began its work: success,
decline and 500 alike. Refused parameters, 401, 409 and 429 are not remembered. Records are written
in the transaction of the change itself and are kept for 24 hours of the stand-in's clock.
"""

import hashlib
from dataclasses import dataclass

from billing.local.stripe.errors import ApiError, invalid_request
from billing.local.stripe.forms import flatten
from billing.local.stripe.params import Params
from billing.local.stripe.store import Store

KEEP_SECONDS = 24 * 3600
MAX_KEY = 255


@dataclass(frozen=True)
class Remembered:
    """An answer given before."""

    status: int
    body: str
    request_id: str


class Keys:
    """The keys being worked on right now, and those in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_flight: dict[str, str] = {}

    def start(self, key: str, fingerprint: str, request_id: str, now: int) -> Remembered | None:
        """Claim the key, or return the answer it already has.

        Raises 400 `idempotency_error` when the parameters differ and 409 when the first request
        with this key is still being worked on.
        """
        if len(key) > MAX_KEY:
            raise invalid_request(
                f"Idempotency keys can't be more than {MAX_KEY} characters long.",
                code="idempotency_key_too_long",
            )
        if key in self._in_flight:
            raise in_use(key)
        row = self._store.db.execute(
            "SELECT fingerprint, status, body, request_id FROM idempotency "
            "WHERE key = ? AND created > ?",
            (key, now - KEEP_SECONDS),
        ).fetchone()
        if row is None:
            self._in_flight[key] = request_id
            return None
        if row[0] != fingerprint:
            raise mismatch(key)
        return Remembered(row[1], row[2], row[3])

    def remember(self, key: str, fingerprint: str, answer: Remembered, now: int) -> None:
        """Keep the answer, in the transaction that is open."""
        self._store.write(
            "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
            (key, now, fingerprint, answer.status, answer.request_id, answer.body),
        )

    def finish(self, key: str, request_id: str) -> None:
        """That request is over; a later one that holds the key by now keeps it."""
        if self._in_flight.get(key) == request_id:
            del self._in_flight[key]

    def prune(self, now: int) -> None:
        """Drop what is older than a day."""
        self._store.write("DELETE FROM idempotency WHERE created <= ?", (now - KEEP_SECONDS,))


def fingerprint(method: str, path: str, params: Params) -> str:
    """What must be the same for a key to be honoured, whatever the order of the parameters."""
    text = repr((method, path, flatten(params)))
    return hashlib.sha256(text.encode()).hexdigest()


def mismatch(key: str) -> ApiError:
    """400: the key was used with other parameters (or another endpoint)."""
    return ApiError(
        400,
        "idempotency_error",
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request.",
    )


def in_use(key: str) -> ApiError:
    """409: the first request with this key has not finished."""
    return ApiError(
        409,
        "idempotency_error",
        "There is currently another in-progress request using this Idempotent Key (that probably "
        f"means you submitted twice, and the other request is still going through): {key}. Please "
        "try again later.",
        code="idempotency_key_in_use",
    )
