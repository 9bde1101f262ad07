"""Where the links in letters about payments lead: pay what is past due, put in another card.

Each page asks before it acts, since mail scanners follow links, and needs no sign-in.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request
from flask_babel import force_locale
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response

from billing.charges.letters import CANCEL_LINK, CARD_LINK, PAY_LINK
from billing.charges.reasons import reason_for
from billing.checkout.cards import SAVED_LINK, look_at_update, start_card_update, view_card
from billing.checkout.errors import (
    CheckoutUnavailableError,
    NothingDueError,
    PledgeEndedError,
    UnderWayError,
)
from billing.checkout.mend import start_mending, view_mending
from billing.checkout.words import title_for
from billing.l10n import current_language, gettext
from billing.web import runtime, with_error_pages

pay = Blueprint("pay_pledge", __name__)
card = Blueprint("pledge_card", __name__)


@pay.get("/pledges/<token>/pay")
def look(token: str) -> Response:
    """Show what is past due and why. Nothing changes."""
    return _pay_page(token)


@pay.post("/pledges/<token>/pay")
def go(token: str) -> Response:
    """Lead on to Stripe's page for the very charge that was declined."""
    parts = runtime()
    pledge_id = parts.links.read(PAY_LINK, token)
    with parts.database.transaction() as session:
        view = view_mending(session, pledge_id)
    with force_locale(_language(view.language)):
        title = title_for(view.cadence, parts.settings.newsroom.name)
    try:
        return redirect(start_mending(parts, pledge_id, title=title), 303)
    except NothingDueError:
        return _pay_page(token)
    except UnderWayError:
        return _pay_page(token, problem="under_way", status=409)
    except CheckoutUnavailableError:
        return _pay_page(token, problem="unavailable", status=503)


@pay.errorhandler(CSRFError)
@with_error_pages
def pay_refused(_: CSRFError) -> Response:
    """The button could not prove where it came from: ask again with a fresh proof."""
    return _pay_page(_token(), problem="stale", status=400)


@card.get("/pledges/<token>/card")
def show(token: str) -> Response:
    """Show the card that is charged. Nothing changes."""
    return _card_page(token)


@card.post("/pledges/<token>/card")
def replace(token: str) -> Response:
    """Lead on to Stripe's page, which saves another card and takes no money."""
    parts = runtime()
    pledge_id = parts.links.read(CARD_LINK, token)
    try:
        return redirect(start_card_update(parts, pledge_id), 303)
    except PledgeEndedError:
        return _card_page(token)
    except CheckoutUnavailableError:
        return _card_page(token, problem="unavailable", status=503)


@card.get("/pledges/<token>/card/saved")
def saved(token: str) -> Response:
    """What became of the other card, as far as is known at this moment."""
    parts = runtime()
    result = look_at_update(parts, parts.links.read(SAVED_LINK, token))
    return _page(
        "pledges/card_saved.html",
        result.pledge.language,
        result=result,
        pledge=result.pledge,
        card_token=parts.links.token(CARD_LINK, result.pledge_id),
    )


@card.errorhandler(CSRFError)
@with_error_pages
def card_refused(_: CSRFError) -> Response:
    """As above."""
    return _card_page(_token(), problem="stale", status=400)


def _pay_page(token: str, *, problem: str = "", status: int = 200) -> Response:
    parts = runtime()
    pledge_id = parts.links.read(PAY_LINK, token)
    with parts.database.transaction() as session:
        view = view_mending(session, pledge_id)
    return _page(
        "pledges/pay.html",
        view.language,
        problem=problem,
        status=status,
        pledge=view,
        reason=reason_for(view.reason).value if view.reason else None,
        token=token,
        cancel_token=parts.links.token(CANCEL_LINK, pledge_id),
    )


def _card_page(token: str, *, problem: str = "", status: int = 200) -> Response:
    parts = runtime()
    pledge_id = parts.links.read(CARD_LINK, token)
    with parts.database.transaction() as session:
        view = view_card(session, pledge_id)
    return _page(
        "pledges/card.html",
        view.language,
        problem=problem,
        status=status,
        pledge=view,
        token=token,
        cancel_token=parts.links.token(CANCEL_LINK, pledge_id),
        pay_token=parts.links.token(PAY_LINK, pledge_id),
    )


def _page(
    template: str, written_in: str, *, problem: str = "", status: int = 200, **names: Any
) -> Response:
    """A page in the language of the pledge: the link may be opened in a browser without cookies."""
    with force_locale(_language(written_in)):
        notice = _notice(problem) if problem else ""
        html = render_template(template, notice=notice, **names)
    response = make_response(html, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _language(written_in: str) -> str:
    return current_language() if "lang" in request.args else written_in


def _token() -> str:
    return str((request.view_args or {})["token"])


def _notice(problem: str) -> str:
    """What is said above a page that could not do what its button was pressed for."""
    if problem == "under_way":
        return gettext(
            "This payment is being made at this moment, perhaps in another window of yours. "
            "Please look again in a few minutes."
        )
    if problem == "unavailable":
        return gettext(
            "The payment service does not answer at this moment. Nothing was charged or changed. "
            "Please try again in a minute."
        )
    return gettext(
        "This page had been open too long, or your browser keeps no cookies for this site. Nothing "
        "was changed. Please press the button once more; if this message comes back, allow cookies "
        "for this page."
    )
