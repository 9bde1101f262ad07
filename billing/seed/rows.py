"""The story as rows of the same tables that live payments are written to, in bulk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from billing.charges import books
from billing.charges.domain import AttemptKind, AttemptStatus, ChargeKind, ChargeStatus
from billing.charges.events import SWEEP as EVENTS_SWEEP
from billing.charges.sweeps import mark_seen
from billing.charges.tables import Attempt, Charge
from billing.checkout.domain import CheckoutStatus
from billing.checkout.start import OPEN_FOR
from billing.checkout.tables import Checkout
from billing.db import Json
from billing.ledger.domain import Account
from billing.outbox import OutboxMessage
from billing.pledges.domain import Cadence, EndReason, PledgeStatus, due_at, yearly_value
from billing.pledges.tables import MovementKind, Pledge, PledgeMovement
from billing.runtime import Runtime
from billing.seed.bulk import MOMENT, insert_rows, sent_message
from billing.seed.ledger_rows import Known, write_ledger, write_payouts
from billing.seed.reminder_rows import write_reminders
from billing.seed.standin import attempt_key
from billing.seed.step_rows import write_steps
from billing.seed.story import Due, Payment, Person, Promise, Story, source_of
from billing.supporters.address import lookup_form
from billing.supporters.tables import Supporter

_LOOKING = timedelta(minutes=4)
"""How long a reader spends at Checkout."""


def write(session: Session, runtime: Runtime, story: Story, told: Json) -> None:
    """Write everything; `told` is the stand-in's answer to the same story."""
    book = _Book(session, runtime, story, told)
    book.write_people()
    book.write_pledges()
    book.write_charges()
    book.write_ledger()
    write_reminders(session, runtime, story)
    write_steps(session, runtime, story)
    for sweep in (books.SWEEP, EVENTS_SWEEP):
        mark_seen(session, sweep, until=story.as_of)


@dataclass(frozen=True)
class _Written:
    """A sum due with the id of its charge."""

    promise: Promise
    due: Due
    charge_id: int


