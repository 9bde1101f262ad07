"""Why a payment failed, as a payer can be told: codes gathered into a few families. Pure.

The sentences stand in templates/components/declined.txt, in every language. What Stripe advises not
to tell a payer is not told: a card reported lost or stolen, or taken for fraud, was just refused.
Source: https://docs.stripe.com/declines/codes
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """What a payer is told about a failed payment."""

    MONEY = "money"
    LIMIT = "limit"
    EXPIRED = "expired"
    DETAILS = "details"
    CONFIRM = "confirm"
    CALL = "call"
    BLOCKED = "blocked"
    STOPPED = "stopped"
    UNSUITABLE = "unsuitable"
    ACCOUNT = "account"
    GONE = "gone"
    """There is nothing saved any more that could be charged."""
    AWAY = "away"
    """The bank, or somebody on the way to it, did not answer."""
    REFUSED = "refused"
    """No reason was given, or none that may be told."""


_CODES: Mapping[Reason, str] = {
    Reason.MONEY: "insufficient_funds",
    Reason.LIMIT: """
        amount_too_large amount_too_small card_velocity_exceeded charge_exceeds_source_limit
        charge_exceeds_transaction_limit invalid_amount invalid_charge_amount
        withdrawal_count_limit_exceeded
    """,
    Reason.EXPIRED: """
        expired_card expired_payment_method invalid_expiry_month invalid_expiry_year
        new_account_information_available
    """,
    Reason.DETAILS: """
        incorrect_address incorrect_cvc incorrect_number incorrect_pin incorrect_postal_code
        incorrect_zip invalid_cvc invalid_number invalid_pin requested_block_on_incorrect_cvc
    """,
    Reason.CONFIRM: """
        authentication_not_handled authentication_required mobile_device_authentication_required
        offline_pin_required online_or_offline_pin_required payment_intent_authentication_failure
        setup_intent_authentication_failure
    """,
    Reason.CALL: """
        approve_with_id call_issuer payment_method_customer_decline payment_method_unactivated
        pin_try_exceeded refer_to_customer
    """,
    Reason.BLOCKED: """
        do_not_try_again invalid_account payment_method_restricted previously_declined_do_not_retry
        restricted_card
    """,
    Reason.STOPPED: """
        debit_not_authorized india_recurring_payment_mandate_canceled payment_intent_mandate_invalid
        revocation_of_all_authorizations revocation_of_authorization setup_intent_mandate_invalid
        stop_payment_order
    """,
    Reason.UNSUITABLE: """
        card_not_supported currency_not_supported not_permitted
        payment_intent_incompatible_payment_method payment_method_currency_mismatch
        payment_method_unsupported_type service_not_allowed testmode_decline
        three_d_secure_authentication_not_supported transaction_not_allowed
    """,
    Reason.ACCOUNT: """
        account_closed bank_account_declined bank_account_restricted bank_account_unusable
        bank_account_unverified no_account payment_method_bank_account_blocked
    """,
    Reason.GONE: """
        customer_deleted no_payment_method payment_method_unexpected_state resource_missing
    """,
    Reason.AWAY: """
        card_decline_rate_limit_exceeded idempotency_key_in_use issuer_not_available lock_timeout
        no_action_taken payment_intent_payment_attempt_expired payment_intent_payment_attempt_failed
        payment_intent_rate_limit_exceeded payment_intent_unexpected_state
        payment_method_not_available payment_method_provider_decline
        payment_method_provider_timeout processing_error rate_limit reenter_transaction
        three_d_secure_authentication_upstream_error try_again_later
    """,
    Reason.REFUSED: """
        card_declined do_not_honor duplicate_transaction fraudulent generic_decline
        highest_risk_level lost_card merchant_blacklist pickup_card security_violation stolen_card
    """,
}

REASONS: Mapping[str, Reason] = {
    code: reason for reason, codes in _CODES.items() for code in codes.split()
}
"""Every code of `declines.py`, with what a payer is told about it."""


def reason_for(code: str | None) -> Reason:
    """What a payer is told about a decline or error code; nothing definite about an unknown one."""
    return REASONS.get(code or "", Reason.REFUSED)
