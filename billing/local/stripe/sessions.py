"""A Checkout Session: made by the API, completed by a payer, or expired.

Source: https://docs.stripe.com/api/checkout/sessions
"""

from billing.local.stripe import intents, methods, setups
from billing.local.stripe.confirmation import Confirmation
from billing.local.stripe.errors import ApiError, invalid_request
from billing.local.stripe.params import merge_metadata
from billing.local.stripe.resources.customers import new_customer
from billing.local.stripe.store import Obj
from billing.local.stripe.types_offered import offered_types
from billing.local.stripe.work import Work


def pay(work: Work, session: Obj, method: Obj, *, slow_debit: bool = False) -> None:
    """The payer pressed the button with this method. A decline is raised and kept."""
    check_open(session)
    if method["type"] not in session["payment_method_types"]:
        raise invalid_request(
            f"The payment method type {method['type']} is not offered in this session.",
            param="payment_method",
        )
    _ensure_customer(work, session, method)
    how = Confirmation(return_url=f"{work.base_url}/c/pay/{session['id']}", slow_debit=slow_debit)
    session["_"]["method"] = method["id"]
    work.change(session)
    if session["mode"] == "setup":
        setup = work.get("setup_intent", session["setup_intent"])
        setup["customer"] = session["customer"]
        setups.choose(work, setup, method)
        setups.confirm(work, setup, how)
    else:
        intent = ensure_intent(work, session)
        intent["customer"] = session["customer"]
        intents.choose(work, intent, method)
        intents.confirm(work, intent, how)
    follow(work, session)


def ensure_intent(work: Work, session: Obj) -> Obj:
    """The session's PaymentIntent, made at the first attempt to pay."""
    known = work.find("payment_intent", session["payment_intent"])
    if known is not None:
        return known
    data = session["_"]["payment_intent_data"]
    plain = (
        "capture_method",
        "description",
        "receipt_email",
        "setup_future_usage",
        "shipping",
        "statement_descriptor_suffix",
        "transfer_group",
    )
    intent = intents.new_intent(
        work,
        session["amount_total"],
        session["currency"],
        customer=session["customer"],
        payment_method_types=session["payment_method_types"],
        automatic_payment_methods=None,
        metadata=merge_metadata({}, data.get("metadata")),
        payment_method_options=session["payment_method_options"] or {},
        **{name: data[name] for name in plain if name in data},
    )
    work.change(session, payment_intent=intent["id"])
    work.emit("payment_intent.created", intent)
    return intent


def follow(work: Work, session: Obj) -> None:
    """Complete the session when its intent says so; call it after anything that moves one."""
    if session["status"] != "open":
        return
    if session["mode"] == "setup":
        setup = work.get("setup_intent", session["setup_intent"])
        if setup["status"] == "succeeded":
            _complete(work, session, "no_payment_required")
        return
    intent = work.find("payment_intent", session["payment_intent"])
    if intent is None:
        return
    if intent["status"] == "succeeded":
        _complete(work, session, "paid")
    elif intent["status"] in ("processing", "requires_capture"):
        _complete(work, session, "unpaid")


def settle(work: Work, session: Obj, *, succeeded: bool) -> None:
    """A bank debit behind a completed session has ended."""
    if succeeded:
        work.change(session, payment_status="paid")
    outcome = "succeeded" if succeeded else "failed"
    work.emit(f"checkout.session.async_payment_{outcome}", session)


def expire(work: Work, session: Obj) -> None:
    """End an open session; its unpaid PaymentIntent is cancelled."""
    work.change(session, status="expired", url=None)
    intent = work.find("payment_intent", session["payment_intent"])
    if intent is not None and intent["status"] in intents.CANCELABLE:
        intents.cancel(work, intent, "automatic")
    setup = work.find("setup_intent", session["setup_intent"])
    if setup is not None and setup["status"] in setups.OPEN:
        setups.cancel(work, setup, "abandoned")
    work.emit("checkout.session.expired", session)


def check_open(session: Obj) -> None:
    """Refuse to pay twice, or late."""
    if session["status"] != "open":
        state = "completed" if session["status"] == "complete" else "expired"
        raise ApiError(
            400,
            "invalid_request_error",
            f"This Checkout Session has already been {state}.",
            code=f"checkout_session_{state}",
        )


def types_for(session: Obj) -> list[str]:
    """Which kinds of payment method this session offers."""
    found = offered_types(
        session["currency"] or "",
        session["allowed_payment_method_types"],
        session["excluded_payment_method_types"],
    )
    return found or ["card"]


def _complete(work: Work, session: Obj, payment_status: str) -> None:
    method = work.get("payment_method", session["_"]["method"])
    billing = method["billing_details"]
    customer = work.find("customer", session["customer"]) or {}
    work.change(
        session,
        status="complete",
        payment_status=payment_status,
        url=None,
        customer_details={
            "address": billing["address"],
            "business_name": None,
            "email": billing["email"] or session["customer_email"] or customer.get("email"),
            "individual_name": None,
            "name": billing["name"],
            "phone": billing["phone"],
            "tax_exempt": "none",
            "tax_ids": [],
        },
    )
    work.emit("checkout.session.completed", session)


def _ensure_customer(work: Work, session: Obj, method: Obj) -> None:
    """`customer_creation=always` (or anything kept for later in setup mode) makes a customer."""
    if session["customer"] or session["_"].get("creates_customer") is not True:
        return
    billing = method["billing_details"]
    given = {name: billing[name] for name in ("email", "name", "phone") if billing[name]}
    customer = new_customer(work, given)
    methods.check_belongs(method, customer["id"])
    work.change(session, customer=customer["id"])
