"""What to do about each way in which a payment can fail. One table, with its sources. Pure.

Sources, read in November 2026:
- decline codes: https://docs.stripe.com/declines/codes
- advice codes: https://docs.stripe.com/declines/card#retrying-issuer-declines
- error codes: https://docs.stripe.com/error-codes
- error classes: https://docs.stripe.com/api/errors and the library's exceptions
- reattempts: Visa allows 15 in 30 days, Mastercard 10 a day and 35 in 30 days; we make at most 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Remedy(StrEnum):
    """What can be done about a failure."""

    RETRY_LATER = "retry_later"
    """The same card may work on another day."""
    NEEDS_PAYER = "needs_payer"
    """Only the payer can help: by confirming with the bank, or by correcting the card."""
    NEVER_AGAIN = "never_again"
    """This card must not be tried again; another is asked for at once."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """The money may have been taken: find out before anything else."""


_RETRY, _PAYER = Remedy.RETRY_LATER, Remedy.NEEDS_PAYER
_NEVER, _UNKNOWN = Remedy.NEVER_AGAIN, Remedy.UNKNOWN_OUTCOME

DECLINE_CODES: Mapping[str, Remedy] = {
    "approve_with_id": _RETRY,
    "authentication_not_handled": _PAYER,
    "authentication_required": _PAYER,
    "call_issuer": _PAYER,
    "card_not_supported": _NEVER,
    "card_velocity_exceeded": _RETRY,
    "currency_not_supported": _NEVER,
    "do_not_honor": _RETRY,
    "do_not_try_again": _NEVER,
    "duplicate_transaction": _RETRY,
    "expired_card": _PAYER,
    "fraudulent": _NEVER,
    "generic_decline": _RETRY,
    "highest_risk_level": _NEVER,
    "incorrect_address": _PAYER,
    "incorrect_cvc": _PAYER,
    "incorrect_number": _PAYER,
    "incorrect_pin": _PAYER,
    "incorrect_postal_code": _PAYER,
    "incorrect_zip": _PAYER,
    "insufficient_funds": _RETRY,
    "invalid_account": _NEVER,
    "invalid_amount": _NEVER,
    "invalid_cvc": _PAYER,
    "invalid_expiry_month": _PAYER,
    "invalid_expiry_year": _PAYER,
    "invalid_number": _PAYER,
    "invalid_pin": _PAYER,
    "issuer_not_available": _RETRY,
    "lost_card": _NEVER,
    "merchant_blacklist": _NEVER,
    "mobile_device_authentication_required": _PAYER,
    "new_account_information_available": _PAYER,
    "no_action_taken": _RETRY,
    "not_permitted": _NEVER,
    "offline_pin_required": _PAYER,
    "online_or_offline_pin_required": _PAYER,
    "pickup_card": _NEVER,
    "pin_try_exceeded": _PAYER,
    "previously_declined_do_not_retry": _NEVER,
    "processing_error": _RETRY,
    "reenter_transaction": _RETRY,
    "requested_block_on_incorrect_cvc": _PAYER,
    "restricted_card": _NEVER,
    "revocation_of_all_authorizations": _NEVER,
    "revocation_of_authorization": _NEVER,
    "security_violation": _NEVER,
    "service_not_allowed": _NEVER,
    "stolen_card": _NEVER,
    "stop_payment_order": _NEVER,
    "testmode_decline": _NEVER,
    "transaction_not_allowed": _NEVER,
    "try_again_later": _RETRY,
    "withdrawal_count_limit_exceeded": _RETRY,
}
"""The issuer's or Stripe's reason, `decline_code` of a card error."""

ADVICE_CODES: Mapping[str, Remedy] = {
    "confirm_card_data": _PAYER,
    "do_not_try_again": _NEVER,
    "try_again_later": _RETRY,
}
"""The network's advice, which goes before the reason, save that it never softens NEVER_AGAIN."""

