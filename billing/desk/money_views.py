"""What the desk does about a payment that Stripe took: give it back, send its receipt again."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from billing.accounts.forms import read_number
from billing.charges.domain import ChargeStatus
from billing.checkout.forms import as_written
from billing.desk import forms, money_actions as actions
from billing.desk.deeds import Outcome
from billing.desk.errors import DeskError, DeskFormError
from billing.desk.formats import formats_of
from billing.desk.pages import NUMBER, PREFIX, answer, deed, page
from billing.desk.payment import Paid, look
from billing.money import Money
from billing.staff.audit_trail import AuditAction, Subject
from billing.staff.domain import Role
from billing.staff.guard import requires, signed_in
from billing.staff.step_up import step_up
from billing.web import runtime

blueprint = Blueprint("desk_money", __name__, url_prefix=PREFIX)

_CHARGE = f"/charges/<{NUMBER}:charge_id>"


@blueprint.get(f"{_CHARGE}/refund")
@requires(Role.DESK)
@step_up()
def ask_refund(charge_id: int) -> ResponseReturnValue:
    """Ask how much is to be given back; then say what that comes to."""
    paid = look(charge_id)
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
    paid = look(charge_id)

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
        lambda problem, status: _refund_page(look(charge_id), problem, status),
    )


@blueprint.get(f"{_CHARGE}/receipt")
@requires(Role.DESK)
def ask_receipt(charge_id: int) -> ResponseReturnValue:
    """Say which receipt is sent."""
    return page("desk/receipt.html", paid=look(charge_id))


@blueprint.post(f"{_CHARGE}/receipt")
@requires(Role.DESK)
def receipt(charge_id: int) -> ResponseReturnValue:
    """Send the receipt again."""
    paid = look(charge_id)
    return answer(
        lambda: deed(
            AuditAction.MAIL_SENT_AGAIN,
            paid.charge.supporter_id,
            Subject("charge", charge_id),
            "receipt",
        ),
        lambda session, key: actions.send_receipt(session, runtime(), charge_id, key=key),
        lambda problem, status: page(
            "desk/receipt.html", status, paid=look(charge_id), problem=problem
        ),
    )


def _in_the_way(paid: Paid) -> str:
    """Why nothing can be given back at all."""
    try:
        with runtime().database.transaction() as session:
            actions.refuse_what_stripe_would(session, paid.charge)
    except DeskError as error:
        return str(error)
    if paid.charge.status is not ChargeStatus.SUCCEEDED or not paid.left:
        return actions.too_much(formats_of(runtime()), paid.charge)
    return ""


def _sum(paid: Paid, written: str) -> Money:
    back = forms.read_sum(written, forms.any_sum(paid.amount.currency))
    if paid.left < back:
        raise DeskFormError(actions.too_much(formats_of(runtime()), paid.charge))
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
