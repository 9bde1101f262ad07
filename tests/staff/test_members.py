"""What an administrator does about others' access, and what nobody can do."""

from __future__ import annotations

import threading
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing.runtime import Runtime
from billing.staff import members
from billing.staff.domain import Role
from billing.staff.errors import LastAdminError
from billing.staff.tables import StaffMember
from tests.support.authenticator import Authenticator
from tests.support.staff import join, local_link, member_id, sign_in, staff_client, trail


def link_in(page: str) -> str:
    """The path of the link that a page shows."""
    return "/staff/join/" + page.partition("/staff/join/")[2].partition("<")[0]


def role_of(runtime: Runtime, name: str) -> Role:
    with runtime.database.transaction() as session:
        return session.get_one(StaffMember, member_id(runtime, name)).role


def change(client: FlaskClient, runtime: Runtime, name: str, what: str, **form: str) -> int:
    path = f"/staff/members/{member_id(runtime, name)}/{what}"
    return client.post(path, data=form).status_code


@pytest.fixture
def ada(client: FlaskClient, runtime: Runtime) -> FlaskClient:
    """An administrator at her browser."""
    staff_client(client, runtime)
    return client


def test_an_administrator_invites_from_the_page(ada: FlaskClient, app: Flask) -> None:
    page = ada.post("/staff/members", data={"name": " Dan  Orr ", "role": "desk"}).text
    assert "A link for Dan Orr" in page
    assert "http://localhost/staff/join/" in page
    dan = app.test_client()
    assert join(dan, link_in(page)).status_code == HTTPStatus.SEE_OTHER
    assert "Signed in as Dan Orr" in dan.get("/staff/passkeys").text
    assert "Dan Orr" in ada.get("/staff/members").text


@pytest.mark.parametrize(
    "form", [{}, {"name": "Dan"}, {"name": "Dan", "role": "owner"}, {"name": " ", "role": "desk"}]
)
def test_an_invitation_needs_a_name_and_a_role(
    ada: FlaskClient, runtime: Runtime, form: dict[str, str]
) -> None:
    answer = ada.post("/staff/members", data=form)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert trail(runtime).count("member_invited") == 1


def test_a_role_is_changed_from_the_next_click_on(
    ada: FlaskClient, app: Flask, runtime: Runtime
) -> None:
    dan = app.test_client()
    staff_client(dan, runtime, Role.VIEWER, "Dan")
    assert dan.get("/staff/members").status_code == HTTPStatus.FORBIDDEN
    for _ in range(2):
        assert change(ada, runtime, "Dan", "role", role="admin") == HTTPStatus.SEE_OTHER
    assert dan.get("/staff/members").status_code == HTTPStatus.OK
    assert trail(runtime).count("role_changed") == 1


def test_access_is_taken_away_and_given_back(
    ada: FlaskClient, app: Flask, runtime: Runtime
) -> None:
    dan = app.test_client()
    device = staff_client(dan, runtime, Role.DESK, "Dan")
    assert change(ada, runtime, "Dan", "disable", reason="has left") == HTTPStatus.SEE_OTHER
    assert dan.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED
    assert "Give access back" in ada.get(f"/staff/members/{member_id(runtime, 'Dan')}").text
    assert change(ada, runtime, "Dan", "recover") == HTTPStatus.CONFLICT
    assert change(ada, runtime, "Dan", "enable") == HTTPStatus.SEE_OTHER
    assert dan.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED
    assert sign_in(dan, device).status_code == HTTPStatus.SEE_OTHER


def test_somebody_is_signed_out_everywhere(ada: FlaskClient, app: Flask, runtime: Runtime) -> None:
    dan = app.test_client()
    staff_client(dan, runtime, Role.DESK, "Dan")
    assert change(ada, runtime, "Dan", "sign-out") == HTTPStatus.SEE_OTHER
    assert dan.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED


def test_a_revoked_passkey_opens_nothing_and_its_sessions_end(
    ada: FlaskClient, app: Flask, runtime: Runtime
) -> None:
    dan = app.test_client()
    device = staff_client(dan, runtime, Role.DESK, "Dan")
    assert change(ada, runtime, "Dan", "passkeys/1/revoke") == HTTPStatus.CONFLICT  # Ada's own
    assert change(ada, runtime, "Dan", "passkeys/2/revoke") == HTTPStatus.SEE_OTHER
    assert dan.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED
    assert sign_in(dan, device).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_recovery_from_the_page(ada: FlaskClient, app: Flask, runtime: Runtime) -> None:
    dan, again = app.test_client(), app.test_client()
    device = staff_client(dan, runtime, Role.DESK, "Dan")
    path = f"/staff/members/{member_id(runtime, 'Dan')}/recover"
    page = ada.post(path, data={"revoke": "1"}).text
    join(again, link_in(page))
    assert sign_in(dan, device).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert again.get("/staff/").status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    ("what", "form"),
    [("role", {"role": "viewer"}), ("disable", {}), ("passkeys/1/revoke", {})],
)
def test_the_last_administrator_stays(
    ada: FlaskClient, app: Flask, runtime: Runtime, what: str, form: dict[str, str]
) -> None:
    ada.post("/staff/members", data={"name": "Not here yet", "role": "admin"})
    app.test_client().post(local_link(runtime, "No passkey"))
    assert change(ada, runtime, "Ada", what, **form) == HTTPStatus.CONFLICT
    assert "last administrator" in ada.post(f"/staff/members/1/{what}", data=form).text
    assert ada.get("/staff/members").status_code == HTTPStatus.OK
    staff_client(app.test_client(), runtime, name="Bea")
    assert change(ada, runtime, "Ada", what, **form) == HTTPStatus.SEE_OTHER


def test_two_administrators_cannot_take_each_others_role(runtime: Runtime, app: Flask) -> None:
    for name in ("Ada", "Bea"):
        staff_client(app.test_client(), runtime, name=name)
    ids = [member_id(runtime, name) for name in ("Ada", "Bea")]
    together, outcomes = threading.Barrier(2), []

    def take(other: int, by: int) -> None:
        together.wait()
        try:
            with runtime.database.transaction() as session:
                members.change_role(session, other, Role.DESK, runtime.clock.now(), by=by)
        except LastAdminError:
            outcomes.append("refused")
        else:
            outcomes.append("changed")

    threads = [threading.Thread(target=take, args=pair) for pair in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["changed", "refused"]
    assert sorted(role_of(runtime, name) for name in ("Ada", "Bea")) == ["admin", "desk"]


def test_ones_own_passkeys(ada: FlaskClient, app: Flask, runtime: Runtime) -> None:
    page = ada.get("/staff/passkeys").text
    assert "Two passkeys are advised" in page
    assert "A key" in page
    asked = ada.post("/staff/passkeys/options").get_json()
    assert len(asked["excludeCredentials"]) == 1
    second = Authenticator()
    form = {"answer": second.create(asked), "name": "Phone"}
    assert ada.post("/staff/passkeys", data=form).status_code == HTTPStatus.SEE_OTHER
    assert "Two passkeys are advised" not in ada.get("/staff/passkeys").text
    assert sign_in(app.test_client(), second).status_code == HTTPStatus.SEE_OTHER
    for passkey, status in ((1, HTTPStatus.SEE_OTHER), (2, HTTPStatus.UNAUTHORIZED)):
        answer = ada.post(f"/staff/passkeys/{passkey}/revoke")
        assert answer.status_code == status  # the first one's sessions ended with it
    again = app.test_client()
    sign_in(again, second)
    refused = again.post("/staff/passkeys/2/revoke")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "your last passkey" in refused.text


def test_others_passkeys_are_not_ones_own(ada: FlaskClient, app: Flask, runtime: Runtime) -> None:
    dan = app.test_client()
    staff_client(dan, runtime, Role.VIEWER, "Dan")
    assert dan.post("/staff/passkeys/1/revoke").status_code == HTTPStatus.CONFLICT
    assert ada.get("/staff/").status_code == HTTPStatus.OK


def test_a_passkey_is_registered_once(ada: FlaskClient, runtime: Runtime) -> None:
    device = Authenticator()
    for status in (HTTPStatus.SEE_OTHER, HTTPStatus.CONFLICT):
        form = {"answer": device.create(ada.post("/staff/passkeys/options").get_json())}
        assert ada.post("/staff/passkeys", data=form).status_code == status


def test_what_cannot_be_stored_is_left_out(ada: FlaskClient, app: Flask, runtime: Runtime) -> None:
    page = ada.post("/staff/members", data={"name": "D\x00an\u202e", "role": "desk"}).text
    assert "A link for D an" in page
    dan = app.test_client()
    path = link_in(page)
    answer = Authenticator().create(dan.post(f"{path}/options").get_json())
    dan.post(path, data={"answer": answer, "name": "\x00" * 5000})
    assert "<b>Passkey</b>" in dan.get("/staff/passkeys").text
    assert change(ada, runtime, "D an", "disable", reason="gone\x00") == HTTPStatus.SEE_OTHER


def test_a_reason_with_an_address_changes_nothing(
    ada: FlaskClient, app: Flask, runtime: Runtime
) -> None:
    staff_client(app.test_client(), runtime, Role.DESK, "Dan")
    status = change(ada, runtime, "Dan", "disable", reason="wrote to reader@example.org")
    assert status == HTTPStatus.CONFLICT
    assert "member_disabled" not in trail(runtime)
