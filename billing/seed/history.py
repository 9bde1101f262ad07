"""A newsroom's made-up history, day by day: who comes, what they give, why they leave.

The same seed tells the same history. Amounts, shares and reasons are likely, not measured. Pledges
keep to the calendar of `billing.pledges.domain`: each due on its anchor's day, or the last of a
shorter month.
"""

from __future__ import annotations

import random

from billing.crypto import Vault
from billing.seed.around import Around
from billing.seed.books import NULL, Books
from billing.seed.copying import Copier, Table
from billing.seed.promises import Promises
from billing.seed.scene import Scene, pick_country, pick_currency
from billing.seed.stage import Stage
from billing.supporters.address import lookup_form

_GIFTS = (500, 1000, 1000, 2500, 2500, 5000, 10_000)
_SHARE_PLEDGES, _PLEDGES_LATER, _DISPUTED = 0.72, 0.15, 0.006
_TURNS_BACK, _ASKS = 0.6, 0.5
"""For everybody who comes, how many leave Stripe's page unpaid, and how many ask for a reminder."""


class History:
    """Tells it into tables."""

    def __init__(self, scene: Scene, chance: random.Random, books: Books, vault: Vault) -> None:
        self._stage = Stage(scene, chance, books, Around(scene, chance, vault))
        self._promises = Promises(self._stage)
        self._scene, self._chance = scene, chance
        self._books, self._around = books, self._stage.around
        self._vault = vault
        self._supporters = 0
        self.supporters = Table("supporters", (
            "id", "email_digest", "email_encrypted", "language", "created_at"))  # fmt: skip

    def tables(self) -> list[Table]:
        """All tables, those first that others refer to."""
        promises = self._promises
        return [self.supporters, promises.pledges, promises.movements, *self._books.tables(),
                *self._around.tables()]  # fmt: skip

    def tell(self, copier: Copier) -> None:
        """From the first day to the last."""
        scene = self._scene
        for day in range(scene.days):
            self._stage.play(day)
            self._promises.play(day)
            for _ in range(scene.arrivals[day]):
                self._arrive(day)
            if day in scene.fraud:
                self._test_cards(day)
            if day % 7 == 3:
                self._books.pay_out(scene.at(day, "23:30:00"))
            copier.flush()
        self._promises.write()
        copier.flush()

    def _arrive(self, day: int) -> None:
        """Somebody new: with a pledge, or with a gift and perhaps another one later."""
        chance = self._chance
        clock = f"{8 + int(chance.random() * 14):02d}:{int(chance.random() * 60):02d}"
        supporter = self._supporter(day, clock)
        currency = pick_currency(chance)
        country = pick_country(chance, currency)
        self._look_around(day, f"{clock}:20", currency)
        if chance.random() < _SHARE_PLEDGES:
            self._promises.begin(day, supporter, currency, country, clock, kind="new")
            return
        if chance.random() < _PLEDGES_LATER:
            self._stage.later(
                day + 20 + int(chance.random() * 120),
                lambda on: self._promises.begin(
                    on, supporter, currency, country, "18:10", kind="new"
                ),
            )
        self._give(day, supporter, currency, country)
        while chance.random() < 0.3:
            day += 20 + int(chance.random() * 200)
            self._stage.later(day, lambda on: self._give(on, supporter, currency, country))

    def _look_around(self, day: int, clock: str, currency: str) -> None:
        """Of those who give nothing some turn back on Stripe's page, some ask to be reminded."""
        chance, around = self._chance, self._around
        if chance.random() < _TURNS_BACK:
            around.trip(day, self._scene.at(day, clock), cadence="once", currency=currency,
                        amount=self._stage.sum(_GIFTS, currency), cover=0,
                        source=self._stage.source(day))  # fmt: skip
        if chance.random() < _ASKS:
            around.ask_for_reminder(day, clock, self._stage.source(day))

    def _supporter(self, day: int, clock: str) -> int:
        self._supporters += 1
        number, vault = self._supporters, self._vault
        address = f"reader{number}@example.org"
        self.supporters.lines.append(
            f"{number}\t\\\\x{vault.digest(lookup_form(address)).hex()}"
            f"\t\\\\x{vault.encrypt(address).hex()}\t{'ru' if number % 3 else 'en'}"
            f"\t{self._scene.at(day, clock)}\n"
        )
        return number

    def _give(self, day: int, supporter: int, currency: str, country: str) -> None:
        """A gift; a few are given back or disputed."""
        amount = self._stage.sum(_GIFTS, currency)
        charge = self._gift(day, supporter, currency, country, amount, self._stage.source(day))
        if self._chance.random() < _DISPUTED:
            self._stage.dispute(charge, currency, amount, day + 12)

    def _gift(
        self, day: int, supporter: int, currency: str, country: str, amount: int, source: int
    ) -> int:
        charge = self._books.new_charge()
        at = self._scene.at(day, f"{9 + charge % 12:02d}:{charge % 60:02d}:00")
        self._books.write_attempt(charge, 1, "checkout", at, at, supporter=supporter,
                                  currency=currency, amount=amount)  # fmt: skip
        self._books.write_charge(
            charge, kind="gift", status="succeeded", supporter=supporter, pledge=NULL, period=NULL,
            months=1, currency=currency, amount=amount, cover=0, refunded=0, due=at, created=at,
            settled=at, decline=NULL, country=country, source=source,
        )  # fmt: skip
        self._books.pay(charge, "gifts", currency, amount, day, at)
        self._around.letter(f"receipt:charge:{charge}", "receipt", at)
        self._around.trip(day, at, cadence="once", currency=currency, amount=amount, cover=0,
                          source=source, charge=charge)  # fmt: skip
        return charge

    def _test_cards(self, day: int) -> None:
        """Stolen cards are tried with very small gifts; most of these come back as disputes."""
        for _ in range(max(3, self._supporters // 400)):
            amount = 200 + int(self._chance.random() * 100)
            supporter = self._supporter(day, "04:10")
            country = self._chance.choice(("BR", "VN", "ID"))
            charge = self._gift(day, supporter, "usd", country, amount, self._stage.source(0))
            if self._chance.random() < 0.6:
                self._stage.dispute(
                    charge, "usd", amount, day + 9 + int(self._chance.random() * 30)
                )
