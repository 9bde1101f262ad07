"""What a session outlives, and what ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from billing.runtime import Runtime
from billing.staff.browsers import browser_of
from billing.staff.domain import (
    IDLE_FOR,
    ROTATE_EVERY,
    ROTATION_GRACE,
    SESSION_LASTS,
    STEP_UP_LASTS,
    Role,
)
from billing.staff.guard import COOKIE
from billing.staff.sessions import Presence, find_signed_in
from billing.staff.tables import StaffSession
from tests.support.staff import (
    FIREFOX,
    SAFARI,
    invited,
    join,
    local_link,
    sign_in,
    staff_client,
    trail,
    verify,
)

Advance = Callable[[timedelta], datetime]


def kept(client: FlaskClient) -> str:
    """What a browser keeps."""
    cookie = client.get_cookie(COOKIE, path="/staff")
    assert cookie is not None
    return cookie.value


def with_cookie(app: Flask, value: str) -> FlaskClient:
    """Another browser with a copy of a cookie."""
    client = app.test_client()
    client.set_cookie(COOKIE, value, path="/staff")
    return client


def status(client: FlaskClient) -> int:
    return client.get("/staff/passkeys").status_code


def test_a_session_ends_when_it_is_left_alone(
    client: FlaskClient, runtime: Runtime, advance: Advance
) -> None:
    staff_client(client, runtime)
    for _ in range(2):
        advance(IDLE_FOR - timedelta(minutes=1))
        assert status(client) == HTTPStatus.OK
    advance(IDLE_FOR + timedelta(seconds=1))
    page = client.get("/staff/passkeys")
    assert page.status_code == HTTPStatus.UNAUTHORIZED
    assert "30 minutes" in page.text
    assert "/staff/sign-in?next=/staff/passkeys" in page.text


def test_a_session_ends_after_twelve_hours_however_busy(
    client: FlaskClient, runtime: Runtime, advance: Advance
) -> None:
    staff_client(client, runtime)
    passed = timedelta()
    while passed < SESSION_LASTS - timedelta(minutes=20):
        advance(timedelta(minutes=20))
        passed += timedelta(minutes=20)
        assert status(client) == HTTPStatus.OK
    advance(timedelta(minutes=21))
    assert status(client) == HTTPStatus.UNAUTHORIZED


def test_signing_out_ends_the_session_for_copies_of_the_cookie_too(
    app: Flask, runtime: Runtime
) -> None:
    client = app.test_client()
    staff_client(client, runtime)
    copy = kept(client)
    assert "You have signed out" in client.post("/staff/sign-out").text
    assert client.get_cookie(COOKIE, path="/staff") is None
    assert status(with_cookie(app, copy)) == HTTPStatus.UNAUTHORIZED
    assert trail(runtime)[-1] == "signed_out"


def test_signing_in_ends_the_session_that_this_browser_had(app: Flask, runtime: Runtime) -> None:
    client = app.test_client()
    device = staff_client(client, runtime)
    before = kept(client)
    sign_in(client, device)
    assert kept(client) != before
    assert status(with_cookie(app, before)) == HTTPStatus.UNAUTHORIZED


def test_only_digests_of_cookies_are_stored(client: FlaskClient, runtime: Runtime) -> None:
    staff_client(client, runtime)
    selector, _, secret = kept(client).partition(".")
    assert (len(selector), len(secret)) == (43, 43)
    with runtime.database.transaction() as session:
        held = session.scalars(select(StaffSession)).one()
    assert [len(held.selector_digest), len(held.secret_digest)] == [32, 32]
    assert not {selector.encode(), secret.encode()} & {held.selector_digest, held.secret_digest}


def test_the_cookie_is_closed_to_scripts_and_other_sites(
    client: FlaskClient, runtime: Runtime
) -> None:
    header = join(client, invited(runtime)).headers["Set-Cookie"]
    for part in ("tuppence_staff=", "HttpOnly", "SameSite=Lax", "Path=/staff", "Max-Age=43200"):
        assert part in header


def test_on_https_the_cookie_is_this_hosts_alone(
    app: Flask, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = replace(runtime.settings, base_url="https://support.example.org")
    monkeypatch.setitem(app.extensions, "tuppence", replace(runtime, settings=secure))
    client = app.test_client()
    header = client.post(local_link(runtime)).headers["Set-Cookie"]
    assert header.startswith("__Host-tuppence_staff=")
    for part in ("Secure", "HttpOnly", "Path=/;"):
        assert part in f"{header};"
    assert "Domain" not in header
    assert client.get("/staff/", base_url="https://localhost").status_code == HTTPStatus.OK


def test_the_cookie_is_exchanged_every_few_minutes(
    client: FlaskClient, runtime: Runtime, advance: Advance
) -> None:
    staff_client(client, runtime)
    status(client)
    first = kept(client)
    advance(ROTATE_EVERY - timedelta(seconds=1))
    status(client)
    assert kept(client) == first
    advance(timedelta(seconds=1))
    assert status(client) == HTTPStatus.OK
    assert kept(client) != first
    assert kept(client).partition(".")[0] == first.partition(".")[0]


def test_a_copied_cookie_ends_the_session_for_both(
    app: Flask, runtime: Runtime, advance: Advance
) -> None:
    owner = app.test_client()
    staff_client(owner, runtime)
    status(owner)
    thief = with_cookie(app, kept(owner))
    assert status(thief) == HTTPStatus.OK  # nobody can tell them apart yet
    advance(ROTATE_EVERY)
    for _ in range(2):
        assert status(thief) == HTTPStatus.OK
    advance(ROTATION_GRACE)
    answer = owner.post("/staff/members", data={"name": "Bea", "role": "admin"})
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert "used in two browsers" in answer.text
    assert owner.get_cookie(COOKIE, path="/staff") is None
    assert status(thief) == HTTPStatus.UNAUTHORIZED
    assert trail(runtime)[-1] == "session_stolen"
    assert "member_invited" not in trail(runtime)[3:]


def test_a_cookie_in_another_browser_ends_the_session_at_once(app: Flask, runtime: Runtime) -> None:
    owner = app.test_client()
    owner.environ_base["HTTP_USER_AGENT"] = FIREFOX
    staff_client(owner, runtime)
    thief = with_cookie(app, kept(owner))
    thief.environ_base["HTTP_USER_AGENT"] = SAFARI
    page = thief.get("/staff/")
    assert page.status_code == HTTPStatus.UNAUTHORIZED
    assert "used in two browsers" in page.text
    assert status(owner) == HTTPStatus.UNAUTHORIZED
    assert trail(runtime)[-1] == "session_stolen"
    assert trail(runtime).count("session_stolen") == 1


def test_an_answer_that_was_lost_locks_nobody_out(
    app: Flask, runtime: Runtime, advance: Advance
) -> None:
    client = app.test_client()
    staff_client(client, runtime)
    status(client)
    lost = kept(client)
    advance(ROTATE_EVERY)
    status(with_cookie(app, lost))  # the new cookie never arrives
    for _ in range(3):
        assert status(client) == HTTPStatus.OK
        assert kept(client) == lost
    advance(ROTATION_GRACE)
    assert status(client) == HTTPStatus.OK
    assert kept(client) != lost
    assert status(client) == HTTPStatus.OK


def test_requests_under_way_may_come_with_the_old_cookie(
    app: Flask, runtime: Runtime, advance: Advance
) -> None:
    client = app.test_client()
    staff_client(client, runtime)
    status(client)
    old = kept(client)
    advance(ROTATE_EVERY)
    status(client)
    status(client)
    late = with_cookie(app, old)
    assert status(late) == HTTPStatus.OK
    assert late.get_cookie(COOKIE, path="/staff").value == old  # type: ignore[union-attr]
    assert status(client) == HTTPStatus.OK


def test_requests_at_once_exchange_the_cookie_once(
    app: Flask, runtime: Runtime, advance: Advance
) -> None:
    client = app.test_client()
    staff_client(client, runtime)
    status(client)
    old = kept(client)
    now = advance(ROTATE_EVERY)
    together = threading.Barrier(6)
    seen: list[Presence] = []

    def ask() -> None:
        together.wait()
        with runtime.database.transaction() as session:
            seen.append(find_signed_in(session, old, browser_of(""), now))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(presence.signed_in for presence in seen)
    [new] = [presence.new_cookie for presence in seen if presence.new_cookie]
    assert status(with_cookie(app, new)) == HTTPStatus.OK


@pytest.mark.parametrize("cookie", ["", "x", ".", "a.b", "a" * 43, "a" * 43 + "." + "b" * 43, "ÿ"])
def test_a_made_up_cookie_opens_nothing(app: Flask, cookie: str) -> None:
    assert status(with_cookie(app, cookie)) == HTTPStatus.UNAUTHORIZED


def test_half_a_cookie_opens_nothing(app: Flask, runtime: Runtime) -> None:
    client = app.test_client()
    staff_client(client, runtime)
    selector = kept(client).partition(".")[0]
    assert status(with_cookie(app, f"{selector}.{'b' * 43}")) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("user_agent", "browser"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on macOS"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0.0.0 Safari/537.36", "Chrome on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537 Edg/150.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux) HeadlessChrome/150.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/150.0 Mobile Safari/537", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) CriOS/150", "Chrome on iOS"),
        ("", "Another browser on another system"),
        ("\x00" * 5000, "Another browser on another system"),
    ],
)
def test_a_browser_is_known_coarsely(user_agent: str, browser: str) -> None:
    assert browser_of(user_agent) == browser


def test_the_passkey_is_asked_for_again(app: Flask, runtime: Runtime, advance: Advance) -> None:
    client = app.test_client()
    device = staff_client(client, runtime)
    form = {"name": "Bea", "role": "viewer"}
    assert client.post("/staff/members", data=form).status_code == HTTPStatus.OK
    advance(STEP_UP_LASTS)
    asked = client.post("/staff/members", data={**form, "name": "Cyd"})
    assert asked.status_code == HTTPStatus.SEE_OTHER
    assert asked.location == "/staff/verify?next=/staff/members&form=1"
    assert "Nothing has been changed yet" in client.get(asked.location).text
    assert trail(runtime).count("member_invited") == 2
    assert verify(client, device, to="/staff/members").location == "/staff/members"
    assert "Cyd" in client.post("/staff/members", data={**form, "name": "Cyd"}).text


def test_showing_the_passkey_in_one_browser_does_nothing_for_another(
    app: Flask, runtime: Runtime, advance: Advance
) -> None:
    one, other = app.test_client(), app.test_client()
    device = staff_client(one, runtime)
    sign_in(other, device)
    advance(STEP_UP_LASTS)
    verify(one, device)
    form = {"name": "Bea", "role": "viewer"}
    assert other.post("/staff/members", data=form).status_code == HTTPStatus.SEE_OTHER
    assert one.post("/staff/members", data=form).status_code == HTTPStatus.OK


def test_another_passkey_takes_the_one_that_there_is(
    client: FlaskClient, runtime: Runtime, advance: Advance
) -> None:
    staff_client(client, runtime, Role.VIEWER)
    advance(STEP_UP_LASTS)
    page = client.get("/staff/passkeys").text
    assert "It takes the one that you have first" in page
    for path in ("/staff/passkeys/options", "/staff/passkeys"):
        asked = client.post(path)
        assert asked.location == "/staff/verify?next=/staff/passkeys&form=1"
