"""The page of one pledge and what can be done there. No sign-in: the link proves itself.

Each change is asked about on a page of its own (mail scanners follow links), which changes nothing
until its button is pressed; the button sends back what was shown, so a second press changes
nothing, and nobody agrees to what they did not see.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import force_locale
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from billing.accounts import forms
from billing.accounts.forms import PauseProblemError, RhythmProblemError, Terms
from billing.accounts.view import PledgeSeen, first_payment, foresee_pause, look_at
from billing.accounts.words import explain_amount, notice_for, title_ahead
from billing.charges import changing
from billing.charges.errors import PaymentUnderWayError
from billing.charges.letters import CANCEL_LINK, CARD_LINK, MANAGE_LINK, PAY_LINK
from billing.charges.locks import moment_under_lock
from billing.checkout.domain import AmountError
from billing.checkout.errors import CheckoutUnavailableError
from billing.checkout.forms import as_written
from billing.checkout.prepay import start_prepaying
from billing.l10n import current_language
from billing.pledges.domain import Cadence, ChangeKind, PledgeStatus
from billing.pledges.errors import ChangedMeanwhileError, DoneAlreadyError, NotPossibleError
from billing.runtime import Runtime
from billing.web import runtime, with_error_pages

blueprint = Blueprint("pledge", __name__)

Change = Callable[[Session, Runtime], None]
FORM_PROBLEMS = (PauseProblemError, AmountError, RhythmProblemError)


@blueprint.get("/pledges/<token>")
def show(token: str) -> Response:
    """The pledge and what can be done about it. Nothing changes."""
    done = request.args.get("done", "")
    return _overview(token, done=done if done in set(ChangeKind) else "")


@blueprint.get("/pledges/<token>/pause")
def ask_pause(token: str) -> Response:
    """Ask for how long; then show what that comes to, and ask once more."""
    parts = runtime()
    seen = _look(token)
    if seen.status not in (PledgeStatus.ACTIVE, PledgeStatus.PAST_DUE):
        return redirect(_address(token), 303)
    if not request.args.keys() & {"months", "until"}:
        return _page("pledges/pause.html", seen, token, pauses=forms.PAUSES)
    now, zone = parts.clock.now(), parts.settings.newsroom.timezone
    try:
        until = forms.read_pause(request.args, now, zone)
    except PauseProblemError:
        return _page("pledges/pause.html", seen, token, 422, pauses=forms.PAUSES, problem=True)
    with parts.database.transaction() as session:
        pause = foresee_pause(session, parts, seen.id, until)
    return _page("pledges/pause_confirm.html", seen, token, pause=pause)


@blueprint.post("/pledges/<token>/pause")
def pause(token: str) -> Response:
    """Pause the pledge until the moment that was shown."""

    def act(session: Session, parts: Runtime) -> None:
        changing.pause_pledge(
            session,
            parts,
            _id(token),
            until=forms.read_frozen_pause(request.form),
            turn=forms.read_number(request.form, "turn"),
            **_common(session, token),
        )

    return _do(token, ChangeKind.PAUSED, act)


@blueprint.get("/pledges/<token>/resume")
def ask_resume(token: str) -> Response:
    """Show what ending the pause comes to."""
    return _ask("pledges/resume.html", token, PledgeStatus.PAUSED)


@blueprint.post("/pledges/<token>/resume")
def resume(token: str) -> Response:
    """End the pause."""

    def act(session: Session, parts: Runtime) -> None:
        changing.resume_pledge(session, parts, _id(token), **_common(session, token))

    return _do(token, ChangeKind.RESUMED, act)


@blueprint.get("/pledges/<token>/skip")
def ask_skip(token: str) -> Response:
    """Show which payment would be left out."""
    return _ask("pledges/skip.html", token, PledgeStatus.ACTIVE)


@blueprint.post("/pledges/<token>/skip")
def skip(token: str) -> Response:
    """Leave out the next payment."""

    def act(session: Session, parts: Runtime) -> None:
        turn = forms.read_number(request.form, "turn")
        changing.skip_payment(session, parts, _id(token), turn=turn, **_common(session, token))

    return _do(token, ChangeKind.SKIPPED, act)


@blueprint.get("/pledges/<token>/change")
def ask_change(token: str) -> Response:
    """Ask for another sum or rhythm; then show both, and ask once more."""
    seen = _look(token)
    if not seen.may_change or seen.offer is None:
        return redirect(_address(token), 303)
    if "amount" not in request.args:
        return _change_form(token, seen)
    try:
        terms = forms.read_terms(request.args, seen.offer, unless_said=seen.cadence)
    except (AmountError, RhythmProblemError) as error:
        with _locale(seen):
            problem = (
                explain_amount(error.problem, seen.offer) if isinstance(error, AmountError) else ""
            )
        return _change_form(token, seen, problem=problem, status=422)
    if (terms.amount, terms.cadence) == (seen.amount, seen.cadence):
        return _change_form(token, seen, refusal="same", status=422)
    if seen.only_lower and (terms.cadence is not seen.cadence or seen.amount < terms.amount):
        return _change_form(token, seen, refusal="only_lower", status=422)
    return _change_confirm(token, seen, terms)


@blueprint.post("/pledges/<token>/change")
def change(token: str) -> Response:
    """Agree to another sum or rhythm."""
    seen = _look(token)

    def act(session: Session, parts: Runtime) -> None:
        if seen.offer is None:
            raise NotPossibleError
        terms = forms.read_terms(request.form, seen.offer)
        changing.change_pledge(
            session,
            parts,
            seen.id,
            amount=terms.amount,
            fee_cover=terms.fee_cover,
            cadence=terms.cadence,
            **_common(session, token),
        )

    return _do(token, ChangeKind.TERMS, act)


@blueprint.get("/pledges/<token>/ahead")
def ask_ahead(token: str) -> Response:
    """Show what paying several months at once costs and saves."""
    seen = _look(token)
    if not seen.ahead:
        return redirect(_address(token), 303)
    return _page("pledges/ahead.html", seen, token)


@blueprint.post("/pledges/<token>/ahead")
def ahead(token: str) -> Response:
    """Lead on to Stripe's page for the months that were chosen."""
    parts, seen = runtime(), _look(token)
    months = request.form.get("months", "")
    wanted = next((way.months for way in seen.ahead if str(way.months) == months), 0)
    with _locale(seen):
        title = title_ahead(wanted, parts.settings.newsroom.name)
    try:
        url = start_prepaying(
            parts,
            seen.id,
            months=wanted,
            seen=forms.read_number(request.form, "seen"),
            turn=forms.read_number(request.form, "turn"),
            title=title,
        )
    except (NotPossibleError, ChangedMeanwhileError):
        return _overview(token, problem="changed", status=409)
    except PaymentUnderWayError:
        return _overview(token, problem="under_way", status=409)
    except CheckoutUnavailableError:
        return _overview(token, problem="unavailable", status=503)
    return redirect(url, 303)


