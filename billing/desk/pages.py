"""What the pages of the desk share: how they are rendered, and how a deed is answered."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from billing.charges.errors import (
    ChargeNotFoundError,
    LetterRefusedError,
    OfflineGiftError,
    PaymentUnderWayError,
    RefundRefusedError,
)
from billing.desk.deeds import Act, Deed, Done, do_once, new_key, reason_of
from billing.desk.errors import DeskError, DeskFormError
from billing.desk.formats import formats_of
from billing.desk.names import CADENCES, LANGUAGES, STATUSES
from billing.pledges.errors import (
    ChangedMeanwhileError,
    DoneAlreadyError,
    NotPossibleError,
    PledgeNotFoundError,
)
from billing.reminders.errors import ReminderNotFoundError
from billing.revenue.reasons import reason_in_words
from billing.staff.audit_trail import LONGEST_REASON, AuditAction, PersonalDataError, Subject
from billing.staff.guard import signed_in
from billing.supporters.errors import SupporterNotFoundError
from billing.supporters.service import get_supporter
from billing.web import number_in, runtime

PREFIX = "/staff/supporters"
NUMBER = "int(max=9223372036854775807)"

STALE = (
    "Nothing was changed just now: the pledge is not any more as that page showed it. This is how "
    "it stands."
)
DONE = "This has been done already, by the supporter or by a colleague. Nothing was changed twice."

Again = Callable[[str, HTTPStatus], ResponseReturnValue]
"""Shows the page that asked once more, with a problem and its status."""

_MISSING = (
    PledgeNotFoundError,
    ChargeNotFoundError,
    SupporterNotFoundError,
    ReminderNotFoundError,
)
_REFUSED = (DeskError, RefundRefusedError, OfflineGiftError, LetterRefusedError)


def page(template: str, status: HTTPStatus = HTTPStatus.OK, **names: Any) -> ResponseReturnValue:
    """A page of the desk."""
    shown = {
        "problem": "",
        "reason": request.form.get("reason", ""),
        "longest_reason": LONGEST_REASON,
        **names,
    }
    html = render_template(
        template,
        staff=signed_in(),
        f=formats_of(runtime()),
        key=new_key(),
        statuses=STATUSES,
        cadences=CADENCES,
        language_names=LANGUAGES,
        why_failed=reason_in_words,
        **shown,
    )
    return html, status


def deed(
    action: AuditAction,
    supporter_id: int | None,
    subject: Subject | None,
    name: str,
    *,
    reason: bool = True,
) -> Deed:
    """What the form that was sent asks for; with its `reason`, save where the form is one.

    Raises:
        DeskFormError: when it gives no reason.
    """
    return Deed(
        key=request.form.get("key", ""),
        by=signed_in().staff_member_id,
        action=action,
        supporter_id=supporter_id,
        subject=subject,
        name=name,
        reason=reason_of(request.form.get("reason", "")) if reason else "",
    )


def see_that_exists(supporter_id: int) -> None:
    """See that a form is about somebody.

    Raises:
        NotFound: when there is no such supporter.
    """
    try:
        with runtime().database.transaction() as session:
            get_supporter(session, supporter_id)
    except SupporterNotFoundError as error:
        raise NotFound from error


def read_done() -> int | None:
    """Which deed the page was led to from."""
    return number_in(request.args.get("done", ""), digits=18)


def to_person(done: Done) -> str:
    """The address of the supporter whom a deed was about."""
    return url_for("desk.person", supporter_id=done.supporter_id, done=done.id)


def answer(
    made: Callable[[], Deed],
    act: Act,
    again: Again,
    to: Callable[[Done], str] = to_person,
) -> ResponseReturnValue:
    """Do a deed once and lead to its supporter, or show the page again with what is in the way.

    Raises:
        NotFound: when there is no such supporter, pledge, charge or reminder.
    """
    try:
        done = do_once(runtime(), made(), act)
    except _MISSING as error:
        raise NotFound from error
    except (DeskFormError, PersonalDataError) as error:
        return again(str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    except _REFUSED as error:
        return again(str(error), HTTPStatus.CONFLICT)
    except DoneAlreadyError:
        return again(DONE, HTTPStatus.CONFLICT)
    except (ChangedMeanwhileError, NotPossibleError, PaymentUnderWayError):
        return again(STALE, HTTPStatus.CONFLICT)
    return redirect(to(done), HTTPStatus.SEE_OTHER)
