"""Sums of money: whole minor units with a currency. No floats, no bare numbers."""

from __future__ import annotations

from dataclasses import dataclass

CURRENCIES: dict[str, int] = {"usd": 2, "eur": 2, "gbp": 2, "jpy": 0}
"""Currencies that can be offered, with the digits after the decimal point.

Source: ISO 4217; https://docs.stripe.com/currencies#zero-decimal names those without minor units.
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
    """Digits after the decimal point of `currency`; 2 for one that is not offered here."""
    return CURRENCIES.get(currency, 2)


def scale(currency: str) -> int:
    """Minor units in one major unit: 100 for USD, 1 for JPY."""
    return int(10 ** exponent(currency))
