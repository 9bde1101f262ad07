"""For administrators: who has access, with which role, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from billing.staff import invitations, members
from billing.staff.asking import now, party
from billing.staff.audit_trail import PersonalDataError
from billing.staff.domain import INVITATION_LASTS, Role, plain
from billing.staff.errors import StaffError
from billing.staff.guard import PREFIX, requires, signed_in
from billing.staff.step_up import step_up
from billing.staff.views import Page
from billing.web import runtime

blueprint = Blueprint("staff_members", __name__, url_prefix=f"{PREFIX}/members")

_ONE = "/<int(max=9223372036854775807):member_id>"
_LIST, _PAGE = "staff_members.everybody", "staff_members.member"
Change = Callable[[Session], object]


@blueprint.get("")
@requires(Role.ADMIN)
def everybody() -> Page:
    """All of staff, and a form to invite somebody."""
    return _everybody()


@blueprint.post("")
@requires(Role.ADMIN)
@step_up(back=_LIST)
def invite() -> Page:
    """Make a one-time link for somebody new, or anew for somebody who has not come yet."""
    name = request.form.get("name", "")
    try:
        role = _role()
        with runtime().database.transaction() as session:
            token = invitations.invite(session, name, role, now(), by=signed_in().staff_member_id)
    except StaffError as error:
        return _everybody(problem=str(error), name=name)
    return _link_page(plain(name), token)


@blueprint.get(_ONE)
@requires(Role.ADMIN)
def member(member_id: int) -> Page:
    """One member's role, passkeys and sessions."""
    return _member(member_id)


@blueprint.post(f"{_ONE}/role")
@requires(Role.ADMIN)
@step_up(back=_PAGE)
def change_role(member_id: int) -> Page:
    """Give somebody another role."""
    by = signed_in().staff_member_id
    return _changed(
        member_id,
        lambda session: members.change_role(session, member_id, _role(), now(), by=by),
    )


@blueprint.post(f"{_ONE}/recover")
@requires(Role.ADMIN)
@step_up(back=_PAGE)
def recover(member_id: int) -> Page:
    """Make a one-time link for somebody who has lost their passkeys."""
    by, revoke = signed_in().staff_member_id, "revoke" in request.form
    try:
        with runtime().database.transaction() as session:
            access = members.find_access(session, member_id, now())
            if access is None:
                raise NotFound
            name = access.member.name
            token = invitations.recover(session, name, now(), by=by, revoke=revoke)
    except StaffError as error:
        return _member(member_id, problem=str(error))
    return _link_page(name, token)


@blueprint.post(f"{_ONE}/sign-out")
@requires(Role.ADMIN)
@step_up(back=_PAGE)
def end_sessions(member_id: int) -> Page:
    """Sign somebody out everywhere."""
    by = signed_in().staff_member_id
    return _changed(
        member_id, lambda session: members.end_sessions(session, member_id, now(), by=by)
    )


@blueprint.post(f"{_ONE}/disable")
@requires(Role.ADMIN)
@step_up(back=_PAGE)
def disable(member_id: int) -> Page:
    """Take somebody's access away."""
    by, reason = signed_in().staff_member_id, request.form.get("reason", "")
    return _changed(
        member_id,
        lambda session: members.disable(session, member_id, now(), by=by, reason=reason),
    )


@blueprint.post(f"{_ONE}/enable")
@requires(Role.ADMIN)
@step_up(back=_PAGE)
def enable(member_id: int) -> Page:
    """Give somebody their access back."""
    by = signed_in().staff_member_id
    return _changed(member_id, lambda session: members.enable(session, member_id, now(), by=by))


@blueprint.post(f"{_ONE}/passkeys/<int(max=9223372036854775807):passkey_id>/revoke")
@requires(Role.ADMIN)
@step_up(back=_PAGE)
def revoke_passkey(member_id: int, passkey_id: int) -> Page:
    """Let one of somebody's passkeys open nothing any more."""
    by = signed_in().staff_member_id
    return _changed(
        member_id,
        lambda session: members.revoke_passkey(session, passkey_id, now(), by=by, owner=member_id),
    )


def _changed(member_id: int, change: Change) -> Page:
    """Make a change, whole or not at all, and show the member again."""
    try:
        with runtime().database.transaction() as session:
            if members.find_access(session, member_id, now()) is None:
                raise NotFound
            change(session)
    except (StaffError, PersonalDataError) as error:
        return _member(member_id, problem=str(error))
    return redirect(url_for(_PAGE, member_id=member_id), HTTPStatus.SEE_OTHER)


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError as error:
        raise StaffError("Please choose one of the roles.") from error


def _everybody(*, problem: str = "", name: str = "") -> Page:
    with runtime().database.transaction() as session:
        seats = members.everybody(session, now())
    page = render_template(
        "staff/members.html",
        staff=signed_in(),
        seats=seats,
        roles=list(Role),
        problem=problem,
        name=name,
    )
    return page, HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK


def _member(member_id: int, *, problem: str = "") -> Page:
    with runtime().database.transaction() as session:
        access = members.find_access(session, member_id, now())
    if access is None:
        raise NotFound
    page = render_template(
        "staff/member.html", staff=signed_in(), access=access, roles=list(Role), problem=problem
    )
    return page, HTTPStatus.CONFLICT if problem else HTTPStatus.OK


def _link_page(name: str, token: str) -> Page:
    """The link, this once: only its digest is kept."""
    page = render_template(
        "staff/link_made.html",
        staff=signed_in(),
        name=name,
        link=party().url(url_for("staff_links.join", token=token)),
        hours=int(INVITATION_LASTS.total_seconds() // 3600),
    )
    return page, HTTPStatus.OK
