"""The digest's setting on a page of staff's own, and the way out of it by a link in the mail."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from billing.digest import service
from billing.digest.domain import SENT_AT
from billing.digest.service import TooSoonError
from billing.staff.domain import Role
from billing.staff.guard import PREFIX, requires, signed_in
from billing.supporters.address import InvalidAddressError
from billing.web import runtime

blueprint = Blueprint("digest", __name__, url_prefix=f"{PREFIX}/digest")
public = Blueprint("digest_unsubscribe", __name__, url_prefix="/digest/unsubscribe")
one_click = Blueprint("digest_one_click", __name__, url_prefix="/digest/unsubscribe")
"""Posts that need no form of ours: the signed link is the proof (RFC 8058)."""


@blueprint.get("")
@requires(Role.VIEWER)
def setting() -> Response:
    """Whether one gets the digest, and where."""
    return _setting()


@blueprint.post("")
@requires(Role.VIEWER)
def ask() -> Response:
    """Want it at an address."""
    parts, written = runtime(), request.form.get("email", "")
    who = signed_in().staff_member_id
    try:
        with parts.database.transaction() as session:
            service.ask(session, parts, who, written=written, now=parts.clock.now())
    except InvalidAddressError:
        return _setting(problem="Mail can’t be sent to that address.", email=written)
    except TooSoonError:
        return _setting(problem="A letter has just been sent. Please wait a minute.", email=written)
    return _back()


@blueprint.post("/stop")
@requires(Role.VIEWER)
def stop() -> Response:
    """Want it no more."""
    parts = runtime()
    with parts.database.transaction() as session:
        service.stop(session, signed_in().staff_member_id, now=parts.clock.now())
    return _back()


@blueprint.get("/confirm/<token>")
@requires(Role.VIEWER)
def confirming(token: str) -> Response:
    """What the letter's link opens: a button, for mail scanners follow links."""
    runtime().links.read(service.CONFIRM_LINK, token)
    return _setting(token=token)


@blueprint.post("/confirm/<token>")
@requires(Role.VIEWER)
def confirm(token: str) -> Response:
    """The address is right."""
    parts = runtime()
    reader_id = parts.links.read(service.CONFIRM_LINK, token)
    who = signed_in().staff_member_id
    with parts.database.transaction() as session:
        if service.confirm(session, parts, who, reader_id, now=parts.clock.now()):
            return _back()
    return _setting(problem="That link is for another address, or for somebody else.")


@public.get("/<token>")
def confirm_unsubscribe(token: str) -> Response:
    """Ask before acting: mail scanners follow links."""
    runtime().links.read(service.UNSUBSCRIBE_LINK, token)
    return _page(render_template("digest/unsubscribe.html", token=token))


@one_click.post("/<token>")
def unsubscribe(token: str) -> Response:
    """Do it at once, for the page's button and for a mail program's own (RFC 8058 §3.2)."""
    parts = runtime()
    reader_id = parts.links.read(service.UNSUBSCRIBE_LINK, token)
    with parts.database.transaction() as session:
        service.unsubscribe(session, reader_id, now=parts.clock.now())
    return _page(render_template("digest/unsubscribed.html"))


def _setting(*, problem: str = "", email: str = "", token: str = "") -> Response:
    parts = runtime()
    with parts.database.transaction() as session:
        reader = service.find_reader(session, signed_in().staff_member_id)
    address = parts.vault.decrypt(reader.email_encrypted) if reader else ""
    page = render_template(
        "staff/digest.html",
        staff=signed_in(),
        confirmed=reader is not None and reader.confirmed_at is not None,
        waiting=reader is not None and reader.confirmed_at is None,
        address=address,
        email=email,
        token=token,
        problem=problem,
        hour=f"{SENT_AT:%H:%M}",
        zone=parts.settings.newsroom.timezone.key,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return make_response(page, status)


def _back() -> Response:
    return redirect(url_for("digest.setting"), HTTPStatus.SEE_OTHER)


def _page(html: str) -> Response:
    response = make_response(html)
    response.headers["Cache-Control"] = "no-store"
    return response
