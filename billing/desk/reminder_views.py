"""Somebody who asked to be reminded, and may never have given: seen, stopped, forgotten."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from billing.desk import forgetting
from billing.desk.deeds import Act, find_outcome
from billing.desk.names import REMINDERS
from billing.desk.pages import NUMBER, PREFIX, answer, deed, page, read_done
from billing.desk.reminded import RemindedSeen, look_at_reminder
from billing.reminders.errors import ReminderNotFoundError
from billing.staff.audit_trail import AuditAction, Subject, record
from billing.staff.domain import Role
from billing.staff.guard import requires, signed_in
from billing.staff.step_up import step_up
from billing.web import runtime

blueprint = Blueprint(
    "desk_reminders", __name__, url_prefix=f"{PREFIX}/reminders/<{NUMBER}:reminder_id>"
)


@blueprint.get("")
@requires(Role.DESK)
def reminder(reminder_id: int) -> ResponseReturnValue:
    """Who asked to be reminded, and what became of it; the look is written down with it."""
    parts, subject = runtime(), Subject("reminder", reminder_id)
    with parts.database.transaction() as session:
        seen = _look(session, reminder_id)
        done = read_done()
        outcome = find_outcome(session, done, None, subject) if done else None
        now, by = parts.clock.now(), signed_in().staff_member_id
        record(session, by, AuditAction.PERSON_SEEN, now, subject=subject)
    return page("desk/reminder.html", seen=seen, outcome=outcome, states=REMINDERS)


@blueprint.get("/stop")
@requires(Role.DESK)
def ask_stop(reminder_id: int) -> ResponseReturnValue:
    """Say what stopping the reminders comes to."""
    return _ask("desk/reminder_stop.html", reminder_id)


@blueprint.post("/stop")
@requires(Role.DESK)
def stop(reminder_id: int) -> ResponseReturnValue:
    """Stop the reminders to this address for good."""
    return _do(
        AuditAction.REMINDERS_STOPPED,
        reminder_id,
        "stop",
        lambda session, _: forgetting.stop_reminders(
            session, reminder_id, now=runtime().clock.now()
        ),
    )


@blueprint.get("/erase")
@requires(Role.ADMIN)
@step_up()
def ask_erase(reminder_id: int) -> ResponseReturnValue:
    """Say what forgetting the address comes to."""
    return _ask("desk/reminder_erase.html", reminder_id)


@blueprint.post("/erase")
@requires(Role.ADMIN)
@step_up(back="desk_reminders.ask_erase")
def erase(reminder_id: int) -> ResponseReturnValue:
    """Forget the address."""
    return _do(
        AuditAction.PERSON_ERASED,
        reminder_id,
        "erase",
        lambda session, _: forgetting.erase_reminders(
            session, runtime(), reminder_id, now=runtime().clock.now()
        ),
    )


def _do(action: AuditAction, reminder_id: int, name: str, act: Act) -> ResponseReturnValue:
    with runtime().database.transaction() as session:
        _look(session, reminder_id)
    template = f"desk/reminder_{name}.html"
    return answer(
        lambda: deed(action, None, Subject("reminder", reminder_id), name),
        act,
        lambda problem, status: _ask(template, reminder_id, problem, status),
        lambda done: url_for("desk_reminders.reminder", reminder_id=reminder_id, done=done.id),
    )


def _ask(
    template: str, reminder_id: int, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    """A page that asks; of an address that is forgotten, the reminder's page says so."""
    with runtime().database.transaction() as session:
        seen = _look(session, reminder_id)
    if seen.address is None and not problem:
        to = url_for("desk_reminders.reminder", reminder_id=reminder_id)
        return redirect(to, HTTPStatus.SEE_OTHER)
    return page(template, status, seen=seen, problem=problem)


def _look(session: Session, reminder_id: int) -> RemindedSeen:
    """Whose reminder it is.

    Raises:
        NotFound: when there is none.
    """
    try:
        return look_at_reminder(session, runtime().vault, reminder_id)
    except ReminderNotFoundError as error:
        raise NotFound from error
