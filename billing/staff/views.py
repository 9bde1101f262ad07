"""Signing in and out with a passkey, and showing it again. What staff see is others' business."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from billing.staff import guard, passkeys, sessions
from billing.staff.asking import (
    browser_text,
    ceremonies,
    now,
    offer,
    party,
    recognised,
    take_answer,
)
from billing.staff.ceremonies import Options
from billing.staff.domain import Role
from billing.staff.errors import PasskeyError
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, open_to_everybody, requires, signed_in
from billing.staff.step_up import safe_next
from billing.web import runtime

blueprint = Blueprint("staff", __name__, url_prefix=PREFIX)

_SIGN_IN = "sign-in"
Page = AnyResponse | tuple[str, int]


@blueprint.app_context_processor
def _formats() -> dict[str, object]:
    """What the staff templates write sums and moments with."""
    newsroom = runtime().settings.newsroom
    return {"staff_formats": Formats(newsroom.timezone), "newsroom_name": newsroom.name}


@blueprint.get("/sign-in")
@open_to_everybody
def sign_in() -> Page:
    """One button; the browser knows who has which passkey."""
    return _sign_in_page(request.args.get("next", ""))


@blueprint.post("/sign-in/options")
@open_to_everybody
def sign_in_options() -> Response:
    """What a passkey is to sign."""
    return offer(_SIGN_IN, lambda _, challenge: ceremonies().request_options(challenge))


@blueprint.post("/sign-in")
@open_to_everybody
def use_passkey() -> Page:
    """Sign this browser in with what its passkey signed."""
    to = request.form.get("next", "")
    before = guard.presence().signed_in
    try:
        challenge, answer = take_answer(_SIGN_IN)
        with recognised(challenge, answer) as (session, known):
            if before is not None:
                sessions.end_session(session, before.session_id, now())
            cookie = sessions.open_session(
                session,
                known.staff_member_id,
                now(),
                browser=guard.this_browser(),
                passkey_id=known.passkey_id,
            )
    except PasskeyError as error:
        return _sign_in_page(to, problem=str(error))
    guard.keep_cookie(cookie)
    return redirect(safe_next(to), HTTPStatus.SEE_OTHER)


@blueprint.post("/sign-out")
@requires(Role.VIEWER)
def sign_out() -> Response:
    """End this browser's session, here and in the database."""
    with runtime().database.transaction() as session:
        sessions.sign_out(session, signed_in(), now())
    guard.drop_cookie()
    return Response(render_template("staff/signed_out.html", left=True), mimetype="text/html")


@blueprint.get("/verify")
@requires(Role.VIEWER)
def verify() -> Page:
    """Ask for the passkey again, and say why."""
    return _verify_page(request.args.get("next", ""), from_form="form" in request.args)


@blueprint.post("/verify/options")
@requires(Role.VIEWER)
def verify_options() -> Response:
    """What the passkey is to sign."""

    def make(session: Session, challenge: bytes) -> Options:
        known = passkeys.credentials_of(session, signed_in().staff_member_id)
        return ceremonies().request_options(challenge, known=known)

    return offer(_verify_purpose(), make)


@blueprint.post("/verify")
@requires(Role.VIEWER)
def use_passkey_again() -> Page:
    """Take what the passkey signed, and go back to where one was."""
    to, who = request.form.get("next", ""), signed_in()
    try:
        challenge, answer = take_answer(_verify_purpose())
        with recognised(challenge, answer, of=who.staff_member_id) as (session, known):
            sessions.note_verified(session, who.session_id, known.passkey_id, now())
    except PasskeyError as error:
        return _verify_page(to, problem=str(error))
    return redirect(safe_next(to), HTTPStatus.SEE_OTHER)


@blueprint.post("/verify/locally")
@requires(Role.VIEWER)
def verify_locally() -> Page:
    """On one machine, after a one-time sign-in, there is no passkey to show: a button will do."""
    if not _may_do_without():
        raise NotFound
    with runtime().database.transaction() as session:
        sessions.note_verified_locally(session, signed_in().session_id, now())
    return redirect(safe_next(request.form.get("next", "")), HTTPStatus.SEE_OTHER)


def problem_for_script(problem: str, status: HTTPStatus) -> tuple[Response, int]:
    """A refusal that our script shows to whoever pressed its button."""
    return jsonify({"problem": problem}), status


def passkey_page(template: str, *, status: HTTPStatus = HTTPStatus.OK, **context: Any) -> Page:
    """A page with a button that asks for a passkey, which needs our one script."""
    guard.with_passkeys()
    browser_text()
    return render_template(template, party=party(), **context), status


def _sign_in_page(to: str, problem: str = "") -> Page:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return passkey_page("staff/sign_in.html", status=status, next=safe_next(to), problem=problem)


def _verify_page(to: str, *, from_form: bool = False, problem: str = "") -> Page:
    return passkey_page(
        "staff/verify.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        staff=signed_in(),
        next=safe_next(to),
        from_form=from_form,
        problem=problem,
        without=_may_do_without(),
    )


def _verify_purpose() -> str:
    return f"verify:{signed_in().session_id}"


def _may_do_without() -> bool:
    return runtime().settings.local and signed_in().passkey_id is None
