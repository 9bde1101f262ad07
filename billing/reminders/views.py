"""Remind me later: the form, what it answers, and the way out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from flask import Blueprint, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response

from billing.db import Json
from billing.l10n import current_language
from billing.links import BrokenLinkError
from billing.reminders import service
from billing.reminders.brake import HOUR, hour_of
from billing.reminders.domain import KEPT_AFTER_SENDING, reminder_day
from billing.reminders.errors import ReminderNotFoundError
from billing.supporters.address import InvalidAddressError
from billing.web import runtime

blueprint = Blueprint("reminders", __name__)
one_click = Blueprint("reminders_one_click", __name__)
"""Posts that need no form of ours: the signed link is the proof (RFC 8058)."""

SOURCE_FIELDS = ("article", "campaign", "appeal", "variant", "referrer")
SOURCE_LENGTH = 200


class FormProblem(StrEnum):
    """Why the form could not be taken as it was sent."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    UNREADABLE = "unreadable"
    STALE = "stale"
    """It does not prove that it came from our own page, or that was too long ago."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form as it was filled in."""

    email: str
    source: Json


@blueprint.get("/remind")
def remind() -> Response:
    """The form on a page of its own, for who comes from another site."""
    return _form_page(Form(email="", source=_source(request.args.to_dict())))


@blueprint.post("/remind")
def ask() -> Response:
    """Note a reminder, and answer in the same words whatever is known of the address."""
    form = _sent_form()
    parts = runtime()
    now, zone = parts.clock.now(), parts.settings.newsroom.timezone
    try:
        with parts.database.transaction() as session:
            taken = service.ask(
                session,
                parts.vault,
                written=form.email,
                language=current_language(),
                source=form.source,
                zone=zone,
                limit=parts.settings.newsroom.reminders_per_hour,
                now=now,
            )
    except InvalidAddressError:
        return _form_page(form, _problem(form.email))
    if not taken:
        return _too_many_page(form, hour_of(now) + HOUR - now)
    day, kept_days = reminder_day(now, zone), KEPT_AFTER_SENDING.days
    return _page(render_template("reminders/asked.html", day=day, kept_days=kept_days))


@blueprint.errorhandler(CSRFError)
def stale_form(_: CSRFError) -> Response:
    """The form again with what was written in it and a fresh token: one more press will do."""
    return _form_page(_sent_form(), FormProblem.STALE)


@blueprint.get("/remind/unsubscribe/<token>")
def confirm_unsubscribe(token: str) -> Response:
    """Ask before acting: mail scanners follow links."""
    runtime().links.read(service.UNSUBSCRIBE_LINK, token)
    return _page(render_template("reminders/unsubscribe.html", token=token))


@one_click.post("/remind/unsubscribe/<token>")
def unsubscribe(token: str) -> Response:
    """Do it at once, for the page's button and for a mail program's own (RFC 8058 §3.2)."""
    parts = runtime()
    reminder_id = parts.links.read(service.UNSUBSCRIBE_LINK, token)
    try:
        with parts.database.transaction() as session:
            service.unsubscribe(session, reminder_id, now=parts.clock.now())
    except ReminderNotFoundError as error:
        raise BrokenLinkError from error
    return _page(render_template("reminders/unsubscribed.html"))


def _sent_form() -> Form:
    return Form(email=request.form.get("email", ""), source=_source(request.form.to_dict()))


def _source(fields: dict[str, str]) -> Json:
    """Which article and campaign the reader came from, as far as the form says."""
    given = ((name, fields.get(name, "")) for name in SOURCE_FIELDS)
    return {name: value[:SOURCE_LENGTH] for name, value in given if _is_plain(value)}


def _is_plain(value: str) -> bool:
    return bool(value) and value.isprintable()


def _problem(written: str) -> FormProblem:
    if not written.strip():
        return FormProblem.EMPTY
    return FormProblem.TOO_LONG if len(written) > 254 else FormProblem.UNREADABLE


def _form_page(form: Form, problem: FormProblem | None = None) -> Response:
    page = render_template("reminders/form.html", form=form, problem=problem, too_many=False)
    if problem is None:
        return _page(page)
    return _page(page, 400 if problem is FormProblem.STALE else 422)


def _too_many_page(form: Form, wait: timedelta) -> Response:
    """The form again: this hour takes no more reminders, from anybody."""
    page = render_template("reminders/form.html", form=form, problem=None, too_many=True)
    response = _page(page, 429)
    response.headers["Retry-After"] = str(math.ceil(wait.total_seconds()))
    return response


def _page(html: str, status: int = 200) -> Response:
    """A page that no cache on a shared machine keeps."""
    response = make_response(html, status)
    response.headers["Cache-Control"] = "no-store"
    return response
