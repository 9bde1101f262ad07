"""/v1/disputes and /v1/radar/early_fraud_warnings."""

from billing.local.stripe import disputing
from billing.local.stripe.errors import invalid_request
from billing.local.stripe.pagination import getter, lister
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.resources.customers import differences
from billing.local.stripe.router import Route
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

ANSWERABLE = ("needs_response", "warning_needs_response")


def update(work: Work, params: Params, dispute_id: str) -> Obj:
    """POST /v1/disputes/:id: evidence is submitted at once unless `submit=false`."""
    dispute = work.get("dispute", dispute_id)
    before = public({**dispute, "evidence": dict(dispute["evidence"])})
    if "metadata" in params:
        dispute["metadata"] = merge_metadata(dispute["metadata"], params["metadata"])
    if "evidence" in params or params.get("submit"):
        _check_open(dispute)
    if "evidence" in params:
        dispute["evidence"].update({k: v or None for k, v in (params["evidence"] or {}).items()})
        dispute["evidence_details"]["has_evidence"] = True
    work.change(dispute)
    submits = params.get("submit", "evidence" in params)
    if submits:
        dispute["status"] = dispute["status"].replace("needs_response", "under_review")
    changed = differences(before, dispute)
    if changed:
        work.emit("charge.dispute.updated", dispute, changed)
    if submits:
        disputing.submit(work, dispute)
    return dispute


def close(work: Work, params: Params, dispute_id: str) -> Obj:
    """POST /v1/disputes/:id/close: accept it as lost (an inquiry just closes)."""
    dispute = work.get("dispute", dispute_id)
    _check_open(dispute)
    warning = dispute["status"].startswith("warning")
    disputing.close(work, dispute, "warning_closed" if warning else "lost")
    return dispute


def _check_open(dispute: Obj) -> None:
    if dispute["status"] not in ANSWERABLE:
        raise invalid_request(
            f"This dispute is {dispute['status']}; it can no longer be changed.",
            code="dispute_not_open" if dispute["status"] in ("won", "lost") else None,
        )


ROUTES = [
    Route(
        "GET",
        "/v1/disputes",
        lister("dispute", "/v1/disputes", "charge", "payment_intent"),
        "DisputeListParams",
    ),
    Route("GET", "/v1/disputes/*", getter("dispute"), "DisputeRetrieveParams"),
    Route("POST", "/v1/disputes/*", update, "DisputeUpdateParams"),
    Route("POST", "/v1/disputes/*/close", close, "DisputeCloseParams"),
    Route(
        "GET",
        "/v1/radar/early_fraud_warnings",
        lister(
            "radar.early_fraud_warning",
            "/v1/radar/early_fraud_warnings",
            "charge",
            "payment_intent",
        ),
        "radar.EarlyFraudWarningListParams",
    ),
    Route(
        "GET",
        "/v1/radar/early_fraud_warnings/*",
        getter("radar.early_fraud_warning"),
        "radar.EarlyFraudWarningRetrieveParams",
    ),
]
