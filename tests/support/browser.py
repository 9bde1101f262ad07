"""A person in front of headless Chromium, and what stood in its console meanwhile."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    Response,
    expect,
)

from tests.support.newsroom import Newsroom, wait_for

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",  # what draws in its place needs no process of its own
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_ACCEPTED = {"en": "en-GB", "ru": "ru-RU"}
CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
SECURE_CARD = "4000 0027 6000 3184"


def start_chromium(playwright: Playwright) -> Browser:
    """Debian's Chromium. Without it the tests are skipped, but in CI that is a failure."""
    path = shutil.which("chromium")
    if path is None:
        words = "no Chromium here (Debian: apt install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return playwright.chromium.launch(executable_path=path, args=_QUIET)


class Watch:
    """Every console error and every request to somewhere else, while a context is open."""

    def __init__(self, context: BrowserContext, *origins: str) -> None:
        self._origins = set(origins)
        self.errors: list[str] = []
        self.strangers: list[str] = []
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", self._see)

    def forget(self) -> None:
        """Begin anew."""
        self.errors.clear()
        self.strangers.clear()

    def _hear(self, message: ConsoleMessage) -> None:
        # Chromium reports a page that answers 4xx as a resource that failed to load.
        page = message.page.url.partition("#")[0] if message.page else ""
        refused_page = message.location.get("url") == page and "Failed to load" in message.text
        if message.type == "error" and not refused_page:
            self.errors.append(f"{page}: {message.text}")

    def _see(self, request: Request) -> None:
        parts = urlsplit(request.url)
        local = parts.scheme in {"data", "about", "blob"}
        if not local and f"{parts.scheme}://{parts.netloc}" not in self._origins:
            self.strangers.append(request.url)


@dataclass(frozen=True)
class WebAlone:
    """The web server by itself, where no more of a newsroom is needed."""

    web: str
    staff_web: str = ""
    stripe: str = ""
    mail: str = ""


class Person:
    """Somebody with a browser of their own: no cookies of others, and their own language."""

    def __init__(
        self, context: BrowserContext, newsroom: Newsroom | WebAlone, language: str
    ) -> None:
        self.newsroom = newsroom
        self.language = language
        self.watch = Watch(
            context, newsroom.web, newsroom.staff_web, newsroom.stripe, newsroom.mail
        )
        self.context = context
        self.page: Page = context.new_page()
        self.status = 0
        self.page.on("response", self._note)

    def open(self, path: str) -> None:
        """Go to a page of Tuppence."""
        self.page.goto(f"{self.newsroom.web}{path}")

    def open_staff(self, path: str = "/staff/") -> None:
        """Go to a page for staff."""
        self.page.goto(f"{self.newsroom.staff_web}{path}")

    def give(self, amount: str = "", cadence: str = "monthly") -> None:
        """On the support page: choose, and continue to Checkout."""
        self.page.locator(f"[name=cadence][value={cadence}]").check()
        self.page.locator("#amount").fill(amount)
        self.send("form.support")

    def pay(self, number: str = CARD, email: str = "reader@example.org") -> None:
        """Fill in the hosted Checkout page by card and pay."""
        page = self.page
        page.locator("#email").fill(email)
        if (by_card := page.locator("[name=method][value=card]")).count():
            by_card.check()
        for field, value in {"number": number, "exp": "12 / 40", "cvc": "123"}.items():
            page.locator(f"#{field}").fill(value)
        page.locator("#name").fill("A Reader")
        self.send("form[method=post]")

    def debit(self, account: str) -> None:
        """Pay by a bank debit on the hosted Checkout page."""
        self.page.locator("#email").fill("debit@example.org")
        self.page.locator("[name=method][value=bank]").check()
        self.page.locator("#account").fill(account)
        self.send("form[method=post]")

    def send(self, form: str = "main form") -> None:
        """Press a form's button and wait for the page behind it."""
        button = self.page.locator(form).first.locator("button:not([aria-hidden]):not([name])")
        with self.page.expect_navigation():
            button.last.click()

    def send_expecting(self, form: str, words: str) -> None:
        """Press a form's button and read on the same page why it was not sent."""
        self.page.locator(f"{form} button[type=submit]").click()
        expect(self.page.get_by_role("alert")).to_contain_text(words)

    def checkout_token(self) -> str:
        """On a Checkout page: the signed name of this checkout in our own links."""
        back = self.page.locator("a[href*='/support/back/']").get_attribute("href") or ""
        found = re.search(r"/support/back/([^/?]+)", back)
        assert found, back
        return found[1]

    def mail(self, to: str, number: int = 1) -> Locator:
        """Open the `number`th mail to an address on the mailbox's page, and return its text."""
        wait_for(lambda: len(self.newsroom.mails(to)) >= number, f"mail {number} to {to}")
        self.page.goto(self.newsroom.mail)
        link = self.page.locator("ol.mails a", has_text=to)
        link.nth(link.count() - number).click()
        return self.page.locator("pre")

    def move_clock(self, step: str) -> None:
        """Let time go by for everybody."""
        self.open("/local/clock")
        with self.page.expect_navigation():
            self.page.locator(f"button[value={step}]").click()

    def _note(self, response: Response) -> None:
        """Keep the status of the page that the person looks at."""
        whole_page = response.frame == self.page.main_frame
        if whole_page and response.request.is_navigation_request():
            self.status = response.status


@contextmanager
def person(
    chromium: Browser,
    newsroom: Newsroom | WebAlone,
    language: str = "en",
    *,
    scripts: bool = False,
) -> Iterator[Person]:
    """Somebody new, with or without JavaScript."""
    context = chromium.new_context(
        locale=_ACCEPTED[language], java_script_enabled=scripts, reduced_motion="reduce"
    )
    context.set_default_timeout(30_000)
    try:
        yield Person(context, newsroom, language)
    finally:
        context.close()
