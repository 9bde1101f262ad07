"""The people of a plan: who pledged before, who asked to be reminded, who pays during the run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from tests.chaos import dues

ZONE = ZoneInfo("Europe/Riga")
QUIET = timedelta(days=4)
"""After the end nothing falls due for so long, so that what is left can be brought to its end."""

ANNUAL_SHARE = 0.1
NOTICE_ROOM = timedelta(days=14)
"""Annual charges fall due so long before the end: a notice may be late, and the charge with it."""

CANCELLED_SHARE = 0.04
REMINDED_SHARE = 0.1
GIVERS_SHARE = 0.25
"""Of those who asked to be reminded: who gives before that day, and must not be written to."""

CHANGED_SHARE = 0.12
LEAST_CHANGED = 7
"""How many pledges their readers change: so many of all, and each kind of change once at least."""

MONTHS_AHEAD = 3
ANNUAL_DOLLARS = 60

VISITS_PER_MONTH = 0.01
"""New readers in a month, as a part of the pledges."""

GOOD_CARD = "4242424242424242"
CARDS = {
    GOOD_CARD: 76,
    "5555555555554444": 10,
    "378282246310005": 4,
    "4000000000009995": 4,  # insufficient funds
    "4000000000000341": 2,  # can be saved, is declined
    "4000000000009987": 1,  # lost
    "4000002760003184": 3,  # 3-D Secure every time
}
"""Stripe's test cards, and how many in a hundred pledges are paid with each."""

VISITORS_CARDS = {
    GOOD_CARD: 70,
    "5555555555554444": 10,
    "4000002760003184": 10,  # 3-D Secure, which the reader passes
    "4000000000000002": 10,  # refused on the page: the reader goes away
}

_SUMS = {"usd": 100, "eur": 100, "gbp": 100, "jpy": 150}


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One pledge to be charged."""

    number: int
    cadence: str
    anchor: datetime
    amount: int
    currency: str
    card: str
    fails_first: bool
    """Whether the card is refused once, at its first renewal, and works after that."""
    cancelled_in: int | None = None
    """The leg in which its reader follows the link to cancel, if in any."""

    @property
    def email(self) -> str:
        return f"reader-{self.number}@chaos.example"


@dataclass(frozen=True, kw_only=True)
class Reminder:
    """Somebody who asked, before the run, to be reminded a month later."""

    number: int
    email: str
    asked_at: datetime
    gives: bool
    """Whether they give before that day: then no email is owed."""


class Kind(StrEnum):
    """What a reader wants of a pledge."""

    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    LOWER = "lower"
    RAISE = "raise"
    ANNUAL = "annual"
    AHEAD = "ahead"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the reader of a monthly pledge changes about it in a leg."""

    number: int
    """The pledge's, in the plan."""
    kind: Kind
    leg: int
    amount: int
    """What is taken afterwards, or for the months ahead, in minor units."""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A reader who pays for the first time during the run, through the web and Stripe's page."""

    number: int
    leg: int
    after: float
    """Seconds of the leg that have passed when the reader opens the page."""
    cadence: str
    """`once` or `monthly`."""
    amount: int
    """Dollars, as written into the form."""
    card: str
    clicks: int
    """How often the reader presses the button of the support page."""
    returns: bool
    """Whether the browser comes back to the page that says thank you."""

    @property
    def email(self) -> str:
        return f"visitor-{self.number}@chaos.example"


def promises(
    count: int, *, seed: int, begin: datetime, end: datetime, legs: int
) -> tuple[Promise, ...]:
    """So many pledges with days of their own."""
    return tuple(_promise(number, seed, begin, end, legs) for number in range(count))


def reminders(
    pledges: Sequence[Promise], *, seed: int, begin: datetime, end: datetime
) -> tuple[Reminder, ...]:
    """Who asked to be reminded, before the run, of a day within it."""
    dice = dice_for(seed, "reminders")
    givers = iter([promise for promise in pledges if _surely_gives(promise)])
    found: list[Reminder] = []
    for number in range(max(4, int(len(pledges) * REMINDED_SHARE))):
        giver = next(givers, None) if dice.random() < GIVERS_SHARE else None
        if giver is None:
            asked = _asked_at(dice, begin, end)
            email = f"waiting-{number}@chaos.example"
            found.append(Reminder(number=number, email=email, asked_at=asked, gives=False))
            continue
        first = next(dues.moments(giver.anchor, giver.cadence, ZONE))
        asked = min(begin, first) - timedelta(seconds=dice.randint(3600, 86_400))
        if remind_at(asked) > first + timedelta(days=4):
            found.append(Reminder(number=number, email=giver.email, asked_at=asked, gives=True))
    return tuple(found)


def remind_at(asked_at: datetime) -> datetime:
    """A calendar month later at the same hour: the plain calendar's first monthly moment."""
    return next(dues.moments(asked_at, "monthly", ZONE))


def visitors(count: int, *, seed: int, legs: int, span: float) -> tuple[Visitor, ...]:
    """New readers, spread over the legs; each comes within the first `span` seconds of one."""
    return tuple(_visitor(number, seed, legs, span) for number in range(count))


