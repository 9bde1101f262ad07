"""The figures once more: slowly, in loops over the raw rows, by the definitions alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue.filters import Filters
from billing.revenue.periods import Period

Row = dict[str, Any]
_CHURN = ("churn_voluntary", "churn_involuntary")
_PAUSES = ("paused", "resumed")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A movement as it counts."""

    origin: int
    supporter: int
    day: date
    kind: str
    currency: str
    yearly: int
    cadence: str
    source: Row
    country: str


class Plain:
    """Everything in the database, and the figures made of it."""

    def __init__(self, session: Session, zone: ZoneInfo) -> None:
        self._zone = zone
        self.entries = _rows(session, "ledger_entries")
        self.transactions = _by_id(_rows(session, "ledger_transactions"))
        self.charges = _by_id(_rows(session, "charges"))
        self.pledges = _by_id(_rows(session, "pledges"))
        self.movements = _rows(session, "pledge_movements")
        self.changes = _rows(session, "pledge_changes")
        self.answers = {
            each["pledge_id"]: each["answer"] for each in _rows(session, "pledge_answers")
        }
        self.attempts = _rows(session, "attempts")
        self._latest_changes_first: dict[int, list[Row]] = defaultdict(list)
        for change in sorted(self.changes, key=lambda each: -each["version"]):
            self._latest_changes_first[change["pledge_id"]].append(change)
        self.lines = self._lines()
        self._payments = self._transactions_with_entries()

    def money(self, filters: Filters) -> dict[tuple[str, str, str], dict[str, int]]:
        """Sums by cadence, paid currency and settled currency."""
        found: dict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for transaction, entries in self._payments:
            accounts = {entry["account"] for entry in entries}
            charge = self.charges.get(transaction["charge_id"])
            if "bank" in accounts or not filters.period.holds(self._day(transaction)):
                continue
            paid_in, settled_in = _currencies(entries)
            cadence = "" if charge is None else self._cadence_of(charge)
            place = charge or {"source": {}, "card_country": None}
            if not _fits(filters, place, cadence, paid_in):
                continue
            sums = found[cadence, paid_in, settled_in]
            for name, minor in self._parts(entries, charge).items():
                sums[name] += minor
        return found

    def _parts(self, entries: list[Row], charge: Row | None) -> dict[str, int]:
        """What one transaction adds to which sum."""
        sums: dict[str, int] = defaultdict(int)
        fee = sum(e["amount_minor"] for e in entries if e["account"] == "fees")
        at_stripe = sum(e["amount_minor"] for e in entries if e["account"] in ("stripe", "offline"))
        others = [
            e for e in entries if e["account"] not in ("stripe", "fees", "conversion", "offline")
        ]
        account = others[0]["account"] if others else None
        amount = at_stripe + fee
        if account == "other":
            return {"other": at_stripe}
        sums["fees"] = fee
        if account in ("gifts", "pledges"):
            assert charge is not None
            paid = -others[0]["amount_minor"]
            sign = 1 if paid > 0 else -1
            sums["gross"], sums["gross_paid"], sums["payments"] = amount, paid, sign
            sums["covered_paid"] = sign * charge["fee_cover_minor"]
            sums["periods"] = sign * charge["months"] if account == "pledges" else 0
        elif account is not None:
            sums[account] = -amount
        return sums

    def promised(self, filters: Filters, before: date) -> dict[str, int]:
        """What stood when a day began, by currency."""
        found: dict[str, int] = defaultdict(int)
        for line in self._of(filters):
            if line.day < before:
                found[line.currency] += line.yearly
        return found

    def moves(self, filters: Filters) -> dict[tuple[str, str], int]:
        """Movements of the period by kind and currency."""
        found: dict[tuple[str, str], int] = defaultdict(int)
        for line in self._of(filters):
            if filters.period.holds(line.day):
                found[line.kind, line.currency] += line.yearly
        return found

    def amounts(self, filters: Filters, on: date) -> dict[str, list[tuple[int, int]]]:
        """Who promises how much at the end of a day: by currency, amounts with people."""
        people: dict[tuple[int, str], int] = defaultdict(int)
        for line in self._of(filters):
            if line.day <= on:
                people[line.supporter, line.currency] += line.yearly
        found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for (_, currency), yearly in people.items():
            if yearly > 0:
                found[currency][yearly] += 1
        return {currency: sorted(each.items()) for currency, each in found.items()}

    def supporters(self, filters: Filters, on: date) -> int:
        """People with a running pledge at the end of a day."""
        people: dict[int, int] = defaultdict(int)
        for line in self._of(filters):
            if line.day <= on:
                people[line.supporter] += line.yearly
        return sum(yearly > 0 for yearly in people.values())

    def retained(self, filters: Filters, month_ends: list[date]) -> dict[tuple[date, date], int]:
        """People by cohort at the end of each month."""
        found: dict[tuple[date, date], int] = {}
        for ends in month_ends:
            people: dict[int, int] = defaultdict(int)
            for line in self._of(filters):
                if line.day <= ends:
                    people[line.supporter] += line.yearly
            for supporter, yearly in people.items():
                key = (self.cohort(supporter), ends)
                found[key] = found.get(key, 0) + (yearly > 0)
        return found

    def retained_money(
        self, filters: Filters, month_ends: list[date]
    ) -> dict[tuple[date, date, str], int]:
        """A year's worth by cohort and currency at the end of each month."""
        found: dict[tuple[date, date, str], int] = defaultdict(int)
        for ends in month_ends:
            for line in self._of(filters):
                if line.day <= ends:
                    found[self.cohort(line.supporter), ends, line.currency] += line.yearly
        return found

    def cohort(self, supporter: int) -> date:
        """The month of somebody's first pledge."""
        days = [m["effective_on"] for m in self.movements if m["supporter_id"] == supporter]
        return min(days).replace(day=1)

    def renewals(self, filters: Filters) -> dict[tuple[str, str], tuple[int, int, int, int]]:
        """Renewals, recovered, and both sums, by currency and reason."""
        found: dict[tuple[str, str], tuple[int, int, int, int]] = {}
        for attempt in self.attempts:
            charge = self.charges[attempt["charge_id"]]
            day = attempt["started_at"].astimezone(self._zone).date()
            if attempt["number"] != 1 or not charge["period"] or not filters.period.holds(day):
                continue
            if not _fits(filters, charge, self._cadence_of(charge), charge["currency"]):
                continue
            if attempt["status"] not in ("succeeded", "declined", "refused"):
                continue
            failed = attempt["status"] != "succeeded"
            recovered = failed and charge["status"] == "succeeded"
            key = (charge["currency"], attempt["decline_code"] if failed else "")
            one = (1, int(recovered), charge["amount_minor"], recovered * charge["amount_minor"])
            so_far = found.get(key, (0, 0, 0, 0))
            found[key] = tuple(a + b for a, b in zip(so_far, one, strict=True))  # type: ignore[assignment]
        return found

    def _of(self, filters: Filters) -> list[Line]:
        return [
            line
            for line in self.lines
            if _fits(filters, {"source": line.source, "card_country": line.country}, line.cadence,
                     line.currency)
        ]  # fmt: skip

    def _lines(self) -> list[Line]:
        """Every movement, told by what it did to its supporter's promises on its day."""
        found: list[Line] = []
        for supporter in {movement["supporter_id"] for movement in self.movements}:
            own = [m for m in self.movements if m["supporter_id"] == supporter]
            promises = [m for m in own if m["kind"] not in _PAUSES]
            first = min(m["effective_on"] for m in own)
            found += [self._line(each, _kind(each, promises, first)) for each in own]
        for change in self.changes:
            found += self._turned(change)
        return found

    def _line(self, movement: Row, kind: str) -> Line:
        pledge = self.pledges[movement["pledge_id"]]
        return Line(
            origin=movement["id"],
            supporter=movement["supporter_id"],
            day=movement["effective_on"],
            kind=kind,
            currency=movement["currency"],
            yearly=movement["yearly_minor"],
            cadence=self._cadence_at(pledge, movement["occurred_at"]),
            source=pledge["source"],
            country=pledge["card_country"] or "",
        )

    def _turned(self, change: Row) -> list[Line]:
        """A change of rhythm takes what the pledge was worth from one cadence to the other."""
        pledge = self.pledges[change["pledge_id"]]
        worth = sum(
            m["yearly_minor"]
            for m in self.movements
            if m["pledge_id"] == pledge["id"]
            and m["occurred_at"] < change["occurred_at"]
            and m["kind"] not in _PAUSES
        )
        if change["cadence"] == change["old_cadence"] or not worth:
            return []
        day = change["occurred_at"].astimezone(self._zone).date()
        return [
            Line(
                origin=change["id"],
                supporter=pledge["supporter_id"],
                day=day,
                kind="rhythm",
                currency=pledge["currency"],
                yearly=sign * worth,
                cadence=cadence,
                source=pledge["source"],
                country=pledge["card_country"] or "",
            )
            for sign, cadence in ((-1, change["old_cadence"]), (1, change["cadence"]))
        ]

    def _cadence_of(self, charge: Row) -> str:
        if charge["pledge_id"] is None:
            return "once"
        return self._cadence_at(self.pledges[charge["pledge_id"]], charge["created_at"])

    def _cadence_at(self, pledge: Row, moment: datetime) -> str:
        """Back from what it is now, change by change."""
        cadence: str = pledge["cadence"]
        for change in self._latest_changes_first[pledge["id"]]:
            if change["occurred_at"] <= moment:
                break
            cadence = change["old_cadence"]
        return cadence

    def _transactions_with_entries(self) -> list[tuple[Row, list[Row]]]:
        found: dict[int, list[Row]] = defaultdict(list)
        for entry in self.entries:
            found[entry["transaction_id"]].append(entry)
        return [(self.transactions[each], entries) for each, entries in found.items()]

    def _day(self, transaction: Row) -> date:
        day: date = transaction["occurred_at"].astimezone(self._zone).date()
        return day


