"""What a newcomer sees first: an index of everything that runs, and an article that asks."""

from __future__ import annotations

import os

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from billing.appeals.asking import make_ask
from billing.checkout.referrers import kind_of
from billing.checkout.steps import ReaderStep, note
from billing.l10n import current_language
from billing.local.prepare import local_link
from billing.web import runtime

blueprint = Blueprint("demo", __name__, url_prefix="/demo")

ARTICLE = "articles/the-ferry-that-waits"
CAMPAIGN = "demo"


@blueprint.get("/")
def index() -> str:
    """Where everything is."""
    return render_template("local/demo/index.html", mail_url=_mail_url(), stripe_url=_stripe_url())


@blueprint.get("/staff")
def staff() -> Response:
    """The revenue page by way of a new sign-in: moving the clock signs everybody out."""
    return redirect(local_link(runtime()))


@blueprint.get("/article")
def article() -> str:
    """An article with the banner at its top and the appeal at its end."""
    source = {"article": ARTICLE, "campaign": CAMPAIGN}
    came_from = kind_of(request.referrer, request.host.partition(":")[0])
    source["referrer"] = came_from.value
    for appeal in ("banner", "article-end"):
        note(runtime(), ReaderStep.SHOWN, {**source, "appeal": appeal})
    return render_template(
        f"local/demo/article_{current_language()}.html",
        banner_ask=make_ask(source, appeal="banner"),
        appeal_ask=make_ask(source, appeal="article-end"),
    )


@blueprint.get("/elsewhere")
def elsewhere() -> Response:
    """Another site, with the two script tags as it would paste them."""
    snippet = render_template(
        "local/demo/snippet.html",
        origin=runtime().settings.base_url,
        article=ARTICLE,
        campaign=CAMPAIGN,
    )
    page = render_template(
        "local/demo/elsewhere.html", article=ARTICLE, campaign=CAMPAIGN, snippet=snippet
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return response


def _mail_url() -> str:
    """The mailbox's page, by the port that the runner gave it."""
    return f"http://127.0.0.1:{os.environ.get('TUPPENCE_MAIL_PORT') or '8002'}/"


def _stripe_url() -> str | None:
    """The stand-in's own page; none where Stripe itself is in use."""
    base = runtime().settings.stripe.api_base
    return None if base == "https://api.stripe.com" else f"{base}/"
