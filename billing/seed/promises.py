"""The pledges of a made-up history: how they begin, are paid, changed, refused, and end."""

from __future__ import annotations

from dataclasses import dataclass

from billing.seed.books import NULL
from billing.seed.copying import Table
from billing.seed.stage import Stage

_MONTHLY = (300, 500, 500, 500, 1000, 1000, 1000, 1500, 2000, 2500, 5000)
_ANNUAL = (2400, 5000, 6000, 6000, 10_000, 12_000, 24_000)
_SOFT = ("insufficient_funds", "insufficient_funds", "do_not_honor", "generic_decline")
_HARD = ("expired_card", "lost_card", "stolen_card")
_RETRIES = (1, 3, 7, 13)
_LAPSES_AFTER = 14
_SHARE_ANNUAL, _SHARE_COVERING = 0.14, 0.38
_FAILS, _HARD_FAILS, _RECOVERS = 0.045, 0.25, 0.42
_LEAVES_EARLY, _LEAVES, _LEAVES_ANNUAL = 0.035, 0.014, 0.22
_CHANGES, _RETURNS, _REFUNDED, _DISPUTED = 0.004, 0.12, 0.002, 0.0006
_PAUSES, _PREPAYS = 0.003, 0.004


@dataclass(slots=True, kw_only=True)
class _Pledge:
    """A promise as it stands; many of them live at once, so it is small. Days are numbers."""

    id: int
    supporter: int
    annual: bool
    currency: str
    given: int
    cover: int
    amount: int
    anchor: int
    clock: str
    country: str
    source: int
    status: str = "active"
    period: int = 0
    month: int = 0
    """How many months after its anchor the next period falls due."""
    next: int = 0
    """When that is."""
    charge: int = 0
    tries: int = 0
    past_due: int = -1
    reason: str = NULL
    cancelled: str = NULL
    ended: str = NULL
    """Why it was cancelled."""
    paused: int = -1
    """The day on which its last pause ends."""
    version: int = 0

    @property
    def cadence(self) -> str:
        """Its rhythm, as the tables say it."""
        return "annual" if self.annual else "monthly"


