"""What addresses ask for beside the filters, for pages and their downloads alike.

Each raises `FilterError` for what there is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from billing.revenue.at_risk import Order
from billing.revenue.cohort_reading import Measure
from billing.revenue.filters import FilterError, Filters, chosen
from billing.revenue.fold_reminders import ReminderStep
from billing.revenue.forecast_reading import REACHES
from billing.revenue.giving import DIMENSIONS
from billing.revenue.listing import GiverStep, PayoutRow, StartStep, find_payout, payout_rows
from billing.revenue.people_figures import Departed, departures, renewals_by_try
from billing.revenue.people_lists import Outcome
from billing.revenue.reading import Asked
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import NotForViewersError
from billing.revenue.why import NAMES, codes_of
from billing.web import number_in

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)
_TRIES = re.compile(r"\d{1,4}", re.ASCII)


class Who(StrEnum):
    """Which members of a cohort are listed."""

    KEPT = "kept"
    GONE = "gone"


class Churn(StrEnum):
    """How an address says that somebody left."""

    VOLUNTARY = MoveKind.CHURN_VOLUNTARY.value
    INVOLUNTARY = MoveKind.CHURN_INVOLUNTARY.value


@dataclass(frozen=True, kw_only=True)
class Members:
    """Of which cohort, at the end of which month."""

    began: date
    on: date
    who: Who


@dataclass(frozen=True, kw_only=True)
class Departures:
    """Who left how and why."""

    kind: MoveKind
    name: str | None
    """A key of `why.NAMES`; None for any reason."""
    codes: list[str]
    rows: list[Departed]
    """Those that are meant, added up."""


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """Which renewals."""

    outcome: Outcome
    name: str | None
    """A key of `why.NAMES`; None for any reason."""
    codes: list[str]
    tries: int | None


def measure_of(asked: Asked) -> Measure:
    """What of a cohort is counted: people, for those who see none of them."""
    measure = chosen(Measure, asked.filters.extra.get("measure", "supporters"), "measure")
    if measure is Measure.MONEY and not asked.sees_people:
        raise NotForViewersError("What a cohort promises takes a role that may see people.")
    return Measure(measure)


def members_of(asked: Asked) -> Members:
    """By itself the first cohort of the period, as it stood at the end of last month."""
    extra = asked.filters.extra
    first, last = asked.filters.period.first, asked.today - relativedelta(months=1)
    began = _month(extra.get("cohort", f"{first:%Y-%m}"), "cohort")
    on = _month(extra.get("month", f"{max(last, began):%Y-%m}"), "month")
    if on < began:
        raise FilterError("A cohort has nobody before the month in which it began.")
    return Members(began=began, on=on, who=chosen(Who, extra.get("who", "kept"), "group"))


def departures_of(session: Session, asked: Asked) -> Departures:
    """By themselves those who cancelled, for whatever reason. One query."""
    extra = asked.filters.extra
    kind = MoveKind(chosen(Churn, extra.get("kind", Churn.VOLUNTARY.value), "kind").value)
    name = _reason(extra.get("reason"))
    [rows] = departures(session, asked.cells, [asked.filters.period])
    rows = [each for each in rows if each.kind is kind]
    codes = _codes(name, (each.reason for each in rows))
    meant = [each for each in rows if each.reason in codes]
    return Departures(kind=kind, name=name, codes=codes, rows=meant)


def renewals_of(session: Session, asked: Asked) -> Renewed:
    """By themselves those that failed at first. One query."""
    extra = asked.filters.extra
    outcome = chosen(Outcome, extra.get("outcome", "failed"), "outcome")
    name, tries = _reason(extra.get("reason")), _tries(extra.get("tries"))
    [rows] = renewals_by_try(session, asked.cells, [asked.filters.period])
    codes = _codes(name, (each.reason for each in rows if each.reason))
    return Renewed(outcome=outcome, name=name, codes=codes, tries=tries)


def order_of(filters: Filters) -> Order:
    """In which order what is past due is listed."""
    return Order(chosen(Order, filters.extra.get("order", "value"), "order"))


def reach_of(filters: Filters) -> int:
    """How many months ahead are forecast."""
    written = filters.extra.get("months", f"{REACHES[1]}")
    if written not in {f"{each}" for each in REACHES}:
        known = ", ".join(f"{each}" for each in REACHES)
        raise FilterError(f"“{written[:40]}” months ahead are not told; there are {known}.")
    return int(written)


def dimension_of(filters: Filters) -> str:
    """By which part of a source supporters are told apart; one of `DIMENSIONS`."""
    by = filters.extra.get("of", "campaign")
    if by not in DIMENSIONS:
        known = ", ".join(DIMENSIONS)
        raise FilterError(f"“{by[:40]}” is no part of a source; there are {known}.")
    return by


def givers_of(filters: Filters) -> GiverStep:
    """Which givers are listed."""
    return GiverStep(chosen(GiverStep, filters.extra.get("step", "all"), "step"))


def reminders_of(filters: Filters) -> ReminderStep:
    """Which reminders are listed."""
    return ReminderStep(chosen(ReminderStep, filters.extra.get("step", "asked"), "step"))


def starts_of(filters: Filters) -> StartStep:
    """Which of the pledges that began are listed."""
    return StartStep(chosen(StartStep, filters.extra.get("step", "all"), "step"))


def payout_of(session: Session, filters: Filters, zone: ZoneInfo) -> PayoutRow:
    """The payout that is named, or the latest of the period. One query."""
    wanted = filters.extra.get("id")
    if wanted is None:
        latest = payout_rows(session, filters, zone, after=None, limit=1)
        row = latest[0] if latest else None
    else:
        number = number_in(wanted, digits=18)
        row = None if number is None else find_payout(session, number)
    if row is None:
        raise FilterError("There is no such payout.")
    return row


def _month(written: str, name: str) -> date:
    if not _MONTH.fullmatch(written):
        raise FilterError(f"“{written[:40]}” in {name} is not a month such as 2026-01.")
    return date.fromisoformat(f"{written}-01")


def _reason(written: str | None) -> str | None:
    if written is not None and written not in NAMES:
        raise FilterError(f"“{written[:40]}” is no reason that is told apart.")
    return written


def _tries(written: str | None) -> int | None:
    if written is not None and not _TRIES.fullmatch(written):
        raise FilterError(f"“{written[:40]}” is no number of an attempt.")
    return None if written is None else int(written)


def _codes(name: str | None, seen: Iterable[Any]) -> list[str]:
    """The codes that a reason means, of those that were seen; all of them where none is named."""
    codes = sorted(set(seen))
    return codes if name is None else codes_of(name, codes)
