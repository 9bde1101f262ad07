"""Nothing that staff see is open to anybody else."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from billing.staff.guard import COOKIE, OPEN, PREFIX

STAFF_SLICES = ("billing.staff.", "billing.revenue.")


def staff_rules(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(PREFIX)]


def test_every_staff_route_but_signing_in_is_guarded(app: Flask) -> None:
    rules = staff_rules(app)
    assert {rule.endpoint for rule in rules} >= OPEN | {"revenue.overview", "staff.sign_out"}
    for rule in rules:
        if rule.endpoint in OPEN:
            continue
        arguments = dict.fromkeys(rule.arguments, "1")
        with app.test_request_context():
            path = rule.build(arguments)
        assert path is not None, rule
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = app.test_client().open(path[1], method=method)
            assert answer.status_code == HTTPStatus.UNAUTHORIZED, (method, rule)


def test_every_view_of_the_staff_slices_stands_behind_the_guard(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        module = app.view_functions[rule.endpoint].__module__
        if f"{module}.".startswith(STAFF_SLICES):
            assert rule.rule.startswith(f"{PREFIX}/"), rule


def test_even_pages_that_do_not_exist_say_nothing(client: FlaskClient) -> None:
    assert client.get("/staff/no-such-page").status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("cookie", ["", "x", "a" * 43, "\u00ff"])
def test_a_made_up_cookie_opens_nothing(client: FlaskClient, cookie: str) -> None:
    client.set_cookie(COOKIE, cookie, path=PREFIX)
    assert client.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED


def test_staff_pages_are_kept_by_nobody_and_load_nothing_from_elsewhere(
    client: FlaskClient,
) -> None:
    headers = client.get("/staff/").headers
    assert headers["Cache-Control"] == "no-store"
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"
