"""The script tag for other sites: small, cookie-free, and of one piece with our own pages."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from billing.app import create_app
from billing.local import clock_page, demo
from billing.runtime import Runtime
from billing.settings import Settings
from billing.web import EXTENSION


def test_the_script_is_small_and_for_everybody(client: FlaskClient) -> None:
    answer = client.get("/embed/appeal.js")
    assert answer.mimetype == "text/javascript"
    assert len(gzip.compress(answer.data)) < 10_000
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "http://localhost" in answer.text
    assert not re.search(r"\drem\b", answer.text)


@pytest.mark.parametrize("part", ["banner", "appeal"])
def test_a_part_leads_to_our_own_address_and_sets_no_cookie(client: FlaskClient, part: str) -> None:
    answer = client.get(f"/embed/appeal.json?part={part}&lang=ru&article=a/b&campaign=c")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers
    markup = answer.json["html"]
    assert "http://localhost/support" in markup
    assert "csrf" not in markup
    assert "10\u00a0000\u00a0$" in markup
    assert answer.json["lang"] == "ru"


def test_the_appeal_sends_reminders_to_a_page_of_ours(client: FlaskClient) -> None:
    markup = client.get("/embed/appeal.json?part=appeal&lang=en&article=a/b").json["html"]
    assert "http://localhost/remind?lang=en&amp;article=a/b" in markup


@pytest.mark.parametrize(("asked", "given"), [("ru-RU", "ru"), ("fr", "en"), ("", "en")])
def test_the_language_is_that_of_the_page_around_it(
    client: FlaskClient, asked: str, given: str
) -> None:
    answer = client.get(f"/embed/appeal.json?lang={asked}", headers={"Accept-Language": "ru"})
    assert answer.json["lang"] == given


def test_what_another_site_passes_cannot_become_markup(client: FlaskClient) -> None:
    answer = client.get('/embed/appeal.json?article="><script>alert(1)</script>')
    assert "<script" not in answer.json["html"]


@pytest.fixture
def demo_client(runtime: Runtime, settings: Settings) -> Iterator[FlaskClient]:
    made = create_app(settings)
    made.config.update(TESTING=True)
    made.register_blueprint(clock_page.blueprint)
    made.register_blueprint(demo.blueprint)
    yield made.test_client()
    made.extensions[EXTENSION].database.dispose()


def test_the_front_door_leads_to_the_support_page(client: FlaskClient) -> None:
    assert client.get("/").headers["Location"] == "/support"


def test_the_front_door_of_a_demo_leads_to_its_index(demo_client: FlaskClient) -> None:
    assert demo_client.get("/").headers["Location"] == "/demo/"
    assert "/demo/article" in demo_client.get("/demo/").text


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_article_asks_at_its_top_and_its_end(demo_client: FlaskClient, language: str) -> None:
    page = demo_client.get(f"/demo/article?lang={language}").text
    assert page.count("<progress") == 2
    assert 'action="/support"' in page
    assert 'action="/remind"' in page
    assert 'value="articles/the-ferry-that-waits"' in page


def test_the_page_of_another_site_runs_our_script_only(demo_client: FlaskClient) -> None:
    answer = demo_client.get("/demo/elsewhere")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "&lt;script async src=" in answer.text
