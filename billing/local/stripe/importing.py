"""`POST /_standin/import`: a history of payments, as if it had happened here at its own times.

Everything goes through the same books as a live payment, so balances, fees, rates and payouts are
those the stand-in would have made. What it leaves out is the noise: no event is emitted, because
whoever brings a history knows it already. One import is one transaction; a second one under the
same key changes nothing and answers as the first did.

    {"key": "…", "as_of": 1790000000,
     "customers": [{"ref", "at", "email", "name", "card"}],
     "payments":  [{"ref", "at", "customer" (a ref, or null), "card", "email", "amount", "currency",
                    "metadata", "decline" (a code, or null),
                    "refund": {"at", "amount"} or null, "dispute": {"at", "reason"} or null}],
     "payouts":   [seconds, …]}

The answer has `as_of`, for each customer its ids, for each payment its ids, and every balance
transaction with what it moved.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from billing.local.stripe import charging, disputing, intents, methods, payouts, refunding
from billing.local.stripe.cards import card_of
from billing.local.stripe.declines import decline
from billing.local.stripe.house import House
from billing.local.stripe.resources.customers import new_customer
from billing.local.stripe.schedule import schedule_payouts
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

_PLAIN_CARD = "4242424242424242"


class _Quiet(Work):
    """A unit of work that tells nobody."""

    def emit(self, kind: str, obj: Obj, previous: Obj | None = None) -> None:
        """Nothing: a history has no events."""


@dataclass
class _Import:
    """One import under way."""

    house: House
    as_of: int
    customers: dict[str, Obj] = field(default_factory=dict)
    methods: dict[str, Obj] = field(default_factory=dict)
    payments: dict[str, dict[str, str]] = field(default_factory=dict)
    moved: list[dict[str, Any]] = field(default_factory=list)

    def work(self, at: int) -> Work:
        """A quiet unit of work at that moment."""
        house = self.house
        return _Quiet(house.store, at, house.account, house.base_url)

    def add_customer(self, given: dict[str, Any]) -> None:
        """A customer with a saved card."""
        work = self.work(given["at"])
        person = {"email": given["email"], "name": given.get("name")}
        customer = new_customer(work, person)
        method = methods.store_card(
            work, card_of(given.get("card", _PLAIN_CARD)), {"billing_details": person}
        )
        method["_"]["set_up"] = True
        methods.link(work, method, customer["id"])
        self.customers[given["ref"]], self.methods[given["ref"]] = customer, method

    def add_payment(self, given: dict[str, Any]) -> None:
        """A PaymentIntent that was paid, or refused for the reason given."""
        work, person = self.work(given["at"]), given.get("customer")
        if person is None:
            details = {"billing_details": {"email": given.get("email")}}
            method = methods.store_card(work, card_of(_PLAIN_CARD), details)
        else:
            method = self.methods[person]
        intent = intents.new_intent(
            work, given["amount"], given["currency"], capture_method="automatic",
            customer=self.customers[person]["id"] if person else None,
            metadata=dict(given.get("metadata") or {}),
        )  # fmt: skip
        intents.choose(work, intent, method)
        if given.get("decline"):
            card = card_of(method["_"]["number"])
            intents.decline_intent(work, intent, method, decline(given["decline"]), card)
        else:
            self._pay(work, intent, method)
        charge = intent["latest_charge"]
        self.payments[given["ref"]] = {"payment_intent": intent["id"], "charge": charge}

    def add_refund(self, ref: str, given: dict[str, Any]) -> None:
        """Money given back."""
        charge = self.payments[ref]["charge"]
        work = self.work(given["at"])
        refund = refunding.create(work, {"charge": charge, "amount": given["amount"]})
        self._note(work, refund["balance_transaction"], refund, charge)

    def add_dispute(self, ref: str, given: dict[str, Any]) -> None:
        """Money taken back by the bank."""
        work = self.work(given["at"])
        charge = work.get("charge", self.payments[ref]["charge"])
        dispute = disputing.open_dispute(work, charge, given.get("reason", "fraudulent"))
        for posted in dispute["balance_transactions"]:
            self._note(work, posted["id"], dispute, charge["id"])

    def pay_out(self, at: int) -> None:
        """What is available goes to the bank, and arrives."""
        work = self.work(at)
        known = {payout["id"] for payout in work.store.each("payout")}
        payouts.pay_out(work)
        for listed in list(work.store.each("payout")):
            if listed["id"] in known:
                continue
            payout = work.get("payout", listed["id"])
            self._note(work, payout["balance_transaction"], payout, None)
            if payout["arrival_date"] <= self.as_of:
                payouts.arrive(self.work(payout["arrival_date"]), payout)

    def _pay(self, work: Work, intent: Obj, method: Obj) -> None:
        charge = charging.make(work, intent, method, "succeeded")
        card = card_of(_PLAIN_CARD)
        charging.succeed(work, charge, card)
        if intent["customer"] is None:
            method["_"]["spent"] = True
        intents.finish(work, intent)
        self._note(work, charge["balance_transaction"], charge, charge["id"])

    def _note(self, work: Work, posted_id: str, source: Obj, charge: str | None) -> None:
        posted = work.get("balance_transaction", posted_id)
        if posted["available_on"] <= self.as_of:
            work.change(posted, status="available")
        sign = -1 if posted["amount"] < 0 else 1
        self.moved.append({
            **public(posted), "charge": charge, "original_currency": source["currency"],
            "original_amount": sign * abs(source["amount"]),
        })  # fmt: skip

    def _payouts(self) -> list[Obj]:
        """Each payout that has arrived, with the movements in it that are not its own."""
        work = self.work(self.as_of)
        paid_out: dict[str, list[str]] = {}
        for moved in self.moved:
            tied = work.get("balance_transaction", moved["id"])["_"].get("payout")
            if tied is not None and moved["reporting_category"] != "payout":
                paid_out.setdefault(tied, []).append(moved["id"])
        found = (work.get("payout", name) for name in paid_out)
        return [
            {**public(payout), "paid_out": paid_out[payout["id"]]}
            for payout in found
            if payout["status"] == "paid"
        ]

    def answer(self) -> dict[str, Any]:
        """What came of it."""
        return {
            "as_of": self.as_of,
            "customers": {
                ref: {"customer": customer["id"], "payment_method": self.methods[ref]["id"]}
                for ref, customer in self.customers.items()
            },
            "payments": self.payments,
            "balance_transactions": self.moved,
            "payouts": self._payouts(),
        }


def run(house: House, given: dict[str, Any], _: str) -> Any:
    """POST /_standin/import: see the module."""
    note = f"import {given['key']}"
    known = house.store.note(note)
    if known is not None:
        return json.loads(known)
    history = _Import(house, int(given["as_of"]))
    for person in given.get("customers", ()):
        history.add_customer(person)
    for _at, _place, step, arguments in sorted(_steps(history, given), key=lambda step: step[:2]):
        step(*arguments)
    house.store.flush()
    schedule_payouts(house, house.clock.now())  # before the clock may move
    house.store.write(
        "DELETE FROM due WHERE at <= ? AND task IN ('funds_available', 'payout_arrives')",
        (history.as_of,),
    )
    answer = history.answer()
    house.store.set_note(note, json.dumps(answer, separators=(",", ":")))
    return answer


def _steps(history: _Import, given: dict[str, Any]) -> list[tuple[int, int, Any, tuple[Any, ...]]]:
    """What happened, with its time, and its place among things of the same second."""
    steps: list[tuple[int, int, Any, tuple[Any, ...]]] = []
    for payment in given.get("payments", ()):
        steps.append((payment["at"], 0, history.add_payment, (payment,)))
        for name, step in (("refund", history.add_refund), ("dispute", history.add_dispute)):
            if payment.get(name):
                steps.append((payment[name]["at"], 1, step, (payment["ref"], payment[name])))
    steps += [(at, 2, history.pay_out, (at,)) for at in given.get("payouts", ())]
    return steps
