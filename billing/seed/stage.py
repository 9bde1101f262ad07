"""What all parts of a made-up history play on: its days, its chance, its tables."""

from __future__ import annotations

import json
import random
from bisect import bisect
from collections.abc import Callable

from billing.seed.around import Around
from billing.seed.books import Books
from billing.seed.scene import Scene

_YEN_TO_A_CENT = 1.5


class Stage:
    """One for a history."""

    def __init__(self, scene: Scene, chance: random.Random, books: Books, around: Around) -> None:
        self.scene = scene
        self.chance = chance
        self.books = books
        self.around = around
        self.sources = [json.dumps(source) for source in scene.sources]
        self._events: list[list[Callable[[int], None]]] = [[] for _ in range(scene.days)]

    def later(self, day: int, event: Callable[[int], None]) -> None:
        """Let something happen on a day, unless that is after the last."""
        if day < self.scene.days:
            self._events[day].append(event)

    def play(self, day: int) -> None:
        """Let happen what was put off until this day."""
        for event in self._events[day]:
            event(day)
        self._events[day].clear()

    def dispute(self, charge: int, currency: str, amount: int, day: int) -> None:
        """The money leaves when the dispute is opened, and returns where it is won."""
        if day + 40 >= self.scene.days:
            return
        opened, closes = self.scene.at(day, "10:00:00"), day + 40
        won = self.chance.random() < 0.2
        self.later(day, lambda on: self.books.dispute(charge, currency, amount, on, opened))
        closed = self.scene.at(closes, "10:00:00")
        if won:
            self.later(closes, lambda on: self.books.back(
                "dispute_reversal", charge, currency, -amount, on, closed))  # fmt: skip
        status = "won" if won else "lost"
        self.books.write_dispute(charge, currency, amount, status, opened, closed)

    def sum(self, sums: tuple[int, ...], currency: str) -> int:
        """One of some sums, in minor units of a currency."""
        amount = sums[int(self.chance.random() * len(sums))]
        return round(amount * _YEN_TO_A_CENT) if currency == "jpy" else amount

    def source(self, day: int) -> int:
        """Where somebody comes from; in its days most come from the campaign."""
        weights = self.scene.source_weights
        place = bisect(weights, self.chance.random() * weights[-1])
        if day in self.scene.campaign and self.chance.random() < 0.7:
            return self.scene.campaign_sources[place % len(self.scene.campaign_sources)]
        return min(place, len(weights) - 1)
