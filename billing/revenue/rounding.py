"""Whole parts that add up to their whole. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor


def apportion(parts: Sequence[Fraction], total: int) -> list[int]:
    """Parts as whole numbers whose sum is `total`, each as near to its own as can be.

    Sums in several currencies are valued exactly and rounded once, so a table's parts would
    otherwise differ from its total by a unit or two. Source: the largest remainder method.
    """
    whole = [floor(each) for each in parts]
    left = total - sum(whole)
    by_rest = sorted(range(len(parts)), key=lambda place: whole[place] - parts[place])
    for step in range(abs(left) if parts else 0):
        whole[by_rest[step % len(parts)] if left > 0 else by_rest[-1 - step % len(parts)]] += (
            1 if left > 0 else -1
        )
    return whole
