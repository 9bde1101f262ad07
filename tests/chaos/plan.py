"""What will happen in a run, from its seed alone: pledges, the way of the clock, and each fault.

When exactly a fault strikes depends on the machine; which one, how often, at which step and in
which leg of the way does not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.people import (
    VISITS_PER_MONTH,
    Promise,
    Reminder,
    Visitor,
    Wish,
    dice_for,
    promises,
    reminders,
    visitors,
    wishes,
)
from tests.chaos.points import COMMON, SWEEPS, WEB, WEB_POINTS, WORKER_POINTS, task_of

MONTH = timedelta(days=30, hours=12)
OUTAGE = timedelta(days=3)

TINY = 100
"""Below so many pledges a run is there to be quick."""

SELDOM = 4
"""A process is killed at most at the so-manieth time it comes by a step that is not common."""

_LIVES = 400
"""In the longest lives a process comes by a common step so often: some ten seconds of a large run,
in which each step ends a process several times."""

_AFTER_LONG_MONTHS = (1, 2, 4, 6, 8, 9, 11)
"""The run begins early in one of these, so that pledges are anchored on a 31st."""

ACTIONS = (
    "valkey flushed",
    "valkey restarted",
    "postgres restarted",
    "postgres stopped at once",
    "postgres backend killed",
    "postgres connections cut",
    "tasks sent twice",
    "mail server down",
    "mail server refuses",
    "mail server cut off after taking",
    "mail server cut off before taking",
    "web killed",
    "beats killed",
    "clock moved on",
    "clock moved back",
)

_CALLS = (
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "error_429",
    "error_409",
    "error_500",
    "error_500_after",
    "lock_timeout",
)
_SLOW = frozenset({"timeout_before", "timeout_after"})
_NEWS = ("duplicate", "delay", "reorder", "lose")


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something done to the machine `after` so many seconds of a leg; `size` is how much of it."""

    after: float
    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A part of the way: the clock moves, then faults strike while the work is done."""

    number: int
    advance: timedelta
    outage: bool
    """Whether nothing of ours runs while the clock moves."""
    hasty: bool
    """Whether the clock moves on without waiting for the work to be done."""
    rules: tuple[dict[str, Any], ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole run."""

    seed: int
    begin: datetime
    end: datetime
    promises: tuple[Promise, ...]
    reminders: tuple[Reminder, ...]
    visitors: tuple[Visitor, ...]
    wishes: tuple[Wish, ...]
    legs: tuple[Leg, ...]
    common: int
    """A process is killed at most at the so-manieth time it comes by a common step."""

    def kills(self, points: Sequence[str], part: str) -> Iterator[tuple[str, int]]:
        """Steps to be killed at, and at the how-manieth time, without end: each equally often."""
        deck, dice = list(points), dice_for(self.seed, f"kills of {part}")
        while True:
            dice.shuffle(deck)
            for point in deck:
                yield point, dice.randint(1, self._latest(point))

    def _latest(self, point: str) -> int:
        """At the how-manieth time at most. The one web server comes by a step more often."""
        task = task_of(point)
        if point in COMMON:
            return self.common * (2 if task == WEB else 1)
        return 2 if task in SWEEPS else SELDOM

    def lines(self) -> Iterator[str]:
        """The plan in words."""
        yield f"seed {self.seed}: {self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"
        for promise in self.promises:
            yield (
                f"pledge {promise.number}: {promise.cadence} {promise.amount} {promise.currency} "
                f"from {promise.anchor:%Y-%m-%d %H:%M:%S}, card {promise.card}"
                f"{', refused once' if promise.fails_first else ''}"
                f"{f', cancelled in leg {leg}' if (leg := promise.cancelled_in) else ''}"
            )
        for reminder in self.reminders:
            yield f"reminder to {reminder.email}, asked for at {reminder.asked_at:%Y-%m-%d %H:%M}"
        for visitor in self.visitors:
            yield (
                f"leg {visitor.leg}: after {visitor.after:.2f} s a visitor gives {visitor.amount} "
                f"usd {visitor.cadence}, card {visitor.card}, {visitor.clicks} clicks"
            )
        for wish in self.wishes:
            yield f"leg {wish.leg}: pledge {wish.number}: {wish.kind}, then {wish.amount}"
        for leg in self.legs:
            manner = " after an outage" if leg.outage else " in haste" if leg.hasty else ""
            yield f"leg {leg.number}: {leg.advance}{manner}"
            for rule in leg.rules:
                yield f"  Stripe: {' '.join(f'{k}={v}' for k, v in rule.items())}"
            for action in leg.actions:
                yield f"  after {action.after:.2f} s: {action.name} ({action.size})"
        for part, points in (("workers", WORKER_POINTS), ("web", WEB_POINTS)):
            stream = self.kills(points, part)
            yield f"{part} killed, in this order:"
            for point, nth in (next(stream) for _ in points):
                yield f"  {point}, time {nth}"


