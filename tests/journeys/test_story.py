"""The whole story as a newcomer lives it, from the appeal to the audit.

Everything runs as `make run` starts it; the reader is a browser without JavaScript.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import mechanicalsoup
import pytest

from tests.support.newsroom import PARTS, Newsroom, gone, running, wait_for

pytestmark = pytest.mark.alone

READER = "anna@example.org"
WAVERER = "boris@example.org"


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    with running(tmp_path_factory.mktemp("newsroom")) as started:
        yield started


def a_browser() -> mechanicalsoup.StatefulBrowser:
    browser = mechanicalsoup.StatefulBrowser(raise_on_404=True)
    browser.session.headers["Accept-Language"] = "en"
    return browser


def words(browser: mechanicalsoup.StatefulBrowser) -> str:
    return " ".join(browser.page.get_text(" ").split())


def pay(browser: mechanicalsoup.StatefulBrowser, email: str, number: str) -> None:
    """Fill in the hosted Checkout page that the browser stands on."""
    browser.select_form("form[method=post]")
    browser["email"] = email
    browser["number"] = number
    browser["exp"] = "12/40"
    browser["cvc"] = "123"
    browser["name"] = "A Reader"
    browser.submit_selected()


def give_monthly(newsroom: Newsroom, reader: mechanicalsoup.StatefulBrowser) -> None:
    """Read, choose a sum of one's own, written the European way, and pay with a second card."""
    reader.open(f"{newsroom.web}/demo/article")
    assert "$10,000" in words(reader)
    reader.open(f"{newsroom.web}/support?article=demo&campaign=spring")
    reader.select_form("form[action$='/support']")
    reader["cadence"] = "monthly"
    reader["amount"] = "7,50"
    reader.submit_selected()
    assert reader.url.startswith(newsroom.stripe)
    assert "7.50" in words(reader)
    pay(reader, READER, "4000000000000002")
    assert reader.url.startswith(newsroom.stripe)
    pay(reader, READER, "4242424242424242")
    assert "/thanks/" in reader.url
    assert "$7.50" in words(reader)


def ask_for_a_reminder(newsroom: Newsroom, email: str) -> None:
    browser = a_browser()
    browser.open(f"{newsroom.web}/remind")
    browser.select_form("form[action$='/remind']")
    browser["email"] = email
    browser.submit_selected()


def a_month_later(newsroom: Newsroom) -> None:
    clock = a_browser()
    clock.open(f"{newsroom.web}/local/clock")
    form = clock.select_form("form")
    form.choose_submit(clock.page.select_one("button[value=month]"))
    clock.submit_selected()


def look_at_revenue(newsroom: Newsroom) -> str:
    """Sign in with the one-time link of the log, and read the page."""
    staff = a_browser()
    staff.open(newsroom.staff_link())
    staff.select_form("form")
    staff.submit_selected()
    staff.open(f"{newsroom.staff_web}/staff/")
    return words(staff)


def cancel(cancel_url: str) -> None:
    """Look twice, as a mail scanner does before the reader; then ask."""
    reader = a_browser()
    reader.open(cancel_url)
    reader.open(cancel_url)
    reader.select_form("form[method=post]")
    reader.submit_selected()


def test_from_the_appeal_to_the_revenue_page(newsroom: Newsroom) -> None:
    give_monthly(newsroom, a_browser())
    [receipt] = wait_for(lambda: newsroom.mails(READER), "the receipt")
    assert "7.50" in receipt["text"]
    cancel_url = re.search(r"http://\S+/cancel", receipt["text"])
    assert cancel_url

    ask_for_a_reminder(newsroom, WAVERER)
    ask_for_a_reminder(newsroom, WAVERER)
    assert not newsroom.mails(WAVERER)

    a_month_later(newsroom)
    wait_for(lambda: len(newsroom.mails(READER)) == 2, "the second receipt")
    [reminder] = wait_for(lambda: newsroom.mails(WAVERER), "the reminder")
    headers = dict(reminder["headers"])
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    revenue = look_at_revenue(newsroom)
    assert "$7.50" in revenue
    assert "MRR" in revenue
    assert a_browser().session.get(f"{newsroom.web}/staff/").status_code == 401

    cancel(cancel_url[0])
    wait_for(lambda: len(newsroom.mails(READER)) == 3, "the confirmation")

    # Another month: nothing more is taken, nobody is written to again, and the audit agrees.
    a_month_later(newsroom)
    newsroom.wait_for_books_in_order()
    assert len(newsroom.mails(READER)) == 3
    assert len(newsroom.mails(WAVERER)) == 1


def test_what_runs_is_what_the_doctor_finds_well(newsroom: Newsroom) -> None:
    examined = newsroom.tuppence("doctor")
    assert examined.exit_code == 0, examined.stdout
    assert "TO MEND" not in examined.stdout


def test_another_way_in_for_staff_can_be_had(newsroom: Newsroom) -> None:
    invited = newsroom.tuppence("staff", "invite", "Second Editor")
    assert invited.stdout.startswith(f"{newsroom.staff_web}/staff/join/")
    assert newsroom.tuppence("staff", "invite", " ").exit_code == 2
    assert "member_invited" in newsroom.tuppence("staff", "audit-trail").stdout


def test_it_stops_when_told_to_leaves_nothing_and_logged_nobody(newsroom: Newsroom) -> None:
    family = newsroom.family()
    assert len(family) >= len(PARTS)
    assert newsroom.stop() == 0
    assert gone(family)
    assert list((newsroom.home / "run").iterdir()) == []
    assert "Traceback" not in newsroom.said()
    assert "@example.org" not in newsroom.said()
