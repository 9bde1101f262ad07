"""The newsroom in which a made-up history plays: its days, readers, articles, currencies. Pure.

The same seed gives the same scene. Shares and rates are guesses from what newsrooms publish; they
are there to look likely, not to be quoted.
"""

from __future__ import annotations

import calendar
import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from billing.reminders.domain import APPEAL

_SEASON = (1.0, 0.95, 1.0, 1.0, 0.9, 0.85, 0.75, 0.75, 1.0, 1.05, 1.25, 1.7)
"""How many come in each month of the year: much in December, little in summer."""
_WEEKDAYS = (1.1, 1.1, 1.05, 1.05, 1.0, 0.85, 0.85)
_CAMPAIGN_DAYS = 16
_CAMPAIGN_TIMES = 5.0
_FRAUD_DAYS = 4
_CURRENCIES = (("usd", 0.55, 1.0), ("eur", 0.3, 1.09), ("gbp", 0.1, 1.27), ("jpy", 0.05, 0.67))
"""Code, share, and what a minor unit is worth in cents on the first day."""
_COUNTRIES = {
    "usd": ("US", "US", "US", "US", "US", "US", "CA", "IL", "AU", "GE", "AM", "KZ", "AE", "TR"),
    "eur": ("DE", "DE", "DE", "LV", "LV", "NL", "FR", "FR", "EE", "LT", "FI", "ES", "IT", "AT",
            "BE", "PT", "CZ", "CY", "ME", "SK"),
    "gbp": ("GB", "GB", "GB", "GB", "IE"),
    "jpy": ("JP",),
}  # fmt: skip
_CAMPAIGNS = ("", "", "", "", "autumn", "newsletter", "courts", "translation", "archive")
_APPEALS = ("article", "article", "article", "banner", "banner", "embed-footer", "embed-side", "")
_TESTED = ("banner", "article")
_VARIANTS = ("short", "long")
"""Wordings of the appeals that are tested."""
_REFERRERS = ("direct", "direct", "direct", "search", "search", "social", "social", "inside",
              "messenger", "mail", "sites")  # fmt: skip
AD_FREE = "ad-free"
"""The campaign with the spike."""


@dataclass(frozen=True)
class Scene:
    """Days counted from 0; lists have a value for each."""

    first: date
    zone: ZoneInfo
    dates: list[str]
    """As PostgreSQL reads them."""
    offsets: list[str]
    """What is put behind a time of the day: the zone's offset by then."""
    arrivals: list[int]
    """How many new supporters come."""
    campaign: range
    fraud: range
    month_of: list[int]
    """The number of the month, from 0."""
    first_of_month: list[int]
    """The day on which each month begins; negative for the first, one more than there are."""
    lengths: list[int]
    """How many days each month has."""
    rates: dict[str, list[float]]
    """What a minor unit of a currency settles for in cents, by day."""
    sources: list[dict[str, str]]
    source_weights: list[float]
    """Cumulative, of all but the campaign's."""
    campaign_sources: list[int]
    """Places in `sources`."""
    reminder_sources: list[int]
    """For each of the others, the place of the source of a reminder of its article."""
    nowhere: int
    """The place of the source that says nothing."""

    @property
    def days(self) -> int:
        """How many there are."""
        return len(self.dates)

    def due_day(self, anchor: int, months: int) -> int:
        """The day, so many months after an anchor's, that has its number, or its month's last."""
        month = self.month_of[anchor] + months
        wanted = anchor - self.first_of_month[self.month_of[anchor]]
        if month >= len(self.lengths):
            return self.days + 400
        return self.first_of_month[month] + min(wanted, self.lengths[month] - 1)

    def at(self, day: int, clock: str) -> str:
        """A moment, as PostgreSQL reads it."""
        return f"{self.dates[day]} {clock}{self.offsets[day]}"

    def offset_on(self, day: int) -> str:
        """The zone's offset on a day, which may lie beyond the last."""
        return self.offsets[day] if day < self.days else _offset(self.date_of(day), self.zone)

    def date_of(self, day: int) -> date:
        """The date of a day, which may lie beyond the last."""
        return self.first + timedelta(days=day)


