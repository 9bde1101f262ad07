"""Charges: the object a payment attempt leaves behind, whether it succeeded or not."""

from typing import Any

from billing.local.stripe import aftermath, ledger
from billing.local.stripe.cards import TestCard
from billing.local.stripe.declines import Decline
from billing.local.stripe.ids import new_id
from billing.local.stripe.methods import details_of
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work


def make(work: Work, intent: Obj, method: Obj, status: str, **fields: Any) -> Obj:
    """Store the charge of one attempt and make it the intent's latest. Emits nothing."""
    bank = method["type"] != "card"
    captured = status == "succeeded" and intent["capture_method"] != "manual"
    charge = work.add(
        "charge",
        {
            "id": new_id("py" if bank else "ch"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if captured else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": _descriptor(work, intent),
            "captured": captured,
            "created": work.now,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "livemode": False,
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": None,
            "paid": status == "succeeded",
            "payment_intent": intent["id"] if intent["object"] == "payment_intent" else None,
            "payment_method": method["id"],
            "payment_method_details": _details(intent, method, status),
            "presentment_details": None,
            "radar_options": {},
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": intent["shipping"],
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": status,
            "transfer_data": None,
            "transfer_group": intent["transfer_group"],
            **fields,
            "_": {"number": method["_"]["number"], "type": method["type"]},
        },
    )
    intent["latest_charge"] = charge["id"]
    return charge


def succeed(work: Work, charge: Obj, card: TestCard | None) -> None:
    """The money is there: outcome, balance transaction, and what this card does afterwards."""
    work.change(
        charge, status="succeeded", paid=True, outcome=outcome(card), receipt_url=_receipt(charge)
    )
    if charge["captured"]:
        collect(work, charge, card)
    work.emit("charge.succeeded", charge)
    if charge["captured"] and card is not None:
        aftermath.follow(work, charge, card)


def collect(work: Work, charge: Obj, card: TestCard | None) -> None:
    """Post the captured sum to the balance."""
    ledger.post_charge(
        work, charge, at_once=card is not None and card.clears, bank=charge["_"]["type"] != "card"
    )


def fail(work: Work, intent: Obj, method: Obj, refusal: Decline, card: TestCard) -> Obj:
    """A charge that the issuer (or Radar) refused."""
    charge = make(
        work,
        intent,
        method,
        "failed",
        failure_code=refusal.code,
        failure_message=refusal.message,
        outcome=refused(refusal, card),
    )
    work.emit("charge.failed", charge)
    return charge


def outcome(card: TestCard | None) -> Obj:
    """`outcome` of a charge that went through."""
    risk = card.risk if card else "normal"
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": risk,
        "risk_score": {"normal": 12, "elevated": 70, "highest": 95}[risk],
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def refused(refusal: Decline, card: TestCard) -> Obj:
    """`outcome` of a charge that didn't."""
    return {
        "advice_code": refusal.advice_code,
        "network_advice_code": None,
        "network_decline_code": refusal.network_decline_code,
        "network_status": "not_sent_to_network" if refusal.blocked else "declined_by_network",
        "reason": "highest_risk_level" if refusal.blocked else refusal.decline_code,
        "risk_level": card.risk,
        "risk_score": 95 if refusal.blocked else 12,
        "seller_message": "Stripe blocked this payment as too risky."
        if refusal.blocked
        else "The bank did not return any further details with this decline.",
        "type": "blocked" if refusal.blocked else "issuer_declined",
    }


def _details(intent: Obj, method: Obj, status: str) -> Obj:
    details = details_of(method)
    if method["type"] == "card":
        card = details["card"]
        card["amount_authorized"] = intent["amount"] if status == "succeeded" else None
        if intent["_"].get("authenticated"):
            card["three_d_secure"] = {
                "authentication_flow": "challenge",
                "electronic_commerce_indicator": "05",
                "exemption_indicator": None,
                "result": "authenticated",
                "result_reason": None,
                "transaction_id": intent["id"][-20:],
                "version": "2.2.0",
            }
    return details


def _descriptor(work: Work, intent: Obj) -> str:
    prefix, suffix = work.account.statement_descriptor, intent["statement_descriptor_suffix"]
    return f"{prefix}* {suffix}" if suffix else prefix


def _receipt(charge: Obj) -> str:
    return f"https://pay.stripe.com/receipts/payment/{charge['id']}"
