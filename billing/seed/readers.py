"""What readers of a made-up history do before some of them pay, by day and source (ADR 63)."""

from __future__ import annotations

import random
from collections import Counter

from billing.reminders.domain import APPEAL
from billing.seed.copying import Table
from billing.seed.scene import Scene

_OPENED, _SHOWN = 2.4, 19.0
"""How many opened the support page for each that began a payment, and saw an appeal for each that
opened it: half as many at least, half as many again at most."""
_IDLE = 0.5
"""For each source that led to a payment on a day, of how many nobody went on."""


class Readers:
    """Counts their steps; a day's are written when it is over."""

    def __init__(self, scene: Scene, chance: random.Random, numbers: list[int]) -> None:
        self._scene = scene
        self._chance = random.Random(chance.random())  # noqa: S311 - of its own: it decides nothing
        self._numbers = numbers
        """Of the scene's sources, in `revenue_sources`: two that are alike have one number."""
        self._sources = dict(zip(numbers, scene.sources, strict=True))
        self._began: Counter[int] = Counter()
        self._opened: Counter[int] = Counter()
        self.steps = Table("reader_steps", ("source_id", "day", "step", "times"))

    def begin(self, source: int) -> None:
        """Somebody begins a payment."""
        self._began[self._numbers[source]] += 1

    def open(self, source: int) -> None:
        """Somebody opens the support page from an email's link."""
        self._opened[self._numbers[source]] += 1

    def end(self, day: int, idle: list[int]) -> None:
        """The day is over; of the sources `idle` appeals were seen as well."""
        date = self._scene.dates[day]
        for number, began in self._began.items():
            self._write(number, date, "began", began)
            asked = self._sources[number].get("appeal") == APPEAL
            self._opened[number] += began if asked else began + self._about(_OPENED * began)
        for source in idle:
            self._opened[self._numbers[source]] += 1
        for number, opened in self._opened.items():
            self._write(number, date, "opened", opened)
            if self._sources[number].get("appeal", APPEAL) != APPEAL:
                self._write(number, date, "shown", opened + self._about(_SHOWN * opened))
        self._began.clear()
        self._opened.clear()

    def idle(self) -> int:
        """How many sources led nobody to pay today, for the number of those that did."""
        return round(_IDLE * len(self._began))

    def _about(self, count: float) -> int:
        return int(count * (0.5 + self._chance.random()))

    def _write(self, number: int, date: str, step: str, times: int) -> None:
        self.steps.lines.append(f"{number}\t{date}\t{step}\t{times}\n")
