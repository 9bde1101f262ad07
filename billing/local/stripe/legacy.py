"""Parameters of API versions before endive, accepted from clients that don't ask for it.

The Stripe CLI sends no `Stripe-Version`, so it gets the account's default version, which here is
one in which `payment_method_types` was still a parameter. A client that pins endive, as the SDK
does, is refused.
"""

from billing.local.stripe.schema import ANY_TEXT, Shape

STRICT_SINCE = "2026-10-28"
_TYPES = {"payment_method_types": Shape(item=ANY_TEXT)}
_UI_MODES = {
    "ui_mode": Shape(
        choices=(
            "hosted",
            "embedded",
            "custom",
            "hosted_page",
            "embedded_page",
            "elements",
            "form",
        )
    )
}

LEGACY: dict[str, dict[str, Shape]] = {
    "PaymentIntentCreateParams": _TYPES,
    "PaymentIntentUpdateParams": _TYPES,
    "PaymentIntentConfirmParams": _TYPES,
    "SetupIntentCreateParams": _TYPES,
    "SetupIntentUpdateParams": _TYPES,
    "SetupIntentConfirmParams": _TYPES,
    "checkout.SessionCreateParams": {**_TYPES, **_UI_MODES},
}


def is_legacy(version: str | None) -> bool:
    """Whether a `Stripe-Version` (None: the account's default) is older than endive."""
    return version is None or version[:10] < STRICT_SINCE
