"""What stands around the money of a made-up history: letters, trips to Stripe, changes, answers."""

from __future__ import annotations

import json
import random

from billing.pledges.domain import EndAnswer
from billing.seed.books import NULL
from billing.seed.copying import Table
from billing.seed.readers import Readers
from billing.seed.scene import Scene

_EVENTS_DAYS = 30
"""For how many days Stripe's events are still at hand."""
_ANSWERS = 0.4
_REASONS = (
    *(EndAnswer.COST,) * 7, *(EndAnswer.LIMITED,) * 4, *(EndAnswer.SAFETY,) * 2,
    *(EndAnswer.PAYMENT,) * 2, *(EndAnswer.OTHERWISE,) * 2, EndAnswer.CONTENT, EndAnswer.OTHER,
)  # fmt: skip
"""How many say what made them stop, and what they say."""


class Around:
    """Writes it into tables; every moment is given as PostgreSQL reads it."""

    def __init__(self, scene: Scene, chance: random.Random, readers: Readers) -> None:
        self._scene = scene
        self._chance = chance
        self.readers = readers
        self._sources = [json.dumps(source) for source in scene.sources]
        self._trips = 0
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
        self.answers = Table("pledge_answers", ("pledge_id", "answer", "answered_at"))
        self.events = Table("webhook_events", (
            "stripe_event_id", "type", "object_id", "created_at", "received_at", "backfilled",
            "status", "next_try_at", "tries", "processed_at"))  # fmt: skip

    def tables(self) -> list[Table]:
        """All of them."""
        return [self.outbox, self.changes, self.checkouts, self.answers, self.events,
                self.readers.steps]  # fmt: skip

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
        if prepays is NULL:
            self.readers.begin(source)
        expires = self._scene.at(min(day + 1, self._scene.days - 1), "23:59:59")
        self.checkouts.lines.append(
            f"\\\\x{number:064x}\t{'paid' if paid else 'expired'}\t{cadence}\t{currency}\t{amount}"
            f"\t{cover}\ten\t{self._sources[source]}\ttuppence-checkout-{number:012d}\t{{}}"
            f"\tcs_test_{number:020d}\t{charge if paid else NULL}\t{prepays}\t{months}"
            f"\t{at}\t{expires}\t{at if paid else expires}\n"
        )

    def told_why(self, pledge: int, at: str) -> None:
        """Some of those who ended a pledge say why."""
        if self._chance.random() < _ANSWERS:
            reason = _REASONS[int(self._chance.random() * len(_REASONS))]
            self.answers.lines.append(f"{pledge}\t{reason}\t{at}\n")

    def thank(self, charge: int, day: int, at: str, template: str = "receipt") -> None:
        """The receipt of a payment; and Stripe's event about it, if that was lately."""
        self.letter(f"receipt:charge:{charge}", template, at)
        if day >= self._scene.days - _EVENTS_DAYS:
            self.events.lines.append(
                f"evt_3{charge:023d}\tpayment_intent.succeeded\tpi_3{charge:023d}\t{at}\t{at}\tf"
                f"\tprocessed\t{at}\t1\t{at}\n"
            )
