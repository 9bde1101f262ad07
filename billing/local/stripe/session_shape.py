"""The Checkout Session object, as it is when created."""

from billing.local.stripe.ids import random_text
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

MIN_LIFE, MAX_LIFE = 30 * 60, 24 * 3600
_OLD_UI_MODES = {"hosted": "hosted_page", "embedded": "embedded_page", "custom": "elements"}


def ui_mode_of(params: Params) -> str:
    """The mode asked for, older names of it included."""
    given: str = params.get("ui_mode", "hosted_page")
    return _OLD_UI_MODES.get(given, given)


def session_object(work: Work, params: Params, mode: str, currency: str | None, total: int) -> Obj:
    """An open session that no one has looked at yet; not stored."""
    session_id = f"cs_test_{random_text(58)}"
    hosted = ui_mode_of(params) == "hosted_page"
    email = params.get("customer_email")
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False, **(params.get("adaptive_pricing") or {})},
        "after_expiration": params.get("after_expiration"),
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount_subtotal": total if mode == "payment" else None,
        "amount_total": total if mode == "payment" else None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "branding_settings": params.get("branding_settings"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None if hosted else f"{session_id}_secret_{random_text(40)}",
        "collected_information": None,
        "consent": None,
        "consent_collection": params.get("consent_collection"),
        "created": work.now,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": params.get("custom_fields") or [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
            **(params.get("custom_text") or {}),
        },
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": None
        if mode == "setup" or "customer" in params
        else params.get("customer_creation", "if_required"),
        "customer_details": {
            "address": None,
            "business_name": None,
            "email": email,
            "individual_name": None,
            "name": None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": None,
        }
        if email
        else None,
        "customer_email": email,
        "discounts": [],
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        "expires_at": params.get("expires_at", work.now + MAX_LIFE),
        "integration_identifier": params.get("integration_identifier"),
        "invoice": None,
        "invoice_creation": {"enabled": False} if mode == "payment" else None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": merge_metadata({}, params.get("metadata")),
        "mode": mode,
        "origin_context": params.get("origin_context"),
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required" if mode == "payment" else "always",
        "payment_method_configuration_details": None,
        "payment_method_options": params.get("payment_method_options")
        or {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": [],
        "payment_status": "no_payment_required" if mode == "setup" else "unpaid",
        "permissions": None,
        "phone_number_collection": {
            "enabled": False,
            **(params.get("phone_number_collection") or {}),
        },
        "presentment_details": None,
        "recovered_from": None,
        "redirect_on_completion": params.get("redirect_on_completion"),
        "return_url": params.get("return_url"),
        "saved_payment_method_options": params.get("saved_payment_method_options"),
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params.get("success_url"),
        "tax_id_collection": {"enabled": False, "required": "never"},
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}
        if mode == "payment"
        else None,
        "ui_mode": ui_mode_of(params),
        "url": f"{work.base_url}/c/pay/{session_id}" if hosted else None,
        "wallet_options": params.get("wallet_options"),
        "_": {
            "creates_customer": params.get("customer_creation") == "always",
            "payment_intent_data": params.get("payment_intent_data") or {},
        },
    }
