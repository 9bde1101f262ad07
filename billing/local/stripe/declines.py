"""Why an issuer says no, with Stripe's codes.

Sources: https://docs.stripe.com/declines/codes, https://docs.stripe.com/error-codes and, for
`advice_code`, https://docs.stripe.com/declines/card#retrying-issuer-declines.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Decline:
    """One refusal. `blocked` means Radar refused it and the issuer never saw it."""

    code: str
    decline_code: str | None
    message: str
    advice_code: str | None = None
    network_decline_code: str | None = None
    blocked: bool = False

    def fields(self) -> dict[str, Any]:
        """The fields of an error object, without those that don't apply."""
        return {
            name: value
            for name, value in {
                "code": self.code,
                "decline_code": self.decline_code,
                "advice_code": self.advice_code,
                "network_decline_code": self.network_decline_code,
                "param": _PARAMS.get(self.code),
            }.items()
            if value is not None
        }


_PARAMS = {"expired_card": "exp_month", "incorrect_cvc": "cvc", "incorrect_number": "number"}
_DECLINED = "Your card was declined."
_AGAIN, _NEVER, _CONFIRM = "try_again_later", "do_not_try_again", "confirm_card_data"

# decline code: (code, message, advice, the network's code)
_TABLE: dict[str, tuple[str, str, str | None, str | None]] = {
    "generic_decline": ("card_declined", _DECLINED, _AGAIN, "01"),
    "do_not_honor": ("card_declined", _DECLINED, _AGAIN, "05"),
    "call_issuer": ("card_declined", _DECLINED, None, "01"),
    "insufficient_funds": ("card_declined", "Your card has insufficient funds.", _AGAIN, "51"),
    "lost_card": ("card_declined", _DECLINED, _NEVER, "41"),
    "stolen_card": ("card_declined", _DECLINED, _NEVER, "43"),
    "pickup_card": ("card_declined", _DECLINED, _NEVER, "04"),
    "restricted_card": ("card_declined", _DECLINED, _NEVER, "62"),
    "transaction_not_allowed": ("card_declined", _DECLINED, _NEVER, "57"),
    "revocation_of_authorization": ("card_declined", _DECLINED, _NEVER, "R1"),
    "revocation_of_all_authorizations": ("card_declined", _DECLINED, _NEVER, "R3"),
    "stop_payment_order": ("card_declined", _DECLINED, _NEVER, "R0"),
    "card_not_supported": ("card_declined", "Your card does not support this type of purchase.",
                           _NEVER, "57"),
    "currency_not_supported": ("card_declined", "Your card does not support this currency.",
                               None, "57"),
    "issuer_not_available": ("card_declined", _DECLINED, _AGAIN, "91"),
    "reenter_transaction": ("card_declined", _DECLINED, _AGAIN, "19"),
    "try_again_later": ("card_declined", _DECLINED, _AGAIN, "96"),
    "invalid_account": ("card_declined", "Invalid account.", _NEVER, "14"),
    "withdrawal_count_limit_exceeded": (
        "card_declined", "You have exceeded the credit limit on your card.", _AGAIN, "65",
    ),
    "card_velocity_exceeded": (
        "card_declined",
        ("Your card was declined for making repeated attempts too frequently or exceeding its "
         "amount limit."),
        _AGAIN,
        "65",
    ),
    "fraudulent": ("card_declined", _DECLINED, None, None),
    "expired_card": ("expired_card", "Your card has expired.", _CONFIRM, "54"),
    "incorrect_cvc": ("incorrect_cvc", "Your card's security code is incorrect.", _CONFIRM, "N7"),
    "incorrect_number": ("incorrect_number", "Your card number is incorrect.", _CONFIRM, "14"),
    "processing_error": (
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        _AGAIN,
        "96",
    ),
    "authentication_required": (
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        None,
        "1A",
    ),
}  # fmt: skip


def known_declines() -> list[str]:
    """Every decline code this stand-in can give."""
    return sorted(_TABLE)


def decline(decline_code: str, *, blocked: bool = False) -> Decline:
    """The decline with Stripe's message and the usual advice for that code."""
    code, message, advice, network = _TABLE[decline_code]
    return Decline(code, decline_code, message, advice, network, blocked)


AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method "
    "and try again.",
)
SETUP_AUTHENTICATION_FAILED = Decline(
    "setup_intent_authentication_failure", None, AUTHENTICATION_FAILED.message
)
