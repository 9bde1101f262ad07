"""Sums of money: whole minor units with a currency. No floats, no bare numbers."""

from __future__ import annotations

from dataclasses import dataclass

CURRENCIES: dict[str, int] = {"usd": 2, "eur": 2, "gbp": 2, "jpy": 0}
"""Currencies that can be offered, with the digits after the decimal point.

Source: ISO 4217; https://docs.stripe.com/currencies#zero-decimal names those without minor units.
"""

_ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
     "xof", "xpf")
)  # fmt: skip
_THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
"""Currencies in which money may move on a Stripe account though they are not offered here.

Source: https://docs.stripe.com/currencies#zero-decimal and #three-decimal. Stripe counts ISK and
UGX in hundredths, though they have none.
"""


class CurrencyMismatchError(ValueError):
    """Two sums of different currencies were put together."""


@dataclass(frozen=True, order=False)
class Money:
    """A sum: `minor` whole minor units (cents, pence, yen) of `currency` (lower-case ISO 4217)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.minor, int) or isinstance(self.minor, bool):
            raise TypeError("money is counted in whole minor units")
        if len(self.currency) != 3 or self.currency != self.currency.lower():
            raise ValueError(f"{self.currency!r} is not a lower-case ISO 4217 code")

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.minor <= other.minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatchError(f"{self.currency} and {other.currency} cannot be combined")


def exponent(currency: str) -> int:
    """Digits after the decimal point of `currency`, as Stripe counts its minor units."""
    if currency in CURRENCIES:
        return CURRENCIES[currency]
    return 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2


def scale(currency: str) -> int:
    """Minor units in one major unit: 100 for USD, 1 for JPY."""
    return int(10 ** exponent(currency))


def plain_decimal(minor: int, currency: str) -> str:
    """A sum for machines, exact: 1234.50, -1234 (yen), 1.234 (dinar)."""
    digits, sign, minor = exponent(currency), "-" if minor < 0 else "", abs(minor)
    if not digits:
        return f"{sign}{minor}"
    whole, rest = divmod(minor, 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}"
