"""The pages that belong to no slice: the front door, and what is kept about a reader."""

from __future__ import annotations

from flask import Blueprint, current_app, redirect, render_template, url_for
from werkzeug.wrappers import Response

from billing.web import runtime

blueprint = Blueprint("site", __name__)


@blueprint.get("/")
def home() -> Response:
    """The support page; on one machine, the demo that shows everything there is."""
    front = "demo.index" if "demo" in current_app.blueprints else "checkout.support"
    return redirect(url_for(front))


@blueprint.get("/privacy")
def privacy() -> str:
    """What is kept about a reader, for how long, and who else knows."""
    return render_template("site/privacy.html", live=runtime().settings.stripe.live)
