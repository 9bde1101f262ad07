"""One-time links: joining with a first passkey; and, on one machine only, signing in without."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from billing.staff import guard, invitations, passkeys, sessions
from billing.staff.asking import browser_text, ceremonies, now, offer, take_answer
from billing.staff.ceremonies import Options, Registered
from billing.staff.errors import (
    LinkExpiredError,
    LinkUnknownError,
    LinkUsedError,
    LinkUsedHereError,
    PasskeyError,
    SignInError,
)
from billing.staff.guard import PREFIX, open_to_everybody
from billing.staff.views import Page, passkey_page, problem_for_script
from billing.web import runtime

blueprint = Blueprint("staff_links", __name__, url_prefix=PREFIX)


@blueprint.get("/join/<token>")
@open_to_everybody
def join(token: str) -> Page:
    """Show a button, and change nothing: mail scanners and previews follow links."""
    return _join_page(token)


@blueprint.post("/join/<token>/options")
@open_to_everybody
def join_options(token: str) -> Response | tuple[Response, int]:
    """What a new passkey is to be made with."""

    def make(session: Session, challenge: bytes) -> Options:
        invited = invitations.check(session, token, now(), browser=browser_text())
        return ceremonies().creation_options(
            challenge,
            name=invited.name,
            user_handle=invited.user_handle,
            known=[]
            if invited.revokes_passkeys
            else passkeys.credentials_of(session, invited.staff_member_id),
        )

    try:
        return offer(_purpose(token), make)
    except SignInError:
        return problem_for_script(
            "This link is no longer good. Open it once more to see why.", HTTPStatus.GONE
        )


@blueprint.post("/join/<token>")
@open_to_everybody
def use_link(token: str) -> Page:
    """Use the link up: keep the passkey, and sign this browser in with it."""
    try:
        _check(token)
        challenge, answer = take_answer(_purpose(token))
        made = ceremonies().registered(challenge, answer)
        cookie = _joined(token, made)
    except SignInError as error:
        return _refused(error)
    except PasskeyError as error:
        return _join_page(token, problem=str(error))
    guard.keep_cookie(cookie)
    return redirect(url_for("staff_passkeys.mine", welcome=1), HTTPStatus.SEE_OTHER)


@blueprint.get("/sign-in/<token>")
@open_to_everybody
def sign_in_locally(token: str) -> Page:
    """Ask before signing in by a link from `tuppence run`."""
    try:
        _refuse_elsewhere()
        with runtime().database.transaction() as session:
            invited = invitations.check(
                session, token, now(), browser=browser_text(), without_passkey=True
            )
            name = invited.name
    except LinkUsedHereError:
        if guard.presence().signed_in is not None:
            return redirect(url_for("revenue.overview"), HTTPStatus.SEE_OTHER)
        return _refused(LinkUsedError())
    except SignInError as error:
        return _refused(error)
    return render_template("staff/sign_in_locally.html", name=name, token=token), HTTPStatus.OK


@blueprint.post("/sign-in/<token>")
@open_to_everybody
def use_local_link(token: str) -> Page:
    """Sign this browser in without a passkey; a second click signs it in once more."""
    browser = browser_text()
    try:
        _refuse_elsewhere()
        with runtime().database.transaction() as session:
            try:
                who = invitations.check(
                    session, token, now(), browser=browser, without_passkey=True
                )
                invitations.use(session, token, now(), browser=browser)
            except LinkUsedHereError:
                who = invitations.owner(session, token)
            cookie = sessions.open_session(
                session,
                who.staff_member_id,
                now(),
                browser=guard.this_browser(),
                passkey_id=None,
            )
    except SignInError as error:
        return _refused(error)
    guard.keep_cookie(cookie)
    return redirect(url_for("revenue.overview"), HTTPStatus.SEE_OTHER)


def _joined(token: str, made: Registered) -> str:
    """Keep a passkey and open a session with it, all or nothing. Returns the cookie."""
    at = now()
    with runtime().database.transaction() as session:
        who = invitations.check(session, token, at, browser=browser_text())
        member = who.staff_member_id
        sessions.end_all(session, member, at)
        if who.revokes_passkeys:
            for old in passkeys.of_member(session, member):
                passkeys.revoke(session, old, at, by=member, reason="a new link was used")
        passkey_id = passkeys.add(
            session, member, made, at, name=request.form.get("name") or guard.this_browser()
        )
        invitations.use(session, token, at, browser=browser_text())
        return sessions.open_session(
            session, member, at, browser=guard.this_browser(), passkey_id=passkey_id
        )


def _check(token: str) -> invitations.Invited:
    with runtime().database.transaction() as session:
        return invitations.check(session, token, now(), browser=browser_text())


def _join_page(token: str, problem: str = "") -> Page:
    try:
        invited = _check(token)
    except SignInError as error:
        return _refused(error)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return passkey_page(
        "staff/join.html",
        status=status,
        invited=invited,
        token=token,
        problem=problem,
        this_browser=guard.this_browser(),
    )


def _refused(error: SignInError) -> Page:
    """Why this link signs nobody in, and how to get another."""
    if isinstance(error, LinkUsedHereError):
        if guard.presence().signed_in is not None:
            return redirect(url_for("staff_passkeys.mine"), HTTPStatus.SEE_OTHER)
        return render_template("staff/joined.html"), HTTPStatus.OK
    if isinstance(error, LinkUsedError):
        reason, status = "used", HTTPStatus.GONE
    elif isinstance(error, LinkExpiredError):
        reason, status = "expired", HTTPStatus.GONE
    else:
        reason, status = "unknown", HTTPStatus.NOT_FOUND
    return render_template("staff/link_refused.html", reason=reason), status


def _refuse_elsewhere() -> None:
    """Links that sign in by themselves are for one machine with stand-ins, and nowhere else."""
    if not runtime().settings.local:
        raise LinkUnknownError


def _purpose(token: str) -> str:
    return f"join:{token}"
