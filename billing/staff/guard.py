"""The guard before every staff page: who may come in, with which role, and how lately proved.

It stands before addresses, not before views, and lets nobody through whom a view did not ask for: a
page under /staff/ whose view names no role is shut to everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar, cast

from flask import Flask, Response, abort, current_app, g, render_template, request
from werkzeug.exceptions import Forbidden

from billing.staff import step_up
from billing.staff.audit_trail import AuditAction, record
from billing.staff.browsers import browser_of
from billing.staff.domain import SESSION_LASTS, Role
from billing.staff.sessions import NOBODY, Presence, SignedIn, find_signed_in
from billing.web import runtime

COOKIE = "tuppence_staff"
PREFIX = "/staff"
V = TypeVar("V", bound=Callable[..., Any])

_ROLE, _OPEN = "staff_role", "staff_open"
_ROLES_IN_WORDS = {Role.VIEWER: "a viewer", Role.DESK: "the desk", Role.ADMIN: "an administrator"}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_POLICY_WITH_PASSKEYS = f"{_POLICY}; script-src 'self'; connect-src 'self'"


def requires(role: Role) -> Callable[[V], V]:
    """Open a staff view to whoever is signed in and has at least this role."""

    def mark(view: V) -> V:
        setattr(view, _ROLE, role)
        return view

    return mark


def open_to_everybody(view: V) -> V:
    """Open a staff view to whoever comes: only for the pages that sign in."""
    setattr(view, _OPEN, True)
    return view


def required_role(view: Callable[..., Any]) -> Role | None:
    """The role that a view asks for; None where it asks for none."""
    return cast("Role | None", getattr(view, _ROLE, None))


def is_open(view: Callable[..., Any]) -> bool:
    """Whether a view is open to everybody."""
    return bool(getattr(view, _OPEN, False))


def register(app: Flask) -> None:
    """Put the guard before every address under /staff."""
    app.before_request(_guard)
    app.after_request(_keep_private)


def signed_in() -> SignedIn:
    """Who is asking. Only to be called behind the guard."""
    return cast(SignedIn, g.staff)


def presence() -> Presence:
    """What the cookie of this request says; looked at once."""
    if "staff_presence" not in g:
        g.staff_presence = _look()
        if g.staff_presence.new_cookie is not None:
            g.staff_cookie = g.staff_presence.new_cookie
    return cast(Presence, g.staff_presence)


def this_browser() -> str:
    """The family and system of the browser that asks."""
    return browser_of(request.user_agent.string)


def keep_cookie(secret: str) -> None:
    """Have the answer to this request sign its browser in."""
    g.staff_cookie = secret


def drop_cookie() -> None:
    """Have the answer to this request make its browser forget its session."""
    g.staff_cookie = None


def with_passkeys() -> None:
    """Have the page that answers this request load the one script that asks for passkeys."""
    g.staff_passkeys = True


def with_own_script() -> None:
    """Have the page that answers this request load a script of ours, which may ask us for more."""
    g.staff_passkeys = True


def deny(needed: Role) -> NoReturn:
    """Refuse whoever is signed in what takes the role `needed`, where only the view can tell."""
    abort(_refuse_role(signed_in(), needed))


def cookie_name() -> str:
    """The cookie's name: on https the prefix binds it to this host alone (RFC 6265bis §4.1.3.2)."""
    return f"__Host-{COOKIE}" if _secure() else COOKIE


def _guard() -> Response | None:
    if not _is_staff(request.path):
        return None
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and is_open(view):
        return None
    here = presence()
    if here.signed_in is None:
        return _signed_out(here)
    g.staff = here.signed_in
    if view is None:
        return None  # An address that does not exist says so, to staff.
    role = required_role(view)
    if role is None:
        raise Forbidden
    if not here.signed_in.role.covers(role):
        return _refuse_role(here.signed_in, role)
    return step_up.ask(view, here.signed_in, runtime().clock.now())


def _look() -> Presence:
    cookie = request.cookies.get(cookie_name(), "")
    if not cookie:
        return NOBODY
    with runtime().database.transaction() as session:
        return find_signed_in(session, cookie, this_browser(), runtime().clock.now())


def _signed_out(here: Presence) -> Response:
    if here.stolen:
        drop_cookie()
        page = render_template("staff/stolen.html")
    else:
        had_session = cookie_name() in request.cookies
        back = request.path if request.method == "GET" else None
        page = render_template("staff/signed_out.html", had_session=had_session, back=back)
    return Response(page, status=HTTPStatus.UNAUTHORIZED, mimetype="text/html")


def _refuse_role(who: SignedIn, needed: Role) -> Response:
    detail = {"page": request.endpoint, "method": request.method, "role": who.role.value}
    with runtime().database.transaction() as session:
        now = runtime().clock.now()
        record(session, who.staff_member_id, AuditAction.ROLE_REFUSED, now, detail=detail)
    page = render_template(
        "staff/role_refused.html",
        staff=who,
        has=_ROLES_IN_WORDS[who.role],
        needs=_ROLES_IN_WORDS[needed],
    )
    return Response(page, status=HTTPStatus.FORBIDDEN, mimetype="text/html")


def _is_staff(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def _secure() -> bool:
    return runtime().settings.base_url.startswith("https://")


def _keep_private(response: Response) -> Response:
    """Staff pages are kept by no cache, found by no search engine, and send forms only to us."""
    if not _is_staff(request.path):
        return response
    _set_cookie(response)
    policy = _POLICY_WITH_PASSKEYS if g.get("staff_passkeys") else _POLICY
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _set_cookie(response: Response) -> None:
    if "staff_cookie" not in g:
        return
    response.set_cookie(
        cookie_name(),
        g.staff_cookie or "",
        max_age=SESSION_LASTS if g.staff_cookie else timedelta(0),
        path="/" if _secure() else PREFIX,
        secure=_secure(),
        httponly=True,
        samesite="Lax",
    )
