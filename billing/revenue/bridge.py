"""The bridge of monthly recurring revenue (MRR): from a start over every movement to an end. Pure.

MRR is Σ monthly + annual / 12 over active and past-due pledges, gifts, prepaid months and covered
fees left out. It is counted in twelfths: a year's worth in minor units, so whole numbers, divided
only when it is shown.

start + new + reactivation + expansion − contraction − churn ± paused ± rhythm ± currency = end,
exactly, every day. What is promised in another currency is valued at one rate a month; what the
next month's rate makes of it, with what rounding leaves over, is the line ± currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from billing.money import Money
from billing.revenue.domain import valued
from billing.revenue.tables import MoveKind

TWELFTHS = 12

GAINED = (MoveKind.NEW, MoveKind.REACTIVATION, MoveKind.EXPANSION)
CHURN = (MoveKind.CHURN_VOLUNTARY, MoveKind.CHURN_INVOLUNTARY)
LOST = (*CHURN, MoveKind.CONTRACTION)
SUPPORTERS = "supporters"
"""Among what is hidden of a bridge: so few stand behind it that all of it is."""

Sums = Mapping[str, int]
"""Minor units a year by currency."""
Rates = Mapping[str, Fraction]
"""Minor units of the reporting currency for one of another."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Days within one month, valued at that month's `rates`."""

    rates: Rates
    moves: Mapping[MoveKind, Sums]


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """A period's MRR, all in twelfths in minor units of `currency`; losses are negative."""

    currency: str
    start: int
    moves: dict[MoveKind, int]
    currency_effect: int
    end: int
    unvalued: dict[str, int]
    """What stands at the end in currencies that have no rate, in their own twelfths."""
    hidden: frozenset[str] = frozenset()
    """Kinds that whoever looks is not shown; what they moved stands with the exchange rates."""

    @property
    def gained(self) -> int:
        """New, returned and raised."""
        return sum(self.moves[kind] for kind in GAINED)

    @property
    def churned(self) -> int:
        """Lost with those who left, by their will or not; positive."""
        return -sum(self.moves[kind] for kind in CHURN)

    @property
    def contracted(self) -> int:
        """Lost with those who stayed; positive."""
        return -self.moves[MoveKind.CONTRACTION]

    def hides(self, *kinds: MoveKind) -> bool:
        """Whether any of these kinds is not shown to whoever looks."""
        return bool(self.hidden & {SUPPORTERS, *kinds})

    def month(self, twelfths: int) -> Money:
        """Twelfths as the sum of a month, to the nearest minor unit, half to even."""
        return month_of(twelfths, self.currency)


def month_of(twelfths: int, currency: str) -> Money:
    """A year's worth as the sum of a month, to the nearest minor unit, half to even."""
    return Money(round(Fraction(twelfths, TWELFTHS)), currency)


def bridge(
    before: Sums, stretches: Sequence[Stretch], *, currency: str, rates_before: Rates
) -> Bridge:
    """Put a period's bridge together.

    `before` stood when it began, and is valued at `rates_before`: those of the month before for a
    period that begins with a month, else those of its own month. There is one stretch a month.
    """
    start = valued(before, rates_before)
    moves = dict.fromkeys(MoveKind, 0)
    stands, rates = dict(before), rates_before
    for stretch in stretches:
        rates = stretch.rates
        for kind, sums in stretch.moves.items():
            moves[kind] += valued(sums, rates)
            stands = added((stands, sums))
    end = valued(stands, rates)
    return Bridge(
        currency=currency,
        start=start,
        moves=moves,
        currency_effect=end - start - sum(moves.values()),
        end=end,
        unvalued={each: minor for each, minor in stands.items() if minor and each not in rates},
    )


def added(sums: Iterable[Sums]) -> dict[str, int]:
    """Sums by currency, put together."""
    total: dict[str, int] = {}
    for each in sums:
        for currency, minor in each.items():
            total[currency] = total.get(currency, 0) + minor
    return total
