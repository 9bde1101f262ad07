"""Downloading a table: a page that says what it will be, and the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from typing import Any

from flask import Blueprint, render_template, request, url_for
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from billing.revenue import reading, viewers
from billing.revenue.exports.catalogue import find_table, tables_on
from billing.revenue.exports.pieces import pieces_of
from billing.revenue.exports.sending import send
from billing.revenue.exports.streaming import bound
from billing.revenue.exports.tables import Table, Wanted
from billing.revenue.filters import FILTERS, FilterError, Filters, read_filters
from billing.revenue.pages import refuse
from billing.staff.audit_trail import Detail
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, deny, requires, signed_in, with_own_script
from billing.staff.step_up import step_up
from billing.web import runtime

blueprint = Blueprint("exports", __name__, url_prefix=f"{PREFIX}/revenue/export")
blueprint.register_error_handler(FilterError, refuse)

COUNT_FOR = timedelta(seconds=5)
"""How long rows are counted before it is said that there are very many."""


@blueprint.get("/<name>")
@requires(Role.VIEWER)
@step_up()
def page(name: str) -> str:
    """What the file will hold, and the button. A table's own role is asked for besides."""
    table = _table(name)
    filters = _filters(table)
    with runtime().database.transaction() as session:
        wanted = _wanted(session, filters)
        count = _count(session, table, wanted)
    with_own_script()
    newsroom = runtime().settings.newsroom
    return render_template(
        "revenue/export.html",
        table=table,
        filters=filters,
        asked=wanted.asked,
        count=count,
        names=FILTERS,
        zone=newsroom.timezone.key,
        f=Formats(newsroom.timezone),
        filename=_filename(table, filters),
        address=_address(table, filters),
        back=f"{url_for(table.page)}?{filters.query()}",
        sees_people=wanted.asked.sees_people,
        staff=signed_in(),
    )


@blueprint.post("/<name>")
@requires(Role.VIEWER)
@step_up(back="exports.page")
def download(name: str) -> Response:
    """The file, as it is made."""
    table = _table(name)
    filters = _filters(table)
    newsroom, role = runtime().settings.newsroom, signed_in().role
    make = partial(pieces_of, table, filters, newsroom, role, _today())
    return send(make, _detail(table, filters), _filename(table, filters), "text/csv")


@blueprint.app_context_processor
def _offered() -> dict[str, Any]:
    """For the foot of every revenue page."""
    return {
        "downloads": lambda: tables_on(request.endpoint, signed_in().role),
        "download_address": _address,
    }


def _table(name: str) -> Table:
    table = find_table(name)
    if table is None:
        raise NotFound
    if not signed_in().role.covers(table.role):
        deny(table.role)
    return table


def _filters(table: Table) -> Filters:
    given = list(request.args.items(multi=True))
    filters = read_filters(given, _today(), default=table.default, extra=table.extra)
    if signed_in().role.covers(Role.DESK):
        return filters
    return viewers.narrowed(filters, _today(), {name for name, _ in given})


def _today() -> date:
    return runtime().clock.now().astimezone(runtime().settings.newsroom.timezone).date()


def _wanted(session: Session, filters: Filters) -> Wanted:
    newsroom = runtime().settings.newsroom
    sees_people = signed_in().role.covers(Role.DESK)
    asked = reading.ask(session, newsroom, filters, _today(), sees_people=sees_people)
    return Wanted(session=session, asked=asked, newsroom=newsroom)


def _count(session: Session, table: Table, wanted: Wanted) -> int | None:
    """How many rows; None where counting alone would take long."""
    if table.count is None:
        return sum(1 for _ in table.rows(wanted))
    bound(session, step=COUNT_FOR)
    with _in_time() as found, session.begin_nested():
        found.append(table.count(wanted))
    return found[0] if found else None


@contextmanager
def _in_time() -> Iterator[list[int]]:
    found: list[int] = []
    try:
        yield found
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _QUERY_CANCELLED:
            raise


_QUERY_CANCELLED = "57014"
"""Source: https://www.postgresql.org/docs/15/errcodes-appendix.html."""


def _address(table: Table, filters: Filters) -> str:
    kept = {name: value for name, value in filters.extra.items() if name in table.extra}
    return f"{url_for('exports.page', name=table.name)}?{filters.query(extra=kept)}"


def _filename(table: Table, filters: Filters) -> str:
    period = filters.period
    return f"{table.name}-{period.first}-to-{period.last}.csv"


def _detail(table: Table, filters: Filters) -> Detail:
    """What the trail keeps. It holds no addresses, so a filter that looks like one is left out."""
    period = filters.period
    told = {"table": table.name, "first_day": str(period.first), "last_day": str(period.last)}
    for name, value in filters.pairs():
        if name not in {"period", "from", "to"}:
            told[name] = "(holds an address)" if "@" in value else value
    return told
