"""Emails written out: subject, text and HTML from templates/emails/, without a web application.

Money and days are the reader's: their language, the newsroom's calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from billing.l10n import format_day, format_money, format_months
from billing.money import Money
from billing.settings import NewsroomSettings

_ROOT = Path(__file__).resolve().parent
_TEMPLATES = _ROOT.parent / "templates"
_TRANSLATIONS = _ROOT / "translations"


@dataclass(frozen=True, kw_only=True)
class Email:
    """An email written out, in two forms that say the same."""

    subject: str
    """One line."""
    text: str
    html: str


def write_email(
    template: str, language: str, context: Mapping[str, Any], newsroom: NewsroomSettings
) -> Email:
    """Write the email of a folder of templates/emails/ in one language.

    Raises:
        jinja2.TemplateNotFound: when there is no such folder.
        jinja2.UndefinedError: when the context lacks something that the template needs.
    """
    environment = _environment(language)
    names = {
        **context,
        "language": language,
        "newsroom": newsroom,
        "money": lambda minor, currency: format_money(Money(minor, currency), language),
        "day": lambda moment: _day(str(moment), newsroom, language),
        "span": lambda months: format_months(months, language),
    }

    def write(part: str) -> str:
        return environment.get_template(f"emails/{template}/{part}").render(names)

    return Email(
        subject=" ".join(write("subject.txt").split()),
        text=write("body.txt").strip() + "\n",
        html=write("body.html"),
    )


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translations = Translations.load(_TRANSLATIONS, [language])
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    return environment


def _day(moment: str, newsroom: NewsroomSettings, language: str) -> str:
    """The newsroom's calendar day of an ISO 8601 moment, in words."""
    day = datetime.fromisoformat(moment).astimezone(newsroom.timezone).date()
    return format_day(day, language)
