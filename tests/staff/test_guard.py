"""Every staff page and action has a guard, and every guard a role."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from billing.app import create_app
from billing.runtime import Runtime
from billing.settings import Settings
from billing.staff.domain import Role
from billing.staff.guard import PREFIX, is_open, required_role
from billing.staff.step_up import asks_again
from tests.support.staff import member_id, staff_client, trail

STAFF_SLICES = ("billing.staff.", "billing.revenue.", "billing.desk.")
OPEN = {
    "staff.sign_in",
    "staff.sign_in_options",
    "staff.use_passkey",
    "staff_links.join",
    "staff_links.join_options",
    "staff_links.use_link",
    "staff_links.sign_in_locally",
    "staff_links.use_local_link",
}
ASKS_AGAIN = {
    "exports.download",
    "exports.page",
    "journal.download",
    "staff_members.change_role",
    "staff_members.disable",
    "staff_members.enable",
    "staff_members.end_sessions",
    "staff_members.invite",
    "staff_members.recover",
    "staff_members.revoke_passkey",
    "staff_passkeys.add",
    "staff_passkeys.add_options",
    "staff_passkeys.revoke",
}


def staff_rules(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(PREFIX)]


def ways(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every guarded address with every method."""
    for rule in staff_rules(app):
        if rule.endpoint in OPEN:
            continue
        with app.test_request_context():
            built = rule.build(dict.fromkeys(rule.arguments, "999"))
        assert built is not None, rule
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield rule, built[1], method


def test_the_pages_that_are_open_to_everybody_are_those_that_sign_in(app: Flask) -> None:
    views = app.view_functions
    assert {rule.endpoint for rule in staff_rules(app) if is_open(views[rule.endpoint])} == OPEN


def test_every_other_page_and_action_names_a_role(app: Flask) -> None:
    guarded = list(ways(app))
    assert {"revenue.overview", "staff.sign_out"} <= {rule.endpoint for rule, _, _ in guarded}
    for rule, _, _ in guarded:
        assert required_role(app.view_functions[rule.endpoint]) is not None, rule


def test_what_looks_after_access_asks_for_the_passkey_again(app: Flask) -> None:
    views = app.view_functions
    asking = {rule.endpoint for rule in staff_rules(app) if asks_again(views[rule.endpoint])}
    assert asking >= ASKS_AGAIN


def test_a_stranger_is_let_in_nowhere(app: Flask) -> None:
    for rule, path, method in ways(app):
        answer = app.test_client().open(path, method=method)
        assert answer.status_code == HTTPStatus.UNAUTHORIZED, (method, rule)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_opens_what_it_may_and_nothing_else(
    app: Flask, runtime: Runtime, role: Role
) -> None:
    client = app.test_client()
    staff_client(client, runtime, role)
    refused = 0
    for rule, path, method in sorted(ways(app), key=lambda way: "sign_out" in way[0].endpoint):
        needed = required_role(app.view_functions[rule.endpoint])
        assert needed is not None
        answer = client.open(path, method=method)
        if role.covers(needed):
            assert answer.status_code not in {401, 403}, (method, rule)
            assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, (method, rule)
        else:
            assert answer.status_code == HTTPStatus.FORBIDDEN, (method, rule)
            assert "Your role does not include this" in answer.text
            refused += 1
    assert trail(runtime)[-1] == "signed_out"
    assert trail(runtime).count("role_refused") == refused
    assert (refused == 0) == (role is Role.ADMIN)


def test_what_a_role_may_not_do_does_not_happen(app: Flask, runtime: Runtime) -> None:
    admin, desk = app.test_client(), app.test_client()
    staff_client(admin, runtime)
    staff_client(desk, runtime, Role.DESK, "Dan")
    for name in ("Ada", "Dan"):
        path = f"/staff/members/{member_id(runtime, name)}"
        for action in ("role", "disable", "sign-out", "recover"):
            answer = desk.post(f"{path}/{action}", data={"role": "admin"})
            assert answer.status_code == HTTPStatus.FORBIDDEN
    assert admin.get("/staff/members").status_code == HTTPStatus.OK
    assert not {"role_changed", "member_disabled", "sessions_ended"} & set(trail(runtime))


def test_a_view_that_names_no_role_is_shut_to_everybody(
    settings: Settings, runtime: Runtime
) -> None:
    forgetful = Blueprint("forgetful", __name__, url_prefix=PREFIX)
    forgetful.add_url_rule("/forgotten", "page", lambda: "secret")
    app = create_app(settings, runtime)
    app.config["WTF_CSRF_ENABLED"] = False
    app.register_blueprint(forgetful)
    client = app.test_client()
    assert client.get("/staff/forgotten").status_code == HTTPStatus.UNAUTHORIZED
    staff_client(client, runtime)
    answer = client.get("/staff/forgotten")
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "secret" not in answer.text


def test_every_view_of_the_staff_slices_stands_behind_the_guard(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        module = app.view_functions[rule.endpoint].__module__
        if f"{module}.".startswith(STAFF_SLICES):
            assert rule.rule.startswith(f"{PREFIX}/"), rule


def test_even_pages_that_do_not_exist_say_nothing(client: FlaskClient, runtime: Runtime) -> None:
    for path in (
        "/staff/no-such-page",
        "/staff",
        "/staff/members/x",
        "/staff/members/9" + "9" * 30,
    ):
        assert client.get(path).status_code == HTTPStatus.UNAUTHORIZED
    staff_client(client, runtime)
    for path in ("/staff/no-such-page", "/staff/members/x", "/staff/members/9" + "9" * 30):
        assert client.get(path).status_code == HTTPStatus.NOT_FOUND
    assert client.get("/staff/sign-out").status_code == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("path", "scripts"), [("/staff/sign-in", True), ("/staff/", False), ("/staff/join/x", False)]
)
def test_staff_pages_are_kept_by_nobody_and_load_nothing_from_elsewhere(
    client: FlaskClient, path: str, scripts: bool
) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "unsafe-inline" not in policy
    assert ("script-src 'self'" in policy) == scripts
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"
