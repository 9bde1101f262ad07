"""/v1/payment_intents."""

from billing.local.stripe import intents, methods
from billing.local.stripe.confirmation import Confirmation
from billing.local.stripe.currencies import check_amount, check_currency
from billing.local.stripe.errors import invalid_request
from billing.local.stripe.pagination import getter, lister
from billing.local.stripe.params import Params
from billing.local.stripe.resources.customers import get_live
from billing.local.stripe.router import Route
from billing.local.stripe.search import searcher
from billing.local.stripe.statement import check_descriptors
from billing.local.stripe.store import Obj
from billing.local.stripe.types_offered import offered_types
from billing.local.stripe.work import Work

_PLAIN = (
    "capture_method",
    "confirmation_method",
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
    "allowed_payment_method_types",
    "excluded_payment_method_types",
)
_UPDATABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(work: Work, params: Params) -> Obj:
    """POST /v1/payment_intents."""
    currency = check_currency(params["currency"])
    amount = check_amount(params["amount"], currency)
    _check_combination(params)
    if "customer" in params:
        get_live(work, params["customer"])
    intent = intents.new_intent(work, amount, currency, customer=params.get("customer"))
    _apply(work, intent, params)
    work.emit("payment_intent.created", intent)
    if params.get("confirm"):
        intents.confirm(work, intent, _how(params))
    return intent


def update(work: Work, params: Params, intent_id: str) -> Obj:
    """POST /v1/payment_intents/:id."""
    intent = work.get("payment_intent", intent_id, "intent")
    if params.keys() - {"metadata", "description", "receipt_email", "shipping"}:
        intents.check_status(intent, _UPDATABLE, "update")
    if "currency" in params:
        intent["currency"] = check_currency(params["currency"])
    if "amount" in params:
        intent["amount"] = check_amount(params["amount"], intent["currency"])
    if params.get("customer"):
        get_live(work, params["customer"])
        intent["customer"] = params["customer"]
    _apply(work, intent, params)
    work.change(intent)
    return intent


def confirm(work: Work, params: Params, intent_id: str) -> Obj:
    """POST /v1/payment_intents/:id/confirm."""
    intent = work.get("payment_intent", intent_id, "intent")
    intents.check_status(intent, intents.CONFIRMABLE, "confirm")
    _apply(work, intent, params)
    intents.confirm(work, intent, _how(params))
    return intent


def capture(work: Work, params: Params, intent_id: str) -> Obj:
    """POST /v1/payment_intents/:id/capture."""
    intent = work.get("payment_intent", intent_id, "intent")
    intents.capture(work, intent, params.get("amount_to_capture"))
    intents.update_metadata(intent, params)
    return intent


def cancel(work: Work, params: Params, intent_id: str) -> Obj:
    """POST /v1/payment_intents/:id/cancel."""
    intent = work.get("payment_intent", intent_id, "intent")
    intents.cancel(work, intent, params.get("cancellation_reason"))
    return intent


def _check_combination(params: Params) -> None:
    if not params.get("confirm"):
        for name in ("off_session", "error_on_requires_action", "mandate_data", "mandate"):
            if name in params:
                raise invalid_request(
                    f"The parameter `{name}` cannot be passed when creating a PaymentIntent "
                    "unless `confirm` is set to true.",
                    param=name,
                )


def _apply(work: Work, intent: Obj, params: Params) -> None:
    check_descriptors(work, params)
    for name in _PLAIN:
        if name in params:
            intent[name] = params[name] or None
    intents.update_metadata(intent, params)
    _apply_types(intent, params)
    _apply_options(intent, params)
    if "payment_method" in params:
        if params["payment_method"] == "":
            work.change(intent, payment_method=None, status="requires_payment_method")
            return
        intents.choose(work, intent, methods.resolve(work, params["payment_method"]))
    elif "payment_method_data" in params:
        intents.choose(work, intent, methods.create(work, params["payment_method_data"]))


def _apply_types(intent: Obj, params: Params) -> None:
    if "payment_method_types" in params:
        intent["payment_method_types"] = params["payment_method_types"]
        intent["automatic_payment_methods"] = None
        return
    automatic = params.get("automatic_payment_methods")
    if automatic:
        intent["automatic_payment_methods"] = {"allow_redirects": "always", **automatic}
    if intent["automatic_payment_methods"] is not None:
        intent["payment_method_types"] = offered_types(
            intent["currency"],
            intent["allowed_payment_method_types"],
            intent["excluded_payment_method_types"],
        )


def _apply_options(intent: Obj, params: Params) -> None:
    for kind, options in (params.get("payment_method_options") or {}).items():
        intent["payment_method_options"][kind] = {
            **intent["payment_method_options"].get(kind, {}),
            **(options or {}),
        }
    for kind in intent["payment_method_types"]:
        if kind == "card":
            card = {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
            intent["payment_method_options"] = {
                **intent["payment_method_options"],
                "card": {**card, **intent["payment_method_options"].get("card", {})},
            }


def _how(params: Params) -> Confirmation:
    return Confirmation(
        off_session=params.get("off_session") not in (None, False, "false"),
        return_url=params.get("return_url"),
        error_on_requires_action=bool(params.get("error_on_requires_action")),
    )


ROUTES = [
    Route("POST", "/v1/payment_intents", create, "PaymentIntentCreateParams"),
    Route(
        "GET",
        "/v1/payment_intents",
        lister("payment_intent", "/v1/payment_intents", "customer"),
        "PaymentIntentListParams",
    ),
    Route(
        "GET",
        "/v1/payment_intents/search",
        searcher("payment_intent"),
        "PaymentIntentSearchParams",
    ),
    Route("GET", "/v1/payment_intents/*", getter("payment_intent"), "PaymentIntentRetrieveParams"),
    Route("POST", "/v1/payment_intents/*", update, "PaymentIntentUpdateParams"),
    Route("POST", "/v1/payment_intents/*/confirm", confirm, "PaymentIntentConfirmParams"),
    Route("POST", "/v1/payment_intents/*/capture", capture, "PaymentIntentCaptureParams"),
    Route("POST", "/v1/payment_intents/*/cancel", cancel, "PaymentIntentCancelParams"),
]
