"""Money, dates and the choice of language, as the reader writes them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_percent
from babel.units import format_unit
from flask import Flask, request, url_for
from flask_babel import get_locale, gettext as _gettext

from billing.money import Money, exponent, scale
from billing.web import runtime

LANGUAGE_NAMES = {"en": "English", "ru": "Русский"}

_DATES = {"en": "en_001"}
"""English days as most of the world writes them, 23 December 2026: 12/23 and 23/12 never meet."""


def register(app: Flask) -> None:
    """Add the filters and the names that every template may use."""
    app.add_template_filter(_money_filter, "money")
    app.add_template_filter(_day_filter, "day")
    app.add_template_filter(_share_filter, "share")
    app.add_template_filter(_months_filter, "months")
    app.context_processor(_shared_names)


def gettext(message: str, **values: str) -> str:
    """The message in the language of this page, with `values` put in."""
    return str(_gettext(message, **values))


def current_language() -> str:
    """The language this page is written in."""
    locale = get_locale()
    return locale.language if locale else runtime().settings.newsroom.languages[0]


def format_money(amount: Money, language: str) -> str:
    """A sum with its currency's sign; whole sums without decimals, as a person writes them."""
    digits = exponent(amount.currency)
    whole = amount.minor % scale(amount.currency) == 0
    number = Decimal(amount.minor).scaleb(-digits)
    return format_currency(
        number,
        amount.currency.upper(),
        format=_pattern(language, 0 if whole else digits),
        currency_digits=False,
        locale=language,
    )


def format_day(day: datetime | date, language: str) -> str:
    """A calendar day in words; a moment falls on the newsroom's day."""
    if isinstance(day, datetime):
        day = day.astimezone(runtime().settings.newsroom.timezone).date()
    return format_date(day, format="long", locale=_DATES.get(language, language))


def format_months(months: int, language: str) -> str:
    """A number of months in words: 3 months, 3 месяца."""
    return format_unit(months, "duration-month", locale=language)


def format_share(share: float, language: str) -> str:
    """A share of one as a percentage, with one decimal place below ten percent."""
    pattern = Locale.parse(language).percent_formats[None].pattern
    if abs(share) < 0.1:
        pattern = pattern.replace("##0", "##0.#")
    return format_percent(share, pattern, locale=language)


def language_url(language: str) -> str:
    """The address of this very page in another language."""
    if request.endpoint is None or request.method not in {"GET", "HEAD"}:
        return f"{request.path}?lang={language}"
    arguments: dict[str, Any] = {**request.args.to_dict(flat=False), **(request.view_args or {})}
    return url_for(request.endpoint, **{**arguments, "lang": language})


def _pattern(language: str, digits: int) -> str:
    """The language's own way to write a sum, with as many decimals as wanted."""
    standard: str = Locale.parse(language).currency_formats["standard"].pattern
    return standard.replace("0.00", f"0.{'0' * digits}" if digits else "0")


def _money_filter(amount: Money) -> str:
    return format_money(amount, current_language())


def _day_filter(day: datetime | date) -> str:
    return format_day(day, current_language())


def _months_filter(months: int) -> str:
    return format_months(months, current_language())


def _share_filter(share: float) -> str:
    return format_share(share, current_language())


def _shared_names() -> dict[str, Any]:
    newsroom = runtime().settings.newsroom
    return {
        "newsroom": newsroom,
        "language": current_language(),
        "languages": [(code, LANGUAGE_NAMES[code]) for code in newsroom.languages],
        "language_url": language_url,
    }
