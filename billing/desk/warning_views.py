"""Early fraud warnings: what each is about, and deciding. Each page asks, its button acts once."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from billing.accounts.forms import read_number
from billing.charges.tables_after import FraudWarning
from billing.desk import warning_actions as actions
from billing.desk.errors import DeskError
from billing.desk.money_actions import refuse_what_stripe_would
from billing.desk.pages import NUMBER, PREFIX, answer, deed, page
from billing.desk.payment import look
from billing.staff.audit_trail import AuditAction, Subject, record
from billing.staff.domain import Role
from billing.staff.guard import requires, signed_in
from billing.staff.step_up import step_up
from billing.web import runtime

blueprint = Blueprint(
    "desk_warnings", __name__, url_prefix=f"{PREFIX}/warnings/<{NUMBER}:warning_id>"
)


@blueprint.get("")
@requires(Role.DESK)
def warning(warning_id: int) -> ResponseReturnValue:
    """What the warning is about, what was decided, or what can be; the look is written down."""
    supporter_id = look(_find(warning_id).charge_id).charge.supporter_id
    with runtime().database.transaction() as session:
        record(
            session,
            signed_in().staff_member_id,
            AuditAction.PERSON_SEEN,
            runtime().clock.now(),
            subject=Subject("supporter", supporter_id),
            detail={"warning": warning_id},
        )
    return _show("desk/warning.html", warning_id)


@blueprint.get("/keep")
@requires(Role.DESK)
def ask_keep(warning_id: int) -> ResponseReturnValue:
    """Say what trusting the payer comes to."""
    return _ask("desk/warning_keep.html", warning_id)


@blueprint.post("/keep")
@requires(Role.DESK)
def keep(warning_id: int) -> ResponseReturnValue:
    """Let the payment stand, and its pledge go on."""
    found = _find(warning_id)
    return answer(
        lambda: deed(
            AuditAction.WARNING_KEPT,
            look(found.charge_id).charge.supporter_id,
            Subject("charge", found.charge_id),
            f"keep-{warning_id}",
        ),
        lambda session, _: actions.keep(session, runtime(), found, by=signed_in().name),
        lambda problem, status: _show("desk/warning_keep.html", warning_id, problem, status),
    )


@blueprint.get("/give-back")
@requires(Role.DESK)
@step_up()
def ask_give_back(warning_id: int) -> ResponseReturnValue:
    """Say what giving the money back comes to."""
    return _ask("desk/warning_give_back.html", warning_id)


@blueprint.post("/give-back")
@requires(Role.DESK)
@step_up(back="desk_warnings.ask_give_back")
def give_back(warning_id: int) -> ResponseReturnValue:
    """Give the money back and end the pledge."""
    found = _find(warning_id)
    left = read_number(request.form, "left")
    return answer(
        lambda: deed(
            AuditAction.WARNING_REFUNDED,
            look(found.charge_id).charge.supporter_id,
            Subject("charge", found.charge_id),
            f"give-back-{warning_id}",
        ),
        lambda session, _: actions.give_back(
            session, runtime(), found, left=left, by=signed_in().name
        ),
        lambda problem, status: _show("desk/warning_give_back.html", warning_id, problem, status),
    )


def _ask(template: str, warning_id: int) -> ResponseReturnValue:
    """A page that asks; of what has been decided, the warning's page says how."""
    if _find(warning_id).decision is not None:
        to = url_for("desk_warnings.warning", warning_id=warning_id)
        return redirect(to, HTTPStatus.SEE_OTHER)
    return _show(template, warning_id)


def _show(
    template: str, warning_id: int, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    found = _find(warning_id)
    paid = look(found.charge_id)
    with runtime().database.transaction() as session:
        held = actions.holds(session, found)
        try:
            refuse_what_stripe_would(session, paid.charge)
            taken_back = ""
        except DeskError as error:
            taken_back = str(error)
    return page(
        template,
        status,
        paid=paid,
        warning=found,
        kind=found.fraud_type.replace("_", " "),
        decided=actions.told(found),
        held=held,
        taken_back=taken_back,
        problem=problem,
    )


def _find(warning_id: int) -> FraudWarning:
    """The warning.

    Raises:
        NotFound: when there is none.
    """
    with runtime().database.transaction() as session:
        found = actions.find_warning(session, warning_id)
    if found is None:
        raise NotFound
    return found
