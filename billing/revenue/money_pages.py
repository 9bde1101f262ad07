"""The revenue pages about where money comes from and what becomes of it on the way to the bank.

Gifts, sources, reminders, fees and payouts, with the lists behind them. They are for those who may
see people: filters narrow figures down to one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from flask import Blueprint
from sqlalchemy.orm import Session

from billing.revenue import listing, money_drawings, money_reading, money_words, reminded
from billing.revenue.choices import (
    dimension_of,
    givers_of,
    payout_of,
    reminders_of,
    starts_of,
)
from billing.revenue.drilldown import PAGE, Place, read_place
from billing.revenue.filters import FilterError
from billing.revenue.gifts import is_closed
from billing.revenue.pages import following, refuse, show
from billing.revenue.periods import Preset
from billing.revenue.reading import Asked
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, requires
from billing.web import runtime

T = TypeVar("T")

blueprint = Blueprint("income", __name__, url_prefix=f"{PREFIX}/revenue")
blueprint.register_error_handler(FilterError, refuse)

NAMES_SHOWN = 30
"""How many names the page of sources tells apart; the others are added up."""


@blueprint.get("/gifts")
@requires(Role.VIEWER)
def gifts() -> str:
    """One-off gifts, and how many of their givers pledge afterwards."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        seen = money_reading.read_gifts(session, asked)
        chart = money_drawings.conversion_chart(seen, asked, formats)
        return {"seen": seen, "chart": chart, "is_closed": is_closed, "say": money_words}

    return show("revenue/gifts.html", read, default=Preset.LAST_12_MONTHS)


@blueprint.get("/givers")
@requires(Role.DESK)
def givers() -> str:
    """Those whose first gift was in a period, or some of them."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        step = givers_of(asked.filters)
        found = listing.giver_lines(
            session, asked.filters, asked.cells, step,
            after=read_place(extra.get("after")), limit=PAGE + 1,
        )  # fmt: skip
        return _page_of(
            "income.givers",
            asked,
            step,
            found,
            lambda each: Place(each.day.toordinal(), each.supporter_id),
        )

    return show("revenue/givers.html", read, default=Preset.LAST_12_MONTHS,
                extra=("step", "after"))  # fmt: skip


@blueprint.get("/sources")
@requires(Role.DESK)
def sources() -> str:
    """From an appeal that is shown to money, by where readers came from."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        by = dimension_of(asked.filters)
        found = money_reading.read_sources(session, asked, by)
        return {
            "by": by,
            "dimensions": money_words.DIMENSIONS,
            "sources": found[:NAMES_SHOWN],
            "others": len(found) - NAMES_SHOWN,
            "rest": money_reading.together(found[NAMES_SHOWN:]),
            "whole": money_reading.together(found),
            "narrowed": money_reading.leaves_out_readers(asked.filters),
            "closed": money_reading.old_enough(asked.filters.period, asked.today),
            "say": money_words,
            "chart": money_drawings.sources_chart(found, by, asked, formats),
        }

    return show("revenue/sources.html", read, default=Preset.LAST_90_DAYS, extra=("of",))


@blueprint.get("/started")
@requires(Role.DESK)
def started() -> str:
    """The pledges that began in a period, or those that stood three months later."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        step = starts_of(asked.filters)
        found = listing.start_lines(
            session, asked.filters, asked.cells, step,
            after=read_place(extra.get("after")), limit=PAGE + 1,
        )  # fmt: skip
        return _page_of(
            "income.started",
            asked,
            step,
            found,
            lambda each: Place(each.day.toordinal(), each.pledge_id),
        )

    return show("revenue/starts.html", read, default=Preset.LAST_90_DAYS,
                extra=("step", "after"))  # fmt: skip


@blueprint.get("/reminders")
@requires(Role.VIEWER)
def reminders() -> str:
    """From an appeal shown to a gift after the reminder, and what that can't tell."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        seen = money_reading.read_reminders(session, asked)
        return {
            "seen": seen,
            "say": money_words,
            "chart": money_drawings.reminders_chart(seen, asked, formats),
        }

    return show("revenue/reminders.html", read, default=Preset.LAST_12_MONTHS)


@blueprint.get("/reminders/list")
@requires(Role.DESK)
def reminder_list() -> str:
    """Reminders asked for in a period, or some of them; nobody is told whose they are."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        zone = runtime().settings.newsroom.timezone
        step = reminders_of(asked.filters)
        after = read_place(asked.filters.extra.get("after"))
        found = reminded.reminder_lines(
            session, asked.filters, asked.cells, step, zone, after=after, limit=PAGE + 1
        )
        return _page_of(
            "income.reminder_list",
            asked,
            step,
            found,
            lambda each: Place.after_moment(each.asked_at, each.id),
        )

    return show("revenue/reminder_list.html", read, default=Preset.LAST_12_MONTHS,
                extra=("step", "after"))  # fmt: skip


@blueprint.get("/fees")
@requires(Role.DESK)
def fees() -> str:
    """What Stripe kept, what supporters covered of it, and what fewer payments saved."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        seen = money_reading.read_fees(session, asked)
        return {"seen": seen, "chart": money_drawings.fees_chart(seen, asked, formats)}

    return show("revenue/fees.html", read, default=Preset.LAST_12_MONTHS)


@blueprint.get("/payouts")
@requires(Role.DESK)
def payouts() -> str:
    """What reached the bank, held against the ledger."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        zone = runtime().settings.newsroom.timezone
        after = read_place(asked.filters.extra.get("after"))
        found = listing.payout_rows(session, asked.filters, zone, after=after, limit=PAGE + 1)
        rest = (
            [Place.after_moment(each.arrives_at, each.id) for each in found[PAGE - 1 : PAGE]]
            if len(found) > PAGE
            else []
        )
        return {
            "rows": found[:PAGE],
            "totals": listing.payout_totals(session, asked.filters, zone),
            "say": money_words,
            "following": following("income.payouts", asked.filters, rest),
        }

    return show("revenue/payouts.html", read, default=Preset.LAST_12_MONTHS, extra=("after",))


@blueprint.get("/payout")
@requires(Role.DESK)
def payout() -> str:
    """The movements that one payout pays out; the latest of the period where none is named."""

    def read(session: Session, asked: Asked, _: Formats) -> dict[str, Any]:
        row = payout_of(session, asked.filters, runtime().settings.newsroom.timezone)
        after = read_place(asked.filters.extra.get("after"))
        found = listing.paid_out(session, row.id, after=after, limit=PAGE + 1)
        rest = [Place(0, found[PAGE - 1].id)] if len(found) > PAGE else []
        return {
            "row": row,
            "lines": found[:PAGE],
            "say": money_words,
            "following": following("income.payout", asked.filters, rest),
        }

    return show("revenue/payout.html", read, default=Preset.LAST_12_MONTHS,
                extra=("id", "after"))  # fmt: skip


def _page_of(
    endpoint: str, asked: Asked, step: StrEnum, found: Sequence[T], place: Callable[[T], Place]
) -> dict[str, Any]:
    """A page of a list; of its lines, one more than it holds is read to know whether it goes on."""
    rest = [place(found[PAGE - 1])] if len(found) > PAGE else []
    return {
        "step": step,
        "lines": found[:PAGE],
        "say": money_words,
        "following": following(endpoint, asked.filters, rest),
    }
