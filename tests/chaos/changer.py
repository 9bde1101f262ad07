"""A reader who changes a pledge on its page while the web breaks, and sees it confirmed."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime

import requests

from billing.clock import Clock
from tests.chaos.browsing import PAUSE_SECONDS, TIMEOUT_SECONDS, fields, patiently, pay_page, send
from tests.chaos.facts import Changed
from tests.chaos.people import ANNUAL_DOLLARS, GOOD_CARD, MONTHS_AHEAD, Kind, Wish

PATIENCE_SECONDS = 240.0
REFUSED_TIMES = 20
"""After so many pages that did not ask, or said that nothing was changed, a reader goes away."""


class Changer:
    """One wish, and the page of the pledge that it is about."""

    def __init__(self, wish: Wish, pledge: int, url: str, stripe_url: str, clock: Clock) -> None:
        self._wish, self._pledge, self._url = wish, pledge, url
        self._stripe_url, self._clock = stripe_url, clock
        self._deadline = time.monotonic() + PATIENCE_SECONDS
        self._asked_at = clock.now()
        self._pressed = False
        self._form: dict[str, str] = {}

    def go(self) -> Changed:
        """Ask, press the button, and try again until a page says that it is done."""
        self._asked_at = self._clock.now()
        self._deadline = time.monotonic() + PATIENCE_SECONDS
        with requests.Session() as browser, suppress(TimeoutError):
            for _ in range(REFUSED_TIMES):
                if self._try(browser):
                    return self._saw(self._clock.now())
                time.sleep(PAUSE_SECONDS)
        return self._saw(None)

    def _try(self, browser: requests.Session) -> bool:
        """Whether a page has confirmed it."""
        page = patiently(
            self._deadline, lambda: browser.get(self._question(), timeout=TIMEOUT_SECONDS)
        )
        form = fields(page.text)
        if not page.ok or page.history or "turn" not in form:
            return False
        self._form, self._pressed = {**form, **self._choice()}, True
        address = f"{self._url}/{self._action()}"
        answer = patiently(self._deadline, lambda: send(browser, address, self._form))
        target = answer.headers.get("Location", "")
        if self._wish.kind is Kind.AHEAD:
            return target.startswith(self._stripe_url) and self._pay(browser, target)
        return "done=" in target

    def _pay(self, browser: requests.Session, page: str) -> bool:
        email = f"reader-{self._wish.number}@chaos.example"
        target = pay_page(browser, page, self._stripe_url, email, GOOD_CARD)
        return bool(target) and not target.startswith("/")

    def _action(self) -> str:
        terms = (Kind.LOWER, Kind.RAISE, Kind.ANNUAL)
        return "change" if self._wish.kind in terms else self._wish.kind.value

    def _choice(self) -> dict[str, str]:
        return {"months": str(MONTHS_AHEAD)} if self._wish.kind is Kind.AHEAD else {}

    def _question(self) -> str:
        """The page that asks once more, with what the reader has chosen."""
        if self._wish.kind is Kind.PAUSE:
            return f"{self._url}/pause?months=1"
        if self._wish.kind is Kind.ANNUAL:
            return f"{self._url}/change?amount={ANNUAL_DOLLARS}&cadence=annual"
        if self._action() == "change":
            return f"{self._url}/change?amount={self._wish.amount // 100}&cadence=monthly"
        return f"{self._url}/{self._action()}"

    def _saw(self, confirmed_at: datetime | None) -> Changed:
        until = self._form.get("until")
        return Changed(
            pledge=self._pledge,
            kind=self._wish.kind,
            asked_at=self._asked_at,
            confirmed_at=confirmed_at,
            amount=self._wish.amount,
            turn=int(self._form.get("turn", "0")),
            until=datetime.fromisoformat(until) if until else None,
            refused=not self._pressed,
        )
