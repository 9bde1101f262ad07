"""Gifts that came by bank, cheque or in cash: entered, and taken back. Each page asks first."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from billing.charges.offline import Entered
from billing.charges.tables_offline import OfflineMethod
from billing.checkout.domain import OFFERS
from billing.desk import forms, money_actions as actions
from billing.desk.deeds import Outcome
from billing.desk.names import LANGUAGES, METHODS
from billing.desk.pages import NUMBER, PREFIX, answer, deed, page, see_that_exists
from billing.desk.payment import look
from billing.desk.person import PersonSeen, look_at
from billing.staff.audit_trail import AuditAction, Subject
from billing.staff.domain import Role
from billing.staff.guard import requires, signed_in
from billing.supporters.errors import SupporterNotFoundError
from billing.web import runtime

blueprint = Blueprint("desk_gifts", __name__, url_prefix=PREFIX)

_CHARGE = f"/charges/<{NUMBER}:charge_id>"
_GIFT = f"/<{NUMBER}:supporter_id>/gift"


@blueprint.get(_GIFT)
@requires(Role.DESK)
def ask_gift(supporter_id: int) -> ResponseReturnValue:
    """Ask for a gift that came by bank, cheque or in cash."""
    return _gift_page(supporter_id)


@blueprint.post(_GIFT)
@requires(Role.DESK)
def gift(supporter_id: int) -> ResponseReturnValue:
    """Enter it."""

    def act(session: Session, _: str) -> Outcome:
        return actions.enter_gift(
            session,
            runtime(),
            supporter_id,
            _read_gift(),
            receipt="receipt" in request.form,
            by=signed_in().name,
        )

    see_that_exists(supporter_id)
    return answer(
        lambda: deed(
            AuditAction.GIFT_ENTERED, supporter_id, Subject("supporter", supporter_id), "gift"
        ),
        act,
        lambda problem, status: _gift_page(supporter_id, problem, status),
    )


@blueprint.get("/gift")
@requires(Role.DESK)
def ask_gift_of_somebody_new() -> ResponseReturnValue:
    """Ask for a gift of somebody who has not given before, or whom nobody knows."""
    return _gift_page(None)


@blueprint.post("/gift")
@requires(Role.DESK)
def gift_of_somebody_new() -> ResponseReturnValue:
    """Enter it, and its giver."""

    def act(session: Session, _: str) -> Outcome:
        parts = runtime()
        return actions.enter_gift_of_somebody_new(
            session,
            parts,
            forms.read_newcomer(request.form, parts.settings.newsroom.languages),
            _read_gift(),
            receipt="receipt" in request.form,
            by=signed_in().name,
        )

    return answer(
        lambda: deed(AuditAction.GIFT_ENTERED, None, None, "gift"),
        act,
        lambda problem, status: _gift_page(None, problem, status),
    )


@blueprint.get(f"{_CHARGE}/take-back")
@requires(Role.DESK)
def ask_take_back(charge_id: int) -> ResponseReturnValue:
    """Say what taking an entry back comes to."""
    return _take_back_page(charge_id)


@blueprint.post(f"{_CHARGE}/take-back")
@requires(Role.DESK)
def take_back(charge_id: int) -> ResponseReturnValue:
    """Reverse the entry of a gift."""
    paid = look(charge_id)
    return answer(
        lambda: deed(
            AuditAction.GIFT_TAKEN_BACK,
            paid.charge.supporter_id,
            Subject("charge", charge_id),
            "take-back",
        ),
        lambda session, _: actions.take_gift_back(session, runtime(), charge_id),
        lambda problem, status: _take_back_page(charge_id, problem, status),
    )


def _read_gift() -> Entered:
    parts = runtime()
    zone = parts.settings.newsroom.timezone
    return forms.read_gift(request.form, parts.clock.now(), zone)


def _gift_page(
    supporter_id: int | None, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    parts = runtime()
    person = None if supporter_id is None else _person(supporter_id)
    if person is not None and person.erased_at is not None and not problem:
        return redirect(url_for("desk.person", supporter_id=supporter_id), HTTPStatus.SEE_OTHER)
    today = parts.clock.now().astimezone(parts.settings.newsroom.timezone).date()
    written: dict[str, Any] = {
        name: request.form.get(name, standard)
        for name, standard in {
            "amount": "",
            "currency": parts.settings.newsroom.goal.currency,
            "day": today.isoformat(),
            "method": OfflineMethod.BANK.value,
            "reference": "",
            "email": "",
            "language": parts.settings.newsroom.languages[0],
        }.items()
    }
    return page(
        "desk/gift.html",
        status,
        person=person,
        written=written,
        receipt="receipt" in request.form if request.form else True,
        currencies=sorted(OFFERS),
        methods={each.value: METHODS[each.value] for each in OfflineMethod},
        languages={each: LANGUAGES[each] for each in parts.settings.newsroom.languages},
        today=today,
        problem=problem,
    )


def _person(supporter_id: int) -> PersonSeen:
    """Whose gift it is.

    Raises:
        NotFound: when there is no such supporter.
    """
    parts = runtime()
    try:
        with parts.database.transaction() as session:
            return look_at(session, parts, supporter_id)
    except SupporterNotFoundError as error:
        raise NotFound from error


def _take_back_page(
    charge_id: int, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    paid = look(charge_id)
    if paid.offline is None:
        raise NotFound
    if paid.offline.reversed_at is not None and not problem:
        to = url_for("desk.person", supporter_id=paid.charge.supporter_id)
        return redirect(to, HTTPStatus.SEE_OTHER)
    possible = paid.offline.reversed_at is None
    return page(
        "desk/take_back.html",
        status,
        paid=paid,
        methods=METHODS,
        possible=possible,
        problem=problem,
    )
