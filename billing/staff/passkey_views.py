"""One's own passkeys: which there are, another one, and one less."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session

from billing.staff import guard, members, passkeys
from billing.staff.asking import ceremonies, now, offer, take_answer
from billing.staff.ceremonies import Options
from billing.staff.domain import PASSKEYS_ADVISED, Role, is_fresh
from billing.staff.errors import PasskeyError, StaffError
from billing.staff.guard import PREFIX, requires, signed_in
from billing.staff.step_up import step_up
from billing.staff.tables import StaffMember
from billing.staff.views import Page, passkey_page
from billing.web import runtime

blueprint = Blueprint("staff_passkeys", __name__, url_prefix=f"{PREFIX}/passkeys")


@blueprint.get("")
@requires(Role.VIEWER)
def mine() -> Page:
    """One's passkeys and open sessions, and a button for another passkey."""
    return _page(welcome="welcome" in request.args)


@blueprint.post("/options")
@requires(Role.VIEWER)
@step_up(back="staff_passkeys.mine")
def add_options() -> Response:
    """What another passkey is to be made with: on a device that has none of ours."""

    def make(session: Session, challenge: bytes) -> Options:
        member = session.get_one(StaffMember, signed_in().staff_member_id)
        return ceremonies().creation_options(
            challenge,
            name=member.name,
            user_handle=member.user_handle,
            known=passkeys.credentials_of(session, member.id),
        )

    return offer(_purpose(), make)


@blueprint.post("")
@requires(Role.VIEWER)
@step_up(back="staff_passkeys.mine")
def add() -> Page:
    """Keep another passkey. Whoever stole a session would want one: the old one is asked for."""
    try:
        challenge, answer = take_answer(_purpose())
        made = ceremonies().registered(challenge, answer)
        name = request.form.get("name") or guard.this_browser()
        with runtime().database.transaction() as session:
            passkeys.add(session, signed_in().staff_member_id, made, now(), name=name)
    except PasskeyError as error:
        return _page(problem=str(error))
    return redirect(url_for("staff_passkeys.mine"), HTTPStatus.SEE_OTHER)


@blueprint.post("/<int(max=9223372036854775807):passkey_id>/revoke")
@requires(Role.VIEWER)
@step_up(back="staff_passkeys.mine")
def revoke(passkey_id: int) -> Page:
    """Let one's own passkey open nothing any more; the last one stays."""
    who = signed_in().staff_member_id
    try:
        with runtime().database.transaction() as session:
            members.revoke_own_passkey(session, passkey_id, now(), owner=who)
    except StaffError as error:
        return _page(problem=str(error))
    return redirect(url_for("staff_passkeys.mine"), HTTPStatus.SEE_OTHER)


def _page(*, welcome: bool = False, problem: str = "") -> Page:
    who = signed_in()
    with runtime().database.transaction() as session:
        access = members.find_access(session, who.staff_member_id, now())
    return passkey_page(
        "staff/passkeys.html",
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
        staff=who,
        access=access,
        advised=PASSKEYS_ADVISED,
        welcome=welcome,
        problem=problem,
        this_browser=guard.this_browser(),
        fresh=is_fresh(who.verified_at, now()),
    )


def _purpose() -> str:
    return f"add:{signed_in().session_id}"
