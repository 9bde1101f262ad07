"""/v1/charges, /v1/refunds."""

from billing.local.stripe import charging, intents, methods, refunding
from billing.local.stripe.currencies import check_amount, check_currency
from billing.local.stripe.errors import invalid_request
from billing.local.stripe.expand import includable
from billing.local.stripe.pagination import getter, list_object, lister
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.resources.customers import differences, get_live
from billing.local.stripe.router import Route
from billing.local.stripe.search import searcher
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public


def create(work: Work, params: Params) -> Obj:
    """POST /v1/charges with a card token: the API before PaymentIntents."""
    if "amount" not in params or "currency" not in params:
        name = "currency" if "amount" in params else "amount"
        raise invalid_request(
            f"Missing required param: {name}.", param=name, code="parameter_missing"
        )
    currency = check_currency(params["currency"])
    amount = check_amount(params["amount"], currency)
    source = params.get("source")
    if not isinstance(source, str):
        raise invalid_request("Must provide source or customer.", code="parameter_missing")
    method = methods.create(work, {"type": "card", "card": {"token": source}})
    request: Obj = {
        "object": "charge",
        "amount": amount,
        "currency": currency,
        "capture_method": "automatic" if params.get("capture", True) else "manual",
        "customer": params.get("customer"),
        "description": params.get("description"),
        "metadata": merge_metadata({}, params.get("metadata")),
        "receipt_email": params.get("receipt_email"),
        "shipping": params.get("shipping"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "transfer_group": params.get("transfer_group"),
        "_": {},
    }
    if params.get("customer"):
        get_live(work, params["customer"])
    card = methods.behaviour(method)
    if card.decline is not None:
        failed = charging.fail(work, request, method, card.decline, card)
        raise methods.card_error(card.decline, charge=failed["id"])
    charge = charging.make(work, request, method, "succeeded")
    charging.succeed(work, charge, card)
    return charge


def update(work: Work, params: Params, charge_id: str) -> Obj:
    """POST /v1/charges/:id."""
    charge = work.get("charge", charge_id)
    before = public({**charge, "metadata": dict(charge["metadata"])})
    if "metadata" in params:
        charge["metadata"] = merge_metadata(charge["metadata"], params["metadata"])
    if "fraud_details" in params:
        charge["fraud_details"] = {**charge["fraud_details"], **(params["fraud_details"] or {})}
    plain = ("description", "receipt_email", "shipping", "transfer_group")
    work.change(charge, **{name: params[name] or None for name in plain if name in params})
    changed = differences(before, charge)
    if changed:
        work.emit("charge.updated", charge, changed)
    return charge


def capture(work: Work, params: Params, charge_id: str) -> Obj:
    """POST /v1/charges/:id/capture."""
    charge = work.get("charge", charge_id)
    if charge["payment_intent"]:
        intent = work.get("payment_intent", charge["payment_intent"])
        intents.capture(work, intent, params.get("amount"))
        return charge
    if charge["captured"] or charge["refunded"]:
        raise invalid_request(
            f"Charge {charge_id} has already been captured.", code="charge_already_captured"
        )
    amount = params.get("amount", charge["amount"])
    work.change(
        charge, captured=True, amount_captured=amount, amount_refunded=charge["amount"] - amount
    )
    method = work.get("payment_method", charge["payment_method"])
    charging.collect(work, charge, methods.behaviour(method))
    work.emit("charge.captured", charge)
    return charge


def create_refund(work: Work, params: Params) -> Obj:
    """POST /v1/refunds."""
    return refunding.create(work, params)


def refund_charge(work: Work, params: Params, charge_id: str) -> Obj:
    """POST /v1/charges/:id/refunds."""
    return refunding.create(work, {**params, "charge": charge_id})


def update_refund(work: Work, params: Params, refund_id: str) -> Obj:
    """POST /v1/refunds/:id: metadata only."""
    refund = work.get("refund", refund_id)
    before = public(refund)
    if "metadata" in params:
        refund["metadata"] = merge_metadata(refund["metadata"], params["metadata"])
    work.change(refund)
    changed = differences(before, refund)
    if changed:
        refunding.tell_updated(work, refund, changed)
    return refund


def cancel_refund(work: Work, params: Params, refund_id: str) -> Obj:
    """POST /v1/refunds/:id/cancel: only one that waits for the payer."""
    refund = work.get("refund", refund_id)
    if refund["status"] != "requires_action":
        raise invalid_request(
            f"Only refunds with status requires_action can be canceled. This one is "
            f"{refund['status']}.",
            code="refund_not_cancelable",
        )
    work.change(refund, status="canceled")
    refunding.tell_updated(work, refund, {"status": "requires_action"})
    return refund


@includable("charge", "refunds")
def _refunds(work: Work, charge: Obj) -> Obj:
    found = [public(refund) for refund in work.store.linked("refund", "charge", charge["id"])]
    return list_object(found[::-1], f"/v1/charges/{charge['id']}/refunds")


def list_refunds(work: Work, params: Params, charge_id: str) -> Obj:
    """GET /v1/charges/:id/refunds."""
    return _refunds(work, work.get("charge", charge_id))


ROUTES = [
    Route("POST", "/v1/charges", create, "ChargeCreateParams"),
    Route(
        "GET",
        "/v1/charges",
        lister("charge", "/v1/charges", "customer", "payment_intent"),
        "ChargeListParams",
    ),
    Route("GET", "/v1/charges/search", searcher("charge"), "ChargeSearchParams"),
    Route("GET", "/v1/charges/*", getter("charge"), "ChargeRetrieveParams"),
    Route("POST", "/v1/charges/*", update, "ChargeUpdateParams"),
    Route("POST", "/v1/charges/*/capture", capture, "ChargeCaptureParams"),
    Route("POST", "/v1/charges/*/refunds", refund_charge, "RefundCreateParams"),
    Route("GET", "/v1/charges/*/refunds", list_refunds, "ChargeListRefundsParams"),
    Route("POST", "/v1/refunds", create_refund, "RefundCreateParams"),
    Route(
        "GET",
        "/v1/refunds",
        lister("refund", "/v1/refunds", "charge", "payment_intent"),
        "RefundListParams",
    ),
    Route("GET", "/v1/refunds/*", getter("refund"), "RefundRetrieveParams"),
    Route("POST", "/v1/refunds/*", update_refund, "RefundUpdateParams"),
    Route("POST", "/v1/refunds/*/cancel", cancel_refund, "RefundCancelParams"),
]
