"""What readers do before they pay is counted by day and source, and nobody is known by it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from billing.checkout.referrers import PATTERNS, Referrer, kind_of
from billing.revenue import folding
from billing.revenue.rebuild import keep_up
from billing.runtime import Runtime


def notes(runtime: Runtime) -> list[tuple[Any, ...]]:
    with runtime.database.transaction() as session:
        query = text("SELECT day, step, source FROM step_notes ORDER BY id")
        return [tuple(row) for row in session.execute(query)]


def counts(runtime: Runtime) -> dict[tuple[str, str, str], int]:
    with runtime.database.transaction() as session:
        query = text(
            "SELECT step, coalesce(s.appeal, ''), coalesce(s.referrer, '-'), times"
            " FROM reader_steps LEFT JOIN revenue_sources s ON s.id = source_id"
        )
        return {(row[0], row[1], row[2]): row[3] for row in session.execute(query)}


def test_opening_the_support_page_leaves_a_day_a_step_and_a_source(
    client: FlaskClient, runtime: Runtime, now: datetime
) -> None:
    client.get(
        "/support?article=news/1&appeal=banner&variant=b&utm_source=x",
        headers={"Referer": "https://www.google.com/search?q=secret+illness"},
    )
    [(day, step, source)] = notes(runtime)
    assert day == now.astimezone(ZoneInfo("Europe/Riga")).date()
    assert step == "opened"
    assert source == {
        "article": "news/1", "appeal": "banner", "variant": "b", "referrer": "search"
    }  # fmt: skip


def test_what_was_said_along_the_way_counts_and_not_the_page_before(
    client: FlaskClient, runtime: Runtime
) -> None:
    page = client.get("/support?referrer=social", headers={"Referer": "http://localhost/a"}).text
    assert 'name="referrer" value="social"' in page
    client.get("/support?referrer=https://evil.example/who", headers={"Referer": ""})
    client.head("/support")
    assert [source for _, _, source in notes(runtime)] == [
        {"referrer": "social"},
        {"referrer": "direct"},
    ]


def test_an_appeal_on_another_site_is_counted_and_sets_nothing(
    client: FlaskClient, runtime: Runtime
) -> None:
    answer = client.post("/embed/shown?part=banner&article=theirs&referrer=search&who=me@x.org")
    assert answer.status_code == 204
    assert "Set-Cookie" not in answer.headers
    assert client.post("/embed/shown?part=nothing&article=a@b.org").status_code == 204
    assert [(step, source) for _, step, source in notes(runtime)] == [
        ("shown", {"article": "theirs", "referrer": "search", "appeal": "embed-banner"}),
        ("shown", {"appeal": "embed-appeal"}),
    ]


def test_notes_become_counts_and_are_gone(client: FlaskClient, runtime: Runtime) -> None:
    for _ in range(3):
        client.post("/embed/shown?part=banner&referrer=search")
    keep_up(runtime)
    client.post("/embed/shown?part=banner&referrer=search")
    client.get("/support?appeal=embed-banner&referrer=search")
    keep_up(runtime)
    assert notes(runtime) == []
    assert counts(runtime) == {
        ("shown", "embed-banner", "search"): 4,
        ("opened", "embed-banner", "search"): 1,
    }


def test_names_made_up_by_strangers_do_not_fill_the_database(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/embed/shown?part=banner&article=ours")
    keep_up(runtime)
    with runtime.database.transaction() as session:
        known = session.scalar(text("SELECT count(*) FROM revenue_sources"))
    assert known == 1
    monkeypatch.setattr(folding, "MOST_SOURCES", known)
    for number in range(5):
        client.post(f"/embed/shown?part=banner&article=made-up-{number}")
    client.post("/embed/shown?part=banner&article=ours")
    keep_up(runtime)
    assert counts(runtime) == {("shown", "", "-"): 5, ("shown", "embed-banner", ""): 2}


def test_a_count_that_cannot_be_kept_does_not_keep_anybody_from_giving(
    client: FlaskClient, runtime: Runtime
) -> None:
    with runtime.database.transaction() as session:
        session.execute(text("ALTER TABLE step_notes RENAME TO away"))
    try:
        assert client.get("/support").status_code == 200
    finally:
        with runtime.database.transaction() as session:
            session.execute(text("ALTER TABLE away RENAME TO step_notes"))


@pytest.mark.parametrize(
    ("referrer", "kind"),
    [
        (None, Referrer.DIRECT),
        ("", Referrer.DIRECT),
        ("https://ours.example/a", Referrer.INSIDE),
        ("https://www.google.co.uk/", Referrer.SEARCH),
        ("https://yandex.ru/search", Referrer.SEARCH),
        ("https://notgoogle.example/", Referrer.SITES),
        ("https://mail.google.com/mail", Referrer.MAIL),
        ("https://l.facebook.com/l.php", Referrer.SOCIAL),
        ("https://x.com/a", Referrer.SOCIAL),
        ("https://netflix.com/", Referrer.SITES),
        ("https://t.me/channel", Referrer.MESSENGER),
        ("https://[broken", Referrer.SITES),
        ("android-app://org.telegram.messenger/", Referrer.SITES),
    ],
)
def test_only_the_kind_of_a_site_is_told(referrer: str | None, kind: Referrer) -> None:
    assert kind_of(referrer, "ours.example") is kind


def test_the_script_knows_the_same_kinds(client: FlaskClient) -> None:
    script = client.get("/embed/appeal.js").text
    [line] = [each for each in script.splitlines() if "var kinds =" in each]
    told = json.loads(line.partition("=")[2].strip().removesuffix(";"))
    assert told == [[kind.value, pattern] for kind, pattern in PATTERNS.items()]
