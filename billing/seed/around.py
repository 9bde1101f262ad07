"""What stands around the money of a made-up history: letters, trips to Stripe, reminders."""

from __future__ import annotations

import json
import random

from billing.crypto import Vault
from billing.seed.books import NULL
from billing.seed.copying import Table
from billing.seed.scene import Scene
from billing.supporters.address import lookup_form

_KEPT_DAYS = 30
"""`billing.reminders.domain.KEPT_AFTER_SENDING`, in days."""
_SKIPPED = 0.06
"""How many have given before they are reminded."""


class Around:
    """Writes it into tables; every moment is given as PostgreSQL reads it."""

    def __init__(self, scene: Scene, chance: random.Random, vault: Vault) -> None:
        self._scene = scene
        self._chance = chance
        self._vault = vault
        self._sources = [json.dumps(source) for source in scene.sources]
        self._trips = 0
        self._reminders = 0
        self.outbox = Table("outbox", (
            "unique_key", "template", "language", "context", "status", "created_at",
            "next_try_at", "tries", "sent_at"))  # fmt: skip
        self.changes = Table("pledge_changes", (
            "pledge_id", "version", "kind", "occurred_at", "old_cadence", "cadence",
            "old_amount_minor", "amount_minor", "fee_cover_minor", "next_period", "from_period",
            "from_month", "spared_from", "spared_until", "paused_until"))  # fmt: skip
        self.checkouts = Table("checkouts", (
            "form_digest", "status", "cadence", "currency", "amount_minor", "fee_cover_minor",
            "language", "source", "idempotency_key", "params", "stripe_session_id", "charge_id",
            "prepays_pledge_id", "months", "created_at", "expires_at", "finished_at"))  # fmt: skip
        self.reminders = Table("reminders", (
            "id", "email_digest", "email_encrypted", "language", "status", "asked_at",
            "asked_month", "due_at", "finished_at", "erased_at", "source"))  # fmt: skip

    def tables(self) -> list[Table]:
        """All of them."""
        return [self.outbox, self.changes, self.checkouts, self.reminders]

    def letter(self, key: str, template: str, at: str) -> None:
        """An email that went out; of its recipient nothing is kept."""
        self.outbox.lines.append(f"{key}\t{template}\ten\t{{}}\tsent\t{at}\t{at}\t1\t{at}\n")

    def change(
        self, pledge: int, version: int, kind: str, at: str, *, cadence: str, old: int, amount: int,
        cover: int, following: int, spared: tuple[int, int] | None = None, until: str = NULL,
    ) -> None:  # fmt: skip
        """A wish of a supporter's, and its letter."""
        first, end = spared or (NULL, NULL)
        self.changes.lines.append(
            f"{pledge}\t{version}\t{kind}\t{at}\t{cadence}\t{cadence}\t{old}\t{amount}\t{cover}"
            f"\t{following}\t0\t0\t{first}\t{end}\t{until}\n"
        )
        if kind != "prepaid":
            template = "amount_changed" if kind == "terms" else "pledge_changed"
            self.letter(f"{template}:pledge:{pledge}:{version}", template, at)

    def trip(
        self, day: int, at: str, *, cadence: str, currency: str, amount: int, cover: int,
        source: int, charge: int | None = None, prepays: str = NULL, months: int = 1,
    ) -> None:  # fmt: skip
        """A way through Stripe's page, to a charge or to nothing."""
        self._trips += 1
        number, paid = self._trips, charge is not None
        expires = self._scene.at(min(day + 1, self._scene.days - 1), "23:59:59")
        self.checkouts.lines.append(
            f"\\\\x{number:064x}\t{'paid' if paid else 'expired'}\t{cadence}\t{currency}\t{amount}"
            f"\t{cover}\ten\t{self._sources[source]}\ttuppence-checkout-{number:012d}\t{{}}"
            f"\tcs_test_{number:020d}\t{charge if paid else NULL}\t{prepays}\t{months}"
            f"\t{at}\t{expires}\t{at if paid else expires}\n"
        )

    def ask_for_reminder(self, day: int, clock: str, source: int) -> None:
        """Somebody asks to be reminded in a month; the address is gone a month after that."""
        scene = self._scene
        self._reminders += 1
        number, due = self._reminders, scene.due_day(day, 1)
        due_at = f"{scene.date_of(due)} {clock}{scene.offset_on(due)}"
        status, erased = "waiting", NULL
        if due < scene.days:
            status = "skipped" if self._chance.random() < _SKIPPED else "sent"
            if due + _KEPT_DAYS < scene.days:
                erased = scene.at(due + _KEPT_DAYS, clock)
        if status == "sent":
            self.letter(f"reminder:{number}", "reminder", due_at)
        digest, sealed = self._address(number) if erased is NULL else (NULL, NULL)
        self.reminders.lines.append(
            f"{number}\t{digest}\t{sealed}\ten\t{status}\t{scene.at(day, clock)}"
            f"\t{scene.dates[day][:8]}01\t{due_at}\t{NULL if status == 'waiting' else due_at}"
            f"\t{erased}\t{self._sources[source]}\n"
        )

    def _address(self, number: int) -> tuple[str, str]:
        address = f"asked{number}@example.org"
        digest, sealed = self._vault.digest(lookup_form(address)), self._vault.encrypt(address)
        return f"\\\\x{digest.hex()}", f"\\\\x{sealed.hex()}"
