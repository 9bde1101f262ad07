"""The pages: what they take, what they refuse, and that they give nobody away."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from billing.reminders.service import UNSUBSCRIBE_LINK
from billing.reminders.tables import Reminder, Suppression
from billing.runtime import Runtime
from billing.supporters.service import get_or_create


def count(runtime: Runtime) -> int:
    with runtime.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(Reminder)) or 0


def suppressed(runtime: Runtime) -> int:
    with runtime.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(Suppression)) or 0


def link(runtime: Runtime, reminder_id: int = 1) -> str:
    return f"/remind/unsubscribe/{runtime.links.token(UNSUBSCRIBE_LINK, reminder_id)}"


def ask(client: FlaskClient, email: str = "reader@example.org") -> str:
    answer = client.post("/remind", data={"email": email})
    assert answer.status_code == 200
    return answer.text


def test_the_form_remembers_where_the_reader_came_from(
    client: FlaskClient, runtime: Runtime
) -> None:
    form = client.get("/remind?article=harbour&campaign=autumn&else=x")
    assert form.status_code == 200
    assert 'name="article" value="harbour"' in form.text
    data = {"email": "a@example.org", "article": "harbour", "campaign": "autumn", "else": "x"}
    client.post("/remind", data=data)
    with runtime.database.transaction() as session:
        source = session.scalars(select(Reminder.source)).one()
    assert source == {"article": "harbour", "campaign": "autumn"}


def test_the_answer_names_the_day_and_what_is_kept(
    client: FlaskClient, advance: Callable[[timedelta], datetime], runtime: Runtime
) -> None:
    now = runtime.clock.now()
    advance(datetime(now.year + 2, 1, 31, 12, tzinfo=now.tzinfo) - now)
    page = ask(client)
    last = "29" if (now.year + 2) % 4 == 0 else "28"
    assert f"{last} February {now.year + 2}" in page
    assert "30 days after the email" in page


def test_nobody_can_find_out_who_reads_us(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        get_or_create(
            session,
            runtime.vault,
            address="supporter@example.org",
            name=None,
            language="en",
            now=runtime.clock.now(),
        )
    ask(client, "never@example.org")
    client.post(link(runtime))
    ask(client, "known@example.org")
    pages = {
        ask(client, f"{who}@example.org") for who in ("stranger", "known", "never", "supporter")
    }
    assert len(pages) == 1


def test_the_day_shown_to_who_asks_again_is_counted_from_now(
    client: FlaskClient, advance: Callable[[timedelta], datetime]
) -> None:
    """Else two requests on two days would show whether somebody had asked before."""
    first = ask(client)
    advance(timedelta(days=2))
    again = ask(client)
    assert first != again
    assert again == ask(client, "stranger@example.org")


@pytest.mark.parametrize(
    "email",
    [
        "иван@пример.рф",
        "reader@bücher.example",
        "  reader@example.org\u00a0",
        "o'neil+news@example.co.uk",
    ],
)
def test_addresses_are_read_as_they_are_meant(
    client: FlaskClient, runtime: Runtime, email: str
) -> None:
    ask(client, email)
    assert count(runtime) == 1


@pytest.mark.parametrize(
    ("email", "says"),
    [
        ("", "Please write your email address here."),
        ("   ", "Please write your email address here."),
        ("x" * 288 + "@example.org", "longer than an email address can be"),
        ("reader@example.org\nBcc: spy@example.net", "should look like name@example.org"),
        ("reader@example.org\r\n", "should look like name@example.org"),
        ("reader", "should look like name@example.org"),
        ("reader@", "should look like name@example.org"),
        ("a@b.example, c@d.example", "should look like name@example.org"),
        ('"><script>alert(1)</script>@example.org', "should look like name@example.org"),
        ("reader\x00@example.org", "should look like name@example.org"),
    ],
)
def test_what_is_no_address_is_said_at_the_field_and_kept_in_it(
    client: FlaskClient, runtime: Runtime, email: str, says: str
) -> None:
    answer = client.post("/remind", data={"email": email, "article": "harbour"})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<script>" not in answer.text
    assert 'value="harbour"' in answer.text
    if email.isprintable() and "<" not in email:
        assert f'value="{email}"' in answer.text
    assert count(runtime) == 0


@pytest.mark.parametrize("token", [None, "forged"])
def test_a_forged_or_stale_form_notes_nothing_and_keeps_what_was_written(
    guarded_app: Flask, runtime: Runtime, token: str | None
) -> None:
    client = guarded_app.test_client()
    data = {"email": "reader@example.org", "article": "harbour"}
    answer = client.post("/remind", data=data | ({"csrf_token": token} if token else {}))
    assert answer.status_code == 400
    assert 'value="reader@example.org"' in answer.text
    assert count(runtime) == 0
    fresh = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert fresh is not None
    assert client.post("/remind", data=data | {"csrf_token": fresh[1]}).status_code == 200
    assert count(runtime) == 1


def test_a_form_with_its_token_is_taken(guarded_app: Flask, runtime: Runtime) -> None:
    client = guarded_app.test_client()
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/remind").text)
    assert found is not None
    data = {"email": "reader@example.org", "csrf_token": found[1]}
    assert client.post("/remind", data=data).status_code == 200
    assert count(runtime) == 1


def test_a_scanner_that_follows_the_link_stops_nothing(
    client: FlaskClient, runtime: Runtime
) -> None:
    ask(client)
    page = client.get(link(runtime))
    assert page.status_code == 200
    assert 'method="post"' in page.text
    assert client.head(link(runtime)).status_code == 200
    assert suppressed(runtime) == 0


def test_one_click_stops_at_once_without_cookies_or_tokens(
    guarded_app: Flask, runtime: Runtime
) -> None:
    client = guarded_app.test_client(use_cookies=False)
    with runtime.database.transaction() as session:
        session.execute(Reminder.__table__.insert().values(**_waiting(runtime)))
    for _ in range(2):
        answer = client.post(link(runtime), data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert suppressed(runtime) == 1


@pytest.mark.parametrize("change", [lambda token: token[:-1], lambda token: "x" + token, str.upper])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_changed_link_is_told_plainly(
    client: FlaskClient, runtime: Runtime, change: Callable[[str], str], method: str
) -> None:
    ask(client)
    head, _, token = link(runtime).rpartition("/")
    answer = client.open(f"{head}/{change(token)}", method=method)
    assert answer.status_code == 404
    assert "This link does not work" in answer.text
    assert suppressed(runtime) == 0


def test_a_link_made_for_something_else_is_no_good_here(
    client: FlaskClient, runtime: Runtime
) -> None:
    ask(client)
    token = runtime.links.token("cancel-pledge", 1)
    assert client.post(f"/remind/unsubscribe/{token}").status_code == 404
    assert suppressed(runtime) == 0


def test_a_link_to_no_reminder_is_told_plainly(client: FlaskClient, runtime: Runtime) -> None:
    assert client.post(link(runtime, 99)).status_code == 404


@pytest.mark.parametrize("path", ["/remind", "/remind/unsubscribe/x"])
def test_no_cache_keeps_these_pages(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


def _waiting(runtime: Runtime) -> dict[str, object]:
    now = runtime.clock.now()
    return {
        "email_digest": runtime.vault.digest("reader@example.org"),
        "email_encrypted": runtime.vault.encrypt("reader@example.org"),
        "language": "en",
        "status": "waiting",
        "asked_at": now,
        "asked_month": now.date().replace(day=1),
        "due_at": now + timedelta(days=30),
        "source": {},
    }
