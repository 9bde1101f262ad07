"""The pledges of a plan, made in bulk: paid for the first time at Stripe and in our tables alike.

The stand-in imports the first payments, and its answer is written to our tables by the same code
that gives the demo newsroom its past, so that ledger and Stripe tie from the first moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from billing.money import Money
from billing.pledges.domain import Cadence
from billing.reminders.service import ask
from billing.runtime import Runtime
from billing.seed import rows
from billing.seed.standin import attempt_key
from billing.seed.story import Due, Payment, Person, Promise as Told, Story
from tests.chaos.people import ZONE, Promise
from tests.chaos.plan import Plan
from tests.chaos.services import Services

_BATCH = 500
_ONCE = "insufficient_funds"


def bring(services: Services, runtime: Runtime, plan: Plan) -> dict[int, int]:
    """Make every pledge; returns the id of each by its number in the plan."""
    first = sorted(plan.promises, key=lambda promise: promise.anchor)
    for number, start in enumerate(range(0, len(first), _BATCH)):
        batch = first[start : start + _BATCH]
        told = services.ask("POST", "/_standin/import", _history(number, batch, plan.begin))
        story = _story(plan.begin, batch)
        with runtime.database.transaction() as session:
            rows.write(session, runtime, story, told)
        for promise in batch:
            if promise.fails_first:
                card = told["customers"][f"person-{promise.number}"]["payment_method"]
                path = f"/_standin/payment_methods/{card}/decline"
                services.ask("POST", path, {"decline_code": _ONCE, "times": 1})
    return _ids(runtime, first)


def remind(runtime: Runtime, plan: Plan) -> None:
    """Note, at their own times, who asked to be reminded before the run."""
    for start in range(0, len(plan.reminders), _BATCH):
        with runtime.database.transaction() as session:
            for reminder in plan.reminders[start : start + _BATCH]:
                ask(
                    session,
                    runtime.vault,
                    written=reminder.email,
                    language="en",
                    source={},
                    zone=ZONE,
                    now=reminder.asked_at,
                    limit=len(plan.reminders),
                )


def _ids(runtime: Runtime, promises: Sequence[Promise]) -> dict[int, int]:
    """Pledges are numbered as they were written."""
    with runtime.database.transaction() as session:
        ids = session.scalars(text("SELECT id FROM pledges ORDER BY id")).all()
    return {promise.number: int(pledge) for promise, pledge in zip(promises, ids, strict=True)}


def _history(number: int, batch: Sequence[Promise], begin: datetime) -> dict[str, Any]:
    return {
        "key": f"chaos {number}",
        "as_of": int(begin.timestamp()),
        "customers": [
            {
                "ref": f"person-{promise.number}",
                "at": int(promise.anchor.timestamp()),
                "email": promise.email,
                "name": "A Reader",
                "card": promise.card,
            }
            for promise in batch
        ],
        "payments": list(map(_first_payment, batch)),
        "payouts": [],
    }


def _first_payment(promise: Promise) -> dict[str, Any]:
    payment = _payment(promise)
    return {
        "ref": payment.ref,
        "at": int(promise.anchor.timestamp()),
        "customer": f"person-{promise.number}",
        "email": promise.email,
        "amount": promise.amount,
        "currency": promise.currency,
        "metadata": {"tuppence_checkout": attempt_key(payment, checkout=True)},
        "decline": None,
    }


def _payment(promise: Promise) -> Payment:
    return Payment(
        ref=f"payment-{promise.number}",
        at=promise.anchor,
        amount=Money(promise.amount, promise.currency),
    )


def _story(begin: datetime, batch: Sequence[Promise]) -> Story:
    promises = [_told(promise) for promise in batch]
    people = [promise.person for promise in promises]
    return Story(as_of=begin, people=people, promises=promises, reminders=[])


def _told(promise: Promise) -> Told:
    person = Person(
        number=promise.number,
        email=promise.email,
        name="A Reader",
        language="en",
        since=promise.anchor,
    )
    return Told(
        person=person,
        cadence=Cadence(promise.cadence),
        article="/articles/harbour",
        dues=list(_first_due(promise)),
    )


def _first_due(promise: Promise) -> Iterator[Due]:
    yield Due(
        period=0,
        due_at=promise.anchor,
        amount=Money(promise.amount, promise.currency),
        cover=0,
        payments=(_payment(promise),),
    )
