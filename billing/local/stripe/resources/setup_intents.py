"""/v1/setup_intents."""

from billing.local.stripe import methods, setups
from billing.local.stripe.confirmation import Confirmation
from billing.local.stripe.errors import invalid_request
from billing.local.stripe.pagination import getter, lister
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.resources.customers import get_live
from billing.local.stripe.router import Route
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

_PLAIN = (
    "description",
    "usage",
    "flow_directions",
    "attach_to_self",
    "allowed_payment_method_types",
    "excluded_payment_method_types",
)


def create(work: Work, params: Params) -> Obj:
    """POST /v1/setup_intents."""
    if not params.get("confirm") and "mandate_data" in params:
        raise invalid_request(
            "The parameter `mandate_data` needs `confirm=true`.", param="mandate_data"
        )
    if "customer" in params:
        get_live(work, params["customer"])
    setup = setups.new_setup(work, customer=params.get("customer"))
    _apply(work, setup, params)
    work.emit("setup_intent.created", setup)
    if params.get("confirm"):
        setups.confirm(work, setup, Confirmation(return_url=params.get("return_url")))
    return setup


def update(work: Work, params: Params, setup_id: str) -> Obj:
    """POST /v1/setup_intents/:id."""
    setup = work.get("setup_intent", setup_id, "intent")
    setups.check_status(setup, setups.OPEN, "update")
    if params.get("customer"):
        get_live(work, params["customer"])
        setup["customer"] = params["customer"]
    _apply(work, setup, params)
    return work.change(setup)


def confirm(work: Work, params: Params, setup_id: str) -> Obj:
    """POST /v1/setup_intents/:id/confirm."""
    setup = work.get("setup_intent", setup_id, "intent")
    setups.check_status(setup, setups.OPEN, "confirm")
    _apply(work, setup, params)
    setups.confirm(work, setup, Confirmation(return_url=params.get("return_url")))
    return setup


def cancel(work: Work, params: Params, setup_id: str) -> Obj:
    """POST /v1/setup_intents/:id/cancel."""
    setup = work.get("setup_intent", setup_id, "intent")
    setups.cancel(work, setup, params.get("cancellation_reason"))
    return setup


def _apply(work: Work, setup: Obj, params: Params) -> None:
    for name in _PLAIN:
        if name in params:
            setup[name] = params[name] or None
    if "metadata" in params:
        setup["metadata"] = merge_metadata(setup["metadata"], params["metadata"])
    if "payment_method_types" in params:
        setup["payment_method_types"] = params["payment_method_types"]
        setup["automatic_payment_methods"] = None
    if "automatic_payment_methods" in params:
        setup["automatic_payment_methods"] = {
            "allow_redirects": "always",
            **params["automatic_payment_methods"],
        }
    if params.get("payment_method"):
        setups.choose(work, setup, methods.resolve(work, params["payment_method"]))
    elif "payment_method_data" in params:
        setups.choose(work, setup, methods.create(work, params["payment_method_data"]))


ROUTES = [
    Route("POST", "/v1/setup_intents", create, "SetupIntentCreateParams"),
    Route(
        "GET",
        "/v1/setup_intents",
        lister("setup_intent", "/v1/setup_intents", "customer", "payment_method"),
        "SetupIntentListParams",
    ),
    Route("GET", "/v1/setup_intents/*", getter("setup_intent"), "SetupIntentRetrieveParams"),
    Route("POST", "/v1/setup_intents/*", update, "SetupIntentUpdateParams"),
    Route("POST", "/v1/setup_intents/*/confirm", confirm, "SetupIntentConfirmParams"),
    Route("POST", "/v1/setup_intents/*/cancel", cancel, "SetupIntentCancelParams"),
]
