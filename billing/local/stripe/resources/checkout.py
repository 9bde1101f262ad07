"""/v1/checkout/sessions, and the private /v1/payment_pages that the Stripe CLI drives."""

from billing.local.stripe import methods, sessions, setups
from billing.local.stripe.currencies import check_amount, check_currency
from billing.local.stripe.errors import ApiError, invalid_request, missing_param
from billing.local.stripe.expand import includable
from billing.local.stripe.ids import new_id
from billing.local.stripe.pagination import getter, list_object, lister
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.resources.catalogue import new_price, price_object, unit_amount
from billing.local.stripe.resources.customers import check_email, get_live
from billing.local.stripe.router import Route
from billing.local.stripe.session_shape import MAX_LIFE, MIN_LIFE, session_object, ui_mode_of
from billing.local.stripe.statement import check_descriptors
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

SLACK = 60
_PAYMENT_ONLY = ("payment_intent_data", "submit_type", "invoice_creation")


def create(work: Work, params: Params) -> Obj:
    """POST /v1/checkout/sessions."""
    mode = params.get("mode")
    if mode is None:
        raise missing_param("mode")
    _check(work, params, mode)
    items = [_item(work, item, place) for place, item in enumerate(params.get("line_items") or [])]
    currency = _currency(params, items)
    total = sum(item["amount_total"] for item in items)
    if mode == "payment":
        check_amount(total, currency or "", "line_items")
    session = work.add("checkout.session", session_object(work, params, mode, currency, total))
    session["_"]["items"] = items
    if "payment_method_types" in params:
        session["payment_method_types"] = params["payment_method_types"]
    else:
        session["payment_method_types"] = sessions.types_for(session)
    if mode == "setup":
        _add_setup(work, session, params)
    work.store.at(session["expires_at"], "expire_session", session["id"])
    return session


def update(work: Work, params: Params, session_id: str) -> Obj:
    """POST /v1/checkout/sessions/:id: metadata."""
    session = work.get("checkout.session", session_id, "session")
    if "metadata" in params:
        session["metadata"] = merge_metadata(session["metadata"], params["metadata"])
    return work.change(session)


def expire(work: Work, params: Params, session_id: str) -> Obj:
    """POST /v1/checkout/sessions/:id/expire."""
    session = work.get("checkout.session", session_id, "session")
    if session["status"] != "open":
        raise invalid_request(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}."
        )
    sessions.expire(work, session)
    return session


def line_items(work: Work, params: Params, session_id: str) -> Obj:
    """GET /v1/checkout/sessions/:id/line_items."""
    return _line_items(work, work.get("checkout.session", session_id, "session"))


@includable("checkout.session", "line_items")
def _line_items(work: Work, session: Obj) -> Obj:
    items = work.get("checkout.session", session["id"])["_"]["items"]
    return list_object(items, f"/v1/checkout/sessions/{session['id']}/line_items")


def payment_page(work: Work, params: Params, session_id: str) -> Obj:
    """GET /v1/payment_pages/:id, POST …/init: what Checkout's own page reads first."""
    session = work.get("checkout.session", session_id, "session")
    return {
        "id": new_id("ppage"),
        "object": "checkout.session",
        "session_id": session_id,
        **{k: v for k, v in public(session).items() if k not in ("id", "object")},
    }


def confirm_page(work: Work, params: Params, session_id: str) -> Obj:
    """POST /v1/payment_pages/:id/confirm: the button of Checkout's own page."""
    session = work.get("checkout.session", session_id, "session")
    sessions.check_open(session)
    if "payment_method" not in params:
        raise missing_param("payment_method")
    expected = params.get("expected_amount")
    if expected is not None and str(expected) != str(session["amount_total"]):
        raise invalid_request(
            "The amount of this Checkout Session has changed.",
            param="expected_amount",
            code="checkout_amount_mismatch",
        )
    method = methods.resolve(work, params["payment_method"])
    sessions.pay(work, session, method)
    return payment_page(work, {}, session_id)


def _check(work: Work, params: Params, mode: str) -> None:
    if mode == "subscription":
        raise invalid_request(
            "This stand-in does not do subscription mode. Use payment or setup mode.", param="mode"
        )
    if mode == "setup":
        for name in (*_PAYMENT_ONLY, "line_items"):
            if name in params:
                raise _wrong_mode(name, "payment")
        if (
            "currency" not in params
            and "allowed_payment_method_types" not in params
            and not ("payment_method_types" in params or work.legacy)
        ):
            raise missing_param("currency")
    elif not params.get("line_items"):
        raise missing_param("line_items")
    if mode != "setup" and "setup_intent_data" in params:
        raise _wrong_mode("setup_intent_data", "setup")
    _check_urls(params)
    _check_customer(work, params, mode)
    _check_life(work, params)
    check_descriptors(work, params.get("payment_intent_data") or {})


