"""What the desk does about a payment, and about gifts that never passed through Stripe."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from billing.accounts.forms import read_number
from billing.charges.domain import ChargeStatus
from billing.charges.offline import find_gift
from billing.charges.tables import Charge
from billing.charges.tables_offline import OfflineGift, OfflineMethod
from billing.checkout.domain import OFFERS
from billing.checkout.forms import as_written
from billing.desk import actions, forms
from billing.desk.deeds import Outcome
from billing.desk.errors import DeskError, DeskFormError
from billing.desk.pages import NUMBER, PREFIX, answer, deed, page, see_that_exists
from billing.desk.person import look_at
from billing.desk.words import METHODS
from billing.money import Money
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge
from billing.staff.audit_trail import AuditAction, Subject
from billing.staff.domain import Role
from billing.staff.guard import requires, signed_in
from billing.staff.step_up import step_up
from billing.supporters.errors import SupporterNotFoundError
from billing.web import runtime

blueprint = Blueprint("desk_money", __name__, url_prefix=PREFIX)

_CHARGE = f"/charges/<{NUMBER}:charge_id>"
_GIFT = f"/<{NUMBER}:supporter_id>/gift"


@dataclass(frozen=True, kw_only=True)
class Paid:
    """A charge as the pages about it show it."""

    charge: Charge
    amount: Money
    left: Money
    """What can still be given back."""
    runs: bool
    """Whether it is for a pledge that has not ended."""
    offline: OfflineGift | None


@blueprint.get(f"{_CHARGE}/refund")
@requires(Role.DESK)
@step_up()
def ask_refund(charge_id: int) -> ResponseReturnValue:
    """Ask how much is to be given back; then say what that comes to."""
    paid = _look(charge_id)
    problem = _in_the_way(paid)
    if problem:
        return _refund_page(paid, problem, HTTPStatus.CONFLICT)
    if "amount" not in request.args:
        return _refund_page(paid)
    try:
        back = _sum(paid, request.args["amount"])
    except DeskFormError as error:
        return _refund_page(paid, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    return page(
        "desk/refund_confirm.html",
        paid=paid,
        back=back,
        amount=request.args["amount"],
        ends=paid.runs and "ends" in request.args,
    )


@blueprint.post(f"{_CHARGE}/refund")
@requires(Role.DESK)
@step_up(back="desk_money.ask_refund")
def refund(charge_id: int) -> ResponseReturnValue:
    """Ask for the refund that was shown."""
    paid = _look(charge_id)

    def act(session: Session, _: str) -> Outcome:
        back = forms.read_sum(request.form.get("amount", ""), forms.any_sum(paid.amount.currency))
        return actions.refund(
            session,
            runtime(),
            charge_id,
            minor=back.minor,
            left=read_number(request.form, "left"),
            also_cancel="ends" in request.form,
            by=signed_in().name,
        )

    return answer(
        lambda: deed(
            AuditAction.CHARGE_REFUNDED,
            paid.charge.supporter_id,
            Subject("charge", charge_id),
            "refund",
        ),
        act,
        lambda problem, status: _refund_page(_look(charge_id), problem, status),
    )


@blueprint.get(f"{_CHARGE}/receipt")
@requires(Role.DESK)
def ask_receipt(charge_id: int) -> ResponseReturnValue:
    """Say which receipt is sent."""
    return page("desk/receipt.html", paid=_look(charge_id))


@blueprint.post(f"{_CHARGE}/receipt")
@requires(Role.DESK)
def receipt(charge_id: int) -> ResponseReturnValue:
    """Send the receipt again."""
    paid = _look(charge_id)
    return answer(
        lambda: deed(
            AuditAction.MAIL_SENT_AGAIN,
            paid.charge.supporter_id,
            Subject("charge", charge_id),
            "receipt",
        ),
        lambda session, key: actions.send_receipt(session, runtime(), charge_id, key=key),
        lambda problem, status: page(
            "desk/receipt.html", status, paid=_look(charge_id), problem=problem
        ),
    )


@blueprint.get(_GIFT)
@requires(Role.DESK)
def ask_gift(supporter_id: int) -> ResponseReturnValue:
    """Ask for a gift that came by bank, cheque or in cash."""
    return _gift_page(supporter_id)


@blueprint.post(_GIFT)
@requires(Role.DESK)
def gift(supporter_id: int) -> ResponseReturnValue:
    """Enter it."""
    parts = runtime()

    def act(session: Session, _: str) -> Outcome:
        zone = parts.settings.newsroom.timezone
        return actions.enter_gift(
            session,
            parts,
            supporter_id,
            forms.read_gift(request.form, parts.clock.now(), zone),
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


@blueprint.get(f"{_CHARGE}/take-back")
@requires(Role.DESK)
def ask_take_back(charge_id: int) -> ResponseReturnValue:
    """Say what taking an entry back comes to."""
    return _take_back_page(charge_id)


@blueprint.post(f"{_CHARGE}/take-back")
@requires(Role.DESK)
def take_back(charge_id: int) -> ResponseReturnValue:
    """Reverse the entry of a gift."""
    paid = _look(charge_id)
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


def _look(charge_id: int) -> Paid:
    """The charge as it stands.

    Raises:
        NotFound: when there is none.
    """
    with runtime().database.transaction() as session:
        charge = session.get(Charge, charge_id)
        if charge is None:
            raise NotFound
        pledge = None if charge.pledge_id is None else session.get_one(Pledge, charge.pledge_id)
        return Paid(
            charge=charge,
            amount=Money(charge.amount_minor, charge.currency),
            left=Money(charge.amount_minor - charge.refunded_minor, charge.currency),
            runs=pledge is not None and pledge.status is not PledgeStatus.CANCELLED,
            offline=find_gift(session, charge_id),
        )


def _in_the_way(paid: Paid) -> str:
    """Why nothing can be given back at all."""
    try:
        with runtime().database.transaction() as session:
            actions.refuse_what_stripe_would(session, paid.charge)
    except DeskError as error:
        return str(error)
    if paid.charge.status is not ChargeStatus.SUCCEEDED or not paid.left:
        return actions.too_much(actions.formats_of(runtime()), paid.charge)
    return ""


def _sum(paid: Paid, written: str) -> Money:
    back = forms.read_sum(written, forms.any_sum(paid.amount.currency))
    if paid.left < back:
        raise DeskFormError(actions.too_much(actions.formats_of(runtime()), paid.charge))
    return back


def _refund_page(
    paid: Paid, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    return page(
        "desk/refund.html",
        status,
        paid=paid,
        possible=not _in_the_way(paid),
        amount=request.values.get("amount", as_written(paid.left)),
        ends="ends" in request.values,
        problem=problem,
    )


def _gift_page(
    supporter_id: int, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    parts = runtime()
    with parts.database.transaction() as session:
        try:
            person = look_at(session, parts, supporter_id)
        except SupporterNotFoundError as error:
            raise NotFound from error
    if person.erased_at is not None and not problem:
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
        today=today,
        problem=problem,
    )


def _take_back_page(
    charge_id: int, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> ResponseReturnValue:
    paid = _look(charge_id)
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