ERROR_CODES: Mapping[str, Remedy] = {
    "account_closed": _NEVER,
    "amount_too_large": _NEVER,
    "amount_too_small": _NEVER,
    "authentication_required": _PAYER,
    "bank_account_declined": _PAYER,
    "bank_account_restricted": _NEVER,
    "bank_account_unusable": _NEVER,
    "bank_account_unverified": _PAYER,
    "card_decline_rate_limit_exceeded": _RETRY,
    "card_declined": _RETRY,
    "charge_exceeds_source_limit": _RETRY,
    "charge_exceeds_transaction_limit": _RETRY,
    "customer_deleted": _PAYER,
    "debit_not_authorized": _NEVER,
    "expired_card": _PAYER,
    "expired_payment_method": _PAYER,
    "idempotency_key_in_use": _UNKNOWN,
    "incorrect_address": _PAYER,
    "incorrect_cvc": _PAYER,
    "incorrect_number": _PAYER,
    "incorrect_postal_code": _PAYER,
    "incorrect_zip": _PAYER,
    "india_recurring_payment_mandate_canceled": _NEVER,
    "insufficient_funds": _RETRY,
    "invalid_charge_amount": _NEVER,
    "invalid_cvc": _PAYER,
    "invalid_expiry_month": _PAYER,
    "invalid_expiry_year": _PAYER,
    "invalid_number": _PAYER,
    "lock_timeout": _RETRY,
    "no_account": _NEVER,
    "no_payment_method": _PAYER,
    "payment_intent_authentication_failure": _PAYER,
    "payment_intent_incompatible_payment_method": _PAYER,
    "payment_intent_mandate_invalid": _PAYER,
    "payment_intent_payment_attempt_expired": _RETRY,
    "payment_intent_payment_attempt_failed": _RETRY,
    "payment_intent_rate_limit_exceeded": _RETRY,
    "payment_intent_unexpected_state": _UNKNOWN,
    "payment_method_bank_account_blocked": _NEVER,
    "payment_method_currency_mismatch": _PAYER,
    "payment_method_customer_decline": _PAYER,
    "payment_method_not_available": _RETRY,
    "payment_method_provider_decline": _RETRY,
    "payment_method_provider_timeout": _RETRY,
    "payment_method_restricted": _NEVER,
    "payment_method_unactivated": _PAYER,
    "payment_method_unexpected_state": _PAYER,
    "payment_method_unsupported_type": _PAYER,
    "processing_error": _RETRY,
    "rate_limit": _RETRY,
    "refer_to_customer": _PAYER,
    "resource_missing": _PAYER,
    "setup_intent_authentication_failure": _PAYER,
    "setup_intent_mandate_invalid": _PAYER,
    "three_d_secure_authentication_not_supported": _NEVER,
    "three_d_secure_authentication_upstream_error": _RETRY,
}
"""`code` of an error or of a failed payment, where no decline code says more."""

ERROR_CLASSES: Mapping[str, Remedy] = {
    "APIConnectionError": _UNKNOWN,
    "APIError": _UNKNOWN,
    "AuthenticationError": _RETRY,
    "CardError": _RETRY,
    "IdempotencyError": _UNKNOWN,
    "InvalidRequestError": _RETRY,
    "PermissionError": _RETRY,
    "RateLimitError": _RETRY,
}
"""The library's exceptions, where they carry no code."""

RETRY_DAYS = (1, 3, 7, 13)
"""Days after the first decline on which a payment is tried again."""

CAREFUL_RETRY_DAYS = (3, 7)
"""The same for a code that is in no table: fewer, and a line for staff."""

RETRY_HOURS = (9, 13, 18, 21)
"""The newsroom's hours of the retries: never that of the decline before."""

WINDOW = timedelta(days=14)
"""How long after the first decline a pledge stays past due before it lapses."""


def is_mapped(code: str | None, decline_code: str | None, advice_code: str | None) -> bool:
    """Whether the tables know what to do about a failure with these codes."""
    return _reason(code, decline_code) is not None or advice_code in ADVICE_CODES


def remedy_for(code: str | None, decline_code: str | None, advice_code: str | None) -> Remedy:
    """What to do about a failure; one that is in no table is retried, with care."""
    reason = _reason(code, decline_code)
    if reason is Remedy.NEVER_AGAIN:
        return reason
    return ADVICE_CODES.get(advice_code or "") or reason or Remedy.RETRY_LATER


def _reason(code: str | None, decline_code: str | None) -> Remedy | None:
    """The remedy for the bank's reason, or for Stripe's code where the bank gave none."""
    if decline_code:
        return DECLINE_CODES.get(decline_code)
    return ERROR_CODES.get(code or "") or DECLINE_CODES.get(code or "")


def next_retry(
    first_declined_at: datetime, declines: int, zone: ZoneInfo, *, mapped: bool = True
) -> datetime | None:
    """When to try again after the `declines`-th decline in a row (1 is the first), in UTC.

    Days are counted from the first decline (aware) in the newsroom's `zone`. None when no retry is
    left.

    Raises:
        ValueError: when `declines` is below 1.
    """
    if declines < 1:
        raise ValueError("there is nothing to retry before the first decline")
    days = RETRY_DAYS if mapped else CAREFUL_RETRY_DAYS
    if declines > len(days):
        return None
    first = first_declined_at.astimezone(zone)
    hour = RETRY_HOURS[declines - 1]
    if declines == 1 and hour == first.hour:
        hour += 2
    day = first.date() + timedelta(days=days[declines - 1])
    moment = datetime.combine(day, time(hour, first.minute), tzinfo=zone)
    return moment.astimezone(ZoneInfo("UTC"))
