"""A SetupIntent's states: saving a payment method without charging it.

Source: https://docs.stripe.com/payments/setupintents/lifecycle
"""

from typing import Any

from billing.local.stripe import mandates, methods
from billing.local.stripe.confirmation import Confirmation
from billing.local.stripe.declines import SETUP_AUTHENTICATION_FAILED, Decline, decline
from billing.local.stripe.errors import ApiError, invalid_request
from billing.local.stripe.ids import client_secret, new_id
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_setup(work: Work, **fields: Any) -> Obj:
    """A stored SetupIntent in `requires_payment_method`. Emits nothing."""
    setup_id = new_id("seti")
    return work.add(
        "setup_intent",
        {
            "id": setup_id,
            "object": "setup_intent",
            "allowed_payment_method_types": None,
            "application": None,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "cancellation_reason": None,
            "client_secret": client_secret(setup_id),
            "created": work.now,
            "customer": None,
            "customer_account": None,
            "description": None,
            "excluded_payment_method_types": None,
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "livemode": False,
            "mandate": None,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": {
                "card": {
                    "mandate_options": None,
                    "network": None,
                    "request_three_d_secure": "automatic",
                }
            },
            "payment_method_types": ["card"],
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": "off_session",
            **fields,
            "_": {},
        },
    )


def choose(work: Work, setup: Obj, method: Obj) -> None:
    """Set the payment method to save."""
    methods.check_belongs(method, setup["customer"])
    methods.check_reusable(method)
    work.change(setup, payment_method=method["id"], status="requires_confirmation")


def confirm(work: Work, setup: Obj, how: Confirmation) -> None:
    """Save the method; asks for 3D Secure, or raises a decline, when its card does."""
    check_status(setup, OPEN, "confirm")
    if setup["payment_method"] is None:
        raise invalid_request(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update "
            "the SetupIntent with a payment method and then confirm it again.",
            code="setup_intent_unexpected_state",
        )
    method = work.get("payment_method", setup["payment_method"])
    work.change(setup, last_setup_error=None, next_action=None)
    if method["type"] == "card":
        card = methods.behaviour(method)
        if card.auth in ("unless_set_up", "always"):
            _ask(work, setup, method, how)
            return
        if card.decline is not None and not card.attaches:
            raise _declined(work, setup, method, card.decline)
    finish(work, setup)


def check_status(setup: Obj, allowed: tuple[str, ...], verb: str) -> None:
    """Refuse a move that this status doesn't have."""
    if setup["status"] not in allowed:
        raise invalid_request(
            f"You cannot {verb} this SetupIntent because it has a status of {setup['status']}.",
            code="setup_intent_unexpected_state",
            setup_intent=public(setup),
        )


def finish(work: Work, setup: Obj) -> None:
    """Saved: attached to the customer, mandate where the kind needs one."""
    method = work.get("payment_method", setup["payment_method"])
    mandate = mandates.ensure(work, method)
    if setup["customer"]:
        methods.link(work, method, setup["customer"])
    if setup["usage"] == "off_session":
        allow_off_session(work, method)
    work.change(
        setup, status="succeeded", next_action=None, mandate=mandate["id"] if mandate else None
    )
    work.emit("setup_intent.succeeded", setup)


def allow_off_session(work: Work, method: Obj) -> None:
    """From now on the payer need not authenticate with a card that remembers a set-up."""
    method["_"]["set_up"] = True
    work.change(method)


def authenticated(work: Work, setup: Obj, *, passed: bool) -> None:
    """The payer came back from 3D Secure."""
    check_status(setup, ("requires_action",), "authenticate")
    if passed:
        finish(work, setup)
        return
    method = work.get("payment_method", setup["payment_method"])
    _reject(work, setup, method, SETUP_AUTHENTICATION_FAILED)


def cancel(work: Work, setup: Obj, reason: str | None) -> None:
    """Give up."""
    check_status(setup, OPEN, "cancel")
    work.change(setup, status="canceled", cancellation_reason=reason, next_action=None)
    work.emit("setup_intent.canceled", setup)


def _ask(work: Work, setup: Obj, method: Obj, how: Confirmation) -> None:
    if how.off_session:
        raise _declined(work, setup, method, decline("authentication_required"))
    page = f"{work.base_url}/c/3ds/{setup['id']}"
    if how.return_url:
        setup["_"]["return_url"] = how.return_url
        action: Obj = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": how.return_url, "url": page},
        }
    else:
        action = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page},
        }
    work.change(setup, status="requires_action", next_action=action)
    work.emit("setup_intent.requires_action", setup)


def _declined(work: Work, setup: Obj, method: Obj, refusal: Decline) -> ApiError:
    _reject(work, setup, method, refusal)
    return methods.card_error(refusal, method, setup_intent=public(setup))


def _reject(work: Work, setup: Obj, method: Obj, refusal: Decline) -> None:
    error = {
        **refusal.fields(),
        "message": refusal.message,
        "payment_method": public(method),
        "type": "invalid_request_error" if refusal is SETUP_AUTHENTICATION_FAILED else "card_error",
    }
    work.change(
        setup,
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=error,
    )
    work.emit("setup_intent.setup_failed", setup)
