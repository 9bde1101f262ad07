"""Readers in front of the web while it breaks: they give for the first time, and they cancel.

Each is a browser of its own in a thread: it keeps cookies, sends the forms as they stand on the
pages, and tries again as a patient person would when a page does not come. What it saw is kept for
the comparison.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from html import unescape

import requests

from billing.clock import Clock
from tests.chaos.facts import Cancelled, Paid
from tests.chaos.people import Visitor

PATIENCE_SECONDS = 90.0
"""So long a reader tries before giving up on a page that was not paid."""

_PAUSE_SECONDS = 0.5
_TIMEOUT_SECONDS = 30
_AT_ONCE = 4
_FIELD = re.compile(r"<input\b[^>]*>")
_NAME, _VALUE = re.compile(r'\bname="([^"]+)"'), re.compile(r'\bvalue="([^"]*)"')
_CARD = {"exp": "12/40", "cvc": "123", "name": "A Reader"}
_ANSWERED = frozenset({200, 303, 400, 402, 409, 503})


class Readers:
    """Everybody who comes to the web server at `base_url` during a run."""

    def __init__(self, base_url: str, stripe_url: str, clock: Clock) -> None:
        self._base_url, self._stripe_url, self._clock = base_url, stripe_url, clock
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reader")
        self._paid: list[Future[Paid]] = []
        self._cancelled: list[Future[Cancelled]] = []

    def give(self, visitor: Visitor) -> None:
        """A visitor comes, now or as soon as there is room."""
        self._paid.append(self._pool.submit(self._give, visitor))

    def cancel(self, pledge: int, url: str) -> None:
        """A reader follows the link to cancel a pledge."""
        self._cancelled.append(self._pool.submit(self._cancel, pledge, url))

    @property
    def waiting(self) -> int:
        """How many have not come to their end."""
        return sum(not future.done() for future in (*self._paid, *self._cancelled))

    def saw(self) -> tuple[Sequence[Paid], Sequence[Cancelled]]:
        """What all of them saw, once they have come to their end."""
        return [each.result() for each in self._paid], [each.result() for each in self._cancelled]

    def close(self) -> None:
        """Wait for nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _give(self, visitor: Visitor) -> Paid:
        paid, deadline = False, time.monotonic() + PATIENCE_SECONDS
        with requests.Session() as browser, suppress(TimeoutError):
            checkout = self._choose(browser, visitor, deadline)
            paid, back = self._pay(browser, checkout, visitor)
            if paid and visitor.returns:
                _patiently(deadline, lambda: browser.get(back, timeout=_TIMEOUT_SECONDS))
        return Paid(visitor=visitor, paid=paid)

    def _choose(self, browser: requests.Session, visitor: Visitor, deadline: float) -> str:
        """Fill in the support page, with a fresh form while Stripe has no page for it."""
        address = f"{self._base_url}/support?cadence={visitor.cadence}&currency=usd"
        while True:
            page = _patiently(deadline, lambda: browser.get(address, timeout=_TIMEOUT_SECONDS))
            form = {**_fields(page.text), **_wish(visitor)}
            for _ in range(visitor.clicks):
                page = _patiently(deadline, lambda: _send(browser, address, form))  # noqa: B023
            checkout = page.headers.get("Location", "")
            if checkout.startswith(self._stripe_url):
                return checkout
            time.sleep(_PAUSE_SECONDS)

    def _pay(self, browser: requests.Session, checkout: str, visitor: Visitor) -> tuple[bool, str]:
        """Fill in Stripe's page, which does not break: whether it was paid, and the way back."""
        form = {**_CARD, "email": visitor.email, "number": visitor.card}
        answer = _send(browser, checkout, form)
        target = answer.headers.get("Location", "")
        if target.startswith("/c/3ds/"):
            answer = _send(browser, f"{self._stripe_url}{target}", {"outcome": "complete"})
            target = answer.headers.get("Location", "")
        return target.startswith(self._base_url), target

    def _cancel(self, pledge: int, url: str) -> Cancelled:
        """The reader does not give up before the page has said it."""
        asked_at, deadline = self._clock.now(), time.monotonic() + 10 * PATIENCE_SECONDS
        with requests.Session() as browser:
            while True:
                page = _patiently(deadline, lambda: browser.get(url, timeout=_TIMEOUT_SECONDS))
                form = _fields(page.text)
                # Without a form the page says that it has ended: the first answer was lost.
                ended = page.ok and "csrf_token" not in form
                if page.ok and not ended:
                    ended = _patiently(deadline, lambda: _send(browser, url, form)).ok  # noqa: B023
                if ended:
                    now = self._clock.now()
                    return Cancelled(pledge=pledge, asked_at=asked_at, confirmed_at=now)
                time.sleep(_PAUSE_SECONDS)


def _wish(visitor: Visitor) -> dict[str, str]:
    return {
        "cadence": visitor.cadence,
        "currency": "usd",
        "shown_currency": "usd",
        "amount": str(visitor.amount),
    }


def _fields(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = {}
    for field in _FIELD.findall(page):
        name, value = _NAME.search(field), _VALUE.search(field)
        if name and value and 'type="hidden"' in field:
            found[name[1]] = unescape(value[1])
    return found


def _send(browser: requests.Session, url: str, form: dict[str, str]) -> requests.Response:
    return browser.post(url, data=form, timeout=_TIMEOUT_SECONDS, allow_redirects=False)


def _patiently(deadline: float, ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask until there is an answer that means something.

    Raises:
        TimeoutError: when none comes in time.
    """
    while time.monotonic() < deadline:
        with suppress(requests.RequestException):
            answer = ask()
            if answer.status_code in _ANSWERED:
                return answer
        time.sleep(_PAUSE_SECONDS)
    raise TimeoutError("no page came")
