"""Who left and why, which try recovered, and what is to come: in loops over the raw rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from statistics import median

from dateutil.relativedelta import relativedelta

from billing.pledges.domain import Cadence
from billing.revenue.filters import Filters
from billing.revenue.periods import Period
from tests.revenue.plain import Line, Plain, Row, _fits

_CHURN = ("churn_voluntary", "churn_involuntary")


class PlainPeople(Plain):
    """The figures of the pages about people."""

    def departures(self, filters: Filters) -> dict[tuple[str, str, str, str], tuple[int, int]]:
        """How many ended and how much went, by kind, reason, cadence and currency."""
        found: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        for line in self._of(filters):
            if line.kind in _CHURN and filters.period.holds(line.day):
                key = (line.kind, self.why(line), line.cadence, line.currency)
                ended, yearly = found.get(key, (0, 0))
                found[key] = (ended + 1, yearly + line.yearly)
        return found

    def why(self, line: Line) -> str:
        """Why somebody left, of a line that counts as churn."""
        [movement] = [m for m in self.movements if m["id"] == line.origin]
        if movement["kind"] in _CHURN:
            return self._reason(movement)
        same_day = [
            m
            for m in self.movements
            if m["supporter_id"] == line.supporter
            and m["effective_on"] == line.day
            and m["kind"] in _CHURN
        ]
        return self._reason(max(same_day, key=lambda m: m["id"])) if same_day else ""

    def _reason(self, movement: Row) -> str:
        pledge = self.pledges[movement["pledge_id"]]
        own = movement["kind"] == "churn_voluntary"
        if own or movement["occurred_at"] == pledge["cancelled_at"]:
            return self.answers.get(pledge["id"]) or pledge["end_reason"] or ""
        refused = [
            attempt
            for attempt in self.attempts
            if self.charges[attempt["charge_id"]]["pledge_id"] == pledge["id"]
            and attempt["status"] in ("declined", "refused")
            and attempt["started_at"] <= movement["occurred_at"]
        ]
        if not refused:
            return "unknown"
        last = max(refused, key=lambda attempt: (attempt["started_at"], attempt["id"]))
        return last["decline_code"] or last["error_code"] or "unknown"

    def tried(self, filters: Filters) -> dict[tuple[str, str, str, int], tuple[int, int, int, int]]:
        """Renewals, recovered, and both sums, by cadence, currency, reason and try that paid."""
        found: dict[tuple[str, str, str, int], tuple[int, int, int, int]] = {}
        for attempt, charge, reason in self.first_attempts(filters):
            paid = charge["status"] == "succeeded"
            key = (self._cadence_of(charge), charge["currency"], reason, self._try(charge))
            one = (1, int(bool(reason) and paid), charge["amount_minor"],
                   charge["amount_minor"] * (bool(reason) and paid))  # fmt: skip
            so_far = found.get(key, (0, 0, 0, 0))
            found[key] = tuple(a + b for a, b in zip(so_far, one, strict=True))  # type: ignore[assignment]
            assert attempt["number"] == 1
        return found

    def first_attempts(self, filters: Filters) -> list[tuple[Row, Row, str]]:
        """Renewals asked for in the period: first attempt, charge, and why it failed if it did."""
        found = []
        for attempt in self.attempts:
            charge = self.charges[attempt["charge_id"]]
            day = attempt["started_at"].astimezone(self._zone).date()
            if attempt["number"] != 1 or not charge["period"] or not filters.period.holds(day):
                continue
            if attempt["status"] not in ("succeeded", "declined", "refused"):
                continue
            if _fits(filters, charge, self._cadence_of(charge), charge["currency"]):
                failed = attempt["status"] != "succeeded"
                found.append((attempt, charge, attempt["decline_code"] if failed else ""))
        return found

    def _try(self, charge: Row) -> int:
        if charge["status"] != "succeeded":
            return 0
        own = [a for a in self.attempts if a["charge_id"] == charge["id"]]
        paid = [a["number"] for a in own if a["status"] == "succeeded"]
        return min(paid) if paid else max(a["number"] for a in own)

    def members(self, filters: Filters, cohort: date, on: date) -> dict[int, dict[str, int]]:
        """Who of a cohort ever stood by the end of a day, and what they promise by then."""
        found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in self._of(filters):
            if line.day <= on and self.cohort(line.supporter) == cohort:
                found[line.supporter][line.currency] += line.yearly
        return found

    def past_due(self, filters: Filters) -> dict[str, tuple[int, int, int]]:
        """Pledges past due, what they owe and bring in a year, by currency."""
        found: dict[str, tuple[int, int, int]] = {}
        for pledge in self.pledges.values():
            if pledge["status"] != "past_due":
                continue
            if not _fits(filters, pledge, pledge["cadence"], pledge["currency"]):
                continue
            times = 1 if pledge["cadence"] == "annual" else 12
            yearly = (pledge["amount_minor"] - pledge["fee_cover_minor"]) * times
            count, owed, worth = found.get(pledge["currency"], (0, 0, 0))
            found[pledge["currency"]] = (count + 1, owed + pledge["amount_minor"], worth + yearly)
        return found


class PlainForecast:
    """The next months by the definition, for sums that are paid and settled in one currency."""

    def __init__(self, plain: PlainPeople, filters: Filters, today: date) -> None:
        self._plain, self._today = plain, today
        self._filters = filters
        this = today.replace(day=1)
        months = [this - relativedelta(months=back) for back in range(12, 0, -1)]
        self._all = [Period(m, m + relativedelta(months=1, days=-1)) for m in months]
        first = next(i for i, month in enumerate(self._all) if self._paid(month, None))
        self._past = self._all[first:]
        self._recent = self._past[-6:]

    def month(self, later: int) -> tuple[int, int, int, int, int]:
        """Due monthly, due annually, and what comes at least, likely and at most."""
        first = self._today.replace(day=1) + relativedelta(months=later)
        after = first + relativedelta(months=1)
        standing = self._standing(after)
        due = round(Fraction(standing, 12) * (1 + self._covered()))
        before = Period(first - relativedelta(years=1), after - relativedelta(years=1, days=1))
        annual = self._paid(before, "annual")
        failed = self._range([self._failed(month) for month in self._recent])
        churn = self._range([self._lost(month) for month in self._recent])
        gifts = sorted(self._paid(month, "once") for month in self._past)
        quarter = len(gifts) // 4
        given = (gifts[quarter], round(Fraction(median(gifts))), gifts[-1 - quarter])
        found = []
        for case in range(3):
            worst = 2 - case
            arrives = 1 - failed[worst] * (1 - self._recovered())
            sums = due * arrives * (1 - churn[worst]) ** later
            sums += annual * arrives * (1 - self._annual())
            found.append(round(sums) + given[case])
        return (due, annual, *found)  # type: ignore[return-value]

    def _paid(self, period: Period, cadence: str | None) -> int:
        sums = self._plain.money(replace(self._filters, period=period))
        return sum(
            each["gross"]
            for (rhythm, _, settled), each in sums.items()
            if settled == "usd" and cadence in (None, rhythm)
        )

    def _standing(self, before: date) -> int:
        monthly = replace(self._filters, cadence=Cadence.MONTHLY)
        return sum(self._plain.promised(monthly, before).values())

    def _covered(self) -> Fraction:
        covered = given = Fraction()
        for month in self._recent:
            monthly = replace(self._filters, period=month, cadence=Cadence.MONTHLY)
            for (_, _, settled), each in self._plain.money(monthly).items():
                if settled == "usd" and each["gross_paid"] > 0:
                    part = Fraction(each["covered_paid"] * each["gross"], each["gross_paid"])
                    covered, given = covered + part, given + each["gross"] - part
        return covered / given

    def _failed(self, month: Period) -> Fraction | None:
        asked = self._plain.first_attempts(replace(self._filters, period=month))
        return Fraction(sum(bool(why) for *_, why in asked), len(asked)) if asked else None

    def _lost(self, month: Period) -> Fraction | None:
        stood = self._standing(month.first)
        monthly = replace(self._filters, period=month, cadence=Cadence.MONTHLY)
        gone = sum(-yearly for _, yearly in self._plain.departures(monthly).values())
        return Fraction(gone, stood) if stood else None

    def _recovered(self) -> Fraction:
        failed = recovered = 0
        for month in self._past:
            if month.last + timedelta(days=14) >= self._today:
                continue
            for _, charge, why in self._plain.first_attempts(replace(self._filters, period=month)):
                failed += charge["amount_minor"] if why else 0
                paid = why and charge["status"] == "succeeded"
                recovered += charge["amount_minor"] if paid else 0
        return Fraction(recovered, failed) if failed else Fraction()

    def _annual(self) -> Fraction:
        whole = Period(self._past[0].first, self._past[-1].last)
        annual = replace(self._filters, period=whole, cadence=Cadence.ANNUAL)
        ended = sum(
            count
            for (kind, *_), (count, _) in self._plain.departures(annual).items()
            if kind == "churn_voluntary"
        )
        due = len(self._plain.first_attempts(annual)) + ended
        return Fraction(ended, due) if due else Fraction()

    def _range(self, shares: list[Fraction | None]) -> tuple[Fraction, Fraction, Fraction]:
        told = [each for each in shares if each is not None]
        return (min(told), Fraction(median(told)), max(told)) if told else (Fraction(),) * 3
