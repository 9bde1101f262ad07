"""The script tag on somebody else's page: the appeal shows, and that page stays as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Route, expect
from werkzeug.serving import make_server

from tests.support.browser import Person, WebAlone, person
from tests.support.ports import free_port

pytestmark = pytest.mark.browser

_PAGE = """<!doctype html>
<html lang="en">
<title>Somebody else's site</title>
<style>
  * {{ display: block !important; color: red !important; font: 40px cursive !important }}
  script, title, style {{ display: none !important }}
  a, form {{ border: 9px solid lime !important }}
</style>
<h1>Their news</h1>
<script async src="{origin}/embed/appeal.js" data-part="banner" data-lang="{language}"
  data-article="articles/theirs" data-campaign="autumn"></script>
<p id="theirs">Their words.</p>
<script async src="{origin}/embed/appeal.js" data-part="appeal" data-lang="{language}"
  data-article="articles/theirs" data-campaign="autumn"></script>
<p id="last">Their last words.</p>
</html>
"""
Site = Callable[..., str]


@pytest.fixture
def site() -> Iterator[Site]:
    """Another site, on a port of its own; `site(origin, …)` puts its page up."""
    shown = {"html": "", "policy": ""}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown["html"].encode()
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if shown["policy"]:
                self.send_header("Content-Security-Policy", shown["policy"])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def put_up(origin: str, language: str = "en", policy: str = "") -> str:
        shown.update(html=_PAGE.format(origin=origin, language=language), policy=policy)
        return f"http://127.0.0.1:{server.server_port}/"

    yield put_up
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "BASE_URL": f"http://127.0.0.1:{free_port()}"}


@pytest.fixture
def ours(environment: dict[str, str], guarded_app: Flask) -> Iterator[str]:
    """Our own site: pages alone are looked at, so there is no more than the web server."""
    origin = environment["BASE_URL"]
    port = int(origin.rpartition(":")[2])
    server = make_server("127.0.0.1", port, guarded_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield origin
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def guest(chromium: Browser, ours: str) -> Iterator[Person]:
    """A reader of that other site."""
    with person(chromium, WebAlone(ours), scripts=True) as somebody:
        yield somebody


def their_words_are_unharmed(page: Page) -> None:
    expect(page.locator("#theirs")).to_have_text("Their words.")
    expect(page.locator("#theirs")).to_have_css("color", "rgb(255, 0, 0)")
    assert page.locator("body > *").evaluate_all(
        "all => all.map(each => each.id || each.tagName).filter(name => name !== 'DIV')"
    ) == ["H1", "SCRIPT", "theirs", "SCRIPT", "last"]


def test_both_parts_show_and_lead_to_us(guest: Person, site: Site) -> None:
    page, ours = guest.page, guest.newsroom.web
    page.goto(site(ours))
    banner, appeal = page.locator("aside.tup-banner"), page.locator("section.tup-appeal")
    expect(banner.get_by_text("Thank you for reading without ads.")).to_be_visible()
    expect(appeal.get_by_role("button", name="Continue")).to_be_visible()
    for part in (banner, appeal):
        assert part.evaluate("part => part.getRootNode() instanceof ShadowRoot")
    links = page.locator(".tup a")
    for link in links.all():
        assert (link.get_attribute("href") or "").startswith(f"{ours}/")
    assert links.count() == 2
    assert guest.context.cookies() == []
    appeal.get_by_label("Annual").check()
    appeal.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Support The Northern Courier")
    expect(page.get_by_label("Annual")).to_be_checked()
    expect(page.locator("[name=article]")).to_have_value("articles/theirs")
    expect(page.locator("[name=campaign]")).to_have_value("autumn")
    expect(page.locator("[name=appeal]")).to_have_value("embed-appeal")


def test_loud_styles_of_that_page_stay_outside(guest: Person, site: Site) -> None:
    page = guest.page
    page.goto(site(guest.newsroom.web))
    button = page.locator("aside.tup-banner a")
    expect(button).to_have_css("color", "rgb(255, 255, 255)")
    expect(button).to_have_css("display", "flex")
    expect(button).to_have_css("font-size", "17px")
    expect(page.locator(".tup-tabs")).to_have_css("display", "grid")
    expect(page.locator(".tup-appeal form")).to_have_css("border-top-width", "0px")
    their_words_are_unharmed(page)


def test_a_strict_policy_of_that_page_is_enough(guest: Person, site: Site) -> None:
    ours = guest.newsroom.web
    policy = f"default-src 'none'; script-src {ours}; connect-src {ours}"
    guest.page.goto(site(ours, "ru", policy))
    expect(guest.page.locator(".tup-tabs")).to_have_css("display", "grid")
    expect(guest.page.locator(".tup-appeal h2")).to_contain_text("Эту страницу нельзя купить.")
    expect(guest.page.locator("div[lang=ru]")).to_have_count(2)


def test_remind_me_later_leads_to_the_form_on_our_side(guest: Person, site: Site) -> None:
    guest.page.goto(site(guest.newsroom.web))
    guest.page.locator(".tup-later a").click()
    expect(guest.page.get_by_role("heading", level=1)).to_have_text("Remind me later")
    expect(guest.page.locator("[name=article]")).to_have_value("articles/theirs")


def test_a_slow_answer_holds_nothing_up(guest: Person, site: Site) -> None:
    page = guest.page
    held: list[Route] = []
    page.route("**/embed/appeal.json*", lambda route: held.append(route))  # noqa: PLW0108
    with page.expect_request("**/embed/appeal.json*"):
        page.goto(site(guest.newsroom.web))  # comes back once the page has loaded
    their_words_are_unharmed(page)
    assert page.locator(".tup").count() == 0
    for route in held:
        route.continue_()
    expect(page.locator(".tup").first).to_be_visible()
    their_words_are_unharmed(page)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_error_of_ours_leaves_that_page_as_it_is(guest: Person, site: Site, status: int) -> None:
    page = guest.page
    page.route("**/embed/appeal.json*", lambda route: route.fulfill(status=status, body="no"))
    address = site(guest.newsroom.web)
    with page.expect_response("**/embed/appeal.json*"):
        page.goto(address)
    their_words_are_unharmed(page)
    assert page.locator("body > div").count() == 0


def test_without_our_server_that_page_is_whole(guest: Person, site: Site) -> None:
    guest.page.goto(site("http://127.0.0.1:9"))
    their_words_are_unharmed(guest.page)
    assert guest.page.locator("body > div").count() == 0


def test_an_answer_that_is_lost_leaves_that_page_as_it_is(guest: Person, site: Site) -> None:
    page = guest.page
    page.route("**/embed/appeal.json*", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.goto(site(guest.newsroom.web))
    their_words_are_unharmed(page)
    assert page.locator("body > div").count() == 0
