"""Telling the story to the Stripe stand-in, which keeps the books of it."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from billing.db import Json
from billing.ledger.domain import Movement
from billing.seed.story import ALWAYS_DECLINED, PLAIN_CARD, Due, Payment, Promise, Story
from billing.settings import StripeSettings

KEY = "demo newsroom"
_TIMEOUT_SECONDS = 30
_PAYOUT_EVERY = timedelta(days=7)
_LAST_PAYOUT = timedelta(days=3)


def is_standin(stripe: StripeSettings) -> bool:
    """Whether these settings lead to a stand-in; at Stripe itself nothing is ever made up."""
    return not stripe.live and urlsplit(stripe.api_base).hostname in {"127.0.0.1", "localhost"}


def attempt_key(payment: Payment, *, checkout: bool) -> str:
    """The idempotency key under which a payment was made."""
    name = "tuppence-checkout" if checkout else "tuppence"
    return f"{name}-{hashlib.sha256(payment.ref.encode()).hexdigest()[:32]}"


def send(stripe: StripeSettings, story: Story) -> Json:
    """Import the story; the answer tells what ids and balance transactions came of it.

    The answer is the same when it is sent again, and then holds the `as_of` of the first time.
    """
    request = urllib.request.Request(  # noqa: S310 - our own stand-in, see `is_standin`
        f"{stripe.api_base}/_standin/import",
        data=json.dumps(_body(story)).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        told: Json = json.load(answer)
    return told


def movement_of(row: Json) -> Movement:
    """What a balance transaction of the answer moved."""
    return Movement(
        category=row["reporting_category"],
        amount=row["amount"],
        fee=row["fee"],
        net=row["net"],
        currency=row["currency"],
        original_amount=row["original_amount"],
        original_currency=row["original_currency"],
    )


def seconds(moment: datetime) -> int:
    """As Stripe writes moments."""
    return int(moment.timestamp())


def moment(at: int) -> datetime:
    """As we write Stripe's moments."""
    return datetime.fromtimestamp(at, UTC)


def _body(story: Story) -> Json:
    refused = {p.person.ref for p in story.promises if p.dues[-1].paid is None}
    pledging = {p.person.ref: p for p in reversed(story.promises) if p.dues[0].period is not None}
    return {
        "key": KEY,
        "as_of": seconds(story.as_of),
        "customers": [
            {
                "ref": ref,
                "at": seconds(promise.anchor),
                "email": promise.person.email,
                "name": promise.person.name,
                "card": ALWAYS_DECLINED if ref in refused else PLAIN_CARD,
            }
            for ref, promise in pledging.items()
        ],
        "payments": [
            _payment(promise, due, payment)
            for promise in story.promises
            for due in promise.dues
            for payment in due.payments
        ],
        "payouts": _payouts(story),
    }


def _payment(promise: Promise, due: Due, payment: Payment) -> Json:
    checkout = not due.period
    mark = "tuppence_checkout" if checkout else "tuppence_attempt"
    refund = payment.refund
    return {
        "ref": payment.ref,
        "at": seconds(payment.at),
        "customer": None if due.period is None else promise.person.ref,
        "email": promise.person.email,
        "amount": payment.amount.minor,
        "currency": payment.amount.currency,
        "metadata": {mark: attempt_key(payment, checkout=checkout)},
        "decline": payment.decline,
        "refund": {"at": seconds(refund[0]), "amount": refund[1]} if refund else None,
        "dispute": {"at": seconds(payment.disputed_at)} if payment.disputed_at else None,
    }


def _payouts(story: Story) -> list[int]:
    """Once a week, the last one far enough back to have arrived."""
    at, found = story.as_of - _LAST_PAYOUT, []
    first = min((promise.anchor for promise in story.promises), default=story.as_of)
    while at > first:
        found.append(seconds(at))
        at -= _PAYOUT_EVERY
    return sorted(found)
