"""What a banner or an appeal shows and where it leads, on our pages and on other sites."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for

from billing.appeals.domain import Progress
from billing.appeals.service import ProgressBoard
from billing.checkout.domain import OFFERS
from billing.checkout.forms import SOURCE_FIELDS, complete, read_form
from billing.checkout.panels import Panel, panels
from billing.checkout.words import name_of_currency
from billing.db import Json
from billing.l10n import current_language
from billing.money import Money
from billing.web import runtime

BOARD = "tuppence_progress"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One banner or appeal, ready to be drawn."""

    progress: Progress
    panels: list[Panel]
    minimum: Money
    currency_name: str
    hidden: dict[str, str]
    """What goes along to the support page: the language, and where the reader came from."""
    support_url: str
    form_url: str
    remind_url: str
    remind_here: bool
    """Whether a reminder can be asked for on the spot: only where our cookie protects the form."""
    prefix: str


def make_ask(source: Json, *, elsewhere: bool = False, appeal: str = "") -> Ask:
    """An appeal in the language of this page.

    With `elsewhere` every address is absolute, and nothing in it needs a cookie.
    """
    parts = runtime()
    board: ProgressBoard = current_app.extensions[BOARD]
    currency = parts.settings.newsroom.currencies[0]
    offer = OFFERS[currency]
    form = complete(read_form({}, default_currency=currency), (currency,))
    came_from = {**source, "appeal": appeal} if appeal else source
    hidden = {"lang": current_language(), "currency": currency, **came_from}
    address = parts.links.url if elsewhere else str
    support = url_for("checkout.support")
    return Ask(
        progress=board.look(parts),
        panels=panels(form, offer),
        minimum=Money(offer.minimum, currency),
        currency_name=name_of_currency(currency),
        hidden=hidden,
        support_url=address(url_for("checkout.support", lang=current_language(), **came_from)),
        form_url=address(support),
        remind_url=address(_remind_url(hidden) if elsewhere else url_for("reminders.ask")),
        remind_here=not elsewhere,
        prefix=f"tup-{re.sub('[^a-z0-9-]', '', appeal)}-" if appeal else "tup-",
    )


def _remind_url(hidden: dict[str, str]) -> str:
    kept: dict[str, Any] = {name: hidden.get(name) for name in ("lang", *SOURCE_FIELDS)}
    return url_for("reminders.remind", **kept)
