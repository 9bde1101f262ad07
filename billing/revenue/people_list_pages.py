"""The lists behind the pages about people, each line opening its pledge or its charge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from billing.revenue import figures, people_words
from billing.revenue.at_risk import place_of, queue
from billing.revenue.choices import Who, departures_of, members_of, order_of, renewals_of
from billing.revenue.cohort_reading import end_of, in_one_currency
from billing.revenue.cohorts import Cohort, by_supporters
from billing.revenue.drilldown import PAGE, read_place
from billing.revenue.filters import FilterError
from billing.revenue.pages import following, refuse, show
from billing.revenue.people_figures import yearly_by_currency
from billing.revenue.people_lists import (
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
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, requires
from billing.web import runtime

blueprint = Blueprint("behind", __name__, url_prefix=f"{PREFIX}/revenue")
blueprint.register_error_handler(FilterError, refuse)


@blueprint.get("/cohort")
@requires(Role.DESK)
def cohort() -> str:
    """Who of a cohort is there at the end of a month, or is not any more."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        of = members_of(asked)
        after = read_place(asked.filters.extra.get("after"))
        found = members(
            session, asked.filters, of.began, end_of(of.on),
            gone=of.who is Who.GONE, after=after, limit=PAGE + 1,
        )  # fmt: skip
        rest = [place_of_member(found[PAGE - 1])] if len(found) > PAGE else []
        people, twelfths = _kept(session, asked, of.began, of.on)
        return {
            "began": of.began,
            "on": of.on,
            "who": of.who.value,
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
        of = departures_of(session, asked)
        after = read_place(asked.filters.extra.get("after"))
        found = departed(
            session, asked.filters, asked.cells, of.kind, of.codes, after=after, limit=PAGE + 1
        )
        rest = [place_of_departure(found[PAGE - 1])] if len(found) > PAGE else []
        return {
            "kind": of.kind,
            "name": of.name,
            "ended": sum(each.moves for each in of.rows),
            "sums": yearly_by_currency(of.rows),
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
        of = renewals_of(session, asked)
        after = read_place(asked.filters.extra.get("after"))
        found = renewal_lines(
            session, asked.filters, asked.cells, of.outcome, of.codes,
            zone=formats.zone, tries=of.tries, after=after, limit=PAGE + 1,
        )  # fmt: skip
        rest = [place_of_renewal(found[PAGE - 1])] if len(found) > PAGE else []
        return {
            "outcome": of.outcome,
            "name": of.name,
            "tries": of.tries,
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
        order = order_of(asked.filters)
        rates = MonthlyRates(session, asked, [Period(asked.today, asked.today)]).of(asked.today)
        found = queue(
            session, asked.filters, order, rates,
            after=read_place(asked.filters.extra.get("after")), limit=PAGE + 1,
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
