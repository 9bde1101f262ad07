"""The fixed rates at which what is promised in other currencies is valued, month by month. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

Paid = Mapping[str, tuple[int, int]]
"""By currency: what was paid in a month in its minor units, and what that was settled for."""


def fixed_rates(months: Sequence[Paid], currency: str) -> list[dict[str, Fraction]]:
    """The rates of each of consecutive months, in minor units of `currency` for one of another.

    A month values a currency as all its payments of the last month before it that has any were
    settled; failing that, as those of the first month since. So MRR moves when supporters do, and
    not with the market. A currency without any payment has no rate.
    """
    own = [
        {each: Fraction(settled, paid) for each, (paid, settled) in month.items() if paid > 0}
        for month in months
    ]
    found: list[dict[str, Fraction]] = []
    known: dict[str, Fraction] = {}
    for rates in own:
        found.append({**known, currency: Fraction(1)})
        known.update(rates)
    known = {}
    for place in reversed(range(len(own))):
        known.update(own[place])
        found[place] = {**known, **found[place]}
    return found
