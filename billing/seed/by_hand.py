"""The gifts of a made-up history that came by bank, cheque or in cash, as staff entered them."""

from __future__ import annotations

from billing.charges.tables_offline import OfflineMethod
from billing.seed.books import NULL
from billing.seed.copying import Table
from billing.seed.stage import Stage

_METHODS = (OfflineMethod.BANK, OfflineMethod.BANK, OfflineMethod.BANK, OfflineMethod.CHEQUE,
            OfflineMethod.CASH)  # fmt: skip
_SUMS = (2500, 5000, 10_000, 10_000, 25_000, 50_000)
_TAKEN_BACK, _AFTER_DAYS = 0.04, 6
"""How many were entered by mistake, and after how many days that is seen."""


class ByHand:
    """Writes them."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._books, self._scene = stage, stage.books, stage.scene
        self.gifts = Table("offline_gifts", (
            "charge_id", "method", "received_on", "reference", "entered_by", "entered_at",
            "reversed_at"))  # fmt: skip

    def enter(self, day: int, supporter: int, currency: str) -> None:
        """Staff enter a gift that came some days before."""
        chance, scene, books = self._stage.chance, self._scene, self._books
        received = max(0, day - int(chance.random() * 5))
        came, entered = scene.at(received, "12:00:00"), scene.at(day, "15:20:00")
        amount, charge = self._stage.sum(_SUMS, currency), books.new_charge()
        method = _METHODS[int(chance.random() * len(_METHODS))]
        mistaken = chance.random() < _TAKEN_BACK and day + _AFTER_DAYS < scene.days
        status, reversed_at = "succeeded", NULL
        if mistaken:
            status, reversed_at = "cancelled", scene.at(day + _AFTER_DAYS, "11:30:00")
            back = ("offline_reversal", charge, currency, -amount, reversed_at, reversed_at)
            self._stage.later(day + _AFTER_DAYS, lambda _: books.post_offline(*back))
        books.write_charge(
            charge, kind="gift", status=status, supporter=supporter, pledge=NULL, period=NULL,
            months=1, currency=currency, amount=amount, cover=0, refunded=0, due=came,
            created=entered, settled=came, decline=NULL, country=NULL, source=scene.nowhere,
            at_stripe=False,
        )  # fmt: skip
        books.post_offline("offline", charge, currency, amount, came, entered)
        self.gifts.lines.append(
            f"{charge}\t{method}\t{scene.dates[received]}\tno. {charge}\tDesk\t{entered}"
            f"\t{reversed_at}\n"
        )
