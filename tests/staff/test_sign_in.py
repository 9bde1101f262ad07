"""One-time links and the sessions they open."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from billing.clock import FileClock
from billing.runtime import Runtime
from billing.staff.domain import IDLE_FOR, LINK_LASTS, SESSION_LASTS
from billing.staff.errors import LinkUsedError, StaffNameError
from billing.staff.guard import COOKIE
from billing.staff.service import find_signed_in, invite, sign_in
from billing.staff.tables import SignInLink, StaffMember, StaffSession

Advance = Callable[[timedelta], datetime]


@pytest.fixture
def path(runtime: Runtime) -> str:
    """The path of a fresh link for Ada."""
    with runtime.database.transaction() as session:
        url = invite(session, "Ada", runtime.clock.now(), runtime.links)
    return url.removeprefix(runtime.links.base_url)


def test_a_link_shows_a_button_and_following_it_uses_nothing_up(
    client: FlaskClient, path: str
) -> None:
    for _ in range(3):
        page = client.get(path)
        assert page.status_code == HTTPStatus.OK
        assert "Sign in as Ada" in page.text
    assert client.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED
    assert client.post(path).status_code == HTTPStatus.SEE_OTHER


def test_the_button_signs_in_and_leads_to_the_revenue_page(client: FlaskClient, path: str) -> None:
    answer = client.post(path)
    assert answer.location == "/staff/"
    page = client.get("/staff/")
    assert page.status_code == HTTPStatus.OK
    assert "Signed in as Ada" in page.text


def test_a_link_signs_in_only_once(app: Flask, path: str) -> None:
    assert app.test_client().post(path).status_code == HTTPStatus.SEE_OTHER
    for answer in (app.test_client().get(path), app.test_client().post(path)):
        assert answer.status_code == HTTPStatus.GONE
        assert "has been used" in answer.text
        assert "tuppence staff invite" in answer.text
        assert COOKIE not in answer.headers.get("Set-Cookie", "")


def test_a_link_expires_after_a_day(client: FlaskClient, path: str, advance: Advance) -> None:
    advance(LINK_LASTS + timedelta(seconds=1))
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == HTTPStatus.GONE
        assert "too old" in answer.text
        assert "tuppence staff invite" in answer.text


@pytest.mark.parametrize("token", ["x", "x" * 43, "../..", "%00", "a" * 3000])
def test_a_link_that_was_never_made_is_not_found(client: FlaskClient, token: str) -> None:
    assert client.get(f"/staff/sign-in/{token}").status_code in {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNAUTHORIZED,  # “../..” is no sign-in link at all, and all else is guarded
    }
    assert client.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED


def test_only_digests_of_secrets_are_stored(
    client: FlaskClient, runtime: Runtime, path: str
) -> None:
    token = path.rpartition("/")[2]
    assert len(token) >= 43  # 256 bits in base64
    client.post(path)
    cookie = client.get_cookie(COOKIE, path="/staff")
    assert cookie is not None
    with runtime.database.transaction() as session:
        stored = [
            *session.scalars(select(SignInLink.token_digest)),
            *session.scalars(select(StaffSession.token_digest)),
        ]
    assert [len(digest) for digest in stored] == [32, 32]
    assert not {token.encode(), cookie.value.encode()} & set(stored)


def test_the_cookie_is_closed_to_scripts_and_other_sites(client: FlaskClient, path: str) -> None:
    header = client.post(path).headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert "Path=/staff" in header
    assert "Max-Age=43200" in header


def test_the_cookie_is_secure_where_the_service_is(
    app: Flask, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: Runtime = app.extensions["tuppence"]
    secure = replace(parts.settings, base_url="https://support.example.org")
    monkeypatch.setitem(app.extensions, "tuppence", replace(parts, settings=secure))
    assert "Secure" in app.test_client().post(path).headers["Set-Cookie"]


def test_a_session_ends_when_it_is_left_alone(
    client: FlaskClient, path: str, advance: Advance
) -> None:
    client.post(path)
    advance(IDLE_FOR - timedelta(minutes=1))
    assert client.get("/staff/").status_code == HTTPStatus.OK
    advance(IDLE_FOR - timedelta(minutes=1))
    assert client.get("/staff/").status_code == HTTPStatus.OK
    advance(IDLE_FOR + timedelta(seconds=1))
    page = client.get("/staff/")
    assert page.status_code == HTTPStatus.UNAUTHORIZED
    assert "30 minutes" in page.text
    assert client.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED


def test_a_session_ends_after_twelve_hours_however_busy(
    client: FlaskClient, path: str, advance: Advance
) -> None:
    client.post(path)
    passed = timedelta()
    while passed < SESSION_LASTS - timedelta(minutes=20):
        advance(timedelta(minutes=20))
        passed += timedelta(minutes=20)
        assert client.get("/staff/").status_code == HTTPStatus.OK
    advance(timedelta(minutes=21))
    assert client.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED


def test_signing_out_ends_the_session_for_copies_of_the_cookie_too(
    app: Flask, runtime: Runtime, path: str
) -> None:
    browser = app.test_client()
    browser.post(path)
    cookie = browser.get_cookie(COOKIE, path="/staff")
    assert cookie is not None
    assert "You have signed out" in browser.post("/staff/sign-out").text
    assert browser.get_cookie(COOKIE, path="/staff") is None
    with runtime.database.transaction() as session:
        assert find_signed_in(session, cookie.value, runtime.clock.now()) is None


def test_someone_disabled_is_out_at_once(
    client: FlaskClient, runtime: Runtime, path: str, clock: FileClock
) -> None:
    client.post(path)
    with runtime.database.transaction() as session:
        session.scalars(select(StaffMember)).one().disabled_at = clock.now()
    assert client.get("/staff/").status_code == HTTPStatus.UNAUTHORIZED
    with (
        pytest.raises(StaffNameError),
        runtime.database.transaction() as session,
    ):
        invite(session, "Ada", clock.now(), runtime.links)


def test_inviting_twice_keeps_one_person_and_both_links(runtime: Runtime) -> None:
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        urls = {invite(session, name, now, runtime.links) for name in ("Ada", "  Ada ")}
        assert len(urls) == 2
        assert len(session.scalars(select(StaffMember)).all()) == 1
        for url in urls:
            sign_in(session, url.rpartition("/")[2], now)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_name_must_be_one(runtime: Runtime, name: str) -> None:
    with pytest.raises(StaffNameError), runtime.database.transaction() as session:
        invite(session, name, runtime.clock.now(), runtime.links)


def test_two_clicks_at_once_open_one_session(runtime: Runtime, path: str) -> None:
    """The second waits for the first one's row lock, and then finds the link used."""
    token, now = path.rpartition("/")[2], runtime.clock.now()
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def click() -> None:
        together.wait()
        try:
            with runtime.database.transaction() as session:
                sign_in(session, token, now)
            outcomes.append("in")
        except LinkUsedError:
            outcomes.append("used")

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert sorted(outcomes) == ["in", "used", "used", "used"]


def test_signing_in_and_out_need_a_form_of_ours(guarded_app: Flask, path: str) -> None:
    browser = guarded_app.test_client()
    assert browser.post(path).status_code == HTTPStatus.BAD_REQUEST
    form = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).text)
    assert form is not None
    signed_in = browser.post(path, data={"csrf_token": form[1]})
    assert signed_in.status_code == HTTPStatus.SEE_OTHER
    assert browser.post("/staff/sign-out").status_code == HTTPStatus.BAD_REQUEST
    assert browser.get("/staff/").status_code == HTTPStatus.OK


def test_names_are_written_as_text(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        url = invite(session, "<b>Eve</b>", runtime.clock.now(), runtime.links)
    page = client.get(url.removeprefix(runtime.links.base_url)).text
    assert "&lt;b&gt;Eve" in page
    assert "<b>Eve" not in page
