"""What happened at the demo newsroom in its last twelve months. Pure, and the same every time.

Told from the moment `as_of` backwards: supporters came one by one, more of them lately.
Most stayed. All moments are whole seconds, as Stripe's are.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing.checkout.domain import OFFERS, fee_cover_for
from billing.money import Money, scale
from billing.pledges.domain import Cadence, due_at

SUPPORTERS = 42
_YEAR = timedelta(days=365)
_ARTICLES = ("/articles/harbour", "/articles/schools", "/articles/river", "/articles/budget")
_FIRST = (
    "Anna", "Boris", "Clara", "Dmitri", "Elena", "Felix", "Galina", "Hugo", "Irina", "Jonas",
    "Kira", "Lev", "Maria", "Nikita", "Olga", "Pavel", "Quinn", "Roman", "Sofia", "Timur",
    "Ulla", "Viktor", "Wanda", "Xenia", "Yuri", "Zoya",
)  # fmt: skip
_LAST = ("Berg", "Kalnins", "Orlova", "Petrov", "Saar", "Smith", "Tamm", "Vanags", "Weber")
_MONTHLY = (5, 5, 10, 10, 10, 15, 25, 25, 50, 100)
_ANNUAL = (60, 100, 120, 240, 500)
_GIFTS = (5, 10, 20, 25, 50, 50, 100, 250)
_PATRONS = {3: 600, 11: 1000, 19: 400, 27: 750, 33: 500}
"""A few give much: without them no newsroom of this size comes near its goal."""
_CURRENCIES = ("usd",) * 11 + ("eur",) * 5 + ("gbp",) * 3 + ("jpy",)
_IN_YEN = 150
_REASONS = {
    6: "insufficient_funds",
    15: "expired_card",
    22: "authentication_required",
    30: "generic_decline",
}
"""Whose latest renewal was refused, and why."""
_RECOVERED = frozenset({8, 26})
_CANCELLED = frozenset({5, 13, 28})
_LAPSED = frozenset({17})
_RETURNED = 13
ALWAYS_DECLINED = "4000000000000341"
PLAIN_CARD = "4242424242424242"


@dataclass(frozen=True, kw_only=True)
class Person:
    """A supporter; `number` counts from 0."""

    number: int
    email: str
    name: str
    language: str
    since: datetime

    @property
    def ref(self) -> str:
        """The name of this person in an import."""
        return f"person-{self.number}"


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One call to Stripe and what came of it."""

    ref: str
    at: datetime
    amount: Money
    decline: str | None = None
    refund: tuple[datetime, int] | None = None
    disputed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Due:
    """One sum due, with the payments tried for it; the last one decides."""

    period: int | None
    due_at: datetime
    amount: Money
    cover: int
    payments: tuple[Payment, ...]

    @property
    def paid(self) -> Payment | None:
        """The payment that went through, if one did."""
        return None if self.payments[-1].decline else self.payments[-1]


@dataclass(kw_only=True)
class Promise:
    """A gift, or a pledge with all its periods so far."""

    person: Person
    cadence: Cadence
    article: str
    dues: list[Due] = field(default_factory=list)
    cancelled_at: datetime | None = None
    lapsed_at: datetime | None = None
    again: bool = False
    """Whether the person had a pledge before."""

    @property
    def anchor(self) -> datetime:
        """When the first payment was made."""
        return self.dues[0].payments[-1].at


@dataclass(frozen=True, kw_only=True)
class Reminded:
    """Someone who asked to be reminded."""

    email: str
    language: str
    asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class Story:
    """All of it."""

    as_of: datetime
    people: list[Person]
    promises: list[Promise]
    reminders: list[Reminded]