def make_scene(
    chance: random.Random, *, supporters: int, months: int, until: date, zone: ZoneInfo
) -> Scene:
    """The scene of so many months up to a day, into which so many supporters come."""
    index = until.year * 12 + until.month - 1 - months
    first = date(index // 12, index % 12 + 1, 1)
    count = (until - first).days
    days = [first + timedelta(days=n) for n in range(count)]
    begins = count * 11 // 20
    campaign = range(begins, begins + _CAMPAIGN_DAYS)
    fraud_begins = count * 7 // 10
    first_of_month, lengths = _months(first, count)
    return Scene(
        first=first,
        zone=zone,
        dates=[day.isoformat() for day in days],
        offsets=[_offset(day, zone) for day in days],
        arrivals=_arrivals(days, campaign, supporters),
        campaign=campaign,
        fraud=range(fraud_begins, fraud_begins + _FRAUD_DAYS),
        month_of=[(d.year - first.year) * 12 + d.month - first.month for d in days],
        first_of_month=first_of_month,
        lengths=lengths,
        rates={code: _walk(chance, rate, count) for code, _, rate in _CURRENCIES},
        **_sources(chance),
    )


def pick_currency(chance: random.Random) -> str:
    """A currency, by how common it is."""
    value = chance.random()
    for code, share, _ in _CURRENCIES:
        value -= share
        if value < 0:
            return code
    return _CURRENCIES[0][0]


def pick_country(chance: random.Random, currency: str) -> str:
    """Where a card is from that pays in a currency."""
    countries = _COUNTRIES[currency]
    return countries[int(chance.random() * len(countries))]


def _arrivals(days: list[date], campaign: range, supporters: int) -> list[int]:
    """Growth, seasons, weekdays and the campaign; the sum is exact."""
    weights = [
        (0.4 + 1.2 * place / len(days))
        * _SEASON[day.month - 1]
        * _WEEKDAYS[day.weekday()]
        * (_CAMPAIGN_TIMES if place in campaign else 1.0)
        for place, day in enumerate(days)
    ]
    whole, so_far, found = sum(weights), 0.0, []
    given = 0
    for weight in weights:
        so_far += weight
        upto = round(supporters * so_far / whole)
        found.append(upto - given)
        given = upto
    return found


def _months(first: date, count: int) -> tuple[list[int], list[int]]:
    """Where months begin, counted in days, and how long they are; two years beyond the last."""
    firsts, lengths, begins = [], [], 0
    year, month = first.year, first.month
    while begins <= count + 800:
        length = calendar.monthrange(year, month)[1]
        firsts.append(begins)
        lengths.append(length)
        begins += length
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return firsts, lengths


def _offset(day: date, zone: ZoneInfo) -> str:
    """By noon: nothing in the history happens in the small hours, when clocks are changed."""
    written = datetime.combine(day, time(12), tzinfo=zone).strftime("%z")
    return f"{written[:3]}:{written[3:5]}"


def _walk(chance: random.Random, rate: float, count: int) -> list[float]:
    """A rate that wanders a little from day to day."""
    if rate == 1.0:
        return [1.0] * count
    found = []
    for _ in range(count):
        found.append(rate)
        rate *= 1 + chance.uniform(-0.004, 0.004)
    return found


def _sources(chance: random.Random) -> dict[str, Any]:
    """Where supporters come from: few articles bring many, many bring few."""
    articles = [f"/news/{number:04d}" for number in range(400)]
    sources, weights = [], []
    for place, article in enumerate(articles):
        for _ in range(4):
            source = {"article": article, "referrer": chance.choice(_REFERRERS)}
            appeal, campaign = chance.choice(_APPEALS), chance.choice(_CAMPAIGNS)
            if appeal:
                source["appeal"] = appeal
            if appeal in _TESTED:
                source["variant"] = chance.choice(_VARIANTS)
            if campaign:
                source["campaign"] = campaign
            sources.append(source)
            weights.append(1 / (place + 3))
    first = len(sources)
    sources += [
        {"campaign": AD_FREE, "appeal": "banner", "article": article, "referrer": "social",
         "variant": _VARIANTS[place % 2]}
        for place, article in enumerate(articles[:9])
    ]  # fmt: skip
    reminders = {article: len(sources) + place for place, article in enumerate(articles)}
    mailed = {"appeal": APPEAL, "referrer": "mail"}
    return {
        "sources": [*sources, *({"article": each, **mailed} for each in articles), {}],
        "source_weights": list(accumulate(weights)),
        "campaign_sources": list(range(first, len(sources))),
        "reminder_sources": [reminders[source["article"]] for source in sources],
        "nowhere": len(sources) + len(articles),
    }