def _wrong_mode(name: str, mode: str) -> ApiError:
    return invalid_request(f"You can only pass `{name}` in `{mode}` mode.", param=name)


def _check_urls(params: Params) -> None:
    ui_mode = ui_mode_of(params)
    if ui_mode == "hosted_page":
        if "success_url" not in params:
            raise missing_param("success_url")
        if "return_url" in params:
            raise invalid_request(
                "`return_url` can not be used in this `ui_mode`.", param="return_url"
            )
    for name in ("success_url", "cancel_url", "return_url"):
        url = params.get(name)
        if url is not None and not url.startswith(("http://", "https://")):
            raise invalid_request("Not a valid URL", param=name, code="url_invalid")


def _check_customer(work: Work, params: Params, mode: str) -> None:
    if "customer" in params:
        get_live(work, params["customer"])
        for name in ("customer_email", "customer_creation"):
            if name in params:
                raise invalid_request(
                    f"You may only specify one of these parameters: customer, {name}.", param=name
                )
    check_email(params.get("customer_email"), "customer_email")


def _check_life(work: Work, params: Params) -> None:
    expires_at = params.get("expires_at")
    if expires_at is None:
        return
    life = expires_at - work.now
    if not MIN_LIFE - SLACK <= life <= MAX_LIFE + SLACK:
        bound = "at least 30 minutes" if life < MIN_LIFE else "less than 24 hours"
        raise invalid_request(
            f"The `expires_at` timestamp must be {bound} from Checkout Session creation.",
            param="expires_at",
        )


def _item(work: Work, given: Params, place: int) -> Obj:
    name = f"line_items[{place}]"
    if "price" in given:
        price = work.get("price", given["price"], f"{name}[price]")
    elif "price_data" in given:
        price = _inline_price(work, given["price_data"], f"{name}[price_data]")
    else:
        raise invalid_request(
            f"You must specify either `price` or `price_data` in {name}.", param=name
        )
    if price["recurring"]:
        raise invalid_request(
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
            param=f"{name}[price]",
        )
    quantity = given.get("quantity", 1)
    if quantity < 1:
        raise invalid_request(
            "This value must be greater than or equal to 1.",
            param=f"{name}[quantity]",
            code="parameter_invalid_integer",
        )
    product = work.get("product", price["product"])
    total = price["unit_amount"] * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": product["name"],
        "metadata": {},
        "price": public(price),
        "quantity": quantity,
    }


def _inline_price(work: Work, data: Params, name: str) -> Obj:
    if "product" not in data and "product_data" not in data:
        raise missing_param(f"{name}[product_data]")
    currency = check_currency(data["currency"], f"{name}[currency]")
    amount = unit_amount(data, f"{name}[unit_amount]")
    if "product" in data:
        work.get("product", data["product"], f"{name}[product]")
        price = price_object(work, data, currency, data["product"], amount)
        return work.add("price", {**price, "active": False})
    return new_price(work, {**data, "active": False})


def _currency(params: Params, items: list[Obj]) -> str | None:
    currencies = {item["currency"] for item in items}
    if len(currencies) > 1:
        raise invalid_request("All line items must have the same currency.", param="line_items")
    if currencies:
        return str(currencies.pop())
    return check_currency(params["currency"]) if "currency" in params else None


def _add_setup(work: Work, session: Obj, params: Params) -> None:
    data = params.get("setup_intent_data") or {}
    setup = setups.new_setup(
        work,
        customer=session["customer"],
        description=data.get("description"),
        metadata=merge_metadata({}, data.get("metadata")),
        payment_method_types=session["payment_method_types"],
        automatic_payment_methods=None,
    )
    session["setup_intent"] = setup["id"]
    work.emit("setup_intent.created", setup)


ROUTES = [
    Route("POST", "/v1/checkout/sessions", create, "checkout.SessionCreateParams"),
    Route(
        "GET",
        "/v1/checkout/sessions",
        lister("checkout.session", "/v1/checkout/sessions", "customer", "payment_intent", "status"),
        "checkout.SessionListParams",
    ),
    Route(
        "GET",
        "/v1/checkout/sessions/*",
        getter("checkout.session"),
        "checkout.SessionRetrieveParams",
    ),
    Route("POST", "/v1/checkout/sessions/*", update, "checkout.SessionUpdateParams"),
    Route("POST", "/v1/checkout/sessions/*/expire", expire, "checkout.SessionExpireParams"),
    Route(
        "GET",
        "/v1/checkout/sessions/*/line_items",
        line_items,
        "checkout.SessionLineItemListParams",
    ),
    Route("GET", "/v1/payment_pages/*", payment_page, "?"),
    Route("POST", "/v1/payment_pages/*/init", payment_page, "?"),
    Route("POST", "/v1/payment_pages/*/confirm", confirm_page, "?"),
]