def wishes(
    pledges: Sequence[Promise], asked: Sequence[Reminder], *, seed: int, legs: int
) -> tuple[Wish, ...]:
    """Who changes what: of steady monthly pledges, one reader each, save who ends a pause again.

    Not of those whose first renewal keeps a reminder from being sent.
    """
    dice = dice_for(seed, "wishes")
    givers = {reminder.email for reminder in asked if reminder.gives}
    steady = [
        promise
        for promise in pledges
        if _surely_gives(promise) and promise.email not in givers and promise.currency != "jpy"
    ]
    count = min(len(steady), max(LEAST_CHANGED, int(len(pledges) * CHANGED_SHARE)))
    kinds: list[Kind] = []
    made: list[Wish] = []
    for promise in dice.sample(steady, count):
        kinds = kinds or dice.sample(list(Kind), len(Kind))
        kind, leg = kinds.pop(), dice.randint(1, max(1, legs - 1))
        if kind is Kind.RESUME:
            made.append(_wish(promise, Kind.PAUSE, leg))
            leg += 1
        made.append(_wish(promise, kind, leg))
    return tuple(made)


def _wish(promise: Promise, kind: Kind, leg: int) -> Wish:
    amounts = {
        Kind.LOWER: promise.amount - 100,
        Kind.RAISE: promise.amount + 200,
        Kind.ANNUAL: ANNUAL_DOLLARS * 100,
        Kind.AHEAD: promise.amount * MONTHS_AHEAD,
    }
    amount = amounts.get(kind, promise.amount)
    return Wish(number=promise.number, kind=kind, leg=leg, amount=amount)


def dice_for(seed: int, purpose: str) -> random.Random:
    """Dice of a seed that nothing else draws from."""
    return random.Random(f"{seed} {purpose}")  # noqa: S311 - repeatable, not secret


def _promise(number: int, seed: int, begin: datetime, end: datetime, legs: int) -> Promise:
    """A pledge with a day of its own, none of whose periods falls into the quiet days."""
    dice = dice_for(seed, f"pledge {number}")
    cadence = "annual" if dice.random() < ANNUAL_SHARE else "monthly"
    latest = end - NOTICE_ROOM if cadence == "annual" else end
    while True:
        anchor = _anchor(dice, cadence, begin, end)
        due = dues.until(anchor, cadence, ZONE, end + QUIET)
        if due and due[0] > begin and not any(moment > latest for moment in due):
            break
    currency = dice.choices(list(_SUMS), (6, 3, 2, 1))[0]
    card = dice.choices(list(CARDS), list(CARDS.values()))[0]
    made = Promise(
        number=number,
        cadence=cadence,
        anchor=anchor,
        amount=dice.randint(3, 50) * _SUMS[currency],
        currency=currency,
        card=card,
        fails_first=card == GOOD_CARD and dice.random() < 0.03,
    )
    if dice.random() < CANCELLED_SHARE:
        return replace(made, cancelled_in=dice.randint(1, legs))
    return made


def _anchor(dice: random.Random, cadence: str, begin: datetime, end: datetime) -> datetime:
    """Monthly: paid in the weeks before. Annual: so that it is due well within the run."""
    if cadence == "annual":
        room = end - NOTICE_ROOM - begin
        due = begin + room * dice.uniform(0.05, 1.0)
        return whole_second(due.replace(year=due.year - 1, day=min(due.day, 28)))
    anchor = begin - timedelta(seconds=dice.randint(3600, 27 * 86_400))
    if dice.random() < 0.2:
        last = begin.replace(day=1) - timedelta(days=dice.randint(1, 3))
        anchor = last.replace(hour=dice.randint(0, 23), minute=dice.randint(0, 59))
    return whole_second(anchor)


def _surely_gives(promise: Promise) -> bool:
    """Whether its first renewal is paid as soon as it is asked for."""
    steady = promise.card == GOOD_CARD and not promise.fails_first
    return steady and promise.cadence == "monthly" and promise.cancelled_in is None


def _asked_at(dice: random.Random, begin: datetime, end: datetime) -> datetime:
    """Before the run, and due within it."""
    while True:
        asked = whole_second(begin - timedelta(seconds=dice.randint(3600, 27 * 86_400)))
        if begin < remind_at(asked) < end:
            return asked


def _visitor(number: int, seed: int, legs: int, span: float) -> Visitor:
    dice = dice_for(seed, f"visitor {number}")
    return Visitor(
        number=number,
        leg=dice.randint(1, legs),
        after=round(dice.uniform(0.0, span), 2),
        cadence="monthly" if dice.random() < 0.6 else "once",
        amount=dice.randint(2, 60),
        card=dice.choices(list(VISITORS_CARDS), list(VISITORS_CARDS.values()))[0],
        clicks=2 if dice.random() < 0.3 else 1,
        returns=dice.random() < 0.5,
    )


def whole_second(moment: datetime) -> datetime:
    """The moment without the part of a second."""
    return moment.replace(microsecond=0)
