"""A PaymentIntent's states, and the moves between them.

Source of the states: https://docs.stripe.com/payments/paymentintents/lifecycle. Nothing here
commits: a decline is raised as a 402 whose changes are kept.
"""

from typing import Any

from billing.local.stripe import aftermath, banks, charging, mandates, methods, setups
from billing.local.stripe.cards import TestCard
from billing.local.stripe.confirmation import Confirmation
from billing.local.stripe.declines import AUTHENTICATION_FAILED, Decline, decline
from billing.local.stripe.errors import ApiError, invalid_request
from billing.local.stripe.ids import client_secret, new_id
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

DAY = 86_400
CARD_HOLD_DAYS = 7
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*CONFIRMABLE, "requires_capture")


def new_intent(work: Work, amount: int, currency: str, **fields: Any) -> Obj:
    """A stored PaymentIntent in `requires_payment_method`; emits `payment_intent.created`."""
    intent_id = new_id("pi")
    return work.add(
        "payment_intent",
        {
            "id": intent_id,
            "object": "payment_intent",
            "allowed_payment_method_types": None,
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": client_secret(intent_id),
            "confirmation_method": "automatic",
            "created": work.now,
            "currency": currency,
            "customer": None,
            "customer_account": None,
            "description": None,
            "excluded_payment_method_types": None,
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "presentment_details": None,
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
            **fields,
            "_": {},
        },
    )


def choose(work: Work, intent: Obj, method: Obj) -> None:
    """Set the payment method, if it may pay for this intent."""
    methods.check_belongs(method, intent["customer"])
    methods.check_reusable(method)
    if method["type"] not in intent["payment_method_types"]:
        raise invalid_request(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. "
            f"Please attach a PaymentMethod of one of the following types: "
            f"{', '.join(intent['payment_method_types'])}.",
            param="payment_method",
        )
    if method["type"] == "sepa_debit" and intent["currency"] != "eur":
        raise invalid_request(
            "The currency provided is invalid for this payment method type: sepa_debit.",
            param="currency",
        )
    work.change(intent, payment_method=method["id"], status="requires_confirmation")


def confirm(work: Work, intent: Obj, how: Confirmation) -> None:
    """Try to collect. Ends in succeeded, requires_capture, processing, requires_action or a 402."""
    check_status(intent, CONFIRMABLE, "confirm")
    if intent["payment_method"] is None:
        raise invalid_request(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
            "either update the PaymentIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
            payment_intent=public(intent),
        )
    method = work.get("payment_method", intent["payment_method"])
    methods.check_reusable(method)
    work.change(intent, last_payment_error=None, next_action=None)
    if method["type"] in methods.BANK_TYPES:
        _debit(work, intent, method, how)
        return
    card = methods.behaviour(method)
    options = intent["payment_method_options"].get("card", {})
    wanted = options.get("request_three_d_secure") in ("any", "challenge")
    if needs_authentication(card, method, off_session=how.off_session, wanted=wanted):
        _ask(work, intent, method, card, how)
    else:
        charge(work, intent, method, card)


def check_status(intent: Obj, allowed: tuple[str, ...], verb: str) -> None:
    """Refuse a move that this status doesn't have."""
    if intent["status"] in allowed:
        return
    done = (
        "has already succeeded after being previously confirmed"
        if (verb == "confirm" and intent["status"] == "succeeded")
        else f"has a status of {intent['status']}"
    )
    raise invalid_request(
        f"You cannot {verb} this PaymentIntent because it {done}. Only a PaymentIntent with one of "
        f"the following statuses may be {_PARTICIPLES.get(verb, verb + 'ed')}: "
        f"{', '.join(allowed)}.",
        code="payment_intent_unexpected_state",
        payment_intent=public(intent),
    )


_PARTICIPLES = {"capture": "captured", "cancel": "canceled", "update": "updated"}


def needs_authentication(
    card: TestCard, method: Obj, *, off_session: bool, wanted: bool = False
) -> bool:
    """Whether the issuer wants 3D Secure for this payment, or the caller does (`wanted`)."""
    if card.auth == "on_request":
        return wanted and not off_session
    if card.auth == "unless_set_up":
        return not (off_session and method["_"].get("set_up", False))
    if card.auth == "on_session":
        return not off_session
    return card.auth == "always"


def charge(work: Work, intent: Obj, method: Obj, card: TestCard) -> None:
    """Put the charge through, or raise the decline."""
    refusal = methods.forced_decline(work, method) or card.decline
    if refusal is not None:
        raise decline_intent(work, intent, method, refusal, card)
    made = charging.make(work, intent, method, "succeeded")
    charging.succeed(work, made, card)
    _save_method(work, intent, method)
    if intent["capture_method"] == "manual":
        work.change(intent, status="requires_capture", amount_capturable=intent["amount"])
        work.emit("payment_intent.amount_capturable_updated", intent)
        work.later(CARD_HOLD_DAYS * DAY, "release_hold", intent["id"])
    else:
        finish(work, intent)


def finish(work: Work, intent: Obj) -> None:
    """The money has arrived."""
    work.change(
        intent,
        status="succeeded",
        amount_received=intent["amount"],
        processing=None,
        next_action=None,
    )
    work.emit("payment_intent.succeeded", intent)


