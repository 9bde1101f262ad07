"""What a reader may ask for at the support page, and how it is read. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from billing.money import Money, exponent, scale


class CheckoutStatus(StrEnum):
    """Where a checkout stands."""

    OPEN = "open"
    """Recorded; the reader may be paying at this moment."""
    PROCESSING = "processing"
    """Completed with a bank debit that settles days later."""
    PAID = "paid"
    FAILED = "failed"
    """The bank debit came back."""
    EXPIRED = "expired"


CHECKOUT_TRANSITIONS: dict[CheckoutStatus, frozenset[CheckoutStatus]] = {
    CheckoutStatus.OPEN: frozenset(
        {
            CheckoutStatus.PROCESSING,
            CheckoutStatus.PAID,
            CheckoutStatus.FAILED,
            CheckoutStatus.EXPIRED,
        }
    ),
    CheckoutStatus.PROCESSING: frozenset({CheckoutStatus.PAID, CheckoutStatus.FAILED}),
    CheckoutStatus.PAID: frozenset({CheckoutStatus.FAILED}),
    CheckoutStatus.FAILED: frozenset({CheckoutStatus.PAID}),
    CheckoutStatus.EXPIRED: frozenset({CheckoutStatus.PROCESSING, CheckoutStatus.PAID}),
}
"""From which state a checkout may go to which: money that arrived always wins."""


class AmountProblem(StrEnum):
    """Why an amount could not be taken as it was written."""

    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"
    NOT_POSITIVE = "not_positive"
    TOO_PRECISE = "too_precise"
    AMBIGUOUS = "ambiguous"
    OTHER_CURRENCY = "other_currency"
    BELOW_MINIMUM = "below_minimum"
    ABOVE_MAXIMUM = "above_maximum"


class AmountError(ValueError):
    """An amount that cannot be charged; `problem` says why."""

    def __init__(self, problem: AmountProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What is offered in one currency. All sums in its minor units."""

    currency: str
    minimum: int
    maximum: int
    suggested: tuple[int, ...]
    suggested_annual: tuple[int, ...]
    fee_fixed: int
    """The fixed part of Stripe's fee for a card."""


FEE_RATE = Fraction(29, 1000)
"""The proportional part of Stripe's fee for a card: 2.9 %. Source: https://stripe.com/pricing."""

OFFERS: dict[str, Offer] = {
    "usd": Offer(
        currency="usd",
        minimum=200,
        maximum=1_000_000,
        suggested=(500, 1000, 2500),
        suggested_annual=(2400, 6000, 12000),
        fee_fixed=30,
    ),
    "eur": Offer(
        currency="eur",
        minimum=200,
        maximum=1_000_000,
        suggested=(500, 1000, 2500),
        suggested_annual=(2400, 6000, 12000),
        fee_fixed=25,
    ),
    "gbp": Offer(
        currency="gbp",
        minimum=200,
        maximum=1_000_000,
        suggested=(400, 800, 2000),
        suggested_annual=(2000, 5000, 10000),
        fee_fixed=20,
    ),
    "jpy": Offer(
        currency="jpy",
        minimum=300,
        maximum=1_500_000,
        suggested=(700, 1500, 3500),
        suggested_annual=(3500, 9000, 18000),
        fee_fixed=40,
    ),
}

_CURRENCY_SIGNS = {
    "us$": "usd",
    "$": "usd",
    "＄": "usd",
    "€": "eur",
    "£": "gbp",
    "￡": "gbp",
    "¥": "jpy",
    "￥": "jpy",
    "円": "jpy",
    "₽": "rub",
    "руб": "rub",
}
_DECIMAL_SIGNS = {"٫": ".", "。": ".", "．": ".", "，": ",", "﹐": ",", "､": ",", "،": ","}
_GROUP_SIGNS = {"٬", "'", "’", "_", "ʼ"}
_MINUS_SIGNS = {"-", "−", "–", "﹣", "－"}
_MAX_WRITTEN = 40


def read_amount(written: str, offer: Offer) -> Money:
    """Read an amount as its writer meant it.

    Taken: digits of any script, a decimal point or comma, spaces and apostrophes between groups,
    the currency's own sign or code before or after. Refused: what could mean two things (1,234).

    Returns:
        The sum in minor units of the offer's currency, within its bounds.

    Raises:
        AmountError: with the problem, when it cannot be read or may not be charged.
    """
    plain = _plain(written)
    text = _strip_currency(plain.lstrip("".join(_MINUS_SIGNS)), offer.currency)
    if not text:
        raise AmountError(AmountProblem.EMPTY)
    if plain[0] in _MINUS_SIGNS or text[0] in _MINUS_SIGNS:
        raise AmountError(AmountProblem.NOT_POSITIVE)
    whole, fraction = _split(text.removeprefix("+"), exponent(offer.currency))
    minor = int(whole or "0") * scale(offer.currency)
    minor += int((fraction or "0").ljust(exponent(offer.currency), "0") or "0")
    return check_bounds(Money(minor, offer.currency), offer)


def check_bounds(amount: Money, offer: Offer) -> Money:
    """The amount itself, if the offer's bounds allow it.

    Raises:
        AmountError: when it is not positive, below the minimum or above the maximum.
    """
    if amount.minor <= 0:
        raise AmountError(AmountProblem.NOT_POSITIVE)
    if amount.minor < offer.minimum:
        raise AmountError(AmountProblem.BELOW_MINIMUM)
    if amount.minor > offer.maximum:
        raise AmountError(AmountProblem.ABOVE_MAXIMUM)
    return amount


