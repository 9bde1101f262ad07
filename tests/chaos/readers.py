"""Readers in front of the web while it breaks: they give for the first time, and they cancel.

Each is a browser of its own in a thread: it keeps cookies, sends the forms as they stand on the
pages, and tries again as a patient person would when a page does not come. What it saw is kept for
the comparison.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import requests

from billing.clock import Clock
from tests.chaos.browsing import PAUSE_SECONDS, TIMEOUT_SECONDS, fields, patiently, pay_page, send
from tests.chaos.changer import Changer
from tests.chaos.facts import Cancelled, Changed, Paid
from tests.chaos.people import Visitor, Wish

PATIENCE_SECONDS = 90.0
"""So long a reader tries before giving up on a page that was not paid."""

_AT_ONCE = 4


class Readers:
    """Everybody who comes to the web server at `base_url` during a run."""

    def __init__(self, base_url: str, stripe_url: str, clock: Clock) -> None:
        self._base_url, self._stripe_url, self._clock = base_url, stripe_url, clock
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reader")
        self._paid: list[Future[Paid]] = []
        self._cancelled: list[Future[Cancelled]] = []
        self._changed: list[Future[Changed]] = []

    def give(self, visitor: Visitor) -> None:
        """A visitor comes, now or as soon as there is room."""
        self._paid.append(self._pool.submit(self._give, visitor))

    def cancel(self, pledge: int, url: str) -> None:
        """A reader follows the link to cancel a pledge."""
        self._cancelled.append(self._pool.submit(self._cancel, pledge, url))

    def change(self, wish: Wish, pledge: int, url: str) -> None:
        """A reader changes a pledge on its page."""
        changer = Changer(wish, pledge, url, self._stripe_url, self._clock)
        self._changed.append(self._pool.submit(changer.go))

    @property
    def waiting(self) -> int:
        """How many have not come to their end."""
        all_of_them = (*self._paid, *self._cancelled, *self._changed)
        return sum(not future.done() for future in all_of_them)

    def saw(self) -> tuple[Sequence[Paid], Sequence[Cancelled], Sequence[Changed]]:
        """What all of them saw, once they have come to their end."""
        return (
            [each.result() for each in self._paid],
            [each.result() for each in self._cancelled],
            [each.result() for each in self._changed],
        )

    def close(self) -> None:
        """Wait for nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _give(self, visitor: Visitor) -> Paid:
        paid, deadline = False, time.monotonic() + PATIENCE_SECONDS
        with requests.Session() as browser, suppress(TimeoutError):
            checkout = self._choose(browser, visitor, deadline)
            paid, back = self._pay(browser, checkout, visitor)
            if paid and visitor.returns:
                patiently(deadline, lambda: browser.get(back, timeout=TIMEOUT_SECONDS))
        return Paid(visitor=visitor, paid=paid)

    def _choose(self, browser: requests.Session, visitor: Visitor, deadline: float) -> str:
        """Fill in the support page, with a fresh form while Stripe has no page for it."""
        address = f"{self._base_url}/support?cadence={visitor.cadence}&currency=usd"
        while True:
            page = patiently(deadline, lambda: browser.get(address, timeout=TIMEOUT_SECONDS))
            form = {**fields(page.text), **_wish(visitor)}
            for _ in range(visitor.clicks):
                page = patiently(deadline, lambda: send(browser, address, form))  # noqa: B023
            checkout = page.headers.get("Location", "")
            if checkout.startswith(self._stripe_url):
                return checkout
            time.sleep(PAUSE_SECONDS)

    def _pay(self, browser: requests.Session, checkout: str, visitor: Visitor) -> tuple[bool, str]:
        """Fill in Stripe's page: whether it was paid, and the way back."""
        target = pay_page(browser, checkout, self._stripe_url, visitor.email, visitor.card)
        return target.startswith(self._base_url), target

    def _cancel(self, pledge: int, url: str) -> Cancelled:
        """The reader does not give up before the page has said it."""
        asked_at, deadline = self._clock.now(), time.monotonic() + 10 * PATIENCE_SECONDS
        with requests.Session() as browser:
            while True:
                page = patiently(deadline, lambda: browser.get(url, timeout=TIMEOUT_SECONDS))
                form = fields(page.text)
                # Without a form the page says that it has ended: the first answer was lost.
                ended = page.ok and "csrf_token" not in form
                if page.ok and not ended:
                    ended = patiently(deadline, lambda: send(browser, url, form)).ok  # noqa: B023
                if ended:
                    now = self._clock.now()
                    return Cancelled(pledge=pledge, asked_at=asked_at, confirmed_at=now)
                time.sleep(PAUSE_SECONDS)


def _wish(visitor: Visitor) -> dict[str, str]:
    return {
        "cadence": visitor.cadence,
        "currency": "usd",
        "shown_currency": "usd",
        "amount": str(visitor.amount),
    }
