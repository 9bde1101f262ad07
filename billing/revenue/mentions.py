"""Sentences of ours in which what they name leads to its page."""

from __future__ import annotations

import re
from typing import Any

from flask import url_for
from markupsafe import Markup, escape

_PAGES = {
    "charge": ("ground.charge", "charge_id"),
    "fraud warning": ("desk_warnings.warning", "warning_id"),
    "payout": ("income.payout", "id"),
    "pledge": ("ground.pledge", "pledge_id"),
    "reminder": ("desk_reminders.reminder", "reminder_id"),
    "supporter": ("desk.person", "supporter_id"),
}
_MENTION = re.compile(rf"\b({'|'.join(_PAGES)}) (\d{{1,18}})\b", re.ASCII | re.IGNORECASE)


def linked(sentence: str) -> Markup:
    """The sentence, escaped; what it names by its number is a link."""
    written, end = Markup(), 0
    for found in _MENTION.finditer(sentence):
        endpoint, argument = _PAGES[found[1].lower()]
        values: dict[str, Any] = {argument: int(found[2])}
        to = url_for(endpoint, **values)
        written += escape(sentence[end : found.start()])
        written += Markup('<a href="{}">{}</a>').format(to, found[0])
        end = found.end()
    return written + escape(sentence[end:])
