"""/v1/payment_methods, /v1/tokens and /v1/mandates."""

from billing.local.stripe import methods
from billing.local.stripe.errors import invalid_request
from billing.local.stripe.ids import new_id
from billing.local.stripe.pagination import getter, page, read_filter
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.resources.customers import differences, get_live
from billing.local.stripe.router import Route
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public


def create(work: Work, params: Params) -> Obj:
    """POST /v1/payment_methods."""
    return methods.create(work, params)


def retrieve(work: Work, params: Params, method_id: str) -> Obj:
    """GET /v1/payment_methods/:id."""
    return methods.resolve(work, method_id, "payment_method_path")


def update(work: Work, params: Params, method_id: str) -> Obj:
    """POST /v1/payment_methods/:id: billing details, expiry, metadata; attached ones only."""
    method = methods.resolve(work, method_id, "payment_method_path")
    if method["customer"] is None:
        raise invalid_request(
            "You must save this PaymentMethod to a customer before you can update it.",
            code="payment_method_unexpected_state",
        )
    before = public({**method, method["type"]: dict(method[method["type"]])})
    if "metadata" in params:
        method["metadata"] = merge_metadata(method["metadata"], params["metadata"])
    if "billing_details" in params:
        method["billing_details"] = _merged(method["billing_details"], params["billing_details"])
    if "allow_redisplay" in params:
        method["allow_redisplay"] = params["allow_redisplay"]
    for name in ("exp_month", "exp_year"):
        if name in (params.get("card") or {}):
            method["card"][name] = params["card"][name]
    work.change(method)
    changed = differences(before, method)
    if changed:
        work.emit("payment_method.updated", method, changed)
    return method


def attach(work: Work, params: Params, method_id: str) -> Obj:
    """POST /v1/payment_methods/:id/attach."""
    if "customer" not in params:
        raise invalid_request(
            "Missing required param: customer.", param="customer", code="parameter_missing"
        )
    customer = get_live(work, params["customer"])
    method = methods.resolve(work, method_id, "payment_method_path")
    methods.attach(work, method, customer)
    return method


def detach(work: Work, params: Params, method_id: str) -> Obj:
    """POST /v1/payment_methods/:id/detach."""
    method = methods.resolve(work, method_id, "payment_method_path")
    methods.detach(work, method)
    return method


def list_all(work: Work, params: Params) -> Obj:
    """GET /v1/payment_methods."""
    wanted = read_filter(params, ("customer", "type"))
    if "customer" in params:
        get_live(work, params["customer"])
    return page(work, "payment_method", wanted, "/v1/payment_methods")


def create_token(work: Work, params: Params) -> Obj:
    """POST /v1/tokens for a card."""
    method = methods.create(work, {"type": "card", "card": params.get("card") or {}})
    work.store.remove(method["id"])
    return work.add(
        "token",
        {
            "id": new_id("tok"),
            "object": "token",
            "card": method["card"],
            "client_ip": None,
            "created": work.now,
            "livemode": False,
            "type": "card",
            "used": False,
            "_": {"number": method["_"]["number"]},
        },
    )


def _merged(current: Obj, given: Params) -> Obj:
    if not given:
        return methods.billing_details({})
    address = {**current["address"], **(given.get("address") or {})}
    return methods.billing_details({**current, **given, "address": address})


ROUTES = [
    Route("POST", "/v1/payment_methods", create, "PaymentMethodCreateParams"),
    Route("GET", "/v1/payment_methods", list_all, "PaymentMethodListParams"),
    Route("GET", "/v1/payment_methods/*", retrieve, "PaymentMethodRetrieveParams"),
    Route("POST", "/v1/payment_methods/*", update, "PaymentMethodUpdateParams"),
    Route("POST", "/v1/payment_methods/*/attach", attach, "PaymentMethodAttachParams"),
    Route("POST", "/v1/payment_methods/*/detach", detach, "PaymentMethodDetachParams"),
    Route("POST", "/v1/tokens", create_token, "TokenCreateParams"),
    Route("GET", "/v1/tokens/*", getter("token"), "TokenRetrieveParams"),
    Route("GET", "/v1/mandates/*", getter("mandate"), "MandateRetrieveParams"),
]
