"""Addresses of the revenue pages, taken from the routes: pages to come are among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from urllib.parse import urlencode

from dateutil.relativedelta import relativedelta
from flask import Flask

from billing.staff.guard import PREFIX

FILTERS = ("campaign", "appeal", "article", "country", "cadence", "currency")
_TOGETHER = (
    ("campaign", "country"),
    ("appeal", "country"),
    ("campaign", "appeal"),
    ("article", "country"),
    ("article", "currency"),
    ("campaign", "appeal", "country"),
    FILTERS,
)
_YEAR = {"period": "last-12-months"}


def revenue_pages(app: Flask) -> list[str]:
    """The path of every page of figures that is asked for by its address alone: Today as well."""
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(f"{PREFIX}/revenue") and "GET" in (rule.methods or ())
    ]
    return [f"{PREFIX}/", *sorted(rule.rule for rule in rules if not rule.arguments)]


def questions(known: Mapping[str, str], today: date) -> Iterator[dict[str, str]]:
    """What a page is asked: nothing, long and short periods, each filter, and several at once."""
    years = {"from": f"{today - relativedelta(months=59)}", "to": f"{today}"}
    two_years = {"from": f"{today - relativedelta(months=23)}", "to": f"{today}", "by": "week"}
    days = {"period": "last-90-days", "by": "day"}
    yield from ({}, _YEAR, years, two_years, days)
    for name in FILTERS:
        yield {**_YEAR, name: known[name]}
    for names in _TOGETHER:
        yield {**_YEAR, **{name: known[name] for name in names}}
    for period, names in ((years, ("article",)), (two_years, _TOGETHER[0]), (days, _TOGETHER[3])):
        yield {**period, **{name: known[name] for name in names}}


def address(page: str, question: Mapping[str, str]) -> str:
    """A page and what it is asked."""
    return f"{page}?{urlencode(question)}" if question else page
