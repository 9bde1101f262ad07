"""For administrators: who did what, when and why."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, render_template, request
from sqlalchemy import select

from billing.staff.audit_trail import AuditAction, read
from billing.staff.domain import Role
from billing.staff.guard import PREFIX, requires, signed_in
from billing.staff.tables import StaffMember
from billing.staff.views import Page
from billing.web import number_in, runtime

blueprint = Blueprint("staff_audit", __name__, url_prefix=f"{PREFIX}/audit-trail")

_LARGEST = 2**31


@blueprint.get("")
@requires(Role.ADMIN)
def trail() -> Page:
    """The audit trail, the newest first; of one member or one action where asked."""
    member = _number("member", 0)
    action = request.args.get("action", "")
    with runtime().database.transaction() as session:
        page = read(
            session,
            member_id=member or None,
            action=action if action in set(AuditAction) else "",
            page=_number("page", 1),
        )
        names = session.execute(
            select(StaffMember.id, StaffMember.name).order_by(StaffMember.name)
        ).all()
    beyond = page.number > page.of or page.number < 1
    return render_template(
        "staff/audit_trail.html",
        staff=signed_in(),
        page=page,
        beyond=beyond,
        names=names,
        actions=[(each.value, in_words(each.value)) for each in AuditAction],
        in_words=in_words,
        member=member,
        action=action,
    ), (HTTPStatus.NOT_FOUND if beyond else HTTPStatus.OK)


def in_words(action: str) -> str:
    """An action as one reads it: "Session stolen"."""
    return action.replace("_", " ").capitalize()


def _number(name: str, default: int) -> int:
    number = number_in(request.args.get(name, ""), digits=10)
    return default if number is None else min(number, _LARGEST)
