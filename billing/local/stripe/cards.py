"""Stripe's published test cards and what each of them does.

Source: https://docs.stripe.com/testing (numbers, `pm_card_*` names and behaviours).
"""

from dataclasses import dataclass, replace
from typing import Literal

from billing.local.stripe.declines import Decline, decline

Auth = Literal["never", "on_request", "unless_set_up", "on_session", "always"]
Dispute = Literal["fraudulent", "product_not_received", "inquiry", "warning"]


@dataclass(frozen=True)
class TestCard:
    """A card number with its behaviour.

    `auth`: when 3D Secure is asked for. `decline`: what happens once authentication, if any, is
    through; with `attaches`, the card may still be saved. `clears`: the money is available at once.
    """

    number: str
    name: str
    says: str
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    auth: Auth = "never"
    decline: Decline | None = None
    attaches: bool = False
    dispute: Dispute | None = None
    refund: Literal["succeeds", "fails_later", "pends"] = "succeeds"
    risk: Literal["normal", "elevated", "highest"] = "normal"
    cvc_check: str = "pass"
    postal_check: str | None = None
    clears: bool = False

    @property
    def last4(self) -> str:
        """The last four digits."""
        return self.number[-4:]

    @property
    def written(self) -> str:
        """The number in the groups that stand on the card."""
        amex = len(self.number) == 15
        ends = (4, 10, 15) if amex else range(4, len(self.number) + 4, 4)
        starts = (0, *ends)
        return " ".join(self.number[a:b] for a, b in zip(starts, ends, strict=False))


def _good(number: str, name: str, brand: str, funding: str = "credit") -> TestCard:
    label = name.replace("_", " ").capitalize()
    return TestCard(number, name, f"{label}: succeeds", brand, funding)


def _bad(number: str, name: str, says: str, code: str) -> TestCard:
    return TestCard(number, name, says, decline=decline(code))


BRANDS = (
    _good("4242424242424242", "visa", "visa"),
    _good("4000056655665556", "visa_debit", "visa", "debit"),
    _good("5555555555554444", "mastercard", "mastercard"),
    _good("2223003122003222", "mastercard_2_series", "mastercard"),
    _good("5200828282828210", "mastercard_debit", "mastercard", "debit"),
    _good("5105105105105100", "mastercard_prepaid", "mastercard", "prepaid"),
    _good("378282246310005", "amex", "amex"),
    _good("371449635398431", "amex_second", "amex"),
    _good("6011111111111117", "discover", "discover"),
    _good("6011000990139424", "discover_second", "discover"),
    _good("3056930009020004", "diners", "diners"),
    _good("36227206271667", "diners_14_digits", "diners"),
    _good("3566002020360505", "jcb", "jcb"),
    _good("6200000000000005", "unionpay", "unionpay"),
    _good("6200000000000047", "unionpay_debit", "unionpay", "debit"),
)

DECLINES = (
    _bad("4000000000000002", "visa_chargeDeclined", "Declined", "generic_decline"),
    _bad("4000000000009995", "visa_chargeDeclinedInsufficientFunds", "Declined: insufficient funds",
         "insufficient_funds"),
    _bad("4000000000009987", "visa_chargeDeclinedLostCard", "Declined: lost card", "lost_card"),
    _bad("4000000000009979", "visa_chargeDeclinedStolenCard", "Declined: stolen card",
         "stolen_card"),
    _bad("4000000000000069", "chargeDeclinedExpiredCard", "Declined: expired", "expired_card"),
    _bad("4000000000000127", "chargeDeclinedIncorrectCvc", "Declined: wrong CVC", "incorrect_cvc"),
    _bad("4000000000000119", "chargeDeclinedProcessingError", "Declined: processing error",
         "processing_error"),
    _bad("4000000000006975", "visa_chargeDeclinedVelocityLimitExceeded",
         "Declined: too many attempts", "card_velocity_exceeded"),
    TestCard("4000000000000341", "chargeCustomerFail", "Can be saved; charges are declined",
             decline=decline("generic_decline"), attaches=True),
)  # fmt: skip

FRAUD = (
    TestCard("4100000000000019", "radarBlock", "Blocked as fraudulent",
             decline=decline("fraudulent", blocked=True), attaches=True, risk="highest"),
    TestCard("4000000000004954", "riskLevelHighest", "Blocked: highest risk",
             decline=decline("fraudulent", blocked=True), attaches=True, risk="highest"),
    TestCard("4000000000009235", "riskLevelElevated", "Succeeds with elevated risk",
             risk="elevated"),
    TestCard("4000000000000101", "cvcCheckFail", "Succeeds, the CVC check fails",
             cvc_check="fail"),
    TestCard("4000000000000036", "avsZipFail", "Succeeds, the postal code check fails",
             postal_check="fail"),
    TestCard("4000000000000010", "avsFail", "Succeeds, the address checks fail",
             postal_check="fail"),
)  # fmt: skip

SECURE = (
    TestCard("4000002500003155", "authenticationRequiredOnSetup",
             "Asks for 3D Secure, not again off-session once set up", auth="unless_set_up"),
    TestCard("4000002760003184", "authenticationRequired",
             "Asks for 3D Secure on every payment", auth="always"),
    TestCard("4000003800000446", "authenticationRequiredSetupForOffSession",
             "Already set up: asks for 3D Secure only on-session", auth="on_session"),
    TestCard("4000008260003178", "authenticationRequiredChargeDeclinedInsufficientFunds",
             "3D Secure, then insufficient funds", auth="unless_set_up",
             decline=decline("insufficient_funds"), attaches=True),
    TestCard("4000000000003220", "threeDSecure2Required", "3D Secure required, then succeeds",
             auth="always"),
    TestCard("4000000000003063", "threeDSecureRequired", "3D Secure required, then succeeds",
             auth="always"),
    TestCard("4000008400001629", "threeDSecureRequiredChargeDeclined",
             "3D Secure required, then declined", auth="always",
             decline=decline("generic_decline"), attaches=True),
    TestCard("4000008400001280", "threeDSecureRequiredProcessingError",
             "3D Secure required, then a processing error", auth="always",
             decline=decline("processing_error"), attaches=True),
    TestCard("4000000000003055", "threeDSecureOptional", "3D Secure on request only",
             auth="on_request"),
    TestCard("4000000000003097", "threeDSecureOptionalProcessingError",
             "3D Secure on request only", auth="on_request"),
)  # fmt: skip

