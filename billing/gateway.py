"""The door to Stripe, and the only importer of its library.

Everything comes back as small frozen values, so that no Stripe object travels further. Stripe's
errors become four kinds, by what they say about the money: `OutcomeUnknownError` (it may have been
taken), `BusyError` (nothing was done, try again), `RefusedError` (nothing was done, and the same
request never will be), and a decline, which is an outcome and not an error.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from urllib.parse import quote

import stripe
import urllib3

from billing.db import Json
from billing.settings import StripeSettings
from billing.wire import Departure, Wire, mind_departure

stripe.enable_telemetry = False  # how long our calls take is nobody else's business

SIGNATURE_TOLERANCE = timedelta(seconds=300)
"""How far a webhook's timestamp may lie from now. Source: https://docs.stripe.com/webhooks."""

API_VERSION = stripe.api_version
"""The version of Stripe's interface that this library speaks, and in which everything is read."""

PAYMENT_EXPANSIONS = [
    "latest_charge.balance_transaction",
    "latest_charge.failure_balance_transaction",
    "payment_method",
]
_SESSION_EXPANSIONS = [
    *(f"payment_intent.{path}" for path in PAYMENT_EXPANSIONS),
    "setup_intent.payment_method",
]


class GatewayError(Exception):
    """Stripe did not do as asked; `code` is its own word for it, where it gave one."""

    def __init__(self, code: str | None) -> None:
        super().__init__(code or "no code")
        self.code = code


class OutcomeUnknownError(GatewayError):
    """No answer, or one that does not tell: the request may or may not have been carried out."""


class BusyError(GatewayError):
    """Stripe did nothing, and the same request under the same key may be sent again later."""


class RefusedError(GatewayError):
    """Stripe did nothing, and will not do it however often it is asked."""


class BadSignatureError(Exception):
    """A webhook that Stripe did not sign, or signed too long ago, or that cannot be checked."""


class PaymentStatus(StrEnum):
    """What became of a payment, as far as it concerns us."""

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    DECLINED = "declined"
    """Not paid; it may be tried again with another card or another key."""
    REQUIRES_ACTION = "requires_action"
    """The payer is being asked by their bank at this moment."""
    CANCELED = "canceled"


@dataclass(frozen=True, kw_only=True)
class Decline:
    """Why a bank or Stripe said no, in Stripe's words."""

    code: str | None
    decline_code: str | None
    advice_code: str | None
    network_decline_code: str | None

    @property
    def reason(self) -> str:
        """The most telling of the codes."""
        return self.decline_code or self.code or "unknown"


@dataclass(frozen=True, kw_only=True)
class BalanceTransaction:
    """A movement on the Stripe balance, in minor units of the settlement `currency`."""

    id: str
    category: str
    amount: int
    fee: int
    net: int
    currency: str
    source_id: str | None
    created: datetime
    available: datetime | None


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a payer knows a saved payment method by; a bank account has a brand of its own kind."""

    brand: str
    last4: str | None
    expires_on: date | None
    """The last day on which it can be used."""


@dataclass(frozen=True, kw_only=True)
class SavedMethod:
    """A payment method kept at Stripe. One without a customer cannot be charged any more."""

    id: str
    customer_id: str | None
    card: Card


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A PaymentIntent, as far as it concerns us; sums in minor units of `currency`."""

    id: str
    status: PaymentStatus
    amount: int
    currency: str
    customer_id: str | None
    payment_method_id: str | None
    method: SavedMethod | None
    """What it was paid with, where Stripe was asked for it."""
    charge_id: str | None
    refunded: int
    paid_at: datetime | None
    country: str | None = None
    """Where the card or bank account that paid is from: two capital letters of ISO 3166."""
    balance_transaction: BalanceTransaction | None
    return_transaction: BalanceTransaction | None
    """The movement that took the money back, where a bank debit came back after it was paid."""
    decline: Decline | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CheckoutSession:
    """A Checkout Session, as far as it concerns us."""

    id: str
    url: str | None
    status: str
    """open, complete or expired."""
    payment_status: str
    """paid, unpaid or no_payment_required."""
    email: str | None = field(repr=False)
    name: str | None = field(repr=False)
    payment: Payment | None
    customer_id: str | None
    saved: SavedMethod | None
    """What was saved, where the page was opened to save a payment method."""
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MoneyMoved:
    """A balance transaction with what it moved: the payment's charge and its own currency."""

    transaction: BalanceTransaction
    stripe_charge_id: str | None
    original_amount: int
    """Signed as on the balance, in minor units of `original_currency`."""
    original_currency: str
    charge_metadata: Mapping[str, str] | None
    """The metadata of the charge, where the source is a charge itself."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A webhook event: what happened to which object."""

    id: str
    type: str
    object_id: str | None
    api_version: str | None
    livemode: bool
    created: datetime


