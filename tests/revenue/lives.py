"""A made-up newsroom's history, lived through the services and tables that real money goes through.

The same number tells the same history. Everything odd happens in it: two pledges of one person,
in two currencies, pauses that end in a cancellation, changes of rhythm, debits that come back,
refunds, disputes lost and won, payments of somebody else, and transactions that are slow to commit.
"""

from __future__ import annotations

import random
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges import offline
from billing.charges.domain import AttemptKind, AttemptStatus, ChargeKind, ChargeStatus
from billing.charges.tables import Attempt, Charge
from billing.charges.tables_offline import OfflineMethod
from billing.checkout.steps import ReaderStep, note_in
from billing.clock import FixedClock
from billing.ledger.domain import Account, Movement
from billing.ledger.service import Posting, post_many
from billing.money import Money
from billing.pledges.answers import answer, forget
from billing.pledges.changes import change_terms, pause, resume
from billing.pledges.domain import Cadence, EndAnswer, EndReason, PledgeStatus
from billing.pledges.errors import NotPossibleError
from billing.pledges.service import cancel, get_pledge, lapse, make_pledge, mark_paid, mark_past_due
from billing.pledges.tables import Pledge
from billing.revenue.rebuild import keep_up
from billing.runtime import Runtime
from billing.supporters.service import get_or_create
from tests.revenue.lives_reminders import remind

RIGA = ZoneInfo("Europe/Riga")
BEGINS = datetime(2025, 1, 3, 9, tzinfo=UTC)
ENDS = datetime(2026, 4, 12, 9, tzinfo=UTC)
_TICK = timedelta(days=6, hours=7, minutes=11)
_RATES = {"usd": 100, "eur": 110, "gbp": 130, "jpy": 1}
_SOURCES: list[dict[str, str]] = [
    {},
    {"article": "/a"},
    {"article": "/a", "campaign": "spring"},
    {"article": "/b", "campaign": "spring", "appeal": "banner"},
    {"article": "/b", "campaign": "autumn", "appeal": "end"},
    {"campaign": "autumn", "appeal": "banner"},
    {"article": "/a", "appeal": "banner", "variant": "short", "referrer": "search"},
    {"article": "/b", "appeal": "banner", "variant": "long", "referrer": "search"},
    {"referrer": "direct"},
]
_COUNTRIES = (None, "LV", "LV", "US", "DE")