class _Book:
    """Writes table by table; later tables refer to the ids that earlier ones were given."""

    def __init__(self, session: Session, runtime: Runtime, story: Story, told: Json) -> None:
        self._session = session
        self._vault = runtime.vault
        self._zone = runtime.settings.newsroom.timezone
        self._story = story
        self._told = told
        self._supporters: dict[int, int] = {}
        self._pledges: dict[int, int] = {}
        self._charges: list[_Written] = []

    def write_people(self) -> None:
        """Supporters, with their addresses encrypted."""
        people = sorted(
            {p.person.number: p.person for p in self._story.promises}.values(), key=_age
        )
        rows = [self._supporter(person) for person in people]
        for person, supporter_id in zip(
            people, insert_rows(self._session, Supporter, rows), strict=True
        ):
            self._supporters[person.number] = supporter_id

    def write_pledges(self) -> None:
        """Pledges, and how they moved the monthly revenue."""
        pledges = [p for p in self._story.promises if p.cadence is not Cadence.ONCE]
        rows = [self._pledge(promise) for promise in pledges]
        for promise, pledge_id in zip(
            pledges, insert_rows(self._session, Pledge, rows), strict=True
        ):
            self._pledges[id(promise)] = pledge_id
        insert_rows(
            self._session,
            PledgeMovement,
            [row for each in pledges for row in self._movements(each)],
        )

    def write_charges(self) -> None:
        """Charges in the order of their time, their attempts, checkouts and receipts."""
        dues = sorted(
            ((promise, due) for promise in self._story.promises for due in promise.dues),
            key=lambda pair: pair[1].due_at,
        )
        ids = insert_rows(
            self._session, Charge, [self._charge(promise, due) for promise, due in dues]
        )
        self._charges = [
            _Written(promise, due, charge_id)
            for (promise, due), charge_id in zip(dues, ids, strict=True)
        ]
        insert_rows(
            self._session, Attempt, [row for each in self._charges for row in self._attempts(each)]
        )
        insert_rows(
            self._session,
            Checkout,
            [self._checkout(each) for each in self._charges if not each.due.period],
        )
        insert_rows(
            self._session,
            OutboxMessage,
            [row for each in self._charges for row in self._receipt(each)],
        )

    def write_ledger(self) -> None:
        """The ledger, from the stand-in's balance transactions."""
        charges = {
            self._ids(payment)["charge"]: Known(each.charge_id, _income(each.due))
            for each in self._charges
            for payment in each.due.payments
        }
        ids = write_ledger(self._session, self._told["balance_transactions"], charges)
        write_payouts(self._session, self._told["payouts"], ids)

    def _ids(self, payment: Payment) -> dict[str, str]:
        found: dict[str, str] = self._told["payments"][payment.ref]
        return found

    def _customer(self, promise: Promise) -> dict[str, str]:
        found: dict[str, str] = self._told["customers"][promise.person.ref]
        return found

    def _supporter(self, person: Person) -> Json:
        return {
            "email_digest": self._vault.digest(lookup_form(person.email)),
            "email_encrypted": self._vault.encrypt(person.email),
            "name_encrypted": self._vault.encrypt(person.name),
            "language": person.language,
            "created_at": person.since,
        }

    def _pledge(self, promise: Promise) -> Json:
        last, periods = promise.dues[-1], len(promise.dues)
        status = _pledge_status(promise)
        refused = last.payments[-1] if last.paid is None else None
        going = status in (PledgeStatus.ACTIVE, PledgeStatus.PAST_DUE)
        following = due_at(promise.anchor, promise.cadence, periods, self._zone)
        return {
            "supporter_id": self._supporters[promise.person.number],
            "status": status,
            "cadence": promise.cadence,
            "currency": last.amount.currency,
            "amount_minor": last.amount.minor,
            "fee_cover_minor": last.cover,
            "anchor_at": promise.anchor,
            "next_period": periods,
            "next_charge_at": following if going else None,
            "stripe_customer_id": self._customer(promise)["customer"],
            "stripe_payment_method_id": self._customer(promise)["payment_method"],
            "language": promise.person.language,
            "source": source_of(promise),
            "created_at": promise.anchor,
            "past_due_since": refused.at if refused else None,
            "past_due_reason": refused.decline if refused else None,
            "cancelled_at": promise.cancelled_at,
            "end_reason": EndReason.SUPPORTER if promise.cancelled_at else None,
        }

    def _movements(self, promise: Promise) -> Iterator[Json]:
        kind = MovementKind.REACTIVATION if promise.again else MovementKind.NEW
        yield self._movement(promise, kind, 1, promise.anchor, promise.anchor)
        if promise.cancelled_at is not None:
            ends = due_at(promise.anchor, promise.cadence, len(promise.dues), self._zone)
            kind = MovementKind.CHURN_VOLUNTARY
            yield self._movement(promise, kind, -1, promise.cancelled_at, ends)
        if promise.lapsed_at is not None:
            kind, at = MovementKind.CHURN_INVOLUNTARY, promise.lapsed_at
            yield self._movement(promise, kind, -1, at, at)

    def _movement(
        self, promise: Promise, kind: MovementKind, sign: int, at: Any, effective: Any
    ) -> Json:
        due = promise.dues[0]
        given = due.amount.minor - due.cover
        return {
            "pledge_id": self._pledges[id(promise)],
            "supporter_id": self._supporters[promise.person.number],
            "kind": kind,
            "currency": due.amount.currency,
            "yearly_minor": sign * yearly_value(given, promise.cadence),
            "occurred_at": at,
            "effective_on": effective.astimezone(self._zone).date(),
        }

    def _charge(self, promise: Promise, due: Due) -> Json:
        paid, pledged = due.paid, due.period is not None
        ids = self._ids(paid) if paid else {}
        return {
            "kind": ChargeKind.PLEDGE if pledged else ChargeKind.GIFT,
            "status": ChargeStatus.SUCCEEDED if paid else ChargeStatus.DECLINED,
            "supporter_id": self._supporters[promise.person.number],
            "pledge_id": self._pledges.get(id(promise)),
            "period": due.period,
            "currency": due.amount.currency,
            "amount_minor": due.amount.minor,
            "fee_cover_minor": due.cover,
            "refunded_minor": paid.refund[1] if paid and paid.refund else 0,
            "due_at": due.due_at,
            "created_at": due.due_at + MOMENT if due.period else due.due_at,
            "settled_at": paid.at if paid else None,
            "stripe_customer_id": self._customer(promise)["customer"] if pledged else None,
            "stripe_payment_intent_id": ids.get("payment_intent"),
            "stripe_charge_id": ids.get("charge"),
            "decline_code": due.payments[-1].decline,
            "source": source_of(promise),
        }

    def _attempts(self, written: _Written) -> Iterator[Json]:
        checkout = not written.due.period
        for number, payment in enumerate(written.due.payments, start=1):
            started = payment.at - (_LOOKING if checkout else timedelta())
            yield {
                "charge_id": written.charge_id,
                "number": number,
                "kind": AttemptKind.CHECKOUT if checkout else AttemptKind.OFF_SESSION,
                "status": AttemptStatus.DECLINED if payment.decline else AttemptStatus.SUCCEEDED,
                "idempotency_key": attempt_key(payment, checkout=checkout),
                "params": _params(payment),
                "started_at": started,
                "last_sent_at": started,
                "key_since": started,
                "finished_at": payment.at + MOMENT,
                "stripe_payment_intent_id": self._ids(payment)["payment_intent"],
                "error_code": "card_declined" if payment.decline else None,
                "decline_code": payment.decline,
            }

    def _checkout(self, written: _Written) -> Json:
        payment, due = written.due.payments[-1], written.due
        began = payment.at - _LOOKING
        return {
            "form_digest": hashlib.sha256(payment.ref.encode()).digest(),
            "status": CheckoutStatus.PAID,
            "cadence": written.promise.cadence,
            "currency": due.amount.currency,
            "amount_minor": due.amount.minor,
            "fee_cover_minor": due.cover,
            "language": written.promise.person.language,
            "source": source_of(written.promise),
            "idempotency_key": attempt_key(payment, checkout=True),
            "params": _params(payment),
            "charge_id": written.charge_id,
            "created_at": began,
            "expires_at": began + OPEN_FOR,
            "finished_at": payment.at + MOMENT,
        }

    def _receipt(self, written: _Written) -> Iterator[Json]:
        paid, language = written.due.paid, written.promise.person.language
        if paid is not None:
            yield sent_message(f"receipt:charge:{written.charge_id}", "receipt", language, paid.at)


def _age(person: Person) -> Any:
    return person.since


def _params(payment: Payment) -> Json:
    return {"amount": payment.amount.minor, "currency": payment.amount.currency}


def _pledge_status(promise: Promise) -> PledgeStatus:
    if promise.cancelled_at is not None:
        return PledgeStatus.CANCELLED
    if promise.lapsed_at is not None:
        return PledgeStatus.LAPSED
    return PledgeStatus.ACTIVE if promise.dues[-1].paid else PledgeStatus.PAST_DUE


def _income(due: Due) -> Account:
    return Account.GIFTS if due.period is None else Account.PLEDGES
