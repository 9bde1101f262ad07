"""Where the cancel link in a receipt leads. It asks first: mail scanners follow links.

When the pledge has ended it asks what made the reader stop, who need not answer.
"""

from __future__ import annotations

from flask import Blueprint, make_response, render_template, request
from flask_babel import force_locale
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response

from billing.charges.cancelling import PledgeView, cancel_pledge, look_at
from billing.charges.letters import CANCEL_LINK
from billing.charges.locks import moment_under_lock
from billing.l10n import current_language, gettext
from billing.pledges.answers import answer, has_answered
from billing.pledges.domain import EndAnswer, PledgeStatus
from billing.pledges.errors import NotPossibleError
from billing.web import runtime, with_error_pages

blueprint = Blueprint("pledges", __name__)


@blueprint.get("/pledges/<token>/cancel")
def confirm(token: str) -> Response:
    """Show the pledge and ask. Nothing changes."""
    return _confirm_page(token)


@blueprint.post("/pledges/<token>/cancel")
def cancel(token: str) -> Response:
    """End the pledge; a second time says that it has ended."""
    parts = runtime()
    pledge_id = parts.links.read(CANCEL_LINK, token)
    with parts.database.transaction() as session:
        now = moment_under_lock(session, pledge_id, parts.clock)
        ended, pledge = cancel_pledge(session, parts, pledge_id, now=now)
    return _page("pledges/cancelled.html", pledge, token, ended=ended)


@blueprint.get("/pledges/<token>/why")
def why(token: str) -> Response:
    """Thank for the answer, or show what may be answered. Nothing changes."""
    parts = runtime()
    pledge_id = parts.links.read(CANCEL_LINK, token)
    with parts.database.transaction() as session:
        answered = has_answered(session, pledge_id)
        pledge = look_at(session, pledge_id, now=parts.clock.now())
    return _page("pledges/answered.html", pledge, token) if answered else _confirm_page(token)


@blueprint.post("/pledges/<token>/why")
def tell_why(token: str) -> Response:
    """Keep what made the reader stop; a second time thanks them again, and keeps the first."""
    parts = runtime()
    pledge_id = parts.links.read(CANCEL_LINK, token)
    given = _answer_of(request.form.get("answer"))
    if given is None:
        return _confirm_page(token, unanswered=True, status=422)
    try:
        with parts.database.transaction() as session:
            now = moment_under_lock(session, pledge_id, parts.clock)
            answer(session, pledge_id, given, now=now)
            pledge = look_at(session, pledge_id, now=now)
    except NotPossibleError:
        return _confirm_page(token, status=409)
    return _page("pledges/answered.html", pledge, token)


@blueprint.errorhandler(CSRFError)
@with_error_pages
def refused(_: CSRFError) -> Response:
    """The button could not prove where it came from: ask again with a fresh proof."""
    token = (request.view_args or {})["token"]
    notice = gettext(
        "This page had been open too long, or your browser keeps no cookies for this site. Nothing "
        "was changed. Please press the button once more; if this message comes back, allow cookies "
        "for this page."
    )
    return _confirm_page(token, notice=notice, status=400)


def _answer_of(written: str | None) -> EndAnswer | None:
    """Which answer was chosen; None where none was, or one that there is not."""
    return EndAnswer(written) if written in list(EndAnswer) else None


def _confirm_page(
    token: str, *, notice: str = "", unanswered: bool = False, status: int = 200
) -> Response:
    parts = runtime()
    pledge_id = parts.links.read(CANCEL_LINK, token)
    with parts.database.transaction() as session:
        pledge = look_at(session, pledge_id, now=parts.clock.now())
    done = pledge.status is PledgeStatus.CANCELLED
    template = "pledges/cancelled.html" if done else "pledges/cancel.html"
    return _page(template, pledge, token, status=status, notice=notice, unanswered=unanswered)


def _page(
    template: str,
    pledge: PledgeView,
    token: str,
    *,
    ended: bool = False,
    notice: str = "",
    unanswered: bool = False,
    status: int = 200,
) -> Response:
    """A page in the language of the pledge: the link may be opened in a browser without cookies."""
    language = current_language() if "lang" in request.args else pledge.language
    with force_locale(language):
        html = render_template(
            template,
            pledge=pledge,
            token=token,
            ended=ended,
            notice=notice,
            unanswered=unanswered,
            answers=EndAnswer,
        )
    response = make_response(html, status)
    response.headers["Cache-Control"] = "no-store"
    return response
