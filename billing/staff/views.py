"""Signing in and out. The rest of what staff see is the revenue slice's."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from billing.staff.domain import SESSION_LASTS
from billing.staff.errors import LinkExpiredError, LinkUsedError, SignInError
from billing.staff.formats import Formats
from billing.staff.guard import COOKIE, PREFIX
from billing.staff.service import check_link, sign_in as open_session, sign_out as end_session
from billing.web import runtime

blueprint = Blueprint("staff", __name__, url_prefix=PREFIX)


@blueprint.app_context_processor
def _formats() -> dict[str, object]:
    """What the staff templates write sums and moments with."""
    newsroom = runtime().settings.newsroom
    return {"staff_formats": Formats(newsroom.timezone), "newsroom_name": newsroom.name}


@blueprint.get("/sign-in/<token>")
def sign_in(token: str) -> tuple[str, int]:
    """Ask before signing in: mail scanners and previews follow links, but press no buttons."""
    try:
        with runtime().database.transaction() as session:
            name = check_link(session, token, runtime().clock.now())
    except SignInError as error:
        return _refused(error)
    return render_template("staff/sign_in.html", name=name, token=token), HTTPStatus.OK


@blueprint.post("/sign-in/<token>")
def use_link(token: str) -> AnyResponse | tuple[str, int]:
    """Use the link up and sign this browser in."""
    try:
        with runtime().database.transaction() as session:
            secret = open_session(session, token, runtime().clock.now())
    except SignInError as error:
        return _refused(error)
    response = redirect(url_for("revenue.overview"), HTTPStatus.SEE_OTHER)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=SESSION_LASTS,
        path=PREFIX,
        secure=runtime().settings.base_url.startswith("https://"),
        httponly=True,
        samesite="Lax",
    )
    return response


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End this browser's session, here and in the database."""
    with runtime().database.transaction() as session:
        end_session(session, request.cookies.get(COOKIE, ""), runtime().clock.now())
    response = Response(render_template("staff/signed_out.html", left=True), mimetype="text/html")
    response.delete_cookie(COOKIE, path=PREFIX)
    return response


def _refused(error: SignInError) -> tuple[str, int]:
    """Why this link signs nobody in, and how to get another."""
    if isinstance(error, LinkUsedError):
        reason, status = "used", HTTPStatus.GONE
    elif isinstance(error, LinkExpiredError):
        reason, status = "expired", HTTPStatus.GONE
    else:
        reason, status = "unknown", HTTPStatus.NOT_FOUND
    return render_template("staff/link_refused.html", reason=reason), status
