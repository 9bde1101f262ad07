"""The page itself: what staff read, and what their browsers are asked to do."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing.revenue.rebuild import keep_up
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.staff.domain import Role
from tests.support.after import Advance, due_renewal
from tests.support.staff import local_link, staff_client
from tests.support.standin import StandIn


@pytest.fixture
def staff(client: FlaskClient, runtime: Runtime) -> FlaskClient:
    """A browser in which Ada is signed in."""
    client.post(local_link(runtime))
    return client


class _Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(page)
    return parser.found


def test_a_new_newsroom_is_told_what_comes_next(staff: FlaskClient, runtime: Runtime) -> None:
    assert "being made for the first time" in staff.get("/staff/").text
    keep_up(runtime)
    page = staff.get("/staff/").text
    assert "Nobody has given yet" in page
    assert "/support" in page
    assert "No charges yet." in page
    assert "0% of $10,000 received" in page


def test_the_demo_newsroom_is_shown_with_its_zone_and_definitions(
    staff: FlaskClient, runtime: Runtime, stripe: StandIn
) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    page = staff.get("/staff/").text
    assert "Nobody has given yet" not in page
    for words in (
        "Europe/Riga",
        "From gross to net",
        "a month in pledges",
        "Paid in other currencies",
        "Promised in other currencies",
        "Past due",
        "Latest charges",
        "How each figure is counted",
        "reminders are waiting",
    ):
        assert words in page, words


def test_nobody_is_named_on_the_page(staff: FlaskClient, runtime: Runtime, stripe: StandIn) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    page = staff.get("/staff/").text
    assert "@" not in page
    assert not re.search(r"Kalnins|Orlova|Vanags", page)


def test_the_page_needs_nothing_that_its_policy_forbids(
    staff: FlaskClient, runtime: Runtime, stripe: StandIn
) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    answer = staff.get("/staff/")
    assert len(answer.data) < 150_000
    ids: list[str] = []
    for tag, attributes in elements(answer.text):
        assert tag not in {"script", "style", "iframe"}
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            target = attributes.get(name) or "/"
            assert target.startswith(("/", "#", "http://localhost/")), target
        if attributes.get("id"):
            ids.append(str(attributes["id"]))
    assert len(ids) == len(set(ids))


def test_every_column_and_row_has_a_header(
    staff: FlaskClient, runtime: Runtime, stripe: StandIn
) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    headers = [attrs for tag, attrs in elements(staff.get("/staff/").text) if tag == "th"]
    assert headers
    assert all(attrs.get("scope") in {"col", "row"} for attrs in headers)


def test_the_page_still_stands_a_year_after_the_last_payment(
    staff: FlaskClient, runtime: Runtime, stripe: StandIn, advance: object
) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    advance(timedelta(days=500))  # type: ignore[operator]
    keep_up(runtime)
    staff.post(local_link(runtime))
    assert "0% of $10,000 received" in staff.get("/staff/").text


def test_a_viewer_sees_sums_and_nobody(app: Flask, runtime: Runtime, stripe: StandIn) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    viewer, desk = app.test_client(), app.test_client()
    staff_client(viewer, runtime, Role.VIEWER, "Vic")
    staff_client(desk, runtime, Role.DESK, "Dan")
    seen, all_of_it = (each.get("/staff/").text for each in (viewer, desk))
    for section in ("goal-title", "month-title", "mrr-title", "chart-title", "definitions"):
        assert f'id="{section}"' in seen
    for section in ("attention-title", "by-itself", "past-due", "recent"):
        assert f'id="{section}"' in all_of_it
        assert f'id="{section}"' not in seen
    assert "Promised in other currencies" in all_of_it
    assert "Promised in other currencies" not in seen
    assert re.search(r"supporter \d", all_of_it)
    assert not re.search(r"supporter \d", seen)
    assert "not shown" not in all_of_it


def test_a_viewer_is_shown_no_count_of_a_few_people(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    due_renewal(runtime, stripe, advance)
    keep_up(runtime)
    staff_client(client, runtime, Role.VIEWER, "Vic")
    page = " ".join(client.get("/staff/").text.split())
    assert "<dt>Supporters</dt> <dd>not shown</dd>" in page
    assert "not shown monthly, 0 annual" in page