def tell(as_of: datetime, zone: ZoneInfo, currencies: tuple[str, ...]) -> Story:
    """The whole history up to `as_of` (aware, whole seconds), with sums in these currencies."""
    chance = random.Random("the northern courier")  # noqa: S311 - the same story every time
    offered = [each for each in _CURRENCIES if each in currencies] or [currencies[0]]
    people = [_person(chance, number, as_of) for number in range(SUPPORTERS)]
    promises = []
    for person in people:
        currency = currencies[0] if person.number in _PATRONS else chance.choice(offered)
        promises += _Life(chance, person, as_of, zone, currency).promises()
    promises.sort(key=lambda promise: promise.anchor)
    _turn_back(promises, as_of)
    return Story(as_of=as_of, people=people, promises=promises, reminders=_reminders(chance, as_of))


def source_of(promise: Promise) -> dict[str, str]:
    """Where somebody came from: an article always, and what a link of ours would say."""
    number = promise.person.number
    source = {
        "article": promise.article,
        "appeal": ("banner", "article-end", "embed-banner")[number % 3],
        "referrer": ("direct", "search", "social", "inside", "sites")[number % 5],
    }
    if number % 4 == 1:
        source["campaign"] = "autumn"
    if number % 3 == 0:
        source["variant"] = "short" if number % 2 else "long"
    return source


def _person(chance: random.Random, number: int, as_of: datetime) -> Person:
    """More came lately than long ago; the first of them a year ago."""
    ago = _YEAR * (1 - (number / SUPPORTERS) ** 0.7)
    since = as_of - ago - timedelta(seconds=chance.randrange(3 * 3600, 4 * 86_400))
    first, last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
    return Person(
        number=number,
        email=f"{first}.{last}{number}@example.org".lower(),
        name=f"{first} {last}",
        language=chance.choice(("en", "en", "ru")),
        since=since,
    )


