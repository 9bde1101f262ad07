"""From a reminder asked for to a payment: shown → asked → sent → opened → gave. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

LEAST = 30
"""Of fewer than this, shares say too little to be compared."""


def lift(gave: int, of: int, others_gave: int, others: int) -> Fraction | None:
    """How many times as many gave of some as of others; None of fewer than `LEAST`.

    It compares two groups that chose themselves, so it is no effect: see the page's note.
    """
    if min(of, others) < LEAST or not others_gave:
        return None
    return Fraction(gave, of) / Fraction(others_gave, others)


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """Reminders by when they were asked for. None is what is not counted here."""

    shown: int | None
    asked: int
    sent: int
    opened: int | None
    """How many came to the support page from the email's link."""
    gave: int | None
    """How many gave within 30 days of the email."""

    def shares(self) -> list[tuple[str, int, Fraction | None]]:
        """Each step that is counted, with its share of the one before that is."""
        steps = [
            (name, count)
            for name in ("shown", "asked", "sent", "opened", "gave")
            if (count := getattr(self, name)) is not None
        ]
        shares: list[tuple[str, int, Fraction | None]] = []
        for place, (name, count) in enumerate(steps):
            above = steps[place - 1][1] if place else 0
            shares.append((name, count, Fraction(count, above) if above else None))
        return shares
