"""Finding a supporter, and the page of one. Looking is written down, too."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from billing.desk import forgetting, notes, warning_actions
from billing.desk.deeds import Outcome, find_outcome
from billing.desk.errors import DeskFormError
from billing.desk.finding import (
    MOST_FOUND,
    By,
    Match,
    Query,
    UnreadableQueryError,
    find,
    find_reminder,
    knows,
    read_query,
    wants_no_reminders,
)
from billing.desk.formats import formats_of
from billing.desk.pages import NUMBER, PREFIX, answer, deed, page, read_done, see_that_exists
from billing.desk.person import look_at
from billing.desk.timeline import Show, read_place, read_timeline
from billing.desk.words import Words
from billing.staff.audit_trail import AuditAction, Detail, Subject, record
from billing.staff.domain import Role
from billing.staff.guard import requires, signed_in
from billing.staff.step_up import step_up
from billing.supporters.errors import SupporterNotFoundError
from billing.web import runtime

blueprint = Blueprint("desk", __name__, url_prefix=PREFIX)

_ONE = f"/<{NUMBER}:supporter_id>"
_SHOWN = {
    Show.ALL: "Everything",
    Show.PAYMENTS: "Payments",
    Show.PLEDGES: "Pledges",
    Show.MAIL: "Mail",
    Show.STAFF: "Staff and notes",
}
_UNREADABLE = (
    "That is neither an email address, nor an id of Stripe’s, nor a number. Names can’t be looked "
    "for: they are stored encrypted."
)


@blueprint.get("")
@requires(Role.DESK)
def search() -> ResponseReturnValue:
    """The field into which one writes who is looked for."""
    return _search_page()


@blueprint.post("")
@requires(Role.DESK)
def look_for() -> ResponseReturnValue:
    """Lead to whoever fits; say so when nobody or several do. An address is never shown again."""
    parts = runtime()
    try:
        query = read_query(request.form.get("who", ""))
    except UnreadableQueryError:
        return _search_page(HTTPStatus.UNPROCESSABLE_ENTITY, problem=_UNREADABLE)
    with parts.database.transaction() as session:
        found = find(session, parts.vault, query)
        people = sorted({match.supporter_id for match in found})
        reminder_id = None if people else find_reminder(session, parts.vault, query)
        unwanted = not people and wants_no_reminders(session, parts.vault, query)
        record(
            session,
            signed_in().staff_member_id,
            AuditAction.PERSON_SEARCHED,
            parts.clock.now(),
            subject=_subject(people, reminder_id),
            detail=_told(query, len(people) or int(reminder_id is not None)),
        )
    if len(people) == 1:
        to = url_for("desk.person", supporter_id=people[0])
        return redirect(to, HTTPStatus.SEE_OTHER)
    if reminder_id is not None:
        to = url_for("desk_reminders.reminder", reminder_id=reminder_id)
        return redirect(to, HTTPStatus.SEE_OTHER)
    if not people:
        return _search_page(HTTPStatus.NOT_FOUND, problem=_nobody(query, unwanted=unwanted))
    return _search_page(several=_by_person(found))


@blueprint.get(_ONE)
@requires(Role.DESK)
def person(supporter_id: int) -> ResponseReturnValue:
    """Who somebody is, what they promised, and everything that happened."""
    return _person(supporter_id)


@blueprint.post(f"{_ONE}/note")
@requires(Role.DESK)
def note(supporter_id: int) -> ResponseReturnValue:
    """Keep a note."""
    see_that_exists(supporter_id)
    parts, by = runtime(), signed_in().staff_member_id
    written = request.form.get("note", "")
    subject = Subject("supporter", supporter_id)

    def act(session: Session, _: str) -> Outcome:
        length = notes.write(
            session, parts.vault, supporter_id, written, by=by, now=parts.clock.now()
        )
        return Outcome("The note was kept.", {"letters": length})

    return answer(
        lambda: deed(AuditAction.NOTE_WRITTEN, supporter_id, subject, "note", reason=False),
        act,
        lambda problem, status: _person(supporter_id, problem, status, note=written),
    )


@blueprint.get(f"{_ONE}/erase")
@requires(Role.ADMIN)
@step_up()
def ask_erase(supporter_id: int) -> ResponseReturnValue:
    """Say what forgetting somebody comes to."""
    return _erase_page(supporter_id)


@blueprint.post(f"{_ONE}/erase")
@requires(Role.ADMIN)
@step_up(back="desk.ask_erase")
def erase(supporter_id: int) -> ResponseReturnValue:
    """Forget somebody."""
    see_that_exists(supporter_id)
    subject = Subject("supporter", supporter_id)
    return answer(
        lambda: deed(AuditAction.PERSON_ERASED, supporter_id, subject, "erase"),
        lambda session, _: forgetting.erase(session, runtime(), supporter_id),
        lambda problem, status: _erase_page(supporter_id, problem, status),
    )


def _search_page(status: HTTPStatus = HTTPStatus.OK, **names: Any) -> ResponseReturnValue:
    """The field, and the fraud warnings about which somebody should decide."""
    with runtime().database.transaction() as session:
        waiting = warning_actions.waiting(session)
    return page("desk/search.html", status, waiting=waiting, most=MOST_FOUND, **names)


def _erase_page(
    supporter_id: int, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    parts = runtime()
    try:
        with parts.database.transaction() as session:
            seen = look_at(session, parts, supporter_id)
    except SupporterNotFoundError as error:
        raise NotFound from error
    return page("desk/erase.html", status, person=seen, problem=problem)


def _person(
    supporter_id: int, problem: str = "", status: HTTPStatus = HTTPStatus.OK, note: str = ""
) -> ResponseReturnValue:
    """The page, and its line in the audit trail, in one transaction."""
    parts = runtime()
    show = request.args.get("show", "")
    shown = Show(show) if show in set(Show) else Show.ALL
    try:
        before = read_place(request.args.get("before", ""))
    except DeskFormError as error:
        before, problem, status = None, str(error), HTTPStatus.BAD_REQUEST
    try:
        with parts.database.transaction() as session:
            seen = look_at(session, parts, supporter_id)
            timeline = read_timeline(session, seen.id, seen.digest, show=shown, before=before)
            done = read_done()
            outcome = find_outcome(session, done, seen.id) if done else None
            record(
                session,
                signed_in().staff_member_id,
                AuditAction.PERSON_SEEN,
                parts.clock.now(),
                subject=Subject("supporter", seen.id),
            )
    except SupporterNotFoundError as error:
        raise NotFound from error
    words = Words(formats_of(parts), parts.vault.decrypt)
    return page(
        "desk/person.html",
        status,
        person=seen,
        entries=[words.entry(event) for event in timeline.events],
        older=timeline.older,
        before=before,
        shown=shown,
        shows=_SHOWN,
        outcome=outcome,
        problem=problem,
        note=note,
        longest_note=notes.LONGEST,
    )


def _subject(people: list[int], reminder_id: int | None) -> Subject | None:
    """The one who was found."""
    if reminder_id is not None:
        return Subject("reminder", reminder_id)
    return Subject("supporter", people[0]) if len(people) == 1 else None


def _told(query: Query, found: int) -> Detail:
    """What the trail keeps of a search: never the address."""
    if query.by is By.ADDRESS:
        return {"by": query.by.value, "found": found}
    asked = f"{query.kind} {query.text}".strip()
    return {"by": query.by.value, "asked": asked[:200], "found": found}


def _nobody(query: Query, *, unwanted: bool) -> str:
    if query.by is By.ADDRESS:
        words = (
            "Nobody has given under this address, or waits for a reminder. People often have "
            "several: ask for the one that their receipt went to, or for the last payment’s number "
            "on it."
        )
        return f"{words} It is among those that want no reminders." if unwanted else words
    if query.by is By.NUMBER:
        return f"There is nothing with the number {query.text}."
    if query.text.startswith("sub_"):
        return "There are no subscriptions at Stripe: pledges are kept here. Try the customer’s id."
    if not knows(query.text):
        return f"Ids that begin like “{query.text.partition('_')[0]}_” are not kept here."
    return f"Nothing here belongs to {query.text}. Is it another account’s, or test mode’s?"


def _by_person(found: list[Match]) -> list[tuple[int, list[str]]]:
    people = sorted({match.supporter_id for match in found})
    return [
        (each, sorted({match.what for match in found if match.supporter_id == each}))
        for each in people
    ]
