"""The journal's page, for administrators: which months there are, and the file of one."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from billing.revenue.exports.sending import send
from billing.revenue.journal import making, reading
from billing.revenue.journal.making import Ordered
from billing.revenue.journal.months import JournalError, months_over
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, requires, signed_in
from billing.staff.step_up import step_up
from billing.web import runtime

blueprint = Blueprint("journal", __name__, url_prefix=f"{PREFIX}/revenue/journal")


@blueprint.get("")
@requires(Role.ADMIN)
def page() -> Response:
    """The months that are over."""
    return _page()


@blueprint.post("")
@requires(Role.ADMIN)
@step_up(back="journal.page")
def download() -> Response:
    """The journal of one of them, as it is made."""
    ordered = Ordered(month=request.form.get("month", ""), format=request.form.get("format", ""))
    newsroom, now = runtime().settings.newsroom, runtime().clock.now()
    make = partial(making.make, ordered, newsroom, now)
    try:
        return send(make, ordered.detail(), ordered.filename(), "text/plain")
    except JournalError as error:
        return _page(problem=str(error))


def _page(*, problem: str = "") -> Response:
    zone, now = runtime().settings.newsroom.timezone, runtime().clock.now()
    with runtime().database.transaction() as session:
        months = months_over(now, zone, reading.first_moment(session))
    page = render_template(
        "revenue/journal.html",
        months=months,
        provisional={each for each in months if making.is_provisional(each, now)},
        problem=problem,
        zone=zone.key,
        f=Formats(zone),
        staff=signed_in(),
    )
    return make_response(page, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)
