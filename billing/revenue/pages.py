"""The revenue pages: a period's figures, filtered, each opening the list it is made of.

How to add one stands in docs/revenue.md. Viewers are shown whole months without filters, and no
lists (`viewers.py`, ADR 72); lists and filters take a role that may see people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, current_app, make_response, render_template, request, url_for
from markupsafe import escape
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from billing.money import Money
from billing.revenue import drilldown, reading, viewers, words
from billing.revenue.bridge import month_of
from billing.revenue.drawings import bridge_chart, money_chart, part_name
from billing.revenue.drilldown import PAGE, MoneyFigure, Place, read_place
from billing.revenue.expected import expected, goal_of
from billing.revenue.filters import FILTERS, FilterError, Filters, chosen, read_filters
from billing.revenue.months import month_on
from billing.revenue.periods import Preset, Step
from billing.revenue.reminded import read_reminded
from billing.revenue.tables import MoveKind
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, required_role, requires, signed_in
from billing.staff.suppression import SMALLEST
from billing.web import runtime

blueprint = Blueprint("figures", __name__, url_prefix=f"{PREFIX}/revenue")

ROWS = 31
"""How many rows of a table are shown at once where each figure opens a list."""

_ROOM = 75_000
"""How many bytes of a page such a table may take beside a chart."""

_AROUND = 80
"""The bytes of a cell around a link's address."""

PAGES = {
    "figures.overview": "Overview",
    "figures.bridges": "Monthly revenue",
    "figures.money": "Gross to net",
    "people.cohorts": "Cohorts",
    "people.churn": "Churn",
    "people.recovery": "Failed payments",
    "people.forecast": "Forecast",
    "income.gifts": "Gifts",
    "income.sources": "Sources",
    "income.reminders": "Reminders",
    "income.fees": "Fees",
    "income.payouts": "Payouts",
}


@blueprint.get("/")
@requires(Role.VIEWER)
def overview() -> str:
    """A period beside the one before and the same a year before."""

    def read(session: Session, asked: reading.Asked, formats: Formats) -> dict[str, Any]:
        seen = reading.read_overview(session, asked)
        shown = words.overview_figures(formats, asked.currency)
        if not asked.sees_people:
            shown = words.for_viewers(shown)
        most = words.what_changed_most(seen, shown)
        beside = beside_overview(session, asked, seen) if asked.sees_people else {}
        return {"seen": seen, "figures": shown, "most": most, **beside}

    return show("revenue/figures.html", read, default=Preset.THIS_MONTH)


def beside_overview(
    session: Session, asked: reading.Asked, seen: reading.Overview
) -> dict[str, Any]:
    """Reminders, and the goal where it is asked for the running month as a whole. Two queries."""
    parts, filters = runtime(), asked.filters
    zone, now = parts.settings.newsroom.timezone, parts.clock.now()
    periods = [seen.now.period, seen.previous.period, seen.year_before.period]
    found: dict[str, Any] = {"reminded": read_reminded(session, asked.cells, periods)}
    if filters.preset is Preset.THIS_MONTH and not filters.is_filtered:
        found["goal"] = goal_of(
            parts.settings.newsroom.goal,
            net=seen.now.takings.net,
            mrr=seen.now.bridge.end,
            due=expected(session, month_on(asked.today, zone), zone=zone, now=now),
            share=seen.fee_share,
            rates=seen.rates,
        )
    return found


@blueprint.get("/monthly")
@requires(Role.VIEWER)
def bridges() -> str:
    """The bridge of monthly recurring revenue, for the period and each of its months."""

    def read(session: Session, asked: reading.Asked, formats: Formats) -> dict[str, Any]:
        whole, months = reading.read_bridges(session, asked)
        return {
            "whole": whole,
            "months": months,
            "ending": reading.read_ending(session, asked),
            "chart": bridge_chart(whole, formats, formats.zone.key, rounded=not asked.sees_people),
        }

    return show("revenue/bridges.html", read, default=Preset.LAST_12_MONTHS)


