"""The lists behind the pages about people, each line opening its pledge or its charge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from dateutil.relativedelta import relativedelta
from flask import Blueprint
from sqlalchemy.orm import Session

from billing.revenue import figures, people_words
from billing.revenue.at_risk import Order, place_of, queue
from billing.revenue.cohort_reading import end_of, in_one_currency
from billing.revenue.cohorts import Cohort, by_supporters
from billing.revenue.drilldown import PAGE, read_place
from billing.revenue.filters import FilterError
from billing.revenue.pages import chosen, following, refuse, show
from billing.revenue.people_figures import Departed, departures, renewals_by_try
from billing.revenue.people_lists import (
    Outcome,
    departed,
    members,
    place_of_departure,
    place_of_member,
    place_of_renewal,
    renewal_lines,
)
from billing.revenue.people_pages import SHARED
from billing.revenue.periods import Period, Preset
from billing.revenue.reading import Asked, MonthlyRates
from billing.revenue.recovery_reading import read_risk
from billing.revenue.tables import MoveKind
from billing.revenue.why import NAMES, codes_of
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, requires
from billing.web import runtime

blueprint = Blueprint("behind", __name__, url_prefix=f"{PREFIX}/revenue")
blueprint.register_error_handler(FilterError, refuse)

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)
_TRIES = re.compile(r"\d{1,4}", re.ASCII)


class Who(StrEnum):
    """Which members of a cohort are listed."""

    KEPT = "kept"
    GONE = "gone"


@blueprint.get("/cohort")
@requires(Role.DESK)
def cohort() -> str:
    """Who of a cohort is there at the end of a month, or is not any more."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        first, last = asked.filters.period.first, asked.today - relativedelta(months=1)
        began = _month(extra.get("cohort", f"{first:%Y-%m}"), "cohort")
        on = _month(extra.get("month", f"{max(last, began):%Y-%m}"), "month")
        if on < began:
            raise FilterError("A cohort has nobody before the month in which it began.")
        who = chosen(Who, extra.get("who", "kept"), "group")
        found = members(
            session, asked.filters, began, end_of(on),
            gone=who is Who.GONE, after=read_place(extra.get("after")), limit=PAGE + 1,
        )  # fmt: skip
        rest = [place_of_member(found[PAGE - 1])] if len(found) > PAGE else []
        people, twelfths = _kept(session, asked, began, on)
        return {
            "began": began,
            "on": on,
            "who": who.value,
            "kept": people,
            "twelfths": twelfths,
            "lines": found[:PAGE],
            "following": following("behind.cohort", asked.filters, rest),
            **SHARED,
        }

    return show(
        "revenue/cohort.html",
        read,
        default=Preset.LAST_12_MONTHS,
        extra=("cohort", "month", "who", "after"),
    )


@blueprint.get("/departed")
@requires(Role.DESK)
def departed_list() -> str:
    """Pledges that ended in the period, for one reason or for any."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        kind = chosen(_Churn, extra.get("kind", _Churn.VOLUNTARY.value), "kind").move
        name = _reason(extra.get("reason"))
        [rows] = departures(session, asked.cells, [asked.filters.period])
        rows = [each for each in rows if each.kind is kind]
        codes = _codes(name, (each.reason for each in rows))
        found = departed(
            session, asked.filters, asked.cells, kind, codes,
            after=read_place(extra.get("after")), limit=PAGE + 1,
        )  # fmt: skip
        rest = [place_of_departure(found[PAGE - 1])] if len(found) > PAGE else []
        meant = [each for each in rows if each.reason in codes]
        return {
            "kind": kind,
            "name": name,
            "ended": sum(each.moves for each in meant),
            "sums": _by_currency(meant),
            "lines": found[:PAGE],
            "following": following("behind.departed_list", asked.filters, rest),
            **SHARED,
        }

    return show(
        "revenue/departed.html",
        read,
        default=Preset.LAST_12_MONTHS,
        extra=("kind", "reason", "after"),
    )


@blueprint.get("/renewals")
@requires(Role.DESK)
def renewals() -> str:
    """Renewals of the period by what became of them."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        outcome = chosen(Outcome, extra.get("outcome", "failed"), "outcome")
        name, tries = _reason(extra.get("reason")), _tries(extra.get("tries"))
        [rows] = renewals_by_try(session, asked.cells, [asked.filters.period])
        codes = _codes(name, (each.reason for each in rows if each.reason))
        found = renewal_lines(
            session, asked.filters, asked.cells, outcome, codes, zone=formats.zone, tries=tries,
            after=read_place(extra.get("after")), limit=PAGE + 1,
        )  # fmt: skip
        rest = [place_of_renewal(found[PAGE - 1])] if len(found) > PAGE else []
        return {
            "outcome": outcome,
            "name": name,
            "tries": tries,
            "lines": found[:PAGE],
            "following": following("behind.renewals", asked.filters, rest),
            **SHARED,
        }

    return show(
        "revenue/renewals.html",
        read,
        default=Preset.LAST_12_MONTHS,
        extra=("outcome", "reason", "tries", "after"),
    )


@blueprint.get("/at-risk")
@requires(Role.DESK)
def at_risk() -> str:
    """Every pledge that is past due now."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        order = chosen(Order, extra.get("order", "value"), "order")
        rates = MonthlyRates(session, asked, [Period(asked.today, asked.today)]).of(asked.today)
        found = queue(
            session, asked.filters, order, rates,
            after=read_place(extra.get("after")), limit=PAGE + 1,
        )  # fmt: skip
        rest = [place_of(found[PAGE - 1])] if len(found) > PAGE else []
        return {
            "order": order,
            "orders": people_words.ORDERS,
            "risk": read_risk(session, asked, rates),
            "lines": found[:PAGE],
            "now": runtime().clock.now(),
            "following": following("behind.at_risk", asked.filters, rest),
            **SHARED,
        }

    return show("revenue/at_risk.html", read, extra=("order", "after"))


class _Churn(StrEnum):
    """How an address says that somebody left."""

    VOLUNTARY = MoveKind.CHURN_VOLUNTARY.value
    INVOLUNTARY = MoveKind.CHURN_INVOLUNTARY.value

    @property
    def move(self) -> MoveKind:
        return MoveKind(self.value)


def _kept(session: Session, asked: Asked, began: date, on: date) -> tuple[int | None, int | None]:
    """How many of a cohort are there at the end of a month, and their twelfths; two queries.

    None for a month that is not over.
    """
    changes = [each for each in figures.retention(session, asked.cells) if each[1].cohort == began]
    rates = MonthlyRates(session, asked, [Period(asked.today, asked.today)]).of(asked.today)
    later = (on.year - began.year) * 12 + on.month - began.month
    people = by_supporters((each for code, each in changes if not code), asked.today)
    money = in_one_currency([each for each in changes if each[0]], asked.today, rates)
    return _at(people, later), _at(money, later)


def _at(found: Sequence[Cohort], later: int) -> int | None:
    kept = found[0].kept if found else ()
    return kept[later] if later < len(kept) else None


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


def _codes(name: str | None, seen: Any) -> list[str]:
    """The codes that a reason means, of those that were seen; all of them where none is named."""
    codes = sorted(set(seen))
    return codes if name is None else codes_of(name, codes)


def _by_currency(rows: Sequence[Departed]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[row.currency] = found.get(row.currency, 0) + row.yearly_minor
    return found
