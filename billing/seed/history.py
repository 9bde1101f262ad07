"""A newsroom's made-up history, day by day: who comes, what they give, why they leave.

The same seed tells the same history. Amounts, shares and reasons are likely, not measured. Pledges
keep to the calendar of `billing.pledges.domain`: each due on its anchor's day, or the last of a
shorter month.
"""

from __future__ import annotations

import random
from functools import partial

from billing.crypto import Vault
from billing.seed.around import Around
from billing.seed.asked import Reminders
from billing.seed.books import NULL, Books
from billing.seed.by_hand import ByHand
from billing.seed.copying import Copier, Table
from billing.seed.promises import Promises
from billing.seed.readers import Readers
from billing.seed.scene import Scene, pick_country, pick_currency
from billing.seed.stage import Stage
from billing.supporters.address import lookup_form

_GIFTS = (500, 1000, 1000, 2500, 2500, 5000, 10_000)
_SHARE_PLEDGES, _PLEDGES_LATER, _DISPUTED = 0.72, 0.15, 0.006
_TURNS_BACK, _ASKS = 0.6, 0.5
"""For everybody who comes, how many leave Stripe's page unpaid, and how many ask for a reminder."""
_BY_HAND, _WARNED = 0.006, 0.02
"""How many give by bank or cheque; and of the last gifts, how many a card's network doubts."""
_REFUSED_TESTS, _GIVEN_BACK, _TESTS_DISPUTED, _TESTS_WARNED = 4, 0.2, 0.6, 0.3
"""For each stolen card that is taken, those refused; how many are given back after a warning, how
many disputed, and of these how many after a warning."""


class History:
    """Tells it into tables."""

    def __init__(
        self, scene: Scene, chance: random.Random, books: Books, vault: Vault, numbers: list[int]
    ) -> None:
        """`numbers` are those of the scene's sources in `revenue_sources`."""
        self._readers = Readers(scene, chance, numbers)
        self._stage = Stage(scene, chance, books, Around(scene, chance, self._readers))
        self._promises = Promises(self._stage)
        self._reminders = Reminders(self._stage, vault, self._come_back)
        self._by_hand = ByHand(self._stage)
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
                *self._around.tables(), *self._reminders.tables(), *self._stage.doubts.tables(),
                self._by_hand.gifts]  # fmt: skip

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
            self._readers.end(day, [self._stage.source(day) for _ in range(self._readers.idle())])
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
        if chance.random() < _BY_HAND:
            self._by_hand.enter(day, supporter, "usd" if chance.random() < 0.7 else "eur")
            return
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
            self._reminders.ask(day, clock, self._stage.source(day))

    def _come_back(self, day: int, source: int, address: str) -> None:
        """Somebody gives because of a reminder."""
        chance, supporter = self._chance, self._supporter(day, "20:05", address)
        currency = pick_currency(chance)
        country = pick_country(chance, currency)
        if chance.random() < _SHARE_PLEDGES:
            self._promises.begin(
                day, supporter, currency, country, "20:05", kind="new", source=source
            )
        else:
            self._give(day, supporter, currency, country, source)

    def _supporter(self, day: int, clock: str, address: str = "") -> int:
        self._supporters += 1
        number, vault = self._supporters, self._vault
        address = address or f"reader{number}@example.org"
        self.supporters.lines.append(
            f"{number}\t\\\\x{vault.digest(lookup_form(address)).hex()}"
            f"\t\\\\x{vault.encrypt(address).hex()}\t{'ru' if number % 3 else 'en'}"
            f"\t{self._scene.at(day, clock)}\n"
        )
        return number

    def _give(
        self, day: int, supporter: int, currency: str, country: str, source: int | None = None
    ) -> None:
        """A gift; a few are disputed, and of the last ones some are still doubted."""
        amount = self._stage.sum(_GIFTS, currency)
        source = self._stage.source(day) if source is None else source
        charge = self._gift(day, supporter, currency, country, amount, source)
        if day >= self._scene.days - 2 and self._chance.random() < _WARNED:
            self._stage.doubts.warn(charge, day)
        if self._chance.random() < _DISPUTED:
            self._stage.dispute(charge, currency, amount, day + 12)

    def _gift(
        self, day: int, supporter: int, currency: str, country: str, amount: int, source: int,
        refunded: int = 0,
    ) -> int:  # fmt: skip
        charge = self._books.new_charge()
        at = self._scene.at(day, f"{9 + charge % 12:02d}:{charge % 60:02d}:00")
        self._books.write_attempt(charge, 1, "checkout", at, at, supporter=supporter,
                                  currency=currency, amount=amount)  # fmt: skip
        self._books.write_charge(
            charge, kind="gift", status="succeeded", supporter=supporter, pledge=NULL, period=NULL,
            months=1, currency=currency, amount=amount, cover=0, refunded=refunded, due=at,
            created=at, settled=at, decline=NULL, country=country, source=source,
        )  # fmt: skip
        self._books.pay(charge, "gifts", currency, amount, day, at)
        self._around.thank(charge, day, at)
        self._around.trip(day, at, cadence="once", currency=currency, amount=amount, cover=0,
                          source=source, charge=charge)  # fmt: skip
        return charge

    def _test_cards(self, day: int) -> None:
        """Stolen cards are tried with very small gifts; most of these come back as disputes."""
        scene, doubts = self._scene, self._stage.doubts
        for _ in range(max(3, self._supporters // 400)):
            amount = 200 + int(self._chance.random() * 100)
            supporter = self._supporter(day, "04:10")
            country, source = self._chance.choice(("BR", "VN", "ID")), self._stage.source(0)
            for _ in range(_REFUSED_TESTS):
                self._around.trip(day, scene.at(day, "04:09:00"), cadence="once", currency="usd",
                                  amount=amount, cover=0, source=source)  # fmt: skip
            fate, warned, told = self._chance.random(), day + 2, day + 4
            back = amount if fate < _GIVEN_BACK and told < scene.days else 0
            charge = self._gift(day, supporter, "usd", country, amount, source, back)
            if back:
                doubts.warn(charge, warned, decision="refunded", on=told)
                self._stage.later(told, partial(self._refund, charge, amount))
            elif fate < _GIVEN_BACK + _TESTS_DISPUTED:
                opened = day + 9 + int(self._chance.random() * 30)
                if fate < _GIVEN_BACK + _TESTS_WARNED and opened < scene.days:
                    doubts.warn(charge, warned, decision="disputed", on=opened)
                self._stage.dispute(charge, "usd", amount, opened)

    def _refund(self, charge: int, amount: int, day: int) -> None:
        at = self._scene.at(day, "10:00:00")
        self._books.refund(charge, "usd", amount, day, at, asked_by="Desk")
