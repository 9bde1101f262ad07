"""Decline codes as sentences that tell staff what happened and what can be done.

Source of the codes: https://docs.stripe.com/declines/codes.
"""

from __future__ import annotations

from billing.charges.reasons import REASONS as FAMILIES, Reason

_NO_MONEY = "Not enough money on the card. It may work in a few days."
_BANK_SAYS_NO = (
    "The bank refused and did not say why. The supporter may ask it or use another card."
)
_DEAD_CARD = "The bank has blocked this card for good. Another card is needed."
_LATER = "The bank could not be reached or asks to try again later."

_DEAD_ACCOUNT = "The bank account is closed or can't be debited. Another way to pay is needed."

IN_GENERAL: dict[Reason, str] = {
    Reason.MONEY: _NO_MONEY,
    Reason.LIMIT: "The sum or the number of payments is above what the card allows.",
    Reason.EXPIRED: "The card has expired. The supporter has to give the new one.",
    Reason.DETAILS: "Something about the card was wrong. The supporter has to enter it again.",
    Reason.CONFIRM: "The bank wants the supporter to confirm the payment themselves.",
    Reason.CALL: "The supporter has to ask their bank, or use another card.",
    Reason.BLOCKED: _DEAD_CARD,
    Reason.STOPPED: "The supporter told their bank to stop these payments.",
    Reason.UNSUITABLE: "This card can't be used for such payments. Another card is needed.",
    Reason.ACCOUNT: _DEAD_ACCOUNT,
    Reason.GONE: "Nothing is saved that could be charged. The supporter has to give a card.",
    Reason.AWAY: _LATER,
    Reason.REFUSED: _BANK_SAYS_NO,
}
"""What is said of a code that has no sentence of its own, by its family."""

REASONS: dict[str, str] = {
    "account_closed": _DEAD_ACCOUNT,
    "authentication_required": "The bank wants the supporter to confirm the payment themselves.",
    "card_declined": _BANK_SAYS_NO,
    "card_not_supported": "This card can't be used for such payments. Another card is needed.",
    "card_velocity_exceeded": "The card has reached its limit for now. It may work in a few days.",
    "currency_not_supported": "The card can't pay in this currency. Another card is needed.",
    "debit_not_authorized": "The supporter told their bank to stop these payments.",
    "do_not_honor": _BANK_SAYS_NO,
    "expired_card": "The card has expired. The supporter has to give the new one.",
    "fraudulent": "Stripe took the payment for fraud and stopped it.",
    "generic_decline": _BANK_SAYS_NO,
    "incorrect_cvc": "The card's security code was wrong. The supporter has to enter it again.",
    "insufficient_funds": _NO_MONEY,
    "invalid_account": "The card's account is closed. Another card is needed.",
    "issuer_not_available": _LATER,
    "lost_card": _DEAD_CARD,
    "no_account": _DEAD_ACCOUNT,
    "no_payment_method": "No card is saved for this pledge. The supporter has to give one.",
    "pickup_card": _DEAD_CARD,
    "processing_error": _LATER,
    "reenter_transaction": _LATER,
    "restricted_card": _DEAD_CARD,
    "revocation_of_all_authorizations": "The supporter told their bank to stop these payments.",
    "revocation_of_authorization": "The supporter told their bank to stop these payments.",
    "stolen_card": _DEAD_CARD,
    "stop_payment_order": "The supporter told their bank to stop this payment.",
    "transaction_not_allowed": "The bank does not allow such payments on this card.",
    "try_again_later": _LATER,
}


def reason_in_words(code: str | None) -> str:
    """What a decline code means, in a sentence or two; an unknown one is shown as it is."""
    if code is None:
        return "No reason was given."
    if code in REASONS:
        return REASONS[code]
    if code in FAMILIES:
        return IN_GENERAL[FAMILIES[code]]
    return f"Stripe gives “{code}” as the reason."
