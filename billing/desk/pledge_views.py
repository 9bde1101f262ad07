"""What the desk does about a pledge. Each page asks, its button acts once, and says what it did."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from billing.accounts.forms import (
    PAUSES,
    PauseProblemError,
    read_frozen_pause,
    read_number,
    read_pause,
)
from billing.accounts.view import PledgeSeen, foresee_pause, look_at
from billing.checkout.domain import fee_cover_for
from billing.checkout.forms import as_written
from billing.desk import pledge_actions as actions
from billing.desk.deeds import Act, Outcome
from billing.desk.errors import DeskFormError
from billing.desk.formats import formats_of
from billing.desk.forms import read_sum
from billing.desk.pages import NUMBER, PREFIX, answer, deed, page
from billing.desk.pledge_actions import LINKS, Seen, link_purpose
from billing.money import Money
from billing.pledges.domain import CHARGEABLE, PledgeStatus
from billing.pledges.errors import PledgeNotFoundError
from billing.pledges.service import get_pledge
from billing.staff.audit_trail import AuditAction, Subject
from billing.staff.domain import Role
from billing.staff.guard import requires
from billing.staff.step_up import step_up
from billing.web import runtime

blueprint = Blueprint("desk_pledges", __name__, url_prefix=f"{PREFIX}/pledges/<{NUMBER}:pledge_id>")

_PAUSE_PROBLEM = "A pause ends within a year, and not before tomorrow. Please choose its end."


@blueprint.get("/cancel")
@requires(Role.DESK)
@step_up()
def ask_cancel(pledge_id: int) -> ResponseReturnValue:
    """Say what ending the pledge comes to."""
    return _ask("desk/cancel.html", pledge_id)


@blueprint.post("/cancel")
@requires(Role.DESK)
@step_up(back="desk_pledges.ask_cancel")
def cancel(pledge_id: int) -> ResponseReturnValue:
    """End the pledge."""

    def act(session: Session, _: str) -> Outcome:
        return actions.cancel(session, runtime(), pledge_id, _seen())

    return _do(pledge_id, "cancel", act, "desk/cancel.html", action=AuditAction.PLEDGE_CANCELLED)


@blueprint.get("/pause")
@requires(Role.DESK)
def ask_pause(pledge_id: int) -> ResponseReturnValue:
    """Ask for how long; then say what that comes to."""
    if not request.args.keys() & {"months", "until"}:
        return _ask("desk/pause.html", pledge_id, pauses=PAUSES)
    parts = runtime()
    try:
        until = read_pause(request.args, parts.clock.now(), parts.settings.newsroom.timezone)
    except PauseProblemError:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _ask("desk/pause.html", pledge_id, _PAUSE_PROBLEM, status, pauses=PAUSES)
    try:
        with parts.database.transaction() as session:
            coming = foresee_pause(session, parts, pledge_id, until)
    except PledgeNotFoundError as error:
        raise NotFound from error
    return _ask("desk/pause_confirm.html", pledge_id, coming=coming)


@blueprint.post("/pause")
@requires(Role.DESK)
def pause(pledge_id: int) -> ResponseReturnValue:
    """Pause the pledge until the moment that was shown."""

    def act(session: Session, _: str) -> Outcome:
        try:
            until = read_frozen_pause(request.form)
        except PauseProblemError as error:
            raise DeskFormError(_PAUSE_PROBLEM) from error
        return actions.pause(session, runtime(), pledge_id, _seen(), until)

    return _do(pledge_id, "pause", act, "desk/pause.html", pauses=PAUSES)


@blueprint.get("/resume")
@requires(Role.DESK)
def ask_resume(pledge_id: int) -> ResponseReturnValue:
    """Say what ending the pause comes to."""
    return _ask("desk/resume.html", pledge_id)


@blueprint.post("/resume")
@requires(Role.DESK)
def resume(pledge_id: int) -> ResponseReturnValue:
    """End the pause."""

    def act(session: Session, _: str) -> Outcome:
        return actions.resume(session, runtime(), pledge_id, _seen())

    return _do(pledge_id, "resume", act, "desk/resume.html")


@blueprint.get("/amount")
@requires(Role.DESK)
def ask_lower(pledge_id: int) -> ResponseReturnValue:
    """Ask for a lower sum; then show both."""
    if "amount" not in request.args:
        return _ask("desk/lower.html", pledge_id)
    seen, _ = _look(pledge_id)
    try:
        amount, _ = _terms(seen, request.args["amount"])
    except DeskFormError as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _ask("desk/lower.html", pledge_id, str(error), status, amount=request.args["amount"])
    given = request.args["amount"]
    return _ask("desk/lower_confirm.html", pledge_id, new=amount, amount=given)


@blueprint.post("/amount")
@requires(Role.DESK)
def lower(pledge_id: int) -> ResponseReturnValue:
    """Lower what is taken each period."""

    def act(session: Session, _: str) -> Outcome:
        parts = runtime()
        amount, cover = _terms(look_at(session, parts, pledge_id), request.form.get("amount", ""))
        return actions.lower(session, parts, pledge_id, _seen(), amount=amount, fee_cover=cover)

    amount = request.form.get("amount", "")
    return _do(pledge_id, "amount", act, "desk/lower.html", amount=amount)


@blueprint.get("/link/<about>")
@requires(Role.DESK)
def ask_link(pledge_id: int, about: str) -> ResponseReturnValue:
    """Say which link is sent."""
    if about not in LINKS:
        raise NotFound
    return _ask("desk/link.html", pledge_id, about=about, links=LINKS)


@blueprint.post("/link/<about>")
@requires(Role.DESK)
def send_link(pledge_id: int, about: str) -> ResponseReturnValue:
    """Send a link by email."""
    if about not in LINKS:
        raise NotFound

    def act(session: Session, key: str) -> Outcome:
        return actions.send_link(session, runtime(), pledge_id, about, key=key)

    return _do(
        pledge_id,
        f"link-{about}",
        act,
        "desk/link.html",
        action=AuditAction.LINK_SENT,
        about=about,
        links=LINKS,
    )


def _do(
    pledge_id: int,
    name: str,
    act: Act,
    template: str,
    *,
    action: AuditAction = AuditAction.PLEDGE_CHANGED,
    **names: Any,
) -> ResponseReturnValue:
    _, supporter_id = _look(pledge_id)
    return answer(
        lambda: deed(action, supporter_id, Subject("pledge", pledge_id), name),
        act,
        lambda problem, status: _ask(template, pledge_id, problem, status, **names),
    )


def _ask(
    template: str,
    pledge_id: int,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    **names: Any,
) -> ResponseReturnValue:
    """A page that asks; of what can't be done, the supporter's page says how the pledge stands."""
    seen, supporter_id = _look(pledge_id)
    if not problem and not _possible(template, seen):
        return redirect(url_for("desk.person", supporter_id=supporter_id), HTTPStatus.SEE_OTHER)
    given: dict[str, Any] = {"amount": as_written(seen.given), **names}
    return page(
        template,
        status,
        pledge=seen,
        supporter_id=supporter_id,
        problem=problem,
        possible=_possible(template, seen),
        **given,
    )


def _possible(template: str, seen: PledgeSeen) -> bool:
    """Whether a page has anything to ask, the pledge being as it is."""
    if template == "desk/resume.html":
        return seen.status is PledgeStatus.PAUSED
    if template.startswith("desk/lower"):
        return seen.may_change
    if template.startswith("desk/pause"):
        return seen.status in CHARGEABLE
    if template == "desk/link.html":
        return link_purpose(seen.status, "pledge") is not None and seen.reachable
    return seen.status is not PledgeStatus.CANCELLED


def _look(pledge_id: int) -> tuple[PledgeSeen, int]:
    """The pledge, and whose it is.

    Raises:
        NotFound: when there is none.
    """
    parts = runtime()
    try:
        with parts.database.transaction() as session:
            return look_at(session, parts, pledge_id), get_pledge(session, pledge_id).supporter_id
    except PledgeNotFoundError as error:
        raise NotFound from error


def _seen() -> Seen:
    return Seen(version=read_number(request.form, "seen"), turn=read_number(request.form, "turn"))


def _terms(seen: PledgeSeen, written: str) -> tuple[Money, Money]:
    """A lower sum as it would be taken, and the fee covered in it, if any was covered so far.

    Raises:
        DeskFormError: in words, when it can't be read, or is not lower.
    """
    if seen.offer is None:
        raise DeskFormError("Sums in this currency can’t be changed any more.")
    given = read_sum(written, seen.offer)
    cover = fee_cover_for(given, seen.offer) if seen.fee_cover else given - given
    if not given + cover < seen.amount:
        raise DeskFormError(actions.raise_refused(formats_of(runtime()), seen.amount))
    return given + cover, cover
