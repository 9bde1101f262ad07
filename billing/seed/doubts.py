"""Payments of a made-up history that somebody doubts: disputes, and early fraud warnings."""

from __future__ import annotations

from billing.seed.books import NULL, Books
from billing.seed.copying import Table
from billing.seed.scene import Scene

_TO_ANSWER_DAYS = 20
"""For how long the bank waits for an answer."""
DECIDED_AFTER = 40
"""Days from a dispute to the bank's decision."""


class Doubts:
    """Writes them; what they do to money goes through the books."""

    def __init__(self, scene: Scene, books: Books) -> None:
        self._scene = scene
        self._books = books
        self.disputes = Table("disputes", (
            "stripe_dispute_id", "charge_id", "status", "reason", "amount_minor", "currency",
            "opened_at", "respond_by", "closed_at"))  # fmt: skip
        self.warnings = Table("fraud_warnings", (
            "stripe_warning_id", "charge_id", "fraud_type", "warned_at", "decision", "decided_at",
            "decided_by"))  # fmt: skip

    def tables(self) -> list[Table]:
        """All of them."""
        return [self.disputes, self.warnings]

    def open(self, charge: int, currency: str, amount: int, day: int, *, won: bool) -> None:
        """A dispute is opened, and the money leaves; `won` is how it ends, if it has by now."""
        scene = self._scene
        opened, closes = scene.at(day, "10:00:00"), day + DECIDED_AFTER
        self._books.dispute(charge, currency, amount, day, opened)
        status, respond_by, closed = ("won" if won else "lost"), NULL, NULL
        if closes < scene.days:
            closed = scene.at(closes, "10:00:00")
        else:
            asks = day + _TO_ANSWER_DAYS >= scene.days
            status = "needs_response" if asks else "under_review"
            last = day + _TO_ANSWER_DAYS
            respond_by = f"{scene.date_of(last)} 23:59:59{scene.offset_on(last)}"
        self.disputes.lines.append(
            f"dp_3{charge:023d}\t{charge}\t{status}\tfraudulent\t{amount}\t{currency}\t{opened}"
            f"\t{respond_by}\t{closed}\n"
        )

    def come_back(self, charge: int, currency: str, amount: int, day: int) -> None:
        """A dispute is won."""
        at = self._scene.at(day, "10:00:00")
        self._books.back("dispute_reversal", charge, currency, -amount, day, at)

    def warn(self, charge: int, day: int, *, decision: str = NULL, on: int = -1) -> None:
        """The card's network warns of a payment; `decision` is what became of it, and `on` when."""
        decided = NULL if decision is NULL else self._scene.at(on, "10:00:00")
        who = "Desk" if decision == "refunded" else NULL
        self.warnings.lines.append(
            f"issfr_3{charge:022d}\t{charge}\tunauthorized_use_of_card"
            f"\t{self._scene.at(day, '06:00:00')}\t{decision}\t{decided}\t{who}\n"
        )
