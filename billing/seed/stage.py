"""What all parts of a made-up history play on: its days, its chance, its tables."""

from __future__ import annotations

import json
import random
from bisect import bisect
from collections.abc import Callable

from billing.seed.around import Around
from billing.seed.books import Books
from billing.seed.doubts import DECIDED_AFTER, Doubts
from billing.seed.scene import Scene

_YEN_TO_A_CENT = 1.5
_WON = 0.2


class Stage:
    """One for a history."""

    def __init__(self, scene: Scene, chance: random.Random, books: Books, around: Around) -> None:
        self.scene = scene
        self.chance = chance
        self.books = books
        self.around = around
        self.doubts = Doubts(scene, books)
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
        won = self.chance.random() < _WON
        self.later(day, lambda on: self._open(charge, currency, amount, on, won=won))

    def _open(self, charge: int, currency: str, amount: int, day: int, *, won: bool) -> None:
        self.doubts.open(charge, currency, amount, day, won=won)
        if won:
            self.later(day + DECIDED_AFTER, lambda on: self.doubts.come_back(
                charge, currency, amount, on))  # fmt: skip

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