class Promises:
    """All of them, with the days on which they fall due."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._scene, self._chance = stage.scene, stage.chance
        self._books, self._around = stage.books, stage.around
        self._due: list[list[_Pledge]] = [[] for _ in range(stage.scene.days)]
        self._pledges: list[_Pledge] = []
        self.pledges = Table("pledges", (
            "id", "supporter_id", "status", "cadence", "currency", "amount_minor",
            "fee_cover_minor", "anchor_at", "next_period", "next_charge_at", "stripe_customer_id",
            "stripe_payment_method_id", "card_brand", "card_last4", "card_country", "language",
            "source", "created_at", "past_due_since", "past_due_reason", "cancelled_at",
            "end_reason", "version"))  # fmt: skip
        self.movements = Table("pledge_movements", (
            "pledge_id", "supporter_id", "kind", "currency", "yearly_minor", "occurred_at",
            "effective_on"))  # fmt: skip

    def play(self, day: int) -> None:
        """Everything that falls due on a day."""
        for pledge in self._due[day]:
            self._fall_due(pledge, day)
        self._due[day].clear()

    def write(self) -> None:
        """Every pledge as it stands on the last day."""
        for pledge in self._pledges:
            self._write_pledge(pledge)

    def begin(
        self, day: int, supporter: int, currency: str, country: str, clock: str, *, kind: str,
        source: int | None = None,
    ) -> None:  # fmt: skip
        """Somebody takes a pledge, and pays for its first period."""
        chance = self._chance
        annual = chance.random() < _SHARE_ANNUAL
        given = self._stage.sum(_ANNUAL if annual else _MONTHLY, currency)
        cover = round(given * 0.03) + 31 if chance.random() < _SHARE_COVERING else 0
        pledge = _Pledge(
            id=len(self._pledges) + 1, supporter=supporter, annual=annual, currency=currency,
            given=given, cover=cover, amount=given + cover, anchor=day, clock=clock,
            country=country, source=self._stage.source(day) if source is None else source,
        )  # fmt: skip
        self._pledges.append(pledge)
        self._move(pledge, kind, 1, day, day)
        charge = self._books.new_charge()
        at = self._scene.at(day, f"{clock}:05")
        self._books.write_attempt(charge, 1, "checkout", at, at, supporter=supporter,
                                  currency=currency, amount=pledge.amount)  # fmt: skip
        self._around.trip(day, at, cadence=pledge.cadence, currency=currency, amount=pledge.amount,
                          cover=cover, source=pledge.source, charge=charge)  # fmt: skip
        self._succeed(pledge, charge, day, at)
        self._go_on(pledge)

    def _fall_due(self, pledge: _Pledge, day: int) -> None:
        """A period falls due, or what was refused is tried again."""
        if pledge.status == "active":
            if self._leaves(pledge):
                self._cancel(pledge, day)
                return
            if not pledge.annual and pledge.period > 1 and self._wishes(pledge, day):
                return
            pledge.charge = self._books.new_charge()
            pledge.tries = 0
        elif pledge.status != "past_due":
            return
        elif day - pledge.past_due >= _LAPSES_AFTER:
            self._lapse(pledge, day)
            return
        pledge.tries += 1
        at = self._scene.at(day, f"{pledge.clock}:40")
        decline = self._decline(pledge)
        self._books.write_attempt(
            pledge.charge, pledge.tries, "off_session", at, at, supporter=pledge.supporter,
            currency=pledge.currency, amount=pledge.amount, decline=decline,
        )  # fmt: skip
        if decline is NULL:
            self._succeed(pledge, pledge.charge, day, at)
            pledge.status, pledge.past_due, pledge.reason = "active", -1, NULL
            self._go_on(pledge)
            return
        if pledge.status == "active":
            pledge.status, pledge.past_due = "past_due", day
        pledge.reason = decline
        again = [n for n in _RETRIES if pledge.past_due + n > day]
        soft = decline not in _HARD
        self._at(pledge, pledge.past_due + (again[0] if again and soft else _LAPSES_AFTER))

    def _decline(self, pledge: _Pledge) -> str:
        chance = self._chance.random()
        if pledge.status == "past_due":
            return NULL if chance < _RECOVERS else pledge.reason
        if chance >= _FAILS:
            return NULL
        return self._chance.choice(_HARD if chance < _FAILS * _HARD_FAILS else _SOFT)

    def _leaves(self, pledge: _Pledge) -> bool:
        value = self._chance.random()
        if value < _CHANGES and pledge.period > 2:
            self._change(pledge)
        if pledge.annual:
            return value > 1 - _LEAVES_ANNUAL
        return value > 1 - (_LEAVES_EARLY if pledge.period < 3 else _LEAVES)

    def _wishes(self, pledge: _Pledge, day: int) -> bool:
        """Now and then a supporter pauses, or pays some months at once."""
        value = self._chance.random()
        if value < _PAUSES:
            return self._pause(pledge, day, 1 + int(self._chance.random() * 3))
        if value > 1 - _PREPAYS:
            self._prepay(pledge, day, self._chance.choice((3, 3, 6)))
            return True
        return False

    def _pause(self, pledge: _Pledge, day: int, months: int) -> bool:
        """Some months are left out, beginning with the one that falls due."""
        resumes = self._scene.due_day(pledge.anchor, pledge.month + months) - 1
        if resumes >= self._scene.days:
            return False
        until = self._scene.at(resumes, "07:00:00")
        self._move(pledge, "paused", -1, day - 1, day)
        self._record(pledge, "paused", self._scene.at(day - 1, f"{pledge.clock}:05"), until=until)
        spared = (pledge.period, pledge.period + months)
        pledge.paused = resumes
        self._skip(pledge, months)
        self._move(pledge, "resumed", 1, resumes, resumes)
        self._record(pledge, "resumed", until, spared=spared)
        return True

    def _prepay(self, pledge: _Pledge, day: int, months: int) -> None:
        """So many months are paid at once, on Stripe's page."""
        charge, at = self._books.new_charge(), self._scene.at(day, "06:30:00")
        amount, cover = pledge.amount * months, pledge.cover * months
        self._books.write_attempt(charge, 1, "checkout", at, at, supporter=pledge.supporter,
                                  currency=pledge.currency, amount=amount)  # fmt: skip
        self._around.trip(day, at, cadence="monthly", currency=pledge.currency, amount=amount,
                          cover=cover, source=pledge.source, charge=charge,
                          prepays=str(pledge.id), months=months)  # fmt: skip
        self._books.write_charge(
            charge, kind="pledge", status="succeeded", supporter=pledge.supporter,
            pledge=str(pledge.id), period=str(pledge.period), months=months,
            currency=pledge.currency, amount=amount, cover=cover, refunded=0,
            due=self._scene.at(day, f"{pledge.clock}:05"), created=at, settled=at, decline=NULL,
            country=pledge.country, source=pledge.source,
        )  # fmt: skip
        self._books.pay(charge, "pledges", pledge.currency, amount, day, at)
        self._around.thank(charge, day, at, "prepaid")
        spared = (pledge.period + 1, pledge.period + months)
        self._skip(pledge, months)
        self._record(pledge, "prepaid", at, spared=spared)

    def _skip(self, pledge: _Pledge, months: int) -> None:
        """So many months later is the next payment."""
        pledge.period += months
        pledge.month += months
        pledge.next = self._scene.due_day(pledge.anchor, pledge.month)
        self._at(pledge, pledge.next)

    def _record(
        self, pledge: _Pledge, kind: str, at: str, *, old: int | None = None,
        spared: tuple[int, int] | None = None, until: str = NULL,
    ) -> None:  # fmt: skip
        pledge.version += 1
        self._around.change(
            pledge.id, pledge.version, kind, at, cadence=pledge.cadence,
            old=pledge.amount if old is None else old, amount=pledge.amount, cover=pledge.cover,
            following=pledge.period, spared=spared, until=until,
        )  # fmt: skip

    def _change(self, pledge: _Pledge) -> None:
        """Another sum from this period on; most raise it."""
        day = pledge.next
        factor = self._chance.choice((2, 2, 1.5, 0.5))
        given = max(300, round(pledge.given * factor))
        if given != pledge.given:
            kind = "expansion" if given > pledge.given else "contraction"
            difference = (given - pledge.given) * (1 if pledge.annual else 12)
            self._move_by(pledge, kind, difference, day, day)
            old = pledge.amount
            pledge.given, pledge.amount = given, given + pledge.cover
            self._record(pledge, "terms", self._scene.at(day, f"{pledge.clock}:05"), old=old)

    def _cancel(self, pledge: _Pledge, day: int) -> None:
        """It was cancelled some days ago and ends with what was paid for; some return."""
        pledge.status = "cancelled"
        asked = max(pledge.anchor, day - 1 - int(self._chance.random() * 12))
        pledge.cancelled, pledge.ended = self._scene.at(asked, "21:10:00"), "supporter"
        self._around.told_why(pledge.id, self._scene.at(asked, "21:11:00"))
        self._move(pledge, "churn_voluntary", -1, asked, day)
        if self._chance.random() < _RETURNS:
            supporter, currency, country = pledge.supporter, pledge.currency, pledge.country
            self._stage.later(
                day + 30 + int(self._chance.random() * 180),
                lambda on: self.begin(
                    on, supporter, currency, country, "19:20", kind="reactivation"
                ),
            )

    def _dispute(self, pledge: _Pledge, charge: int, day: int) -> None:
        """A payment is disputed, and that ends its pledge at once."""
        if pledge.status != "active" or pledge.paused >= day or pledge.next <= day:
            return
        pledge.status, pledge.ended = "cancelled", "disputed"
        pledge.cancelled = self._scene.at(day, f"{pledge.clock}:05")
        self._move(pledge, "churn_involuntary", -1, day, day)
        self._stage.dispute(charge, pledge.currency, pledge.amount, day)

    def _lapse(self, pledge: _Pledge, day: int) -> None:
        pledge.status = "lapsed"
        self._write_declined(pledge)
        self._move(pledge, "churn_involuntary", -1, day, day)

    def _succeed(self, pledge: _Pledge, charge: int, day: int, at: str) -> None:
        """The period is paid for; now and then it is given back, or disputed."""
        value = self._chance.random()
        refunded = pledge.amount if value < _REFUNDED and day + 9 < self._scene.days else 0
        due = self._scene.at(pledge.next if pledge.period else day, f"{pledge.clock}:05")
        self._books.write_charge(
            charge, kind="pledge", status="succeeded", supporter=pledge.supporter,
            pledge=str(pledge.id), period=str(pledge.period), months=1, currency=pledge.currency,
            amount=pledge.amount, cover=pledge.cover, refunded=refunded, due=due, created=due,
            settled=at, decline=NULL, country=pledge.country, source=pledge.source,
        )  # fmt: skip
        self._books.pay(charge, "pledges", pledge.currency, pledge.amount, day, at)
        self._around.thank(charge, day, at)
        if refunded:
            currency = pledge.currency
            self._stage.later(day + 9, lambda on: self._books.refund(
                charge, currency, refunded, on, self._scene.at(on, "11:00:00")))  # fmt: skip
        elif value > 1 - _DISPUTED:
            self._stage.later(day + 11, lambda on: self._dispute(pledge, charge, on))

    def _go_on(self, pledge: _Pledge) -> None:
        """The next period, on its day."""
        pledge.period += 1
        pledge.month += 12 if pledge.annual else 1
        pledge.next = self._scene.due_day(pledge.anchor, pledge.month)
        self._at(pledge, pledge.next)

    def _at(self, pledge: _Pledge, day: int) -> None:
        if day < self._scene.days:
            self._due[day].append(pledge)

    def _move(self, pledge: _Pledge, kind: str, sign: int, day: int, effective: int) -> None:
        yearly = pledge.given * (1 if pledge.annual else 12)
        self._move_by(pledge, kind, sign * yearly, day, effective)

    def _move_by(self, pledge: _Pledge, kind: str, yearly: int, day: int, effective: int) -> None:
        self.movements.lines.append(
            f"{pledge.id}\t{pledge.supporter}\t{kind}\t{pledge.currency}\t{yearly}"
            f"\t{self._scene.at(day, f'{pledge.clock}:05')}\t{self._scene.date_of(effective)}\n"
        )

    def _write_declined(self, pledge: _Pledge) -> None:
        """The charge of a period that was not paid."""
        due = self._scene.at(pledge.next, f"{pledge.clock}:05")
        self._books.write_charge(
            pledge.charge, kind="pledge", status="declined", supporter=pledge.supporter,
            pledge=str(pledge.id), period=str(pledge.period), months=1, currency=pledge.currency,
            amount=pledge.amount, cover=pledge.cover, refunded=0, due=due, created=due,
            settled=NULL, decline=pledge.reason, country=pledge.country, source=pledge.source,
        )  # fmt: skip

    def _write_pledge(self, pledge: _Pledge) -> None:
        """A pledge as it stands on the last day."""
        scene, status = self._scene, pledge.status
        if status == "past_due":
            self._write_declined(pledge)
        period = pledge.period + (status in ("past_due", "lapsed"))
        following = NULL
        if status in ("active", "past_due"):
            step = 12 if pledge.annual and status == "past_due" else int(status == "past_due")
            day = scene.due_day(pledge.anchor, pledge.month + step)
            following = f"{scene.date_of(day)} {pledge.clock}:05{scene.offset_on(day)}"
        past_due = scene.at(pledge.past_due, f"{pledge.clock}:40") if pledge.past_due >= 0 else NULL
        anchor = scene.at(pledge.anchor, f"{pledge.clock}:05")
        self.pledges.lines.append(
            f"{pledge.id}\t{pledge.supporter}\t{status}\t{pledge.cadence}"
            f"\t{pledge.currency}\t{pledge.amount}\t{pledge.cover}\t{anchor}\t{period}\t{following}"
            f"\tcus_{pledge.supporter:014d}\tpm_{pledge.id:014d}\tvisa\t4242\t{pledge.country}\ten"
            f"\t{self._stage.sources[pledge.source]}\t{anchor}\t{past_due}\t{pledge.reason}"
            f"\t{pledge.cancelled}\t{pledge.ended}\t{pledge.version}\n"
        )