def _kind(movement: Row, promises: list[Row], first: date) -> str:
    """Why a movement counts: see docs of the metrics."""
    if movement["kind"] in _PAUSES:
        return "paused"
    day = movement["effective_on"]
    stood = sum(m["yearly_minor"] for m in promises if m["effective_on"] < day)
    stands = sum(m["yearly_minor"] for m in promises if m["effective_on"] <= day)
    arrival = "new" if day == first else "reactivation"
    kind: str = movement["kind"]
    if not stood and stands:
        return arrival
    if not stood:
        return arrival if kind in ("new", "reactivation") else kind
    if not stands:
        churns = [m for m in promises if m["effective_on"] == day and m["kind"] in _CHURN]
        return kind if kind in _CHURN or not churns else max(churns, key=lambda m: m["id"])["kind"]
    net = sum(
        m["yearly_minor"]
        for m in promises
        if m["effective_on"] == day and m["currency"] == movement["currency"]
    )
    return "expansion" if net >= 0 else "contraction"


def _currencies(entries: list[Row]) -> tuple[str, str]:
    """In which currency it was paid, and in which it was settled."""
    at_stripe = [e["currency"] for e in entries if e["account"] in ("stripe", "fees")]
    others = [
        e["currency"]
        for e in entries
        if e["account"] not in ("stripe", "fees", "conversion", "offline")
    ]
    return (others or at_stripe)[0], (at_stripe or others)[0]


def _fits(filters: Filters, place: Row, cadence: str, currency: str) -> bool:
    """Whether something that came from a place, in a rhythm and a currency, is asked for."""
    source = place["source"]
    return (
        filters.campaign in (None, source.get("campaign", ""))
        and filters.appeal in (None, source.get("appeal", ""))
        and filters.variant in (None, source.get("variant", ""))
        and filters.referrer in (None, source.get("referrer", ""))
        and filters.article in (None, source.get("article", ""))
        and filters.country in (None, place["card_country"] or "")
        and filters.cadence in (None, cadence)
        and filters.currency in (None, currency)
    )


def _rows(session: Session, table: str) -> list[Row]:
    return [dict(row._mapping) for row in session.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608, SLF001


def _by_id(rows: list[Row]) -> dict[int, Row]:
    return {row["id"]: row for row in rows}


def period(first: str, last: str) -> Period:
    """A period, quickly written."""
    return Period(date.fromisoformat(first), date.fromisoformat(last))
