"""The life of a dispute: opened, answered, won or lost. https://docs.stripe.com/disputes."""

from billing.local.stripe import ledger
from billing.local.stripe.currencies import shown
from billing.local.stripe.ids import new_id
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

DAY = 86_400
_NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}
_EVIDENCE_FIELDS = """
access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
cancellation_rebuttal customer_communication customer_email_address customer_name
customer_purchase_ip customer_signature duplicate_charge_documentation
duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy
refund_policy_disclosure refund_refusal_explanation service_date service_documentation
shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number
uncategorized_file uncategorized_text
"""
_EVIDENCE = _EVIDENCE_FIELDS.split()
OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")


def open_dispute(work: Work, charge: Obj, reason: str, *, inquiry: bool = False) -> Obj:
    """A dispute (which takes the money at once) or an inquiry (which doesn't)."""
    dispute = work.add("dispute", _dispute(work, charge, reason, inquiry))
    work.change(charge, disputed=True)
    work.emit("charge.dispute.created", dispute)
    if not inquiry:
        _withdraw(work, dispute)
    return dispute


def _withdraw(work: Work, dispute: Obj) -> None:
    ledger.post_dispute(work, dispute, won=False)
    work.emit("charge.dispute.funds_withdrawn", dispute)


def escalate(work: Work, dispute: Obj) -> None:
    """An inquiry becomes a chargeback."""
    previous = {"status": dispute["status"]}
    dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    work.change(dispute, status="needs_response", is_charge_refundable=False)
    work.emit("charge.dispute.updated", dispute, previous)
    _withdraw(work, dispute)


def submit(work: Work, dispute: Obj) -> None:
    """Send the evidence. Stripe's test texts decide at once, anything else waits for review."""
    warning = dispute["status"].startswith("warning")
    dispute["evidence_details"]["submission_count"] += 1
    dispute["evidence_details"]["has_evidence"] = True
    work.change(dispute, status="warning_under_review" if warning else "under_review")
    text = dispute["evidence"].get("uncategorized_text")
    if text == "winning_evidence":
        close(work, dispute, "warning_closed" if warning else "won")
    elif text == "losing_evidence":
        close(work, dispute, "warning_closed" if warning else "lost")
    elif text == "escalate_inquiry_evidence" and warning:
        escalate(work, dispute)


def close(work: Work, dispute: Obj, status: str) -> None:
    """End it as `won`, `lost` or `warning_closed`; won brings the money back."""
    work.change(dispute, status=status)
    if status == "won" and dispute["balance_transactions"]:
        ledger.post_dispute(work, dispute, won=True)
        work.emit("charge.dispute.funds_reinstated", dispute)
    work.emit("charge.dispute.closed", dispute)


def warn(work: Work, charge: Obj, fraud_type: str = "made_with_stolen_card") -> Obj:
    """An early fraud warning, which is not a dispute yet."""
    warning = work.add(
        "radar.early_fraud_warning",
        {
            "id": new_id("issfr"),
            "object": "radar.early_fraud_warning",
            "actionable": not charge["disputed"] and not charge["refunded"],
            "charge": charge["id"],
            "created": work.now,
            "fraud_type": fraud_type,
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        },
    )
    work.emit("radar.early_fraud_warning.created", warning)
    return warning


def _dispute(work: Work, charge: Obj, reason: str, inquiry: bool) -> Obj:
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transaction": None,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": work.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {
            **dict.fromkeys(_EVIDENCE),
            "enhanced_evidence": {},
            "customer_email_address": charge["billing_details"]["email"],
            "customer_name": charge["billing_details"]["name"],
        },
        "evidence_details": {
            "due_by": work.now - work.now % DAY + 10 * DAY - 1,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": None,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10" if inquiry else _NETWORK_CODES.get(reason, "10.4"),
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _method_details(charge, inquiry),
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def _method_details(charge: Obj, inquiry: bool) -> Obj:
    brand = (charge["payment_method_details"].get("card") or {}).get("brand", "visa")
    case = "inquiry" if inquiry else "chargeback"
    return {
        "card": {"brand": brand, "case_type": case, "network_reason_code": None},
        "type": "card",
    }


def story(dispute: Obj) -> str:
    """One line for people."""
    return (
        f"{dispute['reason']}, {dispute['status']}, {shown(dispute['amount'], dispute['currency'])}"
    )
