"""Asking for the passkey again before what can't be undone, or carries much away.

`@step_up()` stands beside `@requires` on a view. Whoever has not shown their passkey for five
minutes is asked for it and comes back to where they were: to the page itself, or, from a form, to
the page named by `back`, where the button waits to be pressed again; nothing was changed till then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Response, current_app, make_response, redirect, request, url_for

from billing.staff.domain import is_fresh
from billing.staff.sessions import SignedIn

V = TypeVar("V", bound=Callable[..., Any])

_MARK = "staff_step_up"
_HOME = "/staff/"


def step_up(*, back: str = "") -> Callable[[V], V]:
    """Have a view ask for the passkey again; `back` is the endpoint of the page with its form.

    Arguments of the view's address that the page's address has too are handed on to it, and so is
    what the form's own address asks for.
    """

    def mark(view: V) -> V:
        setattr(view, _MARK, back)
        return view

    return mark


def asks_again(view: Callable[..., Any]) -> bool:
    """Whether a view asks for the passkey again."""
    return hasattr(view, _MARK)


def ask(view: Callable[..., Any], who: SignedIn, now: datetime) -> Response | None:
    """The way to be asked, for a marked view that is opened too long after the last answer."""
    if not asks_again(view) or is_fresh(who.verified_at, now):
        return None
    return ask_now(back=getattr(view, _MARK))


def ask_now(*, back: str = "") -> Response:
    """The way to be asked, for views that ask only at times (above a sum, say)."""
    in_form = request.method not in {"GET", "HEAD"}
    if in_form and back:
        query = request.query_string.decode()
        to = url_for(back, **_arguments(back)) + (f"?{query}" if query else "")
    else:
        to = request.path if in_form else request.full_path.rstrip("?")
    where = url_for("staff.verify", next=to, form="1" if in_form else None)
    return make_response(redirect(where, HTTPStatus.SEE_OTHER))


def safe_next(path: str) -> str:
    """An address to return to, if it is one of the staff's; the first page if not."""
    parts = urlsplit(path)
    ours = not parts.scheme and not parts.netloc and path.startswith(_HOME)
    plain = path.isprintable() and "\\" not in path and "//" not in parts.path
    return path if ours and plain else _HOME


def _arguments(endpoint: str) -> dict[str, Any]:
    """Those arguments of this address that the page at `endpoint` has too."""
    rules = current_app.url_map.iter_rules(endpoint)
    names = {name for rule in rules for name in rule.arguments}
    return {name: value for name, value in (request.view_args or {}).items() if name in names}
