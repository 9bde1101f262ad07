"""Payment methods: made from a card, a test token or a bank account, and what they may do."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from billing.local.stripe.banks import is_iban, us_account_of
from billing.local.stripe.cards import TestCard, card_of, named_card, passes_luhn
from billing.local.stripe.declines import Decline, decline
from billing.local.stripe.errors import ApiError, invalid_request, missing_param, missing_resource
from billing.local.stripe.ids import new_id
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

BANK_TYPES = ("sepa_debit", "us_bank_account", "bacs_debit")
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
_CVC_LENGTHS = {"amex": (4,)}


def resolve(work: Work, method_id: str, param: str = "payment_method") -> Obj:
    """The payment method: one that exists, or a fresh one for a published test token."""
    card = named_card(method_id) if method_id.startswith("pm_card_") else None
    if card is not None:
        return store_card(work, card, {})
    account = us_account_of(method_id)
    if account is not None:
        bank = {
            "account_number": account,
            "routing_number": "110000000",
            "account_holder_type": "individual",
        }
        return create(work, {"type": "us_bank_account", "us_bank_account": bank})
    found = work.find("payment_method", method_id)
    if found is None:
        raise missing_resource("PaymentMethod", method_id, param)
    return found


def create(work: Work, params: Params) -> Obj:
    """Make a payment method from API parameters (or the hosted page's form)."""
    kind = params.get("type") or ("card" if "card" in params else None)
    if kind is None:
        raise missing_param("type")
    if kind == "card":
        return _create_card(work, params)
    if kind in BANK_TYPES:
        details = params.get(kind) or {}
        return store(work, kind, _bank_details(kind, details), params, _account_number(details))
    return store(work, kind, params.get(kind) or {}, params, "")


def store_card(work: Work, card: TestCard, params: Params, **details: Any) -> Obj:
    """Store a card payment method with that behaviour."""
    year = datetime.fromtimestamp(work.now, UTC).year + 1
    fields = _card_details(card, {"exp_month": 12, "exp_year": year, **details})
    return store(work, "card", fields, params, card.number)


def store(work: Work, kind: str, details: Obj, params: Params, number: str) -> Obj:
    """Store a payment method. `number` stays internal: it decides what the method does."""
    return work.add(
        "payment_method",
        {
            "id": new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": params.get("allow_redisplay", "unspecified"),
            "billing_details": billing_details(params.get("billing_details") or {}),
            "created": work.now,
            "customer": None,
            "customer_account": None,
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "type": kind,
            kind: details,
            "_": {"number": number},
        },
    )


def billing_details(given: Params) -> Obj:
    """Stripe's shape: everything there, null where not known."""
    address = given.get("address") or {}
    return {
        "address": {name: address.get(name) for name in _ADDRESS},
        "email": given.get("email") or None,
        "name": given.get("name") or None,
        "phone": given.get("phone") or None,
        "tax_id": given.get("tax_id") or None,
    }


def behaviour(method: Obj) -> TestCard:
    """What the card behind a payment method does."""
    return card_of(method["_"]["number"])


def attach(work: Work, method: Obj, customer: Obj) -> None:
    """Save the method to a customer; a card that declines its validation can't be saved."""
    if method["customer"] == customer["id"]:
        return
    if method["customer"] is not None:
        raise invalid_request(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    check_reusable(method)
    if method["type"] == "card":
        refusal = behaviour(method)
        if refusal.decline is not None and not refusal.attaches:
            raise card_error(refusal.decline, method)
    link(work, method, customer["id"])


def link(work: Work, method: Obj, customer_id: str) -> None:
    """Attach without questions: the payment just made has answered them."""
    if method["customer"] == customer_id:
        return
    work.change(method, customer=customer_id)
    work.emit("payment_method.attached", method)


def detach(work: Work, method: Obj) -> None:
    """Take the method from its customer, for good."""
    if method["customer"] is None:
        raise invalid_request(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible.",
            code="payment_method_unexpected_state",
        )
    previous = {"customer": method["customer"]}
    work.change(method, customer=None)
    method["_"]["spent"] = True
    work.emit("payment_method.detached", method, previous)


def check_reusable(method: Obj) -> None:
    """A method used or detached without a customer can't be used again."""
    if method["_"].get("spent"):
        raise invalid_request(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
            "attachment, shared with a connected account without Customer attachment, or was "
            "detached from a Customer. It may not be used again. To use a PaymentMethod multiple "
            "times, you must attach it to a Customer first.",
            param="payment_method",
        )


def check_belongs(method: Obj, customer_id: str | None) -> None:
    """A method attached to a customer serves that customer only."""
    owner = method["customer"]
    if owner is None or owner == customer_id:
        return
    if customer_id is None:
        raise invalid_request(
            f"The PaymentMethod {method['id']} belongs to the Customer {owner}. Please include the "
            "Customer in the `customer` parameter on the PaymentIntent.",
            param="payment_method",
        )
    raise invalid_request(
        f"The customer does not have a payment method with the ID {method['id']}. The payment "
        "method must be attached to the customer.",
        param="payment_method",
        code="resource_missing",
    )


def card_error(refusal: Decline, method: Obj | None = None, **fields: Any) -> ApiError:
    """402 `card_error`: a decline, kept together with what it changed."""
    if method is not None:
        fields["payment_method"] = public(method)
    return ApiError(402, "card_error", refusal.message, keep=True, **refusal.fields(), **fields)


def details_of(method: Obj) -> Obj:
    """`payment_method_details` of a charge made with this method."""
    kind, given = method["type"], dict(method.get(method["type"]) or {})
    if kind != "card":
        return {"type": kind, kind: {**given, "mandate": method["_"].get("mandate")}}
    checks, networks = given.pop("checks"), given.pop("networks")
    for name in ("display_brand", "generated_from", "three_d_secure_usage", "regulated_status"):
        given.pop(name, None)
    network = networks["available"][0]
    return {
        "type": "card",
        "card": {
            **given,
            "checks": checks,
            "network": network,
            "authorization_code": "123456",
            "extended_authorization": {"status": "disabled"},
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network_token": {"used": False},
            "network_transaction_id": hashlib.sha256(method["id"].encode()).hexdigest()[:15],
            "overcapture": {"status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": None,
        },
    }


def _create_card(work: Work, params: Params) -> Obj:
    given = params.get("card") or {}
    token = given.get("token")
    if token is not None:
        card = named_card(token) or _token_card(work, token)
        return store_card(work, card, params)
    if "number" not in given:
        raise missing_param("card[number]")
    number = "".join(given["number"].split()).replace("-", "")
    card = card_of(number)
    _check_number(card, number)
    return store_card(work, card, params, **_check_expiry(work, card, given))


def _token_card(work: Work, token: str) -> TestCard:
    found = work.find("token", token)
    if found is None:
        raise missing_resource("token", token, "card[token]")
    return card_of(found["_"]["number"])


def _check_number(card: TestCard, number: str) -> None:
    published = card.name != "other"
    if not (number.isdigit() and 12 <= len(number) <= 19 and (published or passes_luhn(number))):
        raise ApiError(
            402,
            "card_error",
            "Your card number is incorrect.",
            keep=True,
            code="incorrect_number",
            param="number",
        )


def _check_expiry(work: Work, card: TestCard, given: Params) -> Params:
    month, year = given.get("exp_month"), given.get("exp_year")
    if month is None or year is None:
        raise missing_param(f"card[{'exp_month' if month is None else 'exp_year'}]")
    year = year + 2000 if year < 100 else year
    today = datetime.fromtimestamp(work.now, UTC)
    if not 1 <= month <= 12:
        raise _invalid("expiration month", "invalid_expiry_month", "exp_month")
    if not today.year <= year <= today.year + 50:
        raise _invalid("expiration year", "invalid_expiry_year", "exp_year")
    if (year, month) < (today.year, today.month):
        raise _invalid("expiration month", "invalid_expiry_month", "exp_month")
    cvc = given.get("cvc")
    if cvc is not None and not (cvc.isdigit() and len(cvc) in _CVC_LENGTHS.get(card.brand, (3,))):
        raise _invalid("security code", "invalid_cvc", "cvc")
    return {"exp_month": month, "exp_year": year, "cvc": cvc}


def _invalid(what: str, code: str, param: str) -> ApiError:
    return ApiError(
        402, "card_error", f"Your card's {what} is invalid.", keep=True, code=code, param=param
    )


def _card_details(card: TestCard, given: Params) -> Obj:
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": card.postal_check,
            "cvc_check": card.cvc_check if given.get("cvc", "123") else "unchecked",
        },
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": given["exp_month"],
        "exp_year": given["exp_year"],
        "fingerprint": fingerprint(card.number),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": card.brand != "amex"},
        "wallet": None,
    }


def fingerprint(number: str) -> str:
    """Stable for one number, so that two customers with one card can be told."""
    return hashlib.sha256(b"stand-in" + number.encode()).hexdigest()[:16]


def _account_number(details: Params) -> str:
    return str(details.get("iban") or details.get("account_number") or "").replace(" ", "").upper()


def _bank_details(kind: str, given: Params) -> Obj:
    number = _account_number(given)
    common = {"fingerprint": fingerprint(number), "last4": number[-4:]}
    if kind == "sepa_debit":
        if not number:
            raise missing_param("sepa_debit[iban]")
        if not is_iban(number):
            raise invalid_request(
                "The IBAN you provided is invalid.",
                param="sepa_debit[iban]",
                code="invalid_bank_account_iban",
            )
        return {
            **common,
            "bank_code": number[4:9],
            "branch_code": "",
            "country": number[:2],
            "generated_from": {"charge": None, "setup_attempt": None},
        }
    if not number:
        raise missing_param(f"{kind}[account_number]")
    if kind == "bacs_debit":
        return {**common, "sort_code": given.get("sort_code", "108800")}
    return {
        **common,
        "account_holder_type": given.get("account_holder_type", "individual"),
        "account_type": given.get("account_type", "checking"),
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": given.get("routing_number", "110000000"),
        "status_details": {},
    }


def forced_decline(work: Work, method: Obj) -> Decline | None:
    """The decline a test asked for with `/_standin/payment_methods/…/decline`, counted down."""
    forced = method["_"].get("forced")
    if not forced:
        return None
    forced["times"] -= 1
    if forced["times"] <= 0:
        del method["_"]["forced"]
    work.change(method)
    found = decline(forced["decline_code"])
    return Decline(
        found.code,
        found.decline_code,
        found.message,
        forced.get("advice_code", found.advice_code),
        found.network_decline_code,
    )
