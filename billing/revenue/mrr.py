"""Monthly recurring revenue and why it moved. Pure.

start ± currency + new + reactivation + expansion − contraction ± paused − churn = end, exactly, in
twelfths. A pledge that is paused leaves when what was paid for ends, returns when it goes on, and
one that is cancelled in its pause returns and churns on one day, so that no churn hides in pauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from billing.money import Money
from billing.pledges.tables import MovementKind
from billing.revenue.domain import valued

TWELFTHS = 12


@dataclass(frozen=True, kw_only=True)
class MovementSum:
    """A kind of movement in one currency, in signed minor units a year (twelfths of MRR)."""

    kind: MovementKind
    currency: str
    before: int
    """Effective before the month began."""
    during: int
    """Effective in the month, up to today."""
    later: int
    """Known, but effective after today."""


@dataclass(frozen=True)
class MrrCurrency:
    """The part of MRR that is promised in another currency."""

    twelfths: int
    """A year's worth in minor units of `currency`."""
    currency: str
    value: Money | None
    """A month's worth at the month's fixed rate; None when there is no rate to value it at."""

    @property
    def promised(self) -> Money:
        """A month's worth in its own currency."""
        return Money(round(Fraction(self.twelfths, TWELFTHS)), self.currency)


@dataclass(frozen=True, kw_only=True)
class Mrr:
    """The MRR of a month up to today. All numbers are twelfths in minor units of `currency`."""

    currency: str
    start: int
    currency_effect: int
    moves: dict[MovementKind, int]
    ending: int
    """What has been cancelled or lowered already and ends after today."""
    others: list[MrrCurrency]

    @property
    def end(self) -> int:
        """What stands today."""
        return self.start + self.currency_effect + sum(self.moves.values())

    def month(self, twelfths: int) -> Money:
        """Twelfths as the sum of a month, to the nearest minor unit."""
        return Money(round(Fraction(twelfths, TWELFTHS)), self.currency)


def mrr_of(
    rows: Iterable[MovementSum],
    *,
    currency: str,
    rates: Mapping[str, Fraction],
    earlier_rates: Mapping[str, Fraction],
) -> Mrr:
    """Put a month's MRR together.

    What stood at its start is valued at the rates of the month before, and once more at this
    month's: the difference is a line of its own.
    """
    rows = list(rows)
    before = _by_currency((row.currency, row.before) for row in rows)
    start = valued(before, {each: earlier_rates.get(each, rate) for each, rate in rates.items()})
    moves = {
        kind: valued(_by_currency((r.currency, r.during) for r in rows if r.kind is kind), rates)
        for kind in MovementKind
    }
    today = _by_currency((row.currency, row.before + row.during) for row in rows)
    return Mrr(
        currency=currency,
        start=start,
        currency_effect=valued(before, rates) - start,
        moves=moves,
        ending=valued(_by_currency((row.currency, row.later) for row in rows), rates),
        others=[
            _other(each, today[each], currency, rates) for each in sorted(today) if each != currency
        ],
    )


def _other(each: str, twelfths: int, currency: str, rates: Mapping[str, Fraction]) -> MrrCurrency:
    value = None
    if each in rates:
        value = Money(round(twelfths * rates[each] / TWELFTHS), currency)
    return MrrCurrency(twelfths, each, value)


def _by_currency(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for currency, minor in pairs:
        sums[currency] = sums.get(currency, 0) + minor
    return {currency: minor for currency, minor in sums.items() if minor}
