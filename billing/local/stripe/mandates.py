"""Mandates: the payer's permission to debit a bank account."""

from billing.local.stripe.ids import new_id
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work


def ensure(work: Work, method: Obj) -> Obj | None:
    """The method's mandate; made, and told of, the first time a bank account is debited."""
    if method["type"] == "card":
        return None
    known = method["_"].get("mandate")
    if known is not None:
        return work.get("mandate", known)
    kind = method["type"]
    mandate = work.add(
        "mandate",
        {
            "id": new_id("mandate"),
            "object": "mandate",
            "customer_acceptance": {
                "accepted_at": work.now,
                "online": {"ip_address": None, "user_agent": None},
                "type": "online",
            },
            "livemode": False,
            "multi_use": {},
            "payment_method": method["id"],
            "payment_method_details": {"type": kind, kind: _details(kind)},
            "status": "active",
            "type": "multi_use",
        },
    )
    method["_"]["mandate"] = mandate["id"]
    work.change(method)
    work.emit("mandate.updated", mandate, {"status": "pending"})
    return mandate


def revoke(work: Work, mandate: Obj) -> None:
    """The payer told the bank to stop."""
    previous = {"status": mandate["status"]}
    work.change(mandate, status="inactive")
    work.emit("mandate.updated", mandate, previous)


def _details(kind: str) -> Obj:
    reference = new_id("mref")[5:21].upper()
    if kind == "sepa_debit":
        return {"reference": reference, "url": "https://hooks.stripe.com/adapter/sepa_debit"}
    if kind == "us_bank_account":
        return {"collection_method": None}
    return {
        "network_status": "accepted",
        "reference": reference,
        "revocation_reason": None,
        "url": "https://payments.stripe.com/bacs_debit",
    }
