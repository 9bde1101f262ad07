"""What is still to come in, as a range. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_high, median_low

LEAST_MONTHS = 3
"""With fewer months of gifts behind it, a median is no more than an anecdote."""


Range = tuple[Fraction, Fraction, Fraction]
"""The lowest, the usual and the highest of something."""


@dataclass(frozen=True)
class Due:
    """Charges due in a month, in minor units of the reporting currency, before any has failed."""

    scheduled: int
    survives: Range
    """The part of the pledges still there by then: at worst, as usual, at best."""


@dataclass(frozen=True)
class Forecast:
    """A month's income to come in minor units: from `low` to `high`, `likely` within."""

    low: int
    likely: int
    high: int


def survival(churn: Fraction, months: int) -> Fraction:
    """The part of pledges that is still there after so many months at a monthly churn."""
    return (1 - min(Fraction(1), max(Fraction(0), churn))) ** months


def arriving(scheduled: int, failed: Fraction, recovered: Fraction, survives: Fraction) -> Fraction:
    """Scheduled charges × (1 − failed × (1 − recovery)) × survival, in the unit of `scheduled`."""
    return scheduled * (1 - failed * (1 - recovered)) * survives


def forecast(
    due: Sequence[Due],
    *,
    failed: Range,
    recovered: Fraction,
    gifts: list[int],
) -> Forecast:
    """Scheduled charges that arrive, and the median of gifts.

    Args:
        due: what is due in the month.
        failed: the lowest, the usual and the highest failed rate of late.
        recovered: the usual recovery rate.
        gifts: what gifts brought in each of the last months, in minor units of the reporting
            currency.
    """
    ordered = sorted(gifts)
    enough = len(ordered) >= LEAST_MONTHS
    quarter = len(ordered) // 4
    least, middle, most = (
        (ordered[quarter], _middle(ordered), ordered[-1 - quarter])
        if enough
        else (0, 0, max(ordered, default=0))
    )

    def paid(failing: Fraction, case: int) -> int:
        parts = (arriving(e.scheduled, failing, recovered, e.survives[case]) for e in due)
        return round(sum(parts, Fraction()))

    low, usual, high = failed
    return Forecast(
        low=paid(high, 0) + least,
        likely=paid(usual, 1) + middle,
        high=paid(low, 2) + most,
    )


def spread(shares: Sequence[Fraction]) -> Range:
    """The lowest, the middle and the highest of some months' shares; zeros where there are none."""
    ordered = sorted(shares)
    if not ordered:
        return (Fraction(), Fraction(), Fraction())
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return (ordered[0], middle, ordered[-1])


def _middle(ordered: list[int]) -> int:
    return round(Fraction(median_low(ordered) + median_high(ordered), 2))
