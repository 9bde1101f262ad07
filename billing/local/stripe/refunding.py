"""Refunds: what may be given back, and how test cards make it fail."""

from billing.local.stripe import ledger
from billing.local.stripe.cards import card_of
from billing.local.stripe.currencies import shown
from billing.local.stripe.errors import ApiError, invalid_request
from billing.local.stripe.ids import new_id
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

LATER_SECONDS = 2


def create(work: Work, params: Params) -> Obj:
    """Refund a charge (or a payment intent's), in part or what is left of it."""
    charge = _charge(work, params)
    amount = _amount(work, charge, params)
    card = card_of(charge["_"]["number"]) if charge["_"]["type"] == "card" else None
    ends = card.refund if card else "succeeds"
    bank = card is None
    refund = work.add(
        "refund",
        {
            "id": new_id("pyr" if bank else "re"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "created": work.now,
            "currency": charge["currency"],
            "destination_details": _destination(charge),
            "metadata": merge_metadata({}, params.get("metadata")),
            "payment_intent": charge["payment_intent"],
            "payment_method": charge["payment_method"],
            "reason": params.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending" if ends == "pends" else "succeeded",
            "transfer_reversal": None,
        },
    )
    if ends == "pends":
        refund["pending_reason"] = "processing"
    ledger.post_refund(work, refund, bank=bank)
    _count(work, charge, amount)
    work.emit("refund.created", refund)
    work.emit("charge.refunded", charge)
    if ends != "succeeds":
        task = "fail_refund" if ends == "fails_later" else "finish_refund"
        work.later(LATER_SECONDS, task, refund["id"])
    return refund


def finish(work: Work, refund: Obj) -> None:
    """A pending refund went through."""
    previous = {"status": refund["status"]}
    refund.pop("pending_reason", None)
    work.change(refund, status="succeeded")
    tell_updated(work, refund, previous)


def fail(work: Work, refund: Obj, reason: str = "expired_or_canceled_card") -> None:
    """The bank sent it back: the money is on the balance again, the charge less refunded."""
    previous = {"status": refund["status"]}
    ledger.post_refund_failure(work, refund)
    work.change(refund, status="failed", failure_reason=reason)
    charge = work.get("charge", refund["charge"])
    _count(work, charge, -refund["amount"])
    tell_updated(work, refund, previous)
    work.emit("refund.failed", refund)


def tell_updated(work: Work, refund: Obj, previous: Obj) -> None:
    """Both names of the same news: the new one and the one from the charge's time."""
    work.emit("refund.updated", refund, previous)
    work.emit("charge.refund.updated", refund, previous)


def _charge(work: Work, params: Params) -> Obj:
    if "charge" in params:
        charge = work.get("charge", params["charge"], "charge")
    elif "payment_intent" in params:
        intent = work.get("payment_intent", params["payment_intent"], "payment_intent")
        found = work.find("charge", intent["latest_charge"])
        if found is None or found["status"] == "failed":
            raise invalid_request(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        charge = found
    else:
        raise invalid_request(
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
            code="parameter_missing",
        )
    if charge["status"] != "succeeded":
        raise invalid_request(
            f"Charge {charge['id']} has not succeeded and cannot be refunded.", param="charge"
        )
    return charge


def _still_refundable(work: Work, charge: Obj) -> bool:
    """An inquiry, or a dispute that was won, leaves the charge refundable."""
    disputes = list(work.store.linked("dispute", "charge", charge["id"]))
    return all(d["is_charge_refundable"] or d["status"] == "won" for d in disputes)


def _amount(work: Work, charge: Obj, params: Params) -> int:
    left = charge["amount"] - charge["amount_refunded"]
    if left <= 0:
        raise invalid_request(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if charge["disputed"] and not _still_refundable(work, charge):
        raise ApiError(
            400,
            "invalid_request_error",
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            charge=charge["id"],
        )
    amount: int = params.get("amount", left)
    if amount < 1:
        raise invalid_request(
            "This value must be greater than or equal to 1.",
            param="amount",
            code="parameter_invalid_integer",
        )
    if amount > left:
        currency = charge["currency"]
        raise invalid_request(
            f"Refund amount ({shown(amount, currency)}) is greater than unrefunded amount on "
            f"charge ({shown(left, currency)})",
            param="amount",
        )
    return amount


def _count(work: Work, charge: Obj, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    work.change(charge, amount_refunded=refunded, refunded=refunded == charge["amount"])


def _destination(charge: Obj) -> Obj:
    kind = charge["_"]["type"]
    if kind != "card":
        return {"type": f"{kind.removesuffix('_debit')}_bank_transfer"}
    return {
        "card": {
            "reference_status": "pending",
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        },
        "type": "card",
    }
