"""What is still to come in, as a range. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from statistics import median_high, median_low

LEAST_MONTHS = 3
"""With fewer months of gifts behind it, a median is no more than an anecdote."""


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
    scheduled: int,
    *,
    failed: tuple[Fraction, Fraction, Fraction],
    recovered: Fraction,
    survives: Fraction,
    gifts: list[int],
) -> Forecast:
    """Scheduled charges that arrive, and the median of gifts.

    Args:
        scheduled: what is due in the month, in minor units of the reporting currency.
        failed: the lowest, the usual and the highest failed rate of late.
        recovered: the usual recovery rate.
        survives: the part of pledges still there by then.
        gifts: what gifts brought in each of the last months, in the same unit.
    """
    low, usual, high = failed
    ordered = sorted(gifts)
    enough = len(ordered) >= LEAST_MONTHS
    quarter = len(ordered) // 4
    least, middle, most = (
        (ordered[quarter], _middle(ordered), ordered[-1 - quarter])
        if enough
        else (0, 0, max(ordered, default=0))
    )
    return Forecast(
        low=round(arriving(scheduled, high, recovered, survives)) + least,
        likely=round(arriving(scheduled, usual, recovered, survives)) + middle,
        high=round(arriving(scheduled, low, recovered, survives)) + most,
    )


def _middle(ordered: list[int]) -> int:
    return round(Fraction(median_low(ordered) + median_high(ordered), 2))