def make_plan(*, pledges: int, months: int, seed: int) -> Plan:
    """The plan of a seed; the same arguments give the same plan."""
    dice = dice_for(seed, "way")
    begin = datetime(
        2027, dice.choice(_AFTER_LONG_MONTHS), dice.randint(2, 5), dice.randint(0, 23), tzinfo=UTC
    )
    a_month = 3 if pledges < TINY else max(5, min(12, pledges // 100))
    span = 1.6 if pledges < TINY else 2.4 if pledges < 500 else 5.0
    legs = tuple(_legs(dice, months, a_month, weight=max(1, pledges // a_month // 60), span=span))
    end = begin + sum((leg.advance for leg in legs), timedelta())
    pledged = promises(pledges, seed=seed, begin=begin, end=end, legs=len(legs))
    asked = reminders(pledged, seed=seed, begin=begin, end=end)
    new = max(4, int(pledges * months * VISITS_PER_MONTH))
    return Plan(
        seed=seed,
        begin=begin,
        end=end,
        promises=pledged,
        reminders=asked,
        visitors=visitors(new, seed=seed, legs=len(legs), span=span),
        wishes=wishes(pledged, asked, seed=seed, legs=len(legs)),
        legs=legs,
        common=max(2, min(pledges * months // 30, _LIVES)),
    )


def _legs(
    dice: random.Random, months: int, a_month: int, *, weight: int, span: float
) -> Iterator[Leg]:
    deck: list[str] = []
    number = 0
    for _ in range(months):
        outage, shares = dice.randrange(a_month), [dice.uniform(0.4, 1.6) for _ in range(a_month)]
        room = (MONTH - OUTAGE) / (sum(shares) - shares[outage])
        for place, share in enumerate(shares):
            number += 1
            actions = []
            for _ in range(6):
                deck = deck or dice.sample(ACTIONS, len(ACTIONS))
                actions.append(_action(dice, deck.pop(), span))
            yield Leg(
                number=number,
                advance=OUTAGE if place == outage else _whole_seconds(room * share),
                outage=place == outage,
                hasty=dice.random() < 0.25,
                rules=tuple(_rules(dice, weight)),
                actions=tuple(sorted(actions, key=lambda action: action.after)),
            )


def _action(dice: random.Random, name: str, span: float) -> Action:
    sizes = {
        "clock moved on": (40, 900),
        "clock moved back": (40, 900),
        "mail server down": (1, 2),
    }
    return Action(
        after=round(dice.uniform(0.1, span), 2),
        name=name,
        size=dice.randint(*sizes.get(name, (1, 4))),
    )


def _rules(dice: random.Random, weight: int) -> Iterator[dict[str, Any]]:
    for kind in dice.sample(_CALLS, 6):
        times = 1 if kind in _SLOW else dice.randint(1, 3) * weight
        yield _rule(dice, kind, times, method="POST", path="/v1/payment_intents")
    yield _rule(dice, dice.choice(_CALLS), 1, method="GET", path="/v1/*")
    kind = dice.choice([each for each in _CALLS if each not in _SLOW])
    yield _rule(dice, kind, 1, method="POST", path="/v1/checkout/sessions")
    for kind in _NEWS:
        yield {**_rule(dice, kind, dice.randint(1, 3) * weight, path="*"), "seconds": 1.5}


def _rule(dice: random.Random, kind: str, times: int, **where: str) -> dict[str, Any]:
    return {"kind": kind, "times": times, "probability": round(dice.uniform(0.2, 0.7), 2), **where}


def _whole_seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=int(span.total_seconds()))
