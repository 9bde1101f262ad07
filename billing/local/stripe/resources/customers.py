"""/v1/customers."""

import re

from billing.local.stripe import methods
from billing.local.stripe.errors import invalid_request, missing_resource
from billing.local.stripe.ids import new_id, random_text
from billing.local.stripe.pagination import list_object, lister, page, read_filter
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.router import Route
from billing.local.stripe.search import searcher
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")
_PLAIN = (
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)


def new_customer(work: Work, params: Params) -> Obj:
    """Store a customer; emits `customer.created`."""
    customer = work.add(
        "customer",
        {
            "id": f"cus_{random_text(14)}",
            "object": "customer",
            "address": None,
            "balance": 0,
            "created": work.now,
            "currency": None,
            "customer_account": None,
            "default_source": None,
            "delinquent": False,
            "description": None,
            "discount": None,
            "email": None,
            "invoice_prefix": random_text(8).upper(),
            "invoice_settings": _invoice_settings({}),
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "name": None,
            "next_invoice_sequence": 1,
            "phone": None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
            **_given(params),
        },
    )
    if "payment_method" in params:
        methods.attach(work, methods.resolve(work, params["payment_method"]), customer)
    _set_invoice_method(customer, params)
    work.emit("customer.created", customer)
    return customer


def create(work: Work, params: Params) -> Obj:
    """POST /v1/customers."""
    return new_customer(work, params)


def retrieve(work: Work, params: Params, customer_id: str) -> Obj:
    """GET /v1/customers/:id; a deleted one is a stub."""
    return work.get("customer", customer_id)


def update(work: Work, params: Params, customer_id: str) -> Obj:
    """POST /v1/customers/:id."""
    customer = get_live(work, customer_id, "id")
    before = public({**customer, "invoice_settings": dict(customer["invoice_settings"])})
    if "metadata" in params:
        customer["metadata"] = merge_metadata(customer["metadata"], params["metadata"])
    _set_invoice_method(customer, params)
    work.change(customer, **_given(params))
    changed = differences(before, customer)
    if changed:
        work.emit("customer.updated", customer, changed)
    return customer


def delete(work: Work, params: Params, customer_id: str) -> Obj:
    """DELETE /v1/customers/:id: detaches the payment methods, leaves a stub."""
    customer = get_live(work, customer_id, "id")
    for method in work.store.linked("payment_method", "customer", customer_id):
        methods.detach(work, method)
    work.emit("customer.deleted", customer)
    customer.clear()
    customer.update(id=customer_id, object="customer", deleted=True)
    work.change(customer)
    return customer


def get_live(work: Work, customer_id: str, param: str = "customer") -> Obj:
    """A customer that exists and isn't deleted."""
    customer = work.get("customer", customer_id, param)
    if customer.get("deleted"):
        raise missing_resource("customer", customer_id, param)
    return customer


def list_methods(work: Work, params: Params, customer_id: str) -> Obj:
    """GET /v1/customers/:id/payment_methods."""
    get_live(work, customer_id, "id")
    wanted = read_filter(params, ("type",))
    wanted.equals["customer"] = customer_id
    return page(work, "payment_method", wanted, f"/v1/customers/{customer_id}/payment_methods")


def retrieve_method(work: Work, params: Params, customer_id: str, method_id: str) -> Obj:
    """GET /v1/customers/:id/payment_methods/:id."""
    method = work.get("payment_method", method_id)
    if method["customer"] != customer_id:
        raise missing_resource("PaymentMethod", method_id)
    return method


def create_source(work: Work, params: Params, customer_id: str) -> Obj:
    """POST /v1/customers/:id/sources with a card token: the old way of saving a card."""
    customer = get_live(work, customer_id, "id")
    if "source" not in params:
        raise invalid_request(
            "Missing required param: source.", param="source", code="parameter_missing"
        )
    method = methods.create(work, {"type": "card", "card": {"token": params["source"]}})
    methods.attach(work, method, customer)
    details = method["card"]
    card = work.add(
        "card",
        {
            "id": new_id("card"),
            "object": "card",
            "brand": details["brand"].capitalize(),
            "country": details["country"],
            "created": work.now,
            "customer": customer_id,
            "cvc_check": None,
            "exp_month": details["exp_month"],
            "exp_year": details["exp_year"],
            "fingerprint": details["fingerprint"],
            "funding": details["funding"],
            "last4": details["last4"],
            "metadata": {},
            "name": None,
        },
    )
    work.emit("customer.source.created", card)
    return card


def update_source(work: Work, params: Params, customer_id: str, card_id: str) -> Obj:
    """POST /v1/customers/:id/sources/:id: name, expiry, metadata."""
    card = work.get("card", card_id)
    before = public(card)
    if "metadata" in params:
        card["metadata"] = merge_metadata(card["metadata"], params["metadata"])
    work.change(card, **{k: params[k] for k in ("name", "exp_month", "exp_year") if k in params})
    work.emit("customer.source.updated", card, differences(before, card))
    return card


def list_sources(work: Work, params: Params, customer_id: str) -> Obj:
    """GET /v1/customers/:id/sources: nothing new is stored as a source."""
    return list_object([], f"/v1/customers/{customer_id}/sources")


def differences(before: Obj, after: Obj) -> Obj:
    """`previous_attributes`: the old values of what changed."""
    return {
        name: value for name, value in before.items() if name != "_" and after.get(name) != value
    }


def check_email(email: str | None, param: str = "email") -> None:
    """Raise Stripe's `email_invalid` for what can't be an address."""
    if email and not _EMAIL.match(email):
        raise invalid_request(f"Invalid email address: {email}", param=param, code="email_invalid")


def _given(params: Params) -> Obj:
    check_email(params.get("email"))
    return {name: params[name] or None for name in _PLAIN if name in params}


def _invoice_settings(given: Params) -> Obj:
    return {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
        **given,
    }


def _set_invoice_method(customer: Obj, params: Params) -> None:
    given = params.get("invoice_settings")
    if given:
        customer["invoice_settings"] = {**customer["invoice_settings"], **given}


ROUTES = [
    Route("POST", "/v1/customers", create, "CustomerCreateParams"),
    Route(
        "GET", "/v1/customers", lister("customer", "/v1/customers", "email"), "CustomerListParams"
    ),
    Route("GET", "/v1/customers/search", searcher("customer"), "CustomerSearchParams"),
    Route("GET", "/v1/customers/*", retrieve, "CustomerRetrieveParams"),
    Route("POST", "/v1/customers/*", update, "CustomerUpdateParams"),
    Route("DELETE", "/v1/customers/*", delete, "CustomerDeleteParams"),
    Route(
        "GET", "/v1/customers/*/payment_methods", list_methods, "CustomerPaymentMethodListParams"
    ),
    Route(
        "GET",
        "/v1/customers/*/payment_methods/*",
        retrieve_method,
        "CustomerPaymentMethodRetrieveParams",
    ),
    Route("POST", "/v1/customers/*/sources", create_source, "CustomerPaymentSourceCreateParams"),
    Route("GET", "/v1/customers/*/sources", list_sources, "CustomerPaymentSourceListParams"),
    Route("POST", "/v1/customers/*/sources/*", update_source, "CustomerPaymentSourceUpdateParams"),
]
