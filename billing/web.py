"""What every view needs: the working parts, and the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

from flask import current_app, request, session
from werkzeug.wrappers import Response

from billing.runtime import Runtime

EXTENSION = "tuppence"
E = TypeVar("E", bound=Exception)


def runtime() -> Runtime:
    """The working parts of this process."""
    return cast(Runtime, current_app.extensions[EXTENSION])


def number_in(written: str, *, digits: int) -> int | None:
    """A whole number of at most so many digits as an address has it; None for anything else.

    So long as its column is wide: 9 digits fit into an integer, 18 into the id of a row.
    """
    fits = written.isascii() and written.isdigit() and len(written) <= digits
    return int(written) if fits else None


def with_error_pages(handler: Callable[[E], Response]) -> Callable[[E], Response]:
    """An error handler that may raise what has a page of its own, as a view may.

    Flask answers 500 to what is raised while it handles an error, such as a link that is broken
    besides having come without a proof.
    """

    @wraps(handler)
    def handle(error: E) -> Response:
        try:
            return handler(error)
        except Exception as worse:  # noqa: BLE001 - raised again where it has no page
            return current_app.make_response(current_app.handle_user_exception(worse))

    return handle


def choose_language() -> str:
    """The reader's language: chosen by link, remembered, or asked for by the browser."""
    offered = runtime().settings.newsroom.languages
    asked = request.args.get("lang", "")
    if asked in offered:
        session["lang"] = asked
        return asked
    remembered = session.get("lang", "")
    if remembered in offered:
        return cast(str, remembered)
    return request.accept_languages.best_match(offered) or offered[0]