class Gateway:
    """Stripe, or anything that speaks its language. Safe to share between threads.

    Build it after a fork: a child must not use its parent's connections.
    """

    def __init__(self, settings: StripeSettings) -> None:
        self._settings = settings
        self._client = stripe.StripeClient(
            settings.api_key,
            base_addresses={"api": settings.api_base},
            max_network_retries=2,
            http_client=_HttpClient(settings),
        )

    def check_key(self) -> None:
        """See that Stripe answers and takes the key.

        Raises:
            BusyError: when the key is refused.
            OutcomeUnknownError: when nobody answers.
        """
        with _translated():
            self._client.v1.balance.retrieve()

    def create_checkout_session(self, params: Json, idempotency_key: str) -> CheckoutSession:
        """Open a hosted Checkout page.

        Raises:
            OutcomeUnknownError, BusyError, RefusedError: see the module.
        """
        with _translated():
            session = self._client.v1.checkout.sessions.create(
                params=cast(Any, params), options={"idempotency_key": idempotency_key}
            )
        return _checkout_session(_plain(session))

    def get_checkout_session(self, session_id: str) -> CheckoutSession:
        """A Checkout Session with its payment, as they are now."""
        with _translated():
            session = self._client.v1.checkout.sessions.retrieve(
                session_id,
                params={"expand": _SESSION_EXPANSIONS},
            )
        return _checkout_session(_plain(session))

    def expire_checkout_session(self, session_id: str) -> None:
        """Close a Checkout page, so that nobody pays there any more.

        Raises:
            OutcomeUnknownError, BusyError: see the module.
            RefusedError: when it was paid, or has closed, already.
        """
        with _translated():
            self._client.v1.checkout.sessions.expire(session_id)

    def get_saved_method(self, payment_method_id: str) -> SavedMethod | None:
        """A payment method as it is now; None when Stripe has none of this id."""
        try:
            with _translated():
                method = self._client.v1.payment_methods.retrieve(payment_method_id)
        except RefusedError as error:
            if error.code == "resource_missing":
                return None
            raise
        return _saved_method(_plain(method))

    def has_customer(self, customer_id: str) -> bool:
        """Whether Stripe knows this customer and has not deleted it."""
        try:
            with _translated():
                customer = self._client.v1.customers.retrieve(customer_id)
        except RefusedError as error:
            if error.code == "resource_missing":
                return False
            raise
        return not _plain(customer).get("deleted")

    def charge_off_session(
        self,
        params: Json,
        idempotency_key: str,
        *,
        departure: Departure | None = None,
    ) -> Payment:
        """Create and confirm a PaymentIntent while the payer is away. A decline is a result.

        No retry happens here: the caller replays under the same key. `departure` is asked when
        the request is ready to leave, and told when it has left.

        Raises:
            OutcomeUnknownError, BusyError, RefusedError: see the module.
        """
        mind_departure(departure)
        try:
            return _payment(
                self._raw(
                    "post",
                    "/v1/payment_intents",
                    params,
                    idempotency_key=idempotency_key,
                    max_network_retries=0,
                )
            )
        except _DeclinedError as declined:
            return declined.payment
        finally:
            mind_departure(None)

    def get_payment(self, payment_intent_id: str) -> Payment:
        """A PaymentIntent as it is now."""
        path = f"/v1/payment_intents/{quote(payment_intent_id, safe='')}"
        return _payment(self._raw("get", path, {"expand": PAYMENT_EXPANSIONS}))

    def _raw(self, method: str, path: str, params: Json, **options: Any) -> Json:
        """A call whose answer is read as JSON, for what is asked thousands of times a night.

        The library's typed objects, made and taken apart again, cost as much as the whole call.
        """
        with _translated():
            answer = self._client.raw_request(method, path, **params, **options)
        return cast(Json, answer.data)

    def list_payments(self, customer_id: str | None, since: datetime) -> Iterator[Payment]:
        """PaymentIntents made at or after `since`, newest first; of one customer, or of all."""
        params: Json = {
            "created": created_between(since),
            "expand": ["data.latest_charge.balance_transaction"],
        }
        if customer_id is not None:
            params["customer"] = customer_id
        yield from map(_payment, self.list_all("/v1/payment_intents", params))

    def list_money_moved(
        self, since: datetime, until: datetime | None = None
    ) -> Iterator[MoneyMoved]:
        """Balance transactions made in a window of time, newest first, with their sources."""
        params: Json = {"created": created_between(since, until), "expand": ["data.source"]}
        yield from map(read_money_moved, self.list_all("/v1/balance_transactions", params))

    def ask(self, call: Callable[[stripe.StripeClient], Any]) -> Json:
        """One call to Stripe, its answer as plain values (`gateway_after.py` makes these calls).

        Raises:
            OutcomeUnknownError, BusyError, RefusedError: see the module.
        """
        with _translated():
            return _plain(call(self._client))

    def list_all(self, path: str, params: Json) -> Iterator[Json]:
        """A list at Stripe, newest first, page after page; raises what `ask` does."""
        after: Json = {}
        while True:
            page = self._raw("get", path, {"limit": 100, **params, **after})
            yield from page["data"]
            if not page["data"] or not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    def list_events(
        self, types: list[str], since: datetime, until: datetime | None = None
    ) -> Iterator[Event]:
        """Events of at most 20 `types` made in a window of time, newest first.

        Stripe keeps them for 30 days.
        """
        params: Json = {"types": types, "created": created_between(since, until)}
        yield from map(_event, self.list_all("/v1/events", params))

    def read_event(self, body: bytes, signature: str | None, now: datetime) -> Event:
        """The event in a webhook's body, once its signature is found to be Stripe's and fresh.

        Raises:
            BadSignatureError: when no secret is set, the signature is missing or wrong, its
                timestamp is more than five minutes from `now`, or the body is no event.
        """
        secret = self._settings.webhook_secret
        if not secret or not signature:
            raise BadSignatureError
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, tolerance=None)
            signed_at = _signed_at(signature)
            if abs(now - signed_at) > SIGNATURE_TOLERANCE:
                raise BadSignatureError
            return _event(json.loads(body))
        except (
            stripe.SignatureVerificationError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
        ) as error:
            raise BadSignatureError from error


