"""The figures, as pure sums over what the queries return.

Definitions: net = gross − refunds − disputes − fees, each on its own date. All money is in minor
units of the currency in which Stripe settles, at the rate at which it did. MRR is counted in
twelfths (a year's worth) and divided only when it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Takings:
    """A month in minor units of `currency`; everything is positive when it is as its name says."""

    currency: str
    gifts: int = 0
    pledges: int = 0
    refunds: int = 0
    disputes: int = 0
    fees: int = 0
    other: int = 0
    """What moved on the Stripe account without our doing, after its fees. Not part of `net`."""

    @property
    def gross(self) -> int:
        """All that supporters paid."""
        return self.gifts + self.pledges

    @property
    def net(self) -> int:
        """What is left for the newsroom."""
        return self.gross - self.refunds - self.disputes - self.fees

    @property
    def taken_off(self) -> int:
        """Refunds, disputes and fees together."""
        return self.gross - self.net

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all happened."""
        return not any(
            (self.gifts, self.pledges, self.refunds, self.disputes, self.fees, self.other)
        )


def valued(sums: Mapping[str, int], rates: Mapping[str, Fraction]) -> int:
    """Sums by currency as one sum, at `rates`; what has no rate is left out (and shown apart).

    Each currency is rounded to a whole unit, half to even, before they are added.
    """
    return sum(round(minor * rates[each]) for each, minor in sums.items() if each in rates)


def after_fees(minor: int, share: Fraction) -> int:
    """What is left of a sum to come when Stripe keeps `share` of it, to the nearest unit."""
    return round(minor * (1 - share))