AFTERWARDS = (
    TestCard("4000000000000259", "createDispute", "Succeeds, then disputed as fraudulent",
             dispute="fraudulent"),
    TestCard("4000000000002685", "createDisputeProductNotReceived",
             "Succeeds, then disputed: not received", dispute="product_not_received"),
    TestCard("4000000000001976", "createDisputeInquiry", "Succeeds, then an inquiry",
             dispute="inquiry"),
    TestCard("4000000000005423", "createIssuerFraudRecord",
             "Succeeds, then an early fraud warning", dispute="warning"),
    TestCard("4000000000007726", "pendingRefund", "Succeeds; a refund is pending at first",
             refund="pends"),
    TestCard("4000000000005126", "refundFail", "Succeeds; a refund fails later",
             refund="fails_later"),
    TestCard("4000000000000077", "bypassPending", "Succeeds, money available at once",
             clears=True),
    TestCard("4000003720000278", "bypassPendingInternational",
             "Succeeds, money available at once", country="IE", clears=True),
)  # fmt: skip

COUNTRIES = tuple(
    TestCard(number, country.lower(), f"Card from {country}: succeeds", country=country)
    for country, number in {
        "BR": "4000000760000002", "CA": "4000001240000000", "MX": "4000004840008001",
        "AT": "4000000400000008", "BE": "4000000560000004", "BG": "4000001000000000",
        "CH": "4000007560000009", "CZ": "4000002030000002", "DE": "4000002760000016",
        "DK": "4000002080000001", "EE": "4000002330000009", "ES": "4000007240000007",
        "FI": "4000002460000001", "FR": "4000002500000003", "GB": "4000008260000000",
        "GR": "4000003000000030", "HU": "4000003480000005", "IE": "4000003720000005",
        "IT": "4000003800000008", "LT": "4000004400000000", "LV": "4000004280000005",
        "NL": "4000005280000002", "NO": "4000005780000007", "PL": "4000006160000005",
        "PT": "4000006200000007", "RO": "4000006420000001", "SE": "4000007520000008",
        "AU": "4000000360000006", "JP": "4000003920000003", "NZ": "4000005540000008",
        "SG": "4000007020000003", "IN": "4000003560000008",
    }.items()
)  # fmt: skip

GROUPS: tuple[tuple[str, tuple[TestCard, ...]], ...] = (
    ("succeeds", BRANDS),
    ("declined", DECLINES),
    ("secure", SECURE),
    ("afterwards", AFTERWARDS),
    ("fraud", FRAUD),
    ("countries", COUNTRIES),
)
CARDS = {card.number: card for _, cards in GROUPS for card in cards}
CARDS["4000000000000019"] = replace(CARDS["4100000000000019"], number="4000000000000019")
_BY_NAME = {card.name: card for _, cards in GROUPS for card in cards}
_ALIASES = {
    "us": "visa",
    "chargeDeclined": "visa_chargeDeclined",
    "chargeDeclinedInsufficientFunds": "visa_chargeDeclinedInsufficientFunds",
    "chargeDeclinedLostCard": "visa_chargeDeclinedLostCard",
    "chargeDeclinedStolenCard": "visa_chargeDeclinedStolenCard",
    "chargeDeclinedVelocityLimitExceeded": "visa_chargeDeclinedVelocityLimitExceeded",
    "visa_chargeDeclinedExpiredCard": "chargeDeclinedExpiredCard",
    "visa_chargeDeclinedIncorrectCvc": "chargeDeclinedIncorrectCvc",
    "visa_chargeDeclinedProcessingError": "chargeDeclinedProcessingError",
    "chargeDeclinedFraudulent": "radarBlock",
    "visa_chargeDeclinedFraudulent": "radarBlock",
    "refundFailure": "refundFail",
    "amex_threeDSecureNotSupported": "amex",
}


def named_card(token: str) -> TestCard | None:
    """The card behind `pm_card_visa` or `tok_visa`; None for a token Stripe hasn't published."""
    for prefix in ("pm_card_", "tok_"):
        if token.startswith(prefix):
            name = token.removeprefix(prefix)
            return _BY_NAME.get(_ALIASES.get(name, name))
    return None


def card_of(number: str) -> TestCard:
    """The published card, or a plain successful one of the brand its first digits say."""
    known = CARDS.get(number)
    return known or TestCard(number, "other", "Succeeds", brand_of(number))


def brand_of(number: str) -> str:
    """The brand by the first digits (https://en.wikipedia.org/wiki/Payment_card_number)."""
    for prefixes, brand in (
        (("34", "37"), "amex"),
        (("36", "38", "39", "30"), "diners"),
        (("35",), "jcb"),
        (("6011", "64", "65"), "discover"),
        (("62",), "unionpay"),
        (("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"), "mastercard"),
        (("4",), "visa"),
    ):
        if number.startswith(prefixes):
            return brand
    return "unknown"


def passes_luhn(number: str) -> bool:
    """The check digit of ISO/IEC 7812-1."""
    digits = [int(letter) for letter in reversed(number)]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
