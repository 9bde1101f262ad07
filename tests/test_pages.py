"""Errors are pages for people, in their language, and leak nothing."""

from __future__ import annotations

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from billing.l10n import format_money, format_share
from billing.money import Money


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 418, 429, 500, 502, 503])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_error_is_a_page(guarded_app: Flask, status: int, language: str) -> None:
    guarded_app.add_url_rule("/fails", "fails", lambda: abort(status))
    answer = guarded_app.test_client().get(f"/fails?lang={language}")
    assert answer.status_code == status
    assert f'<html lang="{language}">' in answer.text
    assert "<h1>" in answer.text
    assert "noindex" in answer.text


def test_an_unexpected_fault_shows_nothing_of_itself(guarded_app: Flask) -> None:
    def fail() -> str:
        raise RuntimeError("reader@example.org")

    guarded_app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    guarded_app.add_url_rule("/fails", "fails", fail)
    answer = guarded_app.test_client().get("/fails")
    assert answer.status_code == 500
    assert "reader@example.org" not in answer.text


def test_a_database_that_is_away_is_said_plainly(
    guarded_app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise OperationalError("SELECT", {"email": "reader@example.org"}, OSError())

    guarded_app.add_url_rule("/fails", "fails", fail)
    assert guarded_app.test_client().get("/fails").status_code == 503
    assert "reader@example.org" not in caplog.text


def test_a_wrong_method_says_which_are_right(client: FlaskClient) -> None:
    answer = client.post("/privacy")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_body_too_large_is_refused(client: FlaskClient) -> None:
    assert client.post("/support", data={"amount": "5" * 100_000}).status_code == 413


def test_a_link_to_the_other_language_stays_on_the_page(client: FlaskClient) -> None:
    page = client.get("/support?cadence=annual&amount=7").text
    assert "/support?cadence=annual&amp;amount=7&amp;lang=ru" in page


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_is_kept_is_written_down(client: FlaskClient, language: str) -> None:
    page = client.get(f"/privacy?lang={language}").text
    assert "30" in page
    assert "NORTHERN COURIER" in page
    assert "Stripe" in page


@pytest.mark.parametrize(
    ("amount", "language", "written"),
    [
        (Money(1_000_000, "usd"), "en", "$10,000"),
        (Money(455, "eur"), "ru", "4,55\u00a0€"),
        (Money(300, "jpy"), "en", "¥300"),
        (Money(-120050, "gbp"), "en", "-£1,200.50"),
    ],
)
def test_sums_are_written_as_the_language_writes_them(
    amount: Money, language: str, written: str
) -> None:
    assert format_money(amount, language) == written


def test_small_shares_keep_a_decimal() -> None:
    assert format_share(0.18, "en") == "18%"
    assert format_share(0.0417, "en") == "4.2%"
    assert format_share(0.0417, "ru") == "4,2\u00a0%"
