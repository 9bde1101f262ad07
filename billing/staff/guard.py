"""The guard before every staff page: whoever is not signed in sees how to sign in, and no more.

It stands before addresses, not before views: a page under /staff/ can't be left out by mistake.
"""

from __future__ import annotations

from typing import cast

from flask import Flask, Response, g, render_template, request

from billing.staff.service import SignedIn, find_signed_in
from billing.web import runtime

COOKIE = "tuppence_staff"
PREFIX = "/staff"
OPEN = frozenset({"staff.sign_in", "staff.use_link"})
"""The endpoints that sign in; the only ones open to everybody."""

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def register(app: Flask) -> None:
    """Put the guard before every address under /staff."""
    app.before_request(_guard)
    app.after_request(_keep_private)


def signed_in() -> SignedIn:
    """Who is asking. Only to be called behind the guard."""
    return cast(SignedIn, g.staff)


def is_guarded(path: str, endpoint: str | None) -> bool:
    """Whether an address is for those who are signed in."""
    return (path == PREFIX or path.startswith(f"{PREFIX}/")) and endpoint not in OPEN


def _guard() -> Response | None:
    if not is_guarded(request.path, request.endpoint):
        return None
    secret = request.cookies.get(COOKIE, "")
    g.staff = None
    if secret:
        with runtime().database.transaction() as session:
            g.staff = find_signed_in(session, secret, runtime().clock.now())
    if g.staff is not None:
        return None
    page = render_template("staff/signed_out.html", had_session=bool(secret))
    return Response(page, status=401, mimetype="text/html")


def _keep_private(response: Response) -> Response:
    """Staff pages are kept by no cache, found by no search engine, and send forms only to us."""
    if request.path == PREFIX or request.path.startswith(f"{PREFIX}/"):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Robots-Tag"] = "noindex"
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
    return response