@blueprint.get("/money")
@requires(Role.VIEWER)
def money() -> str:
    """From gross to net by day, week or month."""

    def read(session: Session, asked: reading.Asked, formats: Formats) -> dict[str, Any]:
        whole, parts, elsewhere = reading.read_parts(session, asked)
        link = address("figures.lines", asked.filters, preset=None)
        rows, rest = rows_of(
            parts,
            asked.filters.extra.get("after"),
            most=min(ROWS, links_that_fit(link, _ROOM) // len(MoneyFigure)),
        )
        chart = money_chart(parts, asked, formats, formats.zone.key)
        return {
            "hidden": viewers.hidden_in_any(each.hidden for each in parts),
            "whole": whole,
            "parts": parts,
            "rows": rows if asked.sees_people else parts[::-1],
            "following": following("figures.money", asked.filters, rest),
            "elsewhere": elsewhere,
            "chart": chart,
            "part_name": part_name,
            "by_default": Step.MONTH,
        }

    return show("revenue/money.html", read, default=Preset.LAST_12_MONTHS, extra=("after",))


def links_that_fit(link: str, room: int) -> int:
    """How many links as long as this one fit into so many bytes; filters make them long."""
    return room // (len(escape(link)) + _AROUND)


def rows_of(
    parts: Sequence[reading.Part], after: str | None, *, most: int
) -> tuple[Sequence[reading.Part], list[Place]]:
    """A page of a long table's rows, the latest first, and behind which of them the next begins.

    Every figure of a row is a link that says all filters: hundreds of rows are too long to send.

    Raises:
        FilterError: for a page that there is not.
    """
    place = read_place(after)
    behind = [each for each in reversed(parts) if place is None or each.period.first < place.day]
    if not behind:
        raise FilterError(f"“{after}” is no place in this table.")
    shown = behind[: max(1, most)]
    rest = [Place(shown[-1].period.first.toordinal(), 0)] if len(behind) > len(shown) else []
    return shown, rest


@blueprint.get("/lines")
@requires(Role.DESK)
def lines() -> str:
    """The ledger transactions that a sum is made of."""

    def read(session: Session, asked: reading.Asked, _: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        figure = chosen(MoneyFigure, extra.get("figure", "net"), "figure")
        found = drilldown.money_lines(
            session,
            asked.filters,
            asked.cells,
            figure,
            settled_currency=asked.currency,
            zone=runtime().settings.newsroom.timezone,
            after=read_place(extra.get("after")),
            limit=PAGE + 1,
        )
        whole = reading.read_parts(session, asked)[0]
        rest = [drilldown.place_of_money(found[PAGE - 1])] if len(found) > PAGE else []
        return {
            "figure": figure,
            "lines": found[:PAGE],
            "total": getattr(whole, figure.value),
            "following": following("figures.lines", asked.filters, rest),
        }

    return show("revenue/lines.html", read, extra=("figure", "after"))


@blueprint.get("/moves")
@requires(Role.DESK)
def moves() -> str:
    """The movements that a bridge is made of."""

    def read(session: Session, asked: reading.Asked, _: Formats) -> dict[str, Any]:
        extra = asked.filters.extra
        kind = chosen(MoveKind, extra["kind"], "kind") if "kind" in extra else None
        found = drilldown.move_lines(
            session, asked.filters, asked.cells, kind,
            after=read_place(extra.get("after")), limit=PAGE + 1,
        )  # fmt: skip
        whole = reading.read_bridges(session, asked)[0]
        rest = [drilldown.place_of_move(found[PAGE - 1])] if len(found) > PAGE else []
        return {
            "kind": kind,
            "lines": found[:PAGE],
            "total": sum(whole.moves.values()) if kind is None else whole.moves[kind],
            "following": following("figures.moves", asked.filters, rest),
        }

    return show("revenue/moves.html", read, extra=("kind", "after"))


@blueprint.errorhandler(FilterError)
def refuse(error: FilterError) -> Response:
    """What was asked for cannot be, or not for this role: a sentence, and the way back."""
    not_for_them = isinstance(error, viewers.NotForViewersError)
    status = HTTPStatus.FORBIDDEN if not_for_them else HTTPStatus.BAD_REQUEST
    page = render_template("revenue/refused.html", reason=str(error), staff=signed_in())
    return make_response(page, status)


Read = Callable[[Session, reading.Asked, Formats], dict[str, Any]]


def show(
    template: str,
    read: Read,
    *,
    default: Preset = Preset.THIS_MONTH,
    extra: tuple[str, ...] = (),
) -> str:
    """Read the address, then the figures, then write the page.

    Raises:
        FilterError: when the address asks for what cannot be.
    """
    parts = runtime()
    newsroom = parts.settings.newsroom
    today = parts.clock.now().astimezone(newsroom.timezone).date()
    given = list(request.args.items(multi=True))
    filters = read_filters(given, today, default=default, step=Step.MONTH, extra=extra)
    sees_people = signed_in().role.covers(Role.DESK)
    if not sees_people:
        filters = viewers.narrowed(filters, today, {name for name, _ in given})
    formats = viewers.formats_for(newsroom, sees_people=sees_people)
    with parts.database.transaction() as session:
        asked = reading.ask(session, newsroom, filters, today, sees_people=sees_people)
        shown = read(session, asked, formats)
    return render_template(
        template,
        asked=asked,
        filters=filters,
        address=address,
        f=formats,
        money_of=Money,
        month_of=month_of,
        words=words,
        pages=tabs(signed_in().role),
        names=FILTERS,
        zone=newsroom.timezone.key,
        currencies=newsroom.currencies,
        presets=words.PRESETS if sees_people else viewers.PRESETS,
        smallest=SMALLEST,
        rounded_to=formats.whole(Money(asked.sight.step, asked.currency)),
        staff=signed_in(),
        **shown,
    )


def tabs(role: Role) -> dict[str, str]:
    """The pages that somebody with a role may open, by endpoint."""
    views = current_app.view_functions
    needed = {endpoint: required_role(views[endpoint]) for endpoint in PAGES}
    return {
        endpoint: name
        for endpoint, name in PAGES.items()
        if (least := needed[endpoint]) is not None and role.covers(least)
    }


def address(endpoint: str, filters: Filters, **changes: Any) -> str:
    """The address of a page with these filters; `changes` are fields that differ there.

    What belongs to one page only, such as the figure that is opened, stays on it; how far its list
    was read does not.
    """
    changes.setdefault("extra", {})
    if endpoint == request.endpoint and "after" not in changes["extra"]:
        kept = {name: value for name, value in filters.extra.items() if name != "after"}
        changes["extra"] = {**kept, **changes["extra"]}
    return f"{url_for(endpoint)}?{filters.query(**changes)}"


def following(endpoint: str, filters: Filters, rest: list[Place]) -> str | None:
    """The address of the lines that follow, where there are any."""
    if not rest:
        return None
    return address(endpoint, filters, extra={**filters.extra, "after": str(rest[0])})
