"""What every view needs: the working parts, and the reader's language."""

from __future__ import annotations

from typing import cast

from flask import current_app, request, session

from billing.runtime import Runtime

EXTENSION = "tuppence"


def runtime() -> Runtime:
    """The working parts of this process."""
    return cast(Runtime, current_app.extensions[EXTENSION])


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
