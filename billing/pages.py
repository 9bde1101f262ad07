"""What every page shares: headers that keep the reader safe, and errors as pages."""

from __future__ import annotations

from flask import Flask, Response, current_app, make_response, render_template
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from billing.checkout.errors import CheckoutNotFoundError
from billing.links import BrokenLinkError
from billing.pledges.errors import PledgeNotFoundError
from billing.web import runtime

_OWN_WORDS = {400, 403, 404, 405, 413, 429, 500, 503}
"""Errors that have a page of their own; the rest share the words of 400 or 500."""

_KEPT_HEADERS = ("Allow", "Retry-After")


def register(app: Flask) -> None:
    """Add the shared headers and error pages to the application."""
    app.after_request(_protect)
    app.add_url_rule("/healthz", "healthz", _healthz)
    app.register_error_handler(HTTPException, _error)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(OperationalError, _database_away)
    for broken in (BrokenLinkError, CheckoutNotFoundError, PledgeNotFoundError):
        app.register_error_handler(broken, _broken_link)


def _healthz() -> Response:
    """Whether this process answers; used by the container's health check."""
    return Response("ok", mimetype="text/plain")


def _error(error: HTTPException) -> AnyResponse:
    """Any refusal or failure, as a page that says what happened and what to do."""
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()
    response = _page(error.code)
    for name, value in error.get_headers():
        if name in _KEPT_HEADERS:
            response.headers[name] = value
    return response


def _stale_form(_: CSRFError) -> AnyResponse:
    return _page(400, kind="stale_form")


def _broken_link(_: Exception) -> AnyResponse:
    return _page(404, kind="broken_link")


def _database_away(error: OperationalError) -> AnyResponse:
    """Only the kind of fault is logged: the statement may hold what is nobody's business."""
    current_app.logger.error("the database does not answer: %s", type(error.orig).__name__)
    return _page(503)


def _page(status: int, kind: str = "") -> AnyResponse:
    words = status if status in _OWN_WORDS else 500 if status >= 500 else 400
    response = make_response(
        render_template("errors/page.html", kind=kind or f"error_{words}"), status
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _protect(response: Response) -> Response:
    """Nothing from third parties, no scripts on our own pages, no traces in a referrer."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _content_security_policy())
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Permissions-Policy", "interest-cohort=(), geolocation=(), camera=()")
    return response


def _content_security_policy() -> str:
    # Where a support form leads in the end: browsers check that against `form-action` as well.
    checkout = runtime().settings.stripe.checkout_origin
    return (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"form-action 'self' {checkout}; base-uri 'none'; frame-ancestors 'none'"
    )
