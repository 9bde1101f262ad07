"""The reminders of a made-up history: who asks for one, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from billing.crypto import Vault
from billing.reminders.domain import GAVE_WITHIN, KEPT_AFTER_SENDING
from billing.seed.books import NULL
from billing.seed.copying import Table
from billing.seed.stage import Stage
from billing.supporters.address import lookup_form

_UNSUBSCRIBED, _SKIPPED, _UNDELIVERED = 0.02, 0.06, 0.01
"""How many take it back, have given before it is sent, or have an address that takes no mail."""
_OPENED, _GAVE = 0.24, 0.07
"""Of those who were sent one, how many open the support page from it, and how many of all give."""

ComeBack = Callable[[int, int, str], None]
"""Somebody gives on a day, from a source, under an address."""


class Reminders:
    """Writes them; an address is kept no longer than it is by those who send reminders."""

    def __init__(self, stage: Stage, vault: Vault, come_back: ComeBack) -> None:
        self._stage, self._scene, self._chance = stage, stage.scene, stage.chance
        self._vault, self._come_back = vault, come_back
        self._sources = [json.dumps(source) for source in stage.scene.sources]
        self._count = 0
        self.reminders = Table("reminders", (
            "id", "email_digest", "email_encrypted", "language", "status", "asked_at",
            "asked_month", "due_at", "finished_at", "erased_at", "source", "gave"))  # fmt: skip
        self.suppressions = Table("suppressions", ("email_digest", "created_at"))

    def tables(self) -> list[Table]:
        """All of them."""
        return [self.reminders, self.suppressions]

    def ask(self, day: int, clock: str, source: int) -> None:
        """Somebody asks to be reminded in a month."""
        scene = self._scene
        self._count += 1
        number, due, fate = self._count, scene.due_day(day, 1), self._chance.random()
        due_at = f"{scene.date_of(due)} {clock}{scene.offset_on(due)}"
        forgotten = self._on(due + KEPT_AFTER_SENDING.days, clock)
        if fate < _UNSUBSCRIBED and day + 5 < scene.days:
            gone = scene.at(day + 5, clock)
            self.suppressions.lines.append(f"{self._digest(number)}\t{gone}\n")
            end = ("unsubscribed", gone, gone, NULL)
        elif due >= scene.days:
            end = ("waiting", NULL, NULL, NULL)
        elif fate < _UNSUBSCRIBED + _SKIPPED:
            end = ("skipped", due_at, due_at, NULL)
        elif fate > 1 - _UNDELIVERED:
            end = ("undelivered", due_at, forgotten, NULL)
        else:
            self._stage.around.letter(f"reminder:{number}", "reminder", due_at)
            end = ("sent", due_at, forgotten, self._led_to(number, due, source))
        status, finished, erased, gave = end
        digest = sealed = NULL
        if erased is NULL:
            digest = self._digest(number)
            sealed = f"\\\\x{self._vault.encrypt(_address(number)).hex()}"
        self.reminders.lines.append(
            f"{number}\t{digest}\t{sealed}\ten\t{status}\t{scene.at(day, clock)}"
            f"\t{scene.dates[day][:8]}01\t{due_at}\t{finished}\t{erased}\t{self._sources[source]}"
            f"\t{gave}\n"
        )

    def _led_to(self, number: int, sent: int, source: int) -> str:
        """What its email led to; whether anything was given, as far as it is known by now."""
        reads, link = self._chance.random(), self._scene.reminder_sources[source]
        on = sent + int(self._chance.random() * GAVE_WITHIN.days / 3)
        if reads < _OPENED:
            self._stage.later(on, lambda _: self._stage.around.readers.open(link))
        if reads < _GAVE and on < self._scene.days:
            self._stage.later(on, lambda day: self._come_back(day, link, _address(number)))
            return "t"
        return "f" if sent + GAVE_WITHIN.days < self._scene.days else NULL

    def _on(self, day: int, clock: str) -> str:
        return self._scene.at(day, clock) if day < self._scene.days else NULL

    def _digest(self, number: int) -> str:
        return f"\\\\x{self._vault.digest(lookup_form(_address(number))).hex()}"


def _address(number: int) -> str:
    return f"asked{number}@example.org"
