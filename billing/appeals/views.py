"""The banner and the appeal for sites that are not ours: one script, one JSON."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, jsonify, render_template, request
from flask_babel import force_locale
from werkzeug.wrappers import Response

from billing.appeals.asking import BOARD, make_ask
from billing.appeals.service import ProgressBoard
from billing.checkout.forms import read_source
from billing.web import runtime

blueprint = Blueprint("appeals", __name__)

PARTS = ("banner", "appeal")
STYLES = Path(__file__).resolve().parent.parent / "static" / "appeal.css"


def register(app: Flask) -> None:
    """Add the routes, and what this month's progress is remembered in."""
    app.extensions[BOARD] = ProgressBoard()
    app.register_blueprint(blueprint)


@blueprint.get("/embed/appeal.js")
def script() -> Response:
    """The script that another site pastes; the same for everybody, and short."""
    body = render_template(
        "appeals/appeal.js", origin=runtime().settings.base_url, styles=_styles()
    )
    return _for_everybody(Response(body, mimetype="text/javascript"), seconds=300)


@blueprint.get("/embed/appeal.json")
def part() -> Response:
    """One banner or appeal as markup, with this month's figures. Sets no cookie."""
    language = _language(request.args.get("lang", ""))
    name = request.args.get("part", "")
    if name not in PARTS:
        name = PARTS[-1]
    with force_locale(language):
        ask = make_ask(read_source(request.args), elsewhere=True, appeal=f"embed-{name}")
        markup = render_template(f"appeals/{name}.html", ask=ask)
    answer = jsonify(
        part=name,
        lang=language,
        html=markup,
        goal={"amount": ask.progress.goal.minor, "currency": ask.progress.goal.currency},
        net={"amount": ask.progress.net.minor, "currency": ask.progress.net.currency},
        percent=ask.progress.percent,
    )
    return _for_everybody(answer, seconds=60)


@cache
def _styles() -> str:
    """The styles that go into the shadow root, without comments and line breaks.

    A `rem` there would be measured by the other site's root element, so it is made into pixels.
    """
    text = STYLES.read_text(encoding="utf-8")
    while "/*" in text:
        before, _, rest = text.partition("/*")
        text = before + rest.partition("*/")[2]
    text = re.sub(r"([\d.]+)rem\b", lambda size: f"{float(size[1]) * 16:g}px", text)
    return " ".join(text.split())


def _language(asked: str) -> str:
    """The language named by the page around it; its reader's browser is not asked."""
    offered = runtime().settings.newsroom.languages
    short = asked.lower().partition("-")[0]
    return short if short in offered else offered[0]


def _for_everybody(response: Response, *, seconds: int) -> Response:
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    headers["Cache-Control"] = f"public, max-age={seconds}"
    return response
