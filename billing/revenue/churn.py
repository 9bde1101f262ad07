"""Rates of loss and growth. Pure; None stands for what cannot be said, and is shown as “—”."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from billing.revenue.bridge import GAINED, LOST, Bridge
from billing.revenue.tables import MoveKind

EVENTS_NEEDED = 30
"""With fewer departures a lifetime value says more about chance than about supporters."""


def gross_churn(seen: Bridge) -> Fraction | None:
    """(churn + contraction) / start: the share of what stood that was lost.

    Of each rate: None as well where it rests on what whoever looks is not shown.
    """
    return None if seen.hides(*LOST) else _share(seen.churned + seen.contracted, seen.start)


def net_churn(seen: Bridge) -> Fraction | None:
    """Gross churn less expansion; negative where those who stay raise more than is lost.

    Expansion is what supporters who stayed added, not what new or returning ones brought.
    """
    if seen.hides(*LOST, MoveKind.EXPANSION):
        return None
    raised = seen.moves[MoveKind.EXPANSION]
    return _share(seen.churned + seen.contracted - raised, seen.start)


def quick_ratio(seen: Bridge) -> Fraction | None:
    """(new + reactivation + expansion) / (churn + contraction); None where nothing was lost."""
    if seen.hides(*LOST, *GAINED):
        return None
    return _share(seen.gained, seen.churned + seen.contracted)


def annual_churn(lost: int, due: int) -> Fraction | None:
    """Annual pledges that ended in the period / those that were due for renewal in it.

    Against all annual pledges it would look like zero for eleven months. Both in one unit: pledges,
    or twelfths of MRR.
    """
    return _share(lost, due)


def arpu(mrr: int, supporters: int) -> Fraction | None:
    """MRR / active supporters: twelfths in minor units for each."""
    return _share(mrr, supporters)


@dataclass(frozen=True)
class Amount:
    """So many people promise so much."""

    twelfths: int
    people: int


def median(amounts: list[Amount]) -> Fraction | None:
    """What the person in the middle promises, in twelfths; the mean of two where there are two."""
    ordered = sorted((each for each in amounts if each.people > 0), key=lambda each: each.twelfths)
    count = sum(each.people for each in ordered)
    if not count:
        return None
    low, high = _at(ordered, (count - 1) // 2), _at(ordered, count // 2)
    return Fraction(low + high, 2)


def lifetime_value(
    net_arpu: Fraction | None, departures: list[int], supporters: list[int]
) -> Fraction | None:
    """Net ARPU / churn: what a supporter will have brought when they leave, in the unit of ARPU.

    Churn is smoothed: all departures over all supporters at the months' starts, a month each. None
    under `EVENTS_NEEDED` departures.
    """
    gone = sum(departures)
    if net_arpu is None or gone < EVENTS_NEEDED or not sum(supporters):
        return None
    return net_arpu / Fraction(gone, sum(supporters))


def _share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole > 0 else None


def _at(ordered: list[Amount], place: int) -> int:
    for each in ordered:
        if place < each.people:
            return each.twelfths
        place -= each.people
    raise IndexError(place)
