"""Moving the clock: by the wall clock of the newsroom, for the application and the stand-in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, strategies as st

from billing.clock import FileClock
from billing.local import clock_page, demo

RIGA = ZoneInfo("Europe/Riga")


def _moved(start: str, step: str) -> str:
    now = datetime.fromisoformat(start).replace(tzinfo=RIGA).astimezone(UTC)
    then = now + clock_page.later(now, clock_page.STEPS[step], RIGA)
    return f"{then.astimezone(RIGA):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("start", "step", "end"),
    [
        ("2027-01-31 10:00", "month", "2027-02-28 10:00"),
        ("2028-01-31 10:00", "month", "2028-02-29 10:00"),
        ("2028-02-29 10:00", "year", "2029-02-28 10:00"),
        ("2027-03-27 10:00", "day", "2027-03-28 10:00"),  # an hour is skipped on the way
        ("2027-10-30 10:00", "day", "2027-10-31 10:00"),  # an hour comes twice
        ("2027-10-15 10:00", "month", "2027-11-15 10:00"),
        ("2027-12-28 23:30", "week", "2028-01-04 23:30"),
    ],
)
def test_a_step_is_counted_on_the_newsrooms_wall_clock(start: str, step: str, end: str) -> None:
    assert _moved(start, step) == end


@given(
    now=st.datetimes(
        datetime(2020, 1, 1),
        datetime(2040, 1, 1),
        timezones=st.just(UTC),
    ),
    step=st.sampled_from(sorted(clock_page.STEPS)),
)
def test_the_clock_only_goes_forward(now: datetime, step: str) -> None:
    assert clock_page.later(now, clock_page.STEPS[step], RIGA).total_seconds() > 0


@pytest.fixture
def visitor(guarded_app: Flask) -> FlaskClient:
    guarded_app.register_blueprint(clock_page.blueprint)
    guarded_app.register_blueprint(demo.blueprint)
    return guarded_app.test_client()


def _token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_the_button_moves_the_clock_that_everybody_shares(
    visitor: FlaskClient, clock: FileClock
) -> None:
    before = clock.now()
    token = _token(visitor.get("/local/clock").text)
    answer = visitor.post("/local/clock", data={"step": "week", "csrf_token": token})
    assert answer.status_code == 303
    assert 6.9 < (clock.now() - before).total_seconds() / 86_400 < 7.1
    assert "It is now" in visitor.get("/local/clock").text


def test_a_second_click_moves_it_no_further(visitor: FlaskClient, clock: FileClock) -> None:
    page = visitor.get("/local/clock").text
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen
    data = {"step": "day", "csrf_token": _token(page), "seen": seen[1]}
    visitor.post("/local/clock", data=data)
    moved = clock.offset_seconds()
    assert moved > 0
    assert visitor.post("/local/clock", data=data).status_code == 303
    assert clock.offset_seconds() == moved


def test_without_a_token_from_the_page_nothing_moves(
    visitor: FlaskClient, clock: FileClock
) -> None:
    assert visitor.post("/local/clock", data={"step": "week"}).status_code == 400
    assert clock.offset_seconds() == 0


def test_an_unknown_step_moves_nothing(visitor: FlaskClient, clock: FileClock) -> None:
    token = _token(visitor.get("/local/clock").text)
    answer = visitor.post("/local/clock", data={"step": "decade", "csrf_token": token})
    assert answer.status_code == 400
    assert clock.offset_seconds() == 0


def test_the_page_says_when_the_stand_in_does_not_answer(visitor: FlaskClient) -> None:
    assert "does not answer" in visitor.get("/local/clock").text
