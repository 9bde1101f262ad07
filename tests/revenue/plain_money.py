"""Gifts, givers, pledges that began, readers' steps and fees: in loops over the raw rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue.days import day_of
from billing.revenue.filters import Filters
from tests.revenue.plain import Line, Plain, Row, _fits, _rows

_FIXED = {"usd": 30, "eur": 25, "gbp": 20, "jpy": 40}
"""The fixed part of a card's fee, by https://stripe.com/pricing."""
_MONTHS = {"monthly": 1, "annual": 12}


_BECAME = {
    "waiting": "under_way",
    "queued": "under_way",
    "sent": "sent",
    "skipped": "gave_before",
    "unsubscribed": "not_wanted",
    "undelivered": "not_wanted",
}


class PlainMoney:
    """What the pages about money say, from a `Plain` and the rows that it does not read."""

    def __init__(self, plain: Plain, session: Session, zone: ZoneInfo) -> None:
        self._plain = plain
        self._zone = zone
        self._gifts = self._standing_gifts()
        query = (
            "SELECT r.day, r.step, r.times, s.article, s.appeal, s.campaign, s.variant, s.referrer"
            " FROM reader_steps r JOIN revenue_sources s ON s.id = r.source_id"
        )
        self._steps = [dict(row) for row in session.execute(text(query)).mappings()]
        self._reminders = _rows(session, "reminders")

    def amounts(self, filters: Filters) -> Counter[tuple[str, int]]:
        """Gifts by currency and amount; one that came back counts as one less."""
        found: Counter[tuple[str, int]] = Counter()
        for day, charge, sign in self._gift_movements():
            if filters.period.holds(day) and self._is_meant(filters, charge):
                found[charge["currency"], charge["amount_minor"]] += sign
        return Counter({key: count for key, count in found.items() if count})

    def givers(self, filters: Filters) -> dict[str, set[int]]:
        """Who gave first in a period, and what became of them, by supporter."""
        found: dict[str, set[int]] = defaultdict(set)
        for supporter, gifts in self._gifts.items():
            (day, _, first), *others = gifts
            if not filters.period.holds(day) or not self._is_meant(filters, first):
                continue
            found["all"].add(supporter)
            if others:
                found["again"].add(supporter)
            pledged = self._first_pledge(supporter)
            if pledged is not None and pledged < day:
                found["had-pledged"].add(supporter)
            for days in (30, 90, 365):
                if pledged is not None and day <= pledged <= day + timedelta(days=days):
                    found[f"{days}"].add(supporter)
        return found

    def begun(self, filters: Filters) -> dict[str, dict[int, tuple[str, int]]]:
        """Pledges that began: all, and those that stood three months later."""
        found: dict[str, dict[int, tuple[str, int]]] = {"all": {}, "stayed": {}}
        for pledge, lines in self._promises().items():
            day = min(line.day for line in lines)
            first = min((line for line in lines if line.day == day), key=lambda each: each.origin)
            place = {"source": first.source, "card_country": first.country}
            if not filters.period.holds(day):
                continue
            if not _fits(filters, place, first.cadence, first.currency):
                continue
            yearly = sum(line.yearly for line in lines if line.day == day)
            later = day + relativedelta(months=3)
            found["all"][pledge] = (first.currency, yearly)
            if sum(line.yearly for line in lines if line.day <= later) > 0:
                found["stayed"][pledge] = (first.currency, yearly)
        return found

    def steps(self, filters: Filters) -> Counter[str]:
        """Readers' steps; of them only days and names are known."""
        found: Counter[str] = Counter()
        stranger = replace(filters, country=None, currency=None, cadence=None)
        for row in self._steps:
            place = {"source": row, "card_country": None}
            if filters.period.holds(row["day"]) and _fits(stranger, place, "", ""):
                found[row["step"]] += row["times"]
        return found

    def reminders(self, filters: Filters) -> dict[str, set[int]]:
        """Those asked for, by what became of them; of them too only days and names are known."""
        found: dict[str, set[int]] = defaultdict(set)
        stranger = replace(filters, country=None, currency=None, cadence=None)
        for row in self._reminders:
            place = {"source": row["source"], "card_country": None}
            day = day_of(row["asked_at"], self._zone)
            if filters.period.holds(day) and _fits(stranger, place, "", ""):
                for step in ("asked", _BECAME[row["status"]], *_after(row)):
                    found[step].add(row["id"])
        return found

    def names(self, filters: Filters, by: str) -> set[str]:
        """Every name of one part of a source that anything has."""
        sources = [charge["source"] for charge in self._plain.charges.values()]
        sources += [pledge["source"] for pledge in self._plain.pledges.values()]
        sources += self._steps
        asked = getattr(filters, by)
        return {source.get(by, "") for source in sources} if asked is None else {asked}

    def brought(self, filters: Filters) -> tuple[int, dict[str, tuple[int, int]]]:
        """How many gifts; and gross and net by the currency in which they were settled."""
        gifts, sums = 0, defaultdict(lambda: (0, 0))
        for (cadence, _, settled), each in self._plain.money(filters).items():
            net = each["gross"] - each["refunds"] - each["disputes"] - each["fees"]
            gross, so_far = sums[settled]
            sums[settled] = (gross + each["gross"], so_far + net)
            gifts += each["payments"] if cadence == "once" else 0
        return gifts, dict(sums)

    def fees(self, filters: Filters, currency: str) -> dict[str, int]:
        """Fees, what of them was covered, and what fewer payments saved."""
        exact: dict[str, Fraction] = defaultdict(Fraction)
        for (cadence, paid, settled), each in self._plain.money(filters).items():
            if settled != currency:
                continue
            exact["fees"] += each["fees"]
            exact["gross"] += each["gross"]
            if not each["gross_paid"]:
                continue
            rate = Fraction(each["gross"], each["gross_paid"])
            exact["covered"] += each["covered_paid"] * rate
            if cadence in _MONTHS:
                fewer = _MONTHS[cadence] * each["periods"] - each["payments"]
                name = "annual_saved" if cadence == "annual" else "prepaid_saved"
                exact[name] += fewer * _FIXED[paid] * rate
        return {name: round(value) for name, value in exact.items()}

    def _is_meant(self, filters: Filters, charge: Row) -> bool:
        return _fits(filters, charge, "once", charge["currency"])

    def _gift_movements(self) -> list[tuple[date, Row, int]]:
        found = []
        for entry in self._plain.entries:
            if entry["account"] != "gifts":
                continue
            transaction = self._plain.transactions[entry["transaction_id"]]
            charge = self._plain.charges.get(transaction["charge_id"])
            if charge is not None:
                day = transaction["occurred_at"].astimezone(self._zone).date()
                found.append((day, charge, -1 if entry["amount_minor"] > 0 else 1))
        return found

    def _standing_gifts(self) -> dict[int, list[tuple[date, int, Row]]]:
        """By supporter: gifts that did not come back, each by its first day."""
        signs: Counter[int] = Counter()
        days: dict[int, date] = {}
        for day, charge, sign in self._gift_movements():
            signs[charge["id"]] += sign
            days[charge["id"]] = min(day, days.get(charge["id"], day))
        found: dict[int, list[tuple[date, int, Row]]] = defaultdict(list)
        for number, sign in signs.items():
            if sign > 0:
                charge = self._plain.charges[number]
                found[charge["supporter_id"]].append((days[number], number, charge))
        return {who: sorted(gifts, key=lambda each: each[:2]) for who, gifts in found.items()}

    def _first_pledge(self, supporter: int) -> date | None:
        days = [m["effective_on"] for m in self._plain.movements if m["supporter_id"] == supporter]
        return min(days, default=None)

    def _promises(self) -> dict[int, list[Line]]:
        pledge_of: dict[int, Any] = {m["id"]: m["pledge_id"] for m in self._plain.movements}
        found: dict[int, list[Line]] = defaultdict(list)
        for line in self._plain.lines:
            if line.kind not in ("paused", "rhythm"):
                found[pledge_of[line.origin]].append(line)
        return found


def _after(reminder: Row) -> list[str]:
    """What the email led to, if it went out."""
    if reminder["status"] != "sent":
        return []
    if reminder["gave"] is None:
        return [] if reminder["erased_at"] else ["still_open"]
    return ["gave"] if reminder["gave"] else []