class _HttpClient(stripe.HTTPClient):
    """What carries the library's requests: one pool of connections for all threads."""

    name = "urllib3"

    def __init__(self, settings: StripeSettings) -> None:
        super().__init__()
        self._wire = Wire(
            settings.api_base,
            ca_certs=stripe.ca_bundle_path,
            connect_seconds=settings.connect_seconds,
            read_seconds=settings.read_seconds,
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[Any, int, Mapping[str, str]]:
        try:
            return self._wire.send(method, url, headers, post_data)
        except urllib3.exceptions.HTTPError as error:
            untrusted = isinstance(error, urllib3.exceptions.SSLError)
            no_answer: Any = stripe.APIConnectionError
            raise no_answer(
                f"no answer: {type(error).__name__}", should_retry=not untrusted
            ) from error

    def close(self) -> None:
        self._wire.close()


class _DeclinedError(Exception):
    """Carries a declined payment out of the translation."""

    def __init__(self, payment: Payment) -> None:
        super().__init__(payment.id)
        self.payment = payment


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the library's errors into the four kinds that matter to money.

    Stripe's own words are left behind: they may quote what a person wrote, and end up in a log.
    """
    try:
        yield
    except stripe.CardError as error:
        intent = _plain(error.error).get("payment_intent") if error.error else None
        if intent is None:
            raise RefusedError(_code(error)) from None
        raise _DeclinedError(_payment(intent)) from None
    except stripe.RateLimitError as error:
        raise BusyError(_code(error) or "rate_limit") from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise BusyError(_code(error) or "not_allowed") from None
    except stripe.IdempotencyError as error:
        # The key was used before, with another request: that one may have taken the money.
        raise OutcomeUnknownError(_code(error) or "idempotency_error") from None
    except stripe.InvalidRequestError as error:
        raise RefusedError(_code(error)) from None
    except stripe.APIError as error:
        if error.http_status == 409:
            raise BusyError(_code(error) or "conflict") from None
        raise OutcomeUnknownError(_code(error) or f"http_{error.http_status}") from None
    except stripe.StripeError as error:
        raise OutcomeUnknownError(_code(error) or "no_answer") from None


def _code(error: stripe.StripeError) -> str | None:
    return error.error.code if error.error else None


def _plain(thing: Any) -> Json:
    return cast(Json, thing.to_dict())


def created_between(since: datetime, until: datetime | None = None) -> Json:
    """Stripe's filter: made at or after `since` and, if given, before `until`; whole seconds."""
    window = {"gte": int(since.timestamp())}
    return window if until is None else {**window, "lt": int(until.timestamp())}


def moment_of(seconds: Any) -> datetime:
    """A moment of Stripe's, which counts seconds."""
    return datetime.fromtimestamp(int(seconds), UTC)


def _signed_at(signature: str) -> datetime:
    for part in signature.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "t":
            return moment_of(value)
    raise BadSignatureError


def id_of(value: Any) -> str | None:
    """The id of something that may be expanded, may be an id already, or may be missing."""
    if isinstance(value, dict):
        return cast(str | None, value.get("id"))
    return cast(str | None, value)


def _event(row: Json) -> Event:
    subject = row["data"]["object"]
    return Event(
        id=str(row["id"]),
        type=str(row["type"]),
        object_id=subject.get("id"),
        api_version=row.get("api_version"),
        livemode=bool(row["livemode"]),
        created=moment_of(row["created"]),
    )


def _checkout_session(row: Json) -> CheckoutSession:
    person = row.get("customer_details") or {}
    intent, setup = row.get("payment_intent"), row.get("setup_intent")
    saved = setup.get("payment_method") if isinstance(setup, dict) else None
    return CheckoutSession(
        id=row["id"],
        url=row.get("url"),
        status=row["status"],
        payment_status=row["payment_status"],
        email=person.get("email"),
        name=person.get("name"),
        payment=_payment(intent) if isinstance(intent, dict) else None,
        customer_id=id_of(row.get("customer")),
        saved=_saved_method(saved) if isinstance(saved, dict) else None,
        metadata=row.get("metadata") or {},
    )


def _saved_method(row: Json) -> SavedMethod:
    """Cards and bank accounts alike: each kind's own words stand under the name of its type."""
    details = row.get(row["type"]) or {}
    return SavedMethod(
        id=row["id"],
        customer_id=id_of(row.get("customer")),
        card=Card(
            brand=details.get("brand") or row["type"],
            last4=details.get("last4"),
            expires_on=_last_day(details.get("exp_year"), details.get("exp_month")),
        ),
    )


def _last_day(year: Any, month: Any) -> date | None:
    if not year or not month:
        return None
    return date(int(year), int(month), calendar.monthrange(int(year), int(month))[1])


_STATUSES = {
    "succeeded": PaymentStatus.SUCCEEDED,
    "processing": PaymentStatus.PROCESSING,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "canceled": PaymentStatus.CANCELED,
    "requires_payment_method": PaymentStatus.DECLINED,
    "requires_confirmation": PaymentStatus.DECLINED,
    "requires_capture": PaymentStatus.PROCESSING,
}


def _payment(row: Json) -> Payment:
    charge = row.get("latest_charge")
    expanded = charge if isinstance(charge, dict) else {}
    balance = expanded.get("balance_transaction")
    returned = expanded.get("failure_balance_transaction")
    method = row.get("payment_method")
    error = row.get("last_payment_error")
    return Payment(
        id=row["id"],
        status=_STATUSES[row["status"]],
        amount=int(row["amount"]),
        currency=row["currency"],
        customer_id=id_of(row.get("customer")),
        payment_method_id=id_of(method),
        method=_saved_method(method) if isinstance(method, dict) and "type" in method else None,
        charge_id=id_of(charge),
        refunded=int(expanded.get("amount_refunded") or 0),
        paid_at=moment_of(expanded["created"]) if expanded else None,
        country=_country(expanded.get("payment_method_details")),
        balance_transaction=read_balance(balance) if isinstance(balance, dict) else None,
        return_transaction=read_balance(returned) if isinstance(returned, dict) else None,
        decline=_decline(error) if error else None,
        metadata=row.get("metadata") or {},
    )


def _country(details: Json | None) -> str | None:
    """Stripe tells it of cards and of some bank accounts, under the name of their type."""
    of_type = (details or {}).get((details or {}).get("type", "")) or {}
    country = of_type.get("country")
    return country if isinstance(country, str) and len(country) == 2 else None


def _decline(error: Json) -> Decline:
    return Decline(
        code=error.get("code"),
        decline_code=error.get("decline_code"),
        advice_code=error.get("advice_code"),
        network_decline_code=error.get("network_decline_code"),
    )


def read_balance(row: Json) -> BalanceTransaction:
    """A balance transaction out of Stripe's words."""
    available = row.get("available_on")
    return BalanceTransaction(
        id=row["id"],
        category=row["reporting_category"],
        amount=int(row["amount"]),
        fee=int(row["fee"]),
        net=int(row["net"]),
        currency=row["currency"],
        source_id=id_of(row.get("source")),
        created=moment_of(row["created"]),
        available=moment_of(available) if available else None,
    )


def sign_of(amount: int) -> int:
    """Which way a movement goes: 0 for one that is a fee and nothing else."""
    return (amount > 0) - (amount < 0)


def read_money_moved(row: Json) -> MoneyMoved:
    """What moved and for which charge: the source is a charge, refund, dispute or payout."""
    source = row.get("source")
    source = source if isinstance(source, dict) else {}
    sign = sign_of(row["amount"])
    is_charge = source.get("object") == "charge"
    return MoneyMoved(
        transaction=read_balance(row),
        stripe_charge_id=source.get("id") if is_charge else id_of(source.get("charge")),
        original_amount=sign * abs(int(source.get("amount") or row["amount"])),
        original_currency=source.get("currency") or row["currency"],
        charge_metadata=(source.get("metadata") or {}) if is_charge else None,
    )