def fee_on(total: Money, offer: Offer) -> Money:
    """Stripe's fee for a card payment of `total`, rounded to the nearest minor unit.

    Formula: total × 2.9 % + the fixed part. Source: https://stripe.com/pricing.
    """
    return Money(round(total.minor * FEE_RATE) + offer.fee_fixed, total.currency)


def fee_cover_for(amount: Money, offer: Offer) -> Money:
    """What a reader adds so that `amount` reaches the newsroom after the fee.

    The smallest whole addition whose own fee leaves at least `amount`:
    (amount + fixed) / (1 − 2.9 %) − amount, rounded up.
    """
    total = (amount.minor + offer.fee_fixed) / (1 - FEE_RATE)
    cover = -(-total.numerator // total.denominator) - amount.minor
    while (
        cover > 0
        and amount.minor
        + cover
        - 1
        - fee_on(Money(amount.minor + cover - 1, amount.currency), offer).minor
        >= amount.minor
    ):
        cover -= 1
    return Money(cover, amount.currency)


def fee_cover_terms(offer: Offer) -> tuple[Fraction, Money]:
    """What covering the fee adds to any amount: a share of it, and a fixed sum.

    From (amount + fixed) / (1 − 2.9 %) − amount: the share is 2.9 % / (1 − 2.9 %), the sum
    fixed / (1 − 2.9 %), to the nearest minor unit. Together they come to within one minor unit of
    `fee_cover_for`.
    """
    kept = 1 - FEE_RATE
    return FEE_RATE / kept, Money(round(offer.fee_fixed / kept), offer.currency)


def _plain(written: str) -> str:
    """Latin digits, `.` and `,` as decimal signs of any script, spaces between groups."""
    if len(written) > _MAX_WRITTEN:
        raise AmountError(AmountProblem.NOT_A_NUMBER)
    plain = []
    for letter in written:
        if letter.isdecimal():
            plain.append(str(unicodedata.decimal(letter)))
        elif letter in _GROUP_SIGNS:
            plain.append(" ")
        elif unicodedata.category(letter) == "Cf":
            continue
        else:
            plain.append(_DECIMAL_SIGNS.get(letter, letter))
    return "".join(plain).strip()


def _strip_currency(text: str, currency: str) -> str:
    folded = text.lower()
    for sign, owner in _CURRENCY_SIGNS.items():
        if sign in folded:
            if currency != owner:
                raise AmountError(AmountProblem.OTHER_CURRENCY)
            # Only around the number: "5$00" could be read in more ways than one.
            inside = folded.strip().removeprefix(sign).removesuffix(sign)
            if sign in inside:
                raise AmountError(AmountProblem.NOT_A_NUMBER)
            folded = inside
    folded = folded.strip()
    for code in OFFERS:
        if folded.startswith(code) or folded.endswith(code):
            if code != currency:
                raise AmountError(AmountProblem.OTHER_CURRENCY)
            folded = (
                folded.removeprefix(code) if folded.startswith(code) else folded.removesuffix(code)
            )
            break
    return folded.strip()


def _split(text: str, digits_after: int) -> tuple[str, str]:
    """The whole and the fractional digits."""
    groups = text.split()
    if len(groups) > 1:
        text = _join_groups(groups)
    if not text or set(text) - set("0123456789.,"):
        raise AmountError(AmountProblem.NOT_A_NUMBER)
    separators = [letter for letter in text if letter in ".,"]
    if not separators:
        return text, ""
    if len(set(separators)) == 2:
        return _split_mixed(text, digits_after)
    if len(separators) > 1:
        return _ungroup(text, separators[0]), ""
    whole, _, fraction = text.partition(separators[0])
    return _split_single(whole, fraction, digits_after)


def _split_single(whole: str, fraction: str, digits_after: int) -> tuple[str, str]:
    """One separator: a decimal sign, or a group that might be either."""
    if not fraction:
        if not whole:
            raise AmountError(AmountProblem.NOT_A_NUMBER)
        return whole, ""
    if len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0"):
        if digits_after == 0:
            return whole + fraction, ""
        raise AmountError(AmountProblem.AMBIGUOUS)
    if len(fraction) > digits_after and fraction.strip("0"):
        raise AmountError(AmountProblem.TOO_PRECISE)
    if len(fraction) > max(digits_after, 2):
        raise AmountError(AmountProblem.TOO_PRECISE)
    return whole, fraction[:digits_after]


def _split_mixed(text: str, digits_after: int) -> tuple[str, str]:
    """Both signs: the last is the decimal one, the other parts groups of three."""
    decimal_sign = max(".,", key=text.rfind)
    group_sign = "," if decimal_sign == "." else "."
    whole, _, fraction = text.rpartition(decimal_sign)
    if decimal_sign in whole or not fraction:
        raise AmountError(AmountProblem.NOT_A_NUMBER)
    if len(fraction) > digits_after and (fraction.strip("0") or len(fraction) > 2):
        raise AmountError(AmountProblem.TOO_PRECISE)
    return _ungroup(whole, group_sign), fraction[:digits_after]


def _ungroup(text: str, sign: str) -> str:
    return _join_groups(text.split(sign))


def _join_groups(groups: list[str]) -> str:
    """Groups of three digits, the first of one to three, the last perhaps with a fraction."""
    first, *rest = groups
    wholes = [*rest[:-1], rest[-1].replace(",", ".").split(".")[0]]
    well_formed = first.isdigit() and len(first) <= 3 and not first.startswith("0")
    if not well_formed or any(len(group) != 3 or not group.isdigit() for group in wholes):
        raise AmountError(AmountProblem.NOT_A_NUMBER)
    return "".join(groups)
