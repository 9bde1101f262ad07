"""The pages of one charge and of one pledge: where every figure of the revenue pages ends.

Looking at them is looking at a person's giving: it is written down who did (ADR 54).
"""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from sqlalchemy.orm import Session

from billing.money import Money
from billing.revenue import ground_words
from billing.revenue.ground import find_charge, find_pledge
from billing.revenue.mentions import linked
from billing.revenue.pages import tabs
from billing.revenue.reasons import reason_in_words
from billing.revenue.words import CADENCES
from billing.staff.audit_trail import AuditAction, Subject, record
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, requires, signed_in
from billing.web import number_in, runtime

blueprint = Blueprint("ground", __name__, url_prefix=f"{PREFIX}/revenue")

_LARGEST = 2**63 - 1

blueprint.add_app_template_filter(linked)


@blueprint.get(f"/charges/<int(max={_LARGEST}):charge_id>")
@requires(Role.DESK)
def charge(charge_id: int) -> str:
    """One charge: attempts, ledger, refunds, events, letters, and Stripe's ids."""
    with runtime().database.transaction() as session:
        seen = find_charge(session, charge_id)
        if seen is None:
            abort(404)
        _seen_by(session, seen.charge.supporter_id, charge=charge_id)
        return render_template("revenue/charge.html", seen=seen, **_shared())


@blueprint.get(f"/pledges/<int(max={_LARGEST}):pledge_id>")
@requires(Role.DESK)
def pledge(pledge_id: int) -> str:
    """One pledge: where it stands, what moved it, and its charges."""
    before = number_in(request.args.get("before", ""), digits=9)
    with runtime().database.transaction() as session:
        seen = find_pledge(session, pledge_id, before)
        if seen is None:
            abort(404)
        _seen_by(session, seen.pledge.supporter_id, pledge=pledge_id)
        return render_template("revenue/pledge.html", seen=seen, before=before, **_shared())


def _seen_by(session: Session, supporter_id: int, **what: int) -> None:
    """Write down, in the transaction that reads, who looked at whose giving."""
    record(
        session,
        signed_in().staff_member_id,
        AuditAction.PERSON_SEEN,
        runtime().clock.now(),
        subject=Subject("supporter", supporter_id),
        detail=what,
    )


def _shared() -> dict[str, object]:
    return {
        "staff": signed_in(),
        "f": Formats(runtime().settings.newsroom.timezone),
        "zone": runtime().settings.newsroom.timezone.key,
        "money_of": Money,
        "words": ground_words,
        "cadences": CADENCES,
        "reason": reason_in_words,
        "pages": tabs(signed_in().role),
    }