@blueprint.errorhandler(CSRFError)
@with_error_pages
def refused(_: CSRFError) -> Response:
    """The button could not prove where it came from: nothing was changed."""
    return _overview(str((request.view_args or {})["token"]), problem="stale", status=400)


def _do(token: str, kind: ChangeKind, act: Change) -> Response:
    """Make a change, and lead back to the pledge, which shows it; pressed twice, all the same."""
    parts = runtime()
    try:
        with parts.database.transaction() as session:
            act(session, parts)
    except DoneAlreadyError:
        pass
    except PaymentUnderWayError:
        return _overview(token, problem="under_way", status=409)
    except (NotPossibleError, ChangedMeanwhileError, *FORM_PROBLEMS):
        return _overview(token, problem="changed", status=409)
    return redirect(_address(token, done=kind.value), 303)


def _common(session: Session, token: str) -> dict[str, Any]:
    now = moment_under_lock(session, _id(token), runtime().clock)
    return {"seen": forms.read_number(request.form, "seen"), "now": now}


def _id(token: str) -> int:
    return runtime().links.read(MANAGE_LINK, token)


def _look(token: str) -> PledgeSeen:
    parts = runtime()
    with parts.database.transaction() as session:
        return look_at(session, parts, _id(token))


def _address(token: str, **names: Any) -> str:
    if "lang" in request.args:
        names["lang"] = current_language()
    return url_for("pledge.show", token=token, **names)


def _ask(template: str, token: str, status: PledgeStatus) -> Response:
    """A page that asks, or the pledge itself where there is nothing to ask."""
    seen = _look(token)
    if seen.status is not status:
        return redirect(_address(token), 303)
    return _page(template, seen, token)


def _overview(token: str, *, problem: str = "", done: str = "", status: int = 200) -> Response:
    links = runtime().links
    seen = _look(token)
    with _locale(seen):
        notice = notice_for(problem) if problem else ""
    return _page(
        "pledges/manage.html",
        seen,
        token,
        status,
        notice=notice,
        done=done,
        cancel_token=links.token(CANCEL_LINK, seen.id),
        card_token=links.token(CARD_LINK, seen.id),
        pay_token=links.token(PAY_LINK, seen.id),
    )


def _change_form(
    token: str, seen: PledgeSeen, *, problem: str = "", refusal: str = "", status: int = 200
) -> Response:
    written = request.args.get("amount")
    covers = request.args.get("cover_fee") == "1" if written is not None else bool(seen.fee_cover)
    return _page(
        "pledges/change.html",
        seen,
        token,
        status,
        amount=as_written(seen.given) if written is None else written,
        cadence=request.args.get("cadence", seen.cadence.value),
        covers=covers,
        problem=problem,
        refusal=refusal,
    )


def _change_confirm(token: str, seen: PledgeSeen, terms: Terms) -> Response:
    another_rhythm = terms.cadence is not seen.cadence
    return _page(
        "pledges/change_confirm.html",
        seen,
        token,
        terms=terms,
        given=as_written(terms.amount - terms.fee_cover),
        starts=first_payment(seen, terms.cadence, runtime().clock.now()),
        announced=another_rhythm and terms.cadence is Cadence.ANNUAL,
        waits=another_rhythm and seen.under_way is not None,
        raises=terms.cadence is seen.cadence and seen.amount < terms.amount,
    )


def _locale(seen: PledgeSeen) -> Any:
    """The language of the pledge: the link may be opened in a browser without cookies."""
    return force_locale(current_language() if "lang" in request.args else seen.language)


def _page(template: str, seen: PledgeSeen, token: str, status: int = 200, **names: Any) -> Response:
    """A page about one person: no cache on a shared machine keeps it."""
    shown: dict[str, Any] = {"notice": "", "today": _today(), **names}
    with _locale(seen):
        html = render_template(template, pledge=seen, token=token, **shown)
    response = make_response(html, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _today() -> datetime:
    parts = runtime()
    return parts.clock.now().astimezone(parts.settings.newsroom.timezone)
