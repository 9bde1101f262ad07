"""An hour takes so many reminders and no more, whoever asks and for whichever address."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError

from billing.reminders.brake import attention, forget_old, hour_of, take_one, turned_away
from billing.reminders.tables import ReminderHour
from billing.runtime import Runtime
from tests.reminders.conftest import ADDRESS, Newsroom

LIMIT = 3
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def on_the_hour(advance: Callable[[timedelta], datetime], now: datetime) -> None:
    """Each test begins with an hour, so that it does not end in another one."""
    advance(hour_of(now) + HOUR - now)


@pytest.fixture
def braked(app: Flask) -> FlaskClient:
    """Readers of a newsroom that takes few reminders in an hour."""
    parts: Runtime = app.extensions["tuppence"]
    few = replace(parts.settings.newsroom, reminders_per_hour=LIMIT)
    app.extensions["tuppence"] = replace(parts, settings=replace(parts.settings, newsroom=few))
    return app.test_client()


def lately(newsroom: Newsroom) -> int:
    with newsroom.parts.database.transaction() as session:
        return turned_away(session, now=newsroom.now)


def test_what_goes_beyond_the_limit_is_not_noted(newsroom: Newsroom) -> None:
    taken = [newsroom.ask(f"reader{n}@example.org", limit=LIMIT) for n in range(5)]
    assert taken == [True, True, True, False, False]
    assert len(newsroom.reminders) == LIMIT
    assert not newsroom.holds("reader4@example.org")


def test_the_next_hour_takes_more(newsroom: Newsroom) -> None:
    assert [newsroom.ask(f"a{n}@example.org", limit=1) for n in range(2)] == [True, False]
    newsroom.move(HOUR)
    assert newsroom.ask("a1@example.org", limit=1)


def test_requests_are_counted_and_not_addresses(newsroom: Newsroom) -> None:
    """Else whoever fills an hour up to its last place could see whether an address was new."""
    newsroom.ask(ADDRESS)
    newsroom.unsubscribe()
    for _ in range(LIMIT - 1):
        assert newsroom.ask(ADDRESS, limit=LIMIT)
    assert not newsroom.ask(ADDRESS, limit=LIMIT)
    assert not newsroom.ask("stranger@example.org", limit=LIMIT)


def test_requests_at_once_do_not_slip_past_together(runtime: Runtime, now: datetime) -> None:
    def go(_: int) -> bool:
        with runtime.database.transaction() as session:
            return take_one(session, limit=LIMIT, now=now)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(go, range(24))) == LIMIT


def test_staff_hear_of_it_for_a_week(newsroom: Newsroom) -> None:
    for _ in range(5):
        newsroom.ask(limit=LIMIT)
    assert lately(newsroom) == 2
    with newsroom.parts.database.transaction() as session:
        [line] = attention(session, now=newsroom.now)
    assert line.startswith("2 requests for a reminder were turned away")
    newsroom.wait(6.9)
    assert lately(newsroom) == 2
    newsroom.wait(0.2)
    assert lately(newsroom) == 0


def test_counts_are_forgotten_after_a_month(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(29)
    newsroom.ask("later@example.org")
    newsroom.wait(2)
    with newsroom.parts.database.transaction() as session:
        assert forget_old(session, now=newsroom.now) == 1
        assert forget_old(session, now=newsroom.now) == 0


def test_an_hour_cannot_turn_away_more_than_asked(runtime: Runtime) -> None:
    hour = datetime(2027, 1, 1, 10, tzinfo=UTC)
    with pytest.raises(IntegrityError), runtime.database.transaction() as session:
        session.add(ReminderHour(hour=hour, asked=1, turned_away=2))


def test_everybody_hears_the_same_and_keeps_what_they_wrote(braked: FlaskClient) -> None:
    for n in range(LIMIT):
        assert braked.post("/remind", data={"email": f"r{n}@example.org"}).status_code == 200
    answers = [
        braked.post("/remind", data={"email": email})
        for email in ("r0@example.org", "new@example.org")
    ]
    for answer in answers:
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
        assert "this one has not been noted" in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
    known, unknown = (answer.text for answer in answers)
    assert 'value="new@example.org"' in unknown
    assert known.replace("r0@", "new@") == unknown


def test_what_is_no_address_takes_no_place(braked: FlaskClient) -> None:
    for _ in range(LIMIT + 1):
        assert braked.post("/remind", data={"email": "nonsense"}).status_code == 422
    assert braked.post("/remind", data={"email": ADDRESS}).status_code == 200


def test_the_page_says_so_in_russian(braked: FlaskClient) -> None:
    data = {"email": ADDRESS}
    answers = [braked.post("/remind?lang=ru", data=data) for _ in range(LIMIT + 1)]
    assert "Попробуйте ещё раз через час" in answers[-1].text