class Lives:
    """Lives through the whole history, step by step, folding now and then."""

    def __init__(self, runtime: Runtime, seed: int) -> None:
        self._clock = FixedClock(BEGINS)
        self._runtime = replace(runtime, clock=self._clock)
        self._chance = random.Random(seed)  # noqa: S311 - the same history every time
        self._told = random.Random(seed)  # noqa: S311 - of their own: the rest stays as it was
        self._asked = random.Random(seed)  # noqa: S311 - likewise
        self._number = 0
        self._cheques: list[int] = []

    @property
    def now(self) -> datetime:
        return self._clock.now()

    def live(self) -> None:
        """From the first day to the last."""
        place = 0
        while self.now < ENDS:
            place += 1
            with ExitStack() as slow:
                if place % 7 == 0:
                    session = slow.enter_context(self._runtime.database.transaction())
                    self._gift(session, 10_000 + place)
                    self._promise(session, 10_000 + place)
                self._step()
                if place % 5 == 0 or place % 7 == 0:
                    keep_up(self._runtime)
            self._clock.advance(_TICK + timedelta(hours=self._chance.randrange(9)))
        keep_up(self._runtime)

    def _step(self) -> None:
        with self._runtime.database.transaction() as session:
            for _ in range(self._chance.randint(1, 3)):
                self._promise(session)
            self._gift(session)
            if self._chance.random() < 0.2:
                self._foreign(session)
            for pledge in session.scalars(select(Pledge).order_by(Pledge.id)).all():
                self._live_on(session, pledge)
            self._turn_back(session)
            self._look_around(session)
            remind(session, self._asked, _SOURCES, RIGA, self.now)
            self._cheque(session)

    def _look_around(self, session: Session) -> None:
        """Readers who see an appeal, and some who go on."""
        for step in ReaderStep:
            for _ in range(self._chance.randint(0, 4)):
                note_in(session, self._runtime, step, self._chance.choice(_SOURCES))

    def _live_on(self, session: Session, pledge: Pledge) -> None:
        """One pledge's week."""
        calendar = pledge.calendar(RIGA)
        due = pledge.next_charge_at
        if pledge.status is PledgeStatus.ACTIVE and due is not None and due <= self.now:
            self._renew(session, pledge)
            pledge.next_period += 1
            pledge.next_charge_at = calendar.due_at(pledge.next_period)
            session.flush()
        whim = self._chance.random()
        self._look_back(session, pledge)
        with suppress(NotPossibleError):
            if whim < 0.02:
                reason = self._chance.choice([EndReason.SUPPORTER, EndReason.DISPUTED])
                cancel(session, pledge.id, zone=RIGA, now=self.now, reason=reason)
            elif whim < 0.06:
                self._change(session, pledge)
            elif whim < 0.09:
                until = self.now + timedelta(days=self._chance.randint(20, 90))
                turn = pledge.turn(RIGA, self.now)
                pause(session, pledge.id, until=until, seen=pledge.version, turn=turn, zone=RIGA,
                      now=self.now)  # fmt: skip
            elif whim < 0.2 and pledge.status is PledgeStatus.PAUSED:
                resume(session, pledge.id, seen=pledge.version, zone=RIGA, now=self.now)
            elif whim < 0.5 and pledge.status is PledgeStatus.PAST_DUE:
                lapse(session, pledge, zone=RIGA, now=self.now)
            elif whim < 0.9 and pledge.status in (PledgeStatus.PAST_DUE, PledgeStatus.LAPSED):
                self._recover(session, pledge)

    def _look_back(self, session: Session, pledge: Pledge) -> None:
        """Some tell what made them stop, days after they did; some are forgotten in the end."""
        whim = self._told.random()
        with suppress(NotPossibleError):
            if whim < 0.2:
                answer(session, pledge.id, self._told.choice(list(EndAnswer)), now=self.now)
            elif whim > 0.99:
                forget(session, pledge.supporter_id)

    def _change(self, session: Session, pledge: Pledge) -> None:
        cadence = self._chance.choice([Cadence.MONTHLY, Cadence.ANNUAL])
        same_value = self._chance.random() < 0.5 and cadence is not pledge.cadence
        amount = self._chance.choice([300, 600, 2400, 12_000])
        if same_value:
            given = pledge.amount_minor - pledge.fee_cover_minor
            amount = given * 12 if cadence is Cadence.ANNUAL else max(1, given // 12)
        change_terms(
            session,
            pledge.id,
            amount=Money(amount, pledge.currency),
            fee_cover=Money(0, pledge.currency),
            cadence=cadence,
            seen=pledge.version,
            zone=RIGA,
            now=self.now,
        )

    def _promise(self, session: Session, number: int | None = None) -> None:
        """A first payment; every third is by somebody who has been there before."""
        self._number += 1
        before = self._chance.randint(1, self._number)
        number = number or (before if self._number % 3 == 0 else self._number)
        currency = self._chance.choice(["usd", "usd", "eur", "jpy"])
        amount = self._chance.choice([300, 600, 1200, 12_000])
        cover = self._chance.choice([0, 0, 39])
        anchor = self.now - timedelta(minutes=self._chance.randrange(3000))
        pledge = make_pledge(
            session,
            supporter_id=self._supporter(session, number),
            cadence=self._chance.choice([Cadence.MONTHLY, Cadence.MONTHLY, Cadence.ANNUAL]),
            amount=Money(amount + cover, currency),
            fee_cover=Money(cover, currency),
            anchor=anchor,
            zone=RIGA,
            stripe_customer_id="cus",
            stripe_payment_method_id="pm",
            language="en",
            source=self._chance.choice(_SOURCES),
            now=self.now,
        )
        pledge.card_country = self._chance.choice(_COUNTRIES)
        charge = self._charge(session, pledge, period=0)
        self._attempt(session, charge, 1, AttemptStatus.SUCCEEDED)
        self._pay(session, charge)

    def _renew(self, session: Session, pledge: Pledge) -> None:
        charge = self._charge(session, pledge, period=pledge.next_period)
        if self._chance.random() < 0.25:
            charge.status = ChargeStatus.DECLINED
            reason = self._chance.choice(["insufficient_funds", "expired_card"])
            self._attempt(session, charge, 1, AttemptStatus.DECLINED, reason)
            mark_past_due(session, pledge, reason=reason, now=self.now)
            return
        self._attempt(session, charge, 1, AttemptStatus.SUCCEEDED)
        self._pay(session, charge)

    def _recover(self, session: Session, pledge: Pledge) -> None:
        """What was refused is paid after all; a lapsed pledge returns with it."""
        query = select(Charge).where(Charge.pledge_id == pledge.id).order_by(Charge.id.desc())
        charge = session.scalars(query.limit(1)).one()
        if charge.status is not ChargeStatus.DECLINED:
            return
        self._attempt(session, charge, 2, AttemptStatus.SUCCEEDED)
        mark_paid(session, get_pledge(session, pledge.id), period=charge.period, zone=RIGA,
                  now=self.now)  # fmt: skip
        self._pay(session, charge)

    def _gift(self, session: Session, number: int | None = None) -> None:
        number = number or self._chance.randint(1, self._number + 3)
        charge = Charge(
            kind=ChargeKind.GIFT,
            supporter_id=self._supporter(session, number),
            currency=self._chance.choice(["usd", "gbp"]),
            amount_minor=self._chance.choice([500, 2500, 5000]),
            fee_cover_minor=0,
            source=self._chance.choice(_SOURCES),
            card_country=self._chance.choice(_COUNTRIES),
            **self._times(),
        )
        session.add(charge)
        session.flush()
        self._attempt(session, charge, 1, AttemptStatus.SUCCEEDED)
        self._pay(session, charge)

    def _charge(self, session: Session, pledge: Pledge, *, period: int) -> Charge:
        charge = Charge(
            kind=ChargeKind.PLEDGE,
            supporter_id=pledge.supporter_id,
            pledge_id=pledge.id,
            period=period,
            months=1 if self._chance.random() < 0.9 else 3,
            currency=pledge.currency,
            amount_minor=pledge.amount_minor,
            fee_cover_minor=pledge.fee_cover_minor,
            source=pledge.source,
            card_country=pledge.card_country,
            **self._times(),
        )
        session.add(charge)
        session.flush()
        return charge

    def _times(self) -> dict[str, Any]:
        return {"status": ChargeStatus.DUE, "due_at": self.now, "created_at": self.now}

    def _attempt(
        self,
        session: Session,
        charge: Charge,
        number: int,
        status: AttemptStatus,
        reason: str | None = None,
    ) -> None:
        session.add(
            Attempt(
                charge_id=charge.id,
                number=number,
                kind=AttemptKind.OFF_SESSION if charge.period else AttemptKind.CHECKOUT,
                status=status,
                idempotency_key=f"key-{charge.id}-{number}",
                params={"amount": charge.amount_minor},
                started_at=self.now,
                last_sent_at=self.now,
                key_since=self.now,
                finished_at=self.now,
                decline_code=reason,
            )
        )
        session.flush()

    def _pay(self, session: Session, charge: Charge) -> None:
        charge.status = ChargeStatus.SUCCEEDED
        charge.settled_at = self.now
        charge.stripe_charge_id = f"ch_{charge.id}"
        settled = charge.amount_minor * _RATES[charge.currency] // 100 + self.now.month
        fee = min(settled, settled * 29 // 1000 + 30)
        self._post(session, "charge", charge, settled, fee, charge.amount_minor)

    def _turn_back(self, session: Session) -> None:
        """Of the latest payments some are refunded, disputed, won back, or come back."""
        query = select(Charge).where(
            Charge.status == ChargeStatus.SUCCEEDED, Charge.stripe_charge_id.is_not(None)
        )
        for charge in session.scalars(query.order_by(Charge.id.desc()).limit(4)).all():
            whim, part = self._chance.random(), charge.amount_minor // 2
            settled = part * _RATES[charge.currency] // 100
            if whim < 0.1:
                self._post(session, "refund", charge, -settled, 0, -part)
            elif whim < 0.15:
                self._post(session, "dispute", charge, -settled, 1500, -part)
            elif whim < 0.2:
                self._post(session, "dispute_reversal", charge, settled, 0, part)
            elif whim < 0.25:
                self._post(session, "charge_failure", charge, -settled, 0, -part)

    def _cheque(self, session: Session) -> None:
        """Each gift by cheque is entered some days late; every third is taken back in the end."""
        charge_id = offline.enter(
            session,
            self._runtime,
            self._supporter(session, 1),
            offline.Entered(
                amount=Money(7000 + self.now.day, "eur" if self.now.day % 4 == 0 else "usd"),
                received_on=self.now.date() - timedelta(days=self.now.day),
                method=OfflineMethod.CHEQUE,
                reference="a cheque",
            ),
            entered_by="Ada",
            receipt=False,
            now=self.now,
        )
        if self._cheques and len(self._cheques) % 3 == 0:
            offline.take_back(session, self._cheques[-1], now=self.now)
        self._cheques.append(charge_id)

    def _foreign(self, session: Session) -> None:
        """What moves on the account without our doing."""
        self._post(session, "charge", None, 4000, 146, 4000)
        self._post(session, "fee", None, -200, 0, -200)
        self._post(session, "payout", None, -300, 0, -300)

    def _post(
        self,
        session: Session,
        category: str,
        charge: Charge | None,
        amount: int,
        fee: int,
        original: int,
    ) -> None:
        self._number += 1
        income = None
        if charge is not None:
            income = Account.GIFTS if charge.kind is ChargeKind.GIFT else Account.PLEDGES
        in_euro = charge is not None and charge.id % 11 == 0
        settled_in, paid_in = "eur" if in_euro else "usd", charge.currency if charge else "usd"
        amount = original if settled_in == paid_in else amount
        movement = Movement(
            category=category,
            amount=amount,
            fee=fee,
            net=amount - fee,
            currency=settled_in,
            original_amount=original,
            original_currency=paid_in,
        )
        posting = Posting(
            movement=movement,
            stripe_balance_transaction_id=f"txn_{self._number}",
            stripe_charge_id=charge.stripe_charge_id if charge else None,
            charge_id=charge.id if charge else None,
            income=income,
            occurred_at=self.now - timedelta(hours=self._chance.randrange(100)),
            available_at=None,
        )
        session.flush()
        post_many(session, [posting], now=self.now)

    def _supporter(self, session: Session, number: int) -> int:
        address = f"reader{number}@example.org"
        vault = self._runtime.vault
        return get_or_create(
            session, vault, address=address, name=None, language="en", now=self.now
        ).id