def decline_intent(
    work: Work, intent: Obj, method: Obj, refusal: Decline, card: TestCard
) -> ApiError:
    """Record the refusal and return the 402 that tells of it."""
    failed = charging.fail(work, intent, method, refusal, card)
    reject(work, intent, method, refusal, failed["id"])
    return methods.card_error(refusal, method, charge=failed["id"], payment_intent=public(intent))


def reject(work: Work, intent: Obj, method: Obj, refusal: Decline, charge_id: str | None) -> None:
    """Back to `requires_payment_method`, with the reason."""
    error: Obj = {
        **refusal.fields(),
        "message": refusal.message,
        "type": "card_error",
        "payment_method": public(method),
    }
    if charge_id is not None:
        error["charge"] = charge_id
    if refusal is AUTHENTICATION_FAILED:
        error["type"] = "invalid_request_error"
    work.change(
        intent,
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        processing=None,
        last_payment_error=error,
    )
    work.emit("payment_intent.payment_failed", intent)


def authenticated(work: Work, intent: Obj, *, passed: bool) -> None:
    """The payer came back from 3D Secure. A decline after it is recorded, not raised."""
    check_status(intent, ("requires_action",), "authenticate")
    method = work.get("payment_method", intent["payment_method"])
    if not passed:
        reject(work, intent, method, AUTHENTICATION_FAILED, None)
        return
    intent["_"]["authenticated"] = True
    method["_"]["set_up"] = method["_"].get("set_up") or intent["setup_future_usage"] is not None
    work.change(method)
    try:
        charge(work, intent, method, methods.behaviour(method))
    except ApiError as declined:
        if not declined.keep:
            raise


def _ask(work: Work, intent: Obj, method: Obj, card: TestCard, how: Confirmation) -> None:
    if how.off_session or how.error_on_requires_action:
        raise decline_intent(work, intent, method, decline("authentication_required"), card)
    page = f"{work.base_url}/c/3ds/{intent['id']}"
    if how.return_url:
        intent["_"]["return_url"] = how.return_url
        action: Params = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": how.return_url, "url": page},
        }
    else:
        action = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "type": "three_d_secure_redirect",
                "stripe_js": page,
                "source": new_id("src"),
            },
        }
    work.change(intent, status="requires_action", next_action=action)
    work.emit("payment_intent.requires_action", intent)


def _debit(work: Work, intent: Obj, method: Obj, how: Confirmation) -> None:
    """A bank debit: pending now, settled later."""
    mandates.ensure(work, method)
    ends = banks.settlement_of(method["type"], method["_"]["number"])
    if how.slow_debit and ends == banks.Settlement():
        ends = banks.SLOW
    made = charging.make(work, intent, method, "pending")
    made["_"]["ends"] = {"outcome": ends.outcome, "code": ends.code}
    work.emit("charge.pending", made)
    _save_method(work, intent, method)
    work.change(intent, status="processing", processing=None)
    work.emit("payment_intent.processing", intent)
    work.later(ends.after, "settle_debit", intent["id"])


def _save_method(work: Work, intent: Obj, method: Obj) -> None:
    """With `setup_future_usage` the method is kept for the customer; without, it is spent."""
    options = intent["payment_method_options"].get(method["type"], {})
    usage = options.get("setup_future_usage") or intent["setup_future_usage"]
    customer = intent["customer"]
    if usage and customer:
        methods.link(work, method, customer)
        if usage == "off_session":
            setups.allow_off_session(work, method)
    elif method["customer"] is None:
        method["_"]["spent"] = True
        work.change(method)


def capture(work: Work, intent: Obj, amount: int | None) -> None:
    """Collect what was authorised; what is not captured is released."""
    check_status(intent, ("requires_capture",), "capture")
    sum_captured = intent["amount_capturable"] if amount is None else amount
    if not 1 <= sum_captured <= intent["amount_capturable"]:
        raise invalid_request(
            "The amount to capture must be between 1 and the amount capturable: "
            f"{intent['amount_capturable']}.",
            param="amount_to_capture",
            code="amount_too_large",
        )
    held = work.get("charge", intent["latest_charge"])
    method = work.get("payment_method", intent["payment_method"])
    card = methods.behaviour(method)
    work.change(
        held,
        captured=True,
        amount_captured=sum_captured,
        amount_refunded=held["amount"] - sum_captured,
    )
    charging.collect(work, held, card)
    work.emit("charge.captured", held)
    aftermath.follow(work, held, card)
    work.change(intent, status="succeeded", amount_capturable=0, amount_received=sum_captured)
    work.emit("payment_intent.succeeded", intent)


def cancel(work: Work, intent: Obj, reason: str | None) -> None:
    """Give up; an authorised charge is released."""
    check_status(intent, CANCELABLE, "cancel")
    if intent["status"] == "requires_capture":
        held = work.get("charge", intent["latest_charge"])
        work.change(held, refunded=True, amount_refunded=held["amount"])
        work.emit("charge.refunded", held)
    work.change(
        intent,
        status="canceled",
        canceled_at=work.now,
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
    )
    work.emit("payment_intent.canceled", intent)


def update_metadata(intent: Obj, params: Params) -> None:
    """Merge `metadata` when given."""
    if "metadata" in params:
        intent["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
