"""Somebody who only asked to be reminded: found by address, seen, stopped and forgotten."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

import pytest
from flask.testing import FlaskClient

from billing.erasure import erase_supporter
from billing.reminders import send, service
from billing.runtime import Runtime
from billing.staff.audit_trail import Line, read
from billing.staff.domain import Role
from tests.support.after import Advance, rows
from tests.support.desk import HOME, WHY, press, problem, told
from tests.support.people import pledge_of
from tests.support.staff import staff_client

ADDRESS = "later@example.org"
REMINDER = f"{HOME}/reminders/1"
STOP, ERASE = f"{REMINDER}/stop", f"{REMINDER}/erase"


@pytest.fixture
def asked(runtime: Runtime) -> datetime:
    """When the reader asked."""
    return ask(runtime)


@pytest.fixture
def admin(client: FlaskClient, runtime: Runtime, asked: datetime) -> FlaskClient:
    staff_client(client, runtime, Role.ADMIN)
    return client


def ask(runtime: Runtime) -> datetime:
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        service.ask(
            session,
            runtime.vault,
            written=ADDRESS,
            language="ru",
            source={"article": "a-story"},
            zone=runtime.settings.newsroom.timezone,
            limit=1000,
            now=now,
        )
    return now


def lines(runtime: Runtime, action: str) -> list[Line]:
    with runtime.database.transaction() as session:
        return read(session, action=action).lines


def reminders(runtime: Runtime) -> list[tuple[str, bool]]:
    """Their states, and whether their address is known."""
    query = "SELECT status, email_digest IS NOT NULL FROM reminders ORDER BY id"
    return [(status, known) for status, known in rows(runtime, query)]


def queue(runtime: Runtime, moment: datetime) -> None:
    """Put what is due into the outbox."""
    with runtime.database.transaction() as session:
        assert send.queue_due(session, runtime, now=moment, limit=10) == 1


def test_who_only_asked_for_a_reminder_is_found_and_seen(
    client: FlaskClient, runtime: Runtime, asked: datetime
) -> None:
    staff_client(client, runtime, Role.DESK)
    for who in (ADDRESS.upper(), "reminder 1"):
        assert client.post(HOME, data={"who": who}).location == REMINDER
    page = client.get(REMINDER).text
    for words in (ADDRESS, "Russian", "nothing under this address", "waits for its day", "a-story"):
        assert words in page, words
    assert "Erase…" not in page
    assert client.get(ERASE).status_code == HTTPStatus.FORBIDDEN
    searched, seen = lines(runtime, "person_searched"), lines(runtime, "person_seen")
    for line in (*searched, *seen):
        assert line.subject is not None
        assert (line.who, line.subject.kind, line.subject.id) == ("Ada", "reminder", 1)
        assert "later@" not in str(line.detail).lower()
    assert (len(searched), len(seen)) == (2, 1)
    assert searched[-1].detail == {"by": "address", "found": 1}
    for path in ("77", "77/stop"):
        assert client.get(f"{HOME}/reminders/{path}").status_code == HTTPStatus.NOT_FOUND


def test_reminders_are_stopped_once_and_for_good(
    admin: FlaskClient, runtime: Runtime, advance: Advance
) -> None:
    page, other = admin.get(STOP), admin.get(ERASE)
    assert reminders(runtime) == [("waiting", True)]
    words = told(admin, press(admin, STOP, page))
    assert words.startswith("No reminder goes to this address any more")
    assert told(admin, press(admin, STOP, page)) == words
    assert reminders(runtime) == [("unsubscribed", False)]
    late = press(admin, ERASE, other)
    assert late.status_code == HTTPStatus.CONFLICT
    assert "had been forgotten before" in problem(late)
    assert [admin.get(path).location for path in (STOP, ERASE)] == [REMINDER, REMINDER]
    assert ADDRESS not in admin.get(REMINDER).text
    [line] = lines(runtime, "reminders_stopped")
    assert (line.who, line.reason) == ("Ada", WHY)
    ask(runtime)
    assert len(reminders(runtime)) == 1
    nobody = admin.post(HOME, data={"who": ADDRESS})
    assert nobody.status_code == HTTPStatus.NOT_FOUND
    assert "among those that want no reminders" in problem(nobody)


def test_an_address_is_erased_with_the_email_that_waits(
    admin: FlaskClient, runtime: Runtime, advance: Advance, asked: datetime
) -> None:
    page = admin.get(ERASE)
    queue(runtime, asked.replace(year=asked.year + 1))
    assert reminders(runtime) == [("queued", True)]
    words = told(admin, press(admin, ERASE, page))
    assert words.startswith("The address was erased")
    assert told(admin, press(admin, ERASE, page)) == words
    assert reminders(runtime) == [("unsubscribed", False)]
    sealed = "SELECT status, recipient_encrypted FROM outbox"
    assert rows(runtime, sealed) == [("dropped", None)]
    [line] = lines(runtime, "person_erased")
    assert (line.who, line.reason) == ("Ada", WHY)
    assert rows(runtime, "SELECT count(*) FROM suppressions") == [(0,)]


def test_an_address_of_a_supporter_is_erased_with_the_supporter(
    admin: FlaskClient, runtime: Runtime, asked: datetime
) -> None:
    page = admin.get(ERASE)
    queue(runtime, asked.replace(year=asked.year + 1))
    pledge_of(runtime, anchor=asked, address=ADDRESS)
    assert admin.post(HOME, data={"who": ADDRESS}).location == f"{HOME}/1"
    assert f'href="{HOME}/1"' in admin.get(REMINDER).text
    refused = press(admin, ERASE, page)
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "that of supporter 1" in problem(refused)
    assert reminders(runtime) == [("queued", True)]
    with runtime.database.transaction() as session:
        erase_supporter(session, runtime, 1, now=runtime.clock.now())
    assert reminders(runtime) == [("unsubscribed", False)]  # and not sent, as nothing was
