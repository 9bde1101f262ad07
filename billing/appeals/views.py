"""The banner and the appeal for sites that are not ours: one script, one JSON."""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Flask, jsonify, render_template, request
from flask_babel import force_locale
from werkzeug.wrappers import Response

from billing.appeals.asking import BOARD, make_ask
from billing.appeals.service import ProgressBoard
from billing.checkout.forms import read_source
from billing.checkout.referrers import PATTERNS
from billing.checkout.steps import ReaderStep, note
from billing.web import runtime

blueprint = Blueprint("appeals", __name__)
counted = Blueprint("appeals_counted", __name__)
"""A post from other sites, which have no token of ours: it changes nothing but a count."""

PARTS = ("banner", "appeal")
STYLES = Path(__file__).resolve().parent.parent / "static" / "appeal.css"


def register(app: Flask) -> None:
    """Add the routes, and what this month's progress is remembered in."""
    app.extensions[BOARD] = ProgressBoard()
    app.register_blueprint(blueprint)
    app.register_blueprint(counted)


@blueprint.get("/embed/appeal.js")
def script() -> Response:
    """The script that another site pastes; the same for everybody, and short."""
    body = render_template(
        "appeals/appeal.js",
        origin=runtime().settings.base_url,
        styles=_styles(),
        referrers=list(PATTERNS.items()),
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


@counted.post("/embed/shown")
def shown() -> Response:
    """Count that a part came into view on another site. Takes no cookie, and keeps nothing else."""
    name = request.args.get("part", "")
    appeal = f"embed-{name if name in PARTS else PARTS[-1]}"
    note(runtime(), ReaderStep.SHOWN, {**read_source(request.args), "appeal": appeal})
    answer = Response(status=HTTPStatus.NO_CONTENT)
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cache-Control"] = "no-store"
    return answer


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
