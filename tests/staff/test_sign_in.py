"""Joining by a link, signing in with a passkey, and what is refused on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from billing.runtime import Runtime
from billing.staff.domain import CHALLENGE_LASTS, CLICKED_AGAIN, INVITATION_LASTS, Role
from billing.staff.errors import StaffNameError
from billing.staff.invitations import invite
from billing.staff.tables import Challenge, Invitation, Passkey, StaffMember
from tests.support.authenticator import UP, UV, Authenticator
from tests.support.staff import (
    invited,
    join,
    local_link,
    member_id,
    recovered,
    sign_in,
    staff_client,
    trail,
    verify,
)

Advance = Callable[[timedelta], datetime]


def is_in(client: FlaskClient) -> bool:
    return client.get("/staff/").status_code == HTTPStatus.OK


def test_a_link_shows_a_button_and_following_it_uses_nothing_up(
    client: FlaskClient, runtime: Runtime
) -> None:
    path = invited(runtime)
    for _ in range(3):
        page = client.get(path)
        assert page.status_code == HTTPStatus.OK
        assert "Welcome, Ada" in page.text
    assert not is_in(client)
    assert join(client, path).status_code == HTTPStatus.SEE_OTHER


def test_joining_signs_in_and_advises_a_second_passkey(
    client: FlaskClient, runtime: Runtime
) -> None:
    answer = join(client, invited(runtime))
    assert answer.location == "/staff/passkeys?welcome=1"
    assert "One more passkey, please" in client.get(answer.location).text
    assert "Signed in as Ada" in client.get("/staff/").text
    assert trail(runtime) == ["member_invited", "passkey_added", "signed_in"]


def test_signing_in_again_takes_no_name(app: Flask, runtime: Runtime) -> None:
    device = staff_client(app.test_client(), runtime)
    elsewhere = app.test_client()
    answer = sign_in(elsewhere, device, to="/staff/passkeys")
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, "/staff/passkeys")
    assert is_in(elsewhere)


def test_what_the_browser_is_asked_for(client: FlaskClient, runtime: Runtime) -> None:
    path = invited(runtime)
    asked = client.post(f"{path}/options").get_json()
    assert asked["rp"] == {"id": "localhost", "name": "The Northern Courier"}
    assert asked["user"]["name"] == "Ada"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert [each["alg"] for each in asked["pubKeyCredParams"]] == [-7, -8, -257]
    again = client.post("/staff/sign-in/options").get_json()
    assert again["userVerification"] == "required"
    assert not again.get("allowCredentials")
    assert len({asked["challenge"], again["challenge"]}) == 2


def test_a_link_works_once(app: Flask, runtime: Runtime) -> None:
    path = invited(runtime)
    join(app.test_client(), path)
    late = app.test_client()
    for answer in (late.get(path), join_anyway(late, path)):
        assert answer.status_code == HTTPStatus.GONE
        assert "has been used" in answer.text
    assert late.post(f"{path}/options").status_code == HTTPStatus.GONE
    assert not is_in(late)


def join_anyway(client: FlaskClient, path: str) -> Any:
    return client.post(path, data={"answer": "{}"})


def test_a_second_click_in_the_same_browser_is_not_told_off(
    client: FlaskClient, runtime: Runtime, advance: Advance
) -> None:
    path, device = invited(runtime), Authenticator()
    answer = device.create(client.post(f"{path}/options").get_json())
    for _ in range(2):
        done = client.post(path, data={"answer": answer})
        assert done.status_code == HTTPStatus.SEE_OTHER
        assert "/staff/passkeys" in done.location
    client.post("/staff/sign-out")
    assert "Your passkey is registered" in client.get(path).text
    with runtime.database.transaction() as session:
        assert len(session.scalars(select(Passkey)).all()) == 1
    advance(CLICKED_AGAIN)
    assert client.get(path).status_code == HTTPStatus.GONE


def test_two_clicks_at_once_register_one_passkey(app: Flask, runtime: Runtime) -> None:
    path, together = invited(runtime), threading.Barrier(4)
    browsers = [app.test_client() for _ in range(4)]
    answers = [
        Authenticator().create(browser.post(f"{path}/options").get_json()) for browser in browsers
    ]
    statuses: list[int] = []

    def click(browser: FlaskClient, answer: str) -> None:
        together.wait()
        statuses.append(browser.post(path, data={"answer": answer}).status_code)

    threads = [
        threading.Thread(target=click, args=pair) for pair in zip(browsers, answers, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [HTTPStatus.SEE_OTHER, *[HTTPStatus.GONE] * 3]


def test_a_link_expires_after_three_days(
    client: FlaskClient, runtime: Runtime, advance: Advance
) -> None:
    path = invited(runtime)
    advance(INVITATION_LASTS)
    page = client.get(path)
    assert page.status_code == HTTPStatus.GONE
    assert "too old" in page.text
    assert "tuppence staff recover" in page.text


def test_only_the_latest_link_works(client: FlaskClient, runtime: Runtime) -> None:
    first, second = invited(runtime), invited(runtime)
    assert client.get(first).status_code == HTTPStatus.GONE
    assert client.get(second).status_code == HTTPStatus.OK


@pytest.mark.parametrize("token", ["x", "x" * 43, "%00", "a" * 3000, "\N{SNOWMAN}"])
@pytest.mark.parametrize("kind", ["join", "sign-in"])
def test_a_link_that_was_never_made_is_not_found(
    client: FlaskClient, kind: str, token: str
) -> None:
    path = f"/staff/{kind}/{token}"
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert "not one of ours" in answer.text


def test_only_digests_of_links_are_stored(runtime: Runtime) -> None:
    token = invited(runtime).rpartition("/")[2]
    assert len(token) >= 43  # 256 bits in base64
    with runtime.database.transaction() as session:
        [stored] = session.scalars(select(Invitation.token_digest))
    assert len(stored) == 32
    assert token.encode() not in stored


@pytest.mark.parametrize(
    ("bent", "words"),
    [
        ({"origin": "https://localhost.evil.example"}, "could not be checked"),
        ({"origin": "http://sub.localhost"}, "could not be checked"),
        ({"origin": "http://localhost:8001"}, "could not be checked"),
        ({"rp_id": "evil.example"}, "could not be checked"),
        ({"flags": UP}, "could not be checked"),
        ({"flags": UV}, "could not be checked"),
        ({"cross_origin": True}, "another site"),
    ],
)
def test_a_passkey_that_answers_for_somewhere_else_opens_nothing(
    app: Flask, runtime: Runtime, bent: dict[str, Any], words: str
) -> None:
    device = staff_client(app.test_client(), runtime)
    for name, value in bent.items():
        setattr(device, name, value)
    stranger = app.test_client()
    answer = sign_in(stranger, device)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert words in answer.text
    assert not is_in(stranger)
    path = invited(runtime, "Bea")
    new = Authenticator(**bent)
    assert join(stranger, path, new).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert stranger.get(path).status_code == HTTPStatus.OK


def test_a_key_of_another_kind_is_not_taken(client: FlaskClient, runtime: Runtime) -> None:
    answer = join(client, invited(runtime), Authenticator(algorithm=-35))
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_another_key_cannot_sign_for_a_credential(app: Flask, runtime: Runtime) -> None:
    device = staff_client(app.test_client(), runtime)
    forged = replace(device, key=Authenticator().key)
    assert sign_in(app.test_client(), forged).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_passkey_that_nobody_registered_opens_nothing(client: FlaskClient) -> None:
    answer = sign_in(client, Authenticator())
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "opens nothing here" in answer.text


def test_a_passkey_answers_for_its_owner_only(app: Flask, runtime: Runtime) -> None:
    device = staff_client(app.test_client(), runtime)
    device.user_handle = b"somebody else"
    answer = sign_in(app.test_client(), device)
    assert "answers for somebody else" in answer.text


@pytest.mark.parametrize(
    "answer",
    ["", "{}", "[]", "null", "\x00", '{"response": 1}', "[" * 9000, '{"id":"a","rawId":"b"}'],
)
def test_what_is_no_answer_is_refused_in_words(
    client: FlaskClient, runtime: Runtime, answer: str
) -> None:
    page = client.post("/staff/sign-in", data={"answer": answer})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "could not be checked" in page.text
    page = client.post(invited(runtime), data={"answer": answer})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_registration_full_of_nonsense_is_refused(client: FlaskClient, runtime: Runtime) -> None:
    path = invited(runtime)
    answer = json.loads(Authenticator().create(client.post(f"{path}/options").get_json()))
    answer["response"]["attestationObject"] = "gYGB" * 5000
    page = client.post(path, data={"answer": json.dumps(answer)})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_an_answer_counts_once(app: Flask, runtime: Runtime) -> None:
    device, client = staff_client(app.test_client(), runtime), app.test_client()
    answer = device.get(client.post("/staff/sign-in/options").get_json())
    first, second = (client.post("/staff/sign-in", data={"answer": answer}) for _ in range(2))
    assert first.status_code == HTTPStatus.SEE_OTHER
    assert second.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "sent twice" in second.text


def test_a_refused_answer_uses_its_challenge_up(app: Flask, runtime: Runtime) -> None:
    device, client = staff_client(app.test_client(), runtime), app.test_client()
    options = client.post("/staff/sign-in/options").get_json()
    forged = replace(device, key=Authenticator().key)
    client.post("/staff/sign-in", data={"answer": forged.get(options)})
    page = client.post("/staff/sign-in", data={"answer": device.get(options)})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_an_answer_has_five_minutes(app: Flask, runtime: Runtime, advance: Advance) -> None:
    device, client = staff_client(app.test_client(), runtime), app.test_client()
    answer = device.get(client.post("/staff/sign-in/options").get_json())
    advance(CHALLENGE_LASTS)
    page = client.post("/staff/sign-in", data={"answer": answer})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    client.post("/staff/sign-in/options")
    with runtime.database.transaction() as session:
        assert len(session.scalars(select(Challenge)).all()) == 1


def test_an_answer_comes_from_the_browser_that_was_asked(app: Flask, runtime: Runtime) -> None:
    device = staff_client(app.test_client(), runtime)
    asked, other = app.test_client(), app.test_client()
    answer = device.get(asked.post("/staff/sign-in/options").get_json())
    page = other.post("/staff/sign-in", data={"answer": answer})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_an_answer_for_one_purpose_is_none_for_another(app: Flask, runtime: Runtime) -> None:
    client = app.test_client()
    device = staff_client(client, runtime)
    answer = device.get(client.post("/staff/verify/options").get_json())
    page = client.post("/staff/sign-in", data={"answer": answer})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_counter_that_goes_back_is_refused_and_written_down(app: Flask, runtime: Runtime) -> None:
    device = staff_client(app.test_client(), runtime)
    copy = replace(device)
    assert sign_in(app.test_client(), device).status_code == HTTPStatus.SEE_OTHER
    page = sign_in(app.test_client(), copy)
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "counter went back" in page.text
    assert trail(runtime)[-1] == "passkey_copied"
    assert sign_in(app.test_client(), device).status_code == HTTPStatus.SEE_OTHER


def test_a_passkey_without_a_counter_is_taken(app: Flask, runtime: Runtime) -> None:
    device = staff_client(app.test_client(), runtime)
    for _ in range(2):
        device.counter = -1  # it answers 0 each time, as synced passkeys do
        assert sign_in(app.test_client(), device).status_code == HTTPStatus.SEE_OTHER


def test_recovery_ends_all_sessions_and_keeps_the_old_passkey(app: Flask, runtime: Runtime) -> None:
    before, after = app.test_client(), app.test_client()
    old, new = staff_client(before, runtime), Authenticator()
    path = recovered(runtime)
    after.get(path)
    assert is_in(before)
    assert join(after, path, new).status_code == HTTPStatus.SEE_OTHER
    assert not is_in(before)
    assert is_in(after)
    assert sign_in(before, old).status_code == HTTPStatus.SEE_OTHER


def test_recovery_revokes_the_old_passkey_where_it_was_lost(app: Flask, runtime: Runtime) -> None:
    old, client = staff_client(app.test_client(), runtime), app.test_client()
    join(client, recovered(runtime, revoke=True))
    assert sign_in(app.test_client(), old).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert is_in(client)


def test_whoever_is_in_is_not_invited_again(app: Flask, runtime: Runtime) -> None:
    staff_client(app.test_client(), runtime)
    with pytest.raises(StaffNameError, match="has access already"):
        invited(runtime)
    with pytest.raises(StaffNameError, match="Nobody here is called"):
        recovered(runtime, "Bea")


def test_inviting_again_keeps_the_role_unless_another_is_given(runtime: Runtime) -> None:
    def role() -> Role:
        with runtime.database.transaction() as session:
            return session.scalars(select(StaffMember.role)).one()

    invited(runtime, role=None)
    assert role() is Role.VIEWER
    invited(runtime, role=Role.DESK)
    invited(runtime, role=None)
    assert role() is Role.DESK


def test_someone_disabled_is_out_at_once(app: Flask, runtime: Runtime, now: datetime) -> None:
    client = app.test_client()
    device = staff_client(client, runtime)
    with runtime.database.transaction() as session:
        session.get_one(StaffMember, member_id(runtime)).disabled_at = now
    assert not is_in(client)
    assert sign_in(client, device).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    for make in (invited, recovered):
        with pytest.raises(StaffNameError, match="no longer has access"):
            make(runtime)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "ada@example.org"])
def test_a_name_must_be_one(runtime: Runtime, name: str) -> None:
    with pytest.raises(StaffNameError), runtime.database.transaction() as session:
        invite(session, name, Role.VIEWER, runtime.clock.now())


def test_names_are_text_and_never_markup(client: FlaskClient, runtime: Runtime) -> None:
    page = client.get(invited(runtime, "<b>Eve")).text
    assert "&lt;b&gt;Eve" in page
    assert "<b>Eve" not in page


@pytest.mark.parametrize(
    "to",
    ["https://evil.example/", "//evil.example/", "/staff//evil", "/support", "/staff/\\evil",
     "/staff/\nx", "javascript:alert(1)"],
)  # fmt: skip
def test_one_is_led_nowhere_else(app: Flask, runtime: Runtime, to: str) -> None:
    device = staff_client(app.test_client(), runtime)
    assert sign_in(app.test_client(), device, to=to).location == "/staff/"


def test_forms_without_a_proof_change_nothing(guarded_app: Flask, runtime: Runtime) -> None:
    client, path = guarded_app.test_client(), local_link(runtime)
    for address in (
        "/staff/sign-in/options",
        "/staff/sign-in",
        path,
        f"{invited(runtime)}/options",
    ):
        assert client.post(address).status_code == HTTPStatus.BAD_REQUEST
    assert not is_in(client)


def test_a_link_of_a_local_run_signs_in_by_itself(client: FlaskClient, runtime: Runtime) -> None:
    path = local_link(runtime)
    assert "Sign in as Ada" in client.get(path).text
    for _ in range(2):  # a double click
        assert client.post(path).location == "/staff/"
    assert is_in(client)
    assert client.get(path).location == "/staff/"
    assert trail(runtime)[-1] == "signed_in_locally"


def test_a_local_link_works_for_one_browser(app: Flask, runtime: Runtime) -> None:
    path = local_link(runtime)
    app.test_client().post(path)
    for answer in (app.test_client().get(path), app.test_client().post(path)):
        assert answer.status_code == HTTPStatus.GONE


def test_no_link_signs_in_by_itself_where_real_services_are(
    app: Flask, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, joining = local_link(runtime), invited(runtime, "Bea")
    real = replace(runtime, settings=replace(runtime.settings, local=False))
    monkeypatch.setitem(app.extensions, "tuppence", real)
    client = app.test_client()
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == HTTPStatus.NOT_FOUND
    token = joining.rpartition("/")[2]
    assert client.post(f"/staff/sign-in/{token}").status_code == HTTPStatus.NOT_FOUND
    token = path.rpartition("/")[2]
    assert client.get(f"/staff/join/{token}").status_code == HTTPStatus.NOT_FOUND
    assert not is_in(client)


def test_a_button_in_place_of_a_passkey_is_for_local_links_only(
    app: Flask, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, member = app.test_client(), app.test_client()
    local.post(local_link(runtime, "Demo"))
    assert "Yes, go on" in local.get("/staff/verify").text
    staff_client(member, runtime)
    assert "Yes, go on" not in member.get("/staff/verify").text
    assert member.post("/staff/verify/locally").status_code == HTTPStatus.NOT_FOUND
    assert local.post("/staff/verify/locally").status_code == HTTPStatus.SEE_OTHER
    real = replace(runtime, settings=replace(runtime.settings, local=False))
    monkeypatch.setitem(app.extensions, "tuppence", real)
    assert local.post("/staff/verify/locally").status_code == HTTPStatus.NOT_FOUND


def test_only_ones_own_passkey_confirms(app: Flask, runtime: Runtime) -> None:
    ada, bea = app.test_client(), app.test_client()
    own, other = staff_client(ada, runtime), staff_client(bea, runtime, name="Bea")
    assert verify(ada, other).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert verify(ada, own, to="/staff/members").location == "/staff/members"
