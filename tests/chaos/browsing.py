"""How a patient reader uses pages: sends their forms as they stand, and tries again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from html import unescape

import requests

PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 30
_FIELD = re.compile(r"<input\b[^>]*>")
_NAME, _VALUE = re.compile(r'\bname="([^"]+)"'), re.compile(r'\bvalue="([^"]*)"')
CARD = {"exp": "12/40", "cvc": "123", "name": "A Reader"}
_ANSWERED = frozenset({200, 303, 400, 402, 409, 422, 503})


def pay_page(
    browser: requests.Session, checkout: str, stripe_url: str, email: str, card: str
) -> str:
    """Fill in Stripe's page, which does not break: where it leads."""
    answer = send(browser, checkout, {**CARD, "email": email, "number": card})
    target = answer.headers.get("Location", "")
    if target.startswith("/c/3ds/"):
        answer = send(browser, f"{stripe_url}{target}", {"outcome": "complete"})
        target = answer.headers.get("Location", "")
    return target


def fields(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = {}
    for field in _FIELD.findall(page):
        name, value = _NAME.search(field), _VALUE.search(field)
        if name and value and 'type="hidden"' in field:
            found[name[1]] = unescape(value[1])
    return found


def send(browser: requests.Session, url: str, form: dict[str, str]) -> requests.Response:
    return browser.post(url, data=form, timeout=TIMEOUT_SECONDS, allow_redirects=False)


def patiently(deadline: float, ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask until there is an answer that means something.

    Raises:
        TimeoutError: when none comes in time.
    """
    while time.monotonic() < deadline:
        with suppress(requests.RequestException):
            answer = ask()
            if answer.status_code in _ANSWERED:
                return answer
        time.sleep(PAUSE_SECONDS)
    raise TimeoutError("no page came")