@dataclass
class _Life:
    """One person's giving."""

    chance: random.Random
    person: Person
    as_of: datetime
    zone: ZoneInfo
    currency: str

    def promises(self) -> list[Promise]:
        """What they have promised and given."""
        number = self.person.number
        if number in _PATRONS:
            return [self._pledge(Cadence.MONTHLY, _PATRONS[number])]
        if number in _REASONS or number in _RECOVERED | _LAPSED | _CANCELLED:
            first = self._pledge(Cadence.MONTHLY, self.chance.choice(_MONTHLY))
            return [first, *self._return(first)]
        way = self.chance.random()
        if way < 0.4:
            return [self._pledge(Cadence.MONTHLY, self.chance.choice(_MONTHLY))]
        if way < 0.58:
            return [self._pledge(Cadence.ANNUAL, self.chance.choice(_ANNUAL))]
        return self._gifts()

    def _gifts(self) -> list[Promise]:
        """One to four gifts, weeks or months apart."""
        gifts, at = [], self.person.since
        for place in range(self.chance.randint(1, 4)):
            if at > self.as_of - timedelta(hours=1):
                break
            promise = self._new(Cadence.ONCE)
            amount, cover = self._amount(self.chance.choice(_GIFTS))
            payment = self._payment(at, amount, f"gift-{place}")
            promise.dues.append(
                Due(period=None, due_at=at, amount=amount, cover=cover, payments=(payment,))
            )
            gifts.append(promise)
            at += timedelta(days=self.chance.randint(20, 120), minutes=self.chance.randrange(900))
        return gifts

    def _pledge(self, cadence: Cadence, units: int, *, again: bool = False) -> Promise:
        promise = self._new(cadence, again=again)
        amount, cover = self._amount(units)
        anchor = self._return_at() if again else self.person.since
        period, due = 0, anchor
        while due < self.as_of - timedelta(minutes=5):
            following = due_at(anchor, cadence, period + 1, self.zone)
            last = following >= self.as_of - timedelta(minutes=5)
            payments = self._tries(f"{cadence}-{anchor.date()}", period, due, amount, last=last)
            promise.dues.append(
                Due(period=period, due_at=due, amount=amount, cover=cover, payments=payments)
            )
            period, due = period + 1, following
        if not again:
            self._end(promise)
        return promise

    def _tries(
        self, name: str, period: int, due: datetime, amount: Money, *, last: bool
    ) -> tuple[Payment, ...]:
        """The payments tried for one period; renewals are charged a minute after they fall due."""
        name, number = f"{name}-{period}", self.person.number
        at = due if period == 0 else due + timedelta(minutes=1)
        once = self._payment(at, amount, name)
        if period and last and number in _REASONS.keys() | _LAPSED:
            reason = _REASONS.get(number, "lost_card")
            return (self._payment(at, amount, name, decline=reason),)
        if period == 1 and number in _RECOVERED and not last:
            later = self._payment(at + timedelta(days=3), amount, f"{name}-again")
            return (self._payment(at, amount, name, decline="insufficient_funds"), later)
        return (once,)

    def _end(self, promise: Promise) -> None:
        """Some leave in the middle of a month they have paid; one is lost to a dead card."""
        number = self.person.number
        if number in _CANCELLED:
            kept = max(1, len(promise.dues) - (4 if number == _RETURNED else 1))
            del promise.dues[kept:]
            after = promise.dues[-1].payments[-1].at + timedelta(days=9, hours=2)
            promise.cancelled_at = min(after, self.as_of - timedelta(hours=2))
        elif number in _LAPSED and promise.dues[-1].paid is None:
            after = promise.dues[-1].payments[-1].at + timedelta(days=14)
            promise.lapsed_at = after if after < self.as_of else None

    def _return(self, first: Promise) -> list[Promise]:
        if self.person.number != _RETURNED or first.cancelled_at is None:
            return []
        return [self._pledge(Cadence.MONTHLY, self.chance.choice(_MONTHLY), again=True)]

    def _return_at(self) -> datetime:
        return self.as_of - timedelta(days=19, hours=5)

    def _new(self, cadence: Cadence, *, again: bool = False) -> Promise:
        article = self.chance.choice(_ARTICLES)
        return Promise(person=self.person, cadence=cadence, article=article, again=again)

    def _amount(self, units: int) -> tuple[Money, int]:
        """A sum of about `units` dollars; every third supporter covers the fee."""
        minor = units * (_IN_YEN if self.currency == "jpy" else scale(self.currency))
        minor = max(minor, OFFERS[self.currency].minimum)
        given = Money(minor, self.currency)
        cover = (
            fee_cover_for(given, OFFERS[self.currency]).minor if self.person.number % 3 == 0 else 0
        )
        return Money(minor + cover, self.currency), cover

    def _payment(
        self, at: datetime, amount: Money, name: str, *, decline: str | None = None
    ) -> Payment:
        ref = f"{self.person.ref}-{name}"
        return Payment(ref=ref, at=at, amount=amount, decline=decline)


def _turn_back(promises: list[Promise], as_of: datetime) -> None:
    """Of the gifts, two were refunded, one in part, and one was disputed."""
    gifts = [
        promise.dues
        for promise in promises
        if promise.cadence is Cadence.ONCE and promise.anchor < as_of - timedelta(days=14)
    ]
    for place, dues in zip((1, -2, -4), (gifts[each] for each in (1, -2, -4)), strict=True):
        paid = dues[0].payments[0]
        later = paid.at + timedelta(days=3, hours=place % 5)
        if place == -4:
            changed = replace(paid, disputed_at=later + timedelta(days=8))
        else:
            part = paid.amount.minor if place == 1 else paid.amount.minor // 2
            changed = replace(paid, refund=(later, part))
        dues[0] = replace(dues[0], payments=(changed,))


def _reminders(chance: random.Random, as_of: datetime) -> list[Reminded]:
    """Nine readers who were not ready yet: most still wait, a few were reminded."""
    days = (2, 4, 9, 13, 20, 27, 36, 44, 70)
    return [
        Reminded(
            email=f"reader{place}@example.org",
            language=chance.choice(("en", "ru")),
            asked_at=as_of - timedelta(days=ago, seconds=chance.randrange(40_000)),
        )
        for place, ago in enumerate(days)
    ]
