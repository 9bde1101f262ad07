"""The weekly digest: who gets it, when, once, and what it does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Thread
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from billing.clock import FileClock
from billing.digest.content import Promised, WeekMoney, read_digest, write_digest
from billing.digest.domain import (
    CHART_WEEKS,
    SENT_AT,
    WEEK,
    YEAR,
    Week,
    bar,
    due_monday,
)
from billing.digest.service import send_due
from billing.digest.tables import DigestReader
from billing.emails import write_email
from billing.mail import compose
from billing.money import Money
from billing.outbox import OutboxMessage, OutboxStatus, claim, take
from billing.revenue.rebuild import keep_up
from billing.revenue.today import read_month
from billing.revenue.viewers import rounding_step
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.staff.domain import Role
from billing.staff.members import disable
from tests.support.staff import member_id, staff_client, trail
from tests.support.standin import StandIn

RIGA = ZoneInfo("Europe/Riga")
ADDRESS = "ada@courier.example"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_a_digest_is_due_from_seven_on_monday_in_the_newsrooms_zone(at: datetime) -> None:
    now = at.replace(tzinfo=UTC)
    monday = due_monday(now, RIGA)
    due = datetime.combine(monday, SENT_AT, tzinfo=RIGA)
    assert monday.weekday() == 0
    assert due <= now < datetime.combine(monday + WEEK, SENT_AT, tzinfo=RIGA)


def test_a_year_before_is_the_same_day_of_the_week() -> None:
    week = Week(date(2026, 11, 16))
    assert week.sunday == date(2026, 11, 22)
    assert week.back(YEAR).monday == date(2025, 11, 17)
    assert week.back(YEAR).monday.weekday() == 0


@pytest.mark.parametrize(
    ("goal", "step"),
    [(500_000, 5000), (1_000_000, 10_000), (123_456, 1000), (99, 1), (250_000, 2000)],
)
def test_sums_are_rounded_to_about_a_hundredth_of_the_goal(goal: int, step: int) -> None:
    assert rounding_step(Money(goal, "usd")) == step


def test_bars_are_hundredths_of_the_longest() -> None:
    assert [bar(each, 1000) for each in (1000, 500, 1, 0, -5, None)] == [100, 50, 1, 0, 0, 0]
    assert bar(0, 0) == 0


@pytest.fixture
def ada(client: FlaskClient, runtime: Runtime, stripe: StandIn) -> FlaskClient:
    """Ada, signed in at the demo newsroom."""
    assert stripe.url
    assert seed_demo(runtime)
    staff_client(client, runtime)
    return client


def letters(runtime: Runtime, template: str) -> list[OutboxMessage]:
    with runtime.database.transaction() as session:
        found = select(OutboxMessage).where(OutboxMessage.template == template)
        return list(session.scalars(found.order_by(OutboxMessage.id)))


def path_in(message: OutboxMessage, name: str) -> str:
    return str(message.context[name]).removeprefix("http://localhost")


def wants(client: FlaskClient, runtime: Runtime, address: str = ADDRESS) -> None:
    """Ask for the digest and confirm the address."""
    assert client.post("/staff/digest", data={"email": address}).status_code == 303
    link = path_in(letters(runtime, "digest_confirm")[-1], "confirm_url")
    assert "Yes, send it there" in client.get(link).text
    assert client.post(link).status_code == 303
    assert "You get it every Monday" in client.get("/staff/digest").text


def to_monday(clock: FileClock, after: timedelta = timedelta()) -> datetime:
    """Move the clock to the next Monday's hour, or so much after it."""
    due = datetime.combine(due_monday(clock.now(), RIGA) + WEEK, SENT_AT, tzinfo=RIGA)
    return clock.advance(due + after - clock.now())


def test_it_comes_once_a_week_however_often_the_beat_ticks(
    ada: FlaskClient, runtime: Runtime, clock: FileClock
) -> None:
    wants(ada, runtime)
    keep_up(runtime)
    assert send_due(runtime) == 0, "it begins with the next Monday"
    to_monday(clock, -timedelta(seconds=30))
    keep_up(runtime)
    assert send_due(runtime) == 0, "not yet"
    to_monday(clock)
    ticks = [Thread(target=send_due, args=[runtime]) for _ in range(4)]
    for each in ticks:
        each.start()
    for each in ticks:
        each.join()
    assert send_due(runtime) == 0
    [message] = letters(runtime, "digest")
    assert message.unique_key.endswith(str(due_monday(clock.now(), RIGA)))
    clock.advance(WEEK * 3)
    keep_up(runtime)
    assert send_due(runtime) == 1, "after an outage the latest one alone"
    assert send_due(runtime) == 0


def test_it_waits_until_the_figures_reach_the_monday(
    ada: FlaskClient, runtime: Runtime, clock: FileClock
) -> None:
    keep_up(runtime)
    wants(ada, runtime)
    to_monday(clock)
    assert send_due(runtime) == 0
    keep_up(runtime)
    assert send_due(runtime) == 1


class KilledError(BaseException):
    """The worker is gone."""


@contextmanager
def killed_at(runtime: Runtime, what: str) -> Iterator[None]:
    """Die before a statement, or before the transaction that holds it is committed."""
    inserted = []

    def before(_c: object, _u: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO outbox"):
            inserted.append(statement)
            if what == "insert":
                raise KilledError

    def commit(_: object) -> None:
        if inserted:
            raise KilledError

    engine = runtime.database.engine
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "commit", commit)
    try:
        with pytest.raises(KilledError):
            yield
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "commit", commit)


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    ada: FlaskClient, runtime: Runtime, clock: FileClock
) -> None:
    wants(ada, runtime)
    to_monday(clock)
    keep_up(runtime)
    for what in ("insert", "commit"):
        with killed_at(runtime, what):
            send_due(runtime)
        assert letters(runtime, "digest") == []
    assert send_due(runtime) == 1
    assert len(letters(runtime, "digest")) == 1


def test_nothing_goes_to_an_address_before_its_owner_says_so(
    ada: FlaskClient, app: Flask, runtime: Runtime, clock: FileClock
) -> None:
    ada.post("/staff/digest", data={"email": "typo@elsewhere.example"})
    stale = path_in(letters(runtime, "digest_confirm")[0], "confirm_url")
    assert "A letter is on its way" in ada.get("/staff/digest").text
    early = ada.post("/staff/digest", data={"email": ADDRESS})
    assert early.status_code == 422
    assert "wait a minute" in early.text
    clock.advance(timedelta(minutes=2))
    wants(ada, runtime)
    assert ada.post(stale).status_code == 422, "that address was given up"
    bob = app.test_client()
    staff_client(bob, runtime, Role.VIEWER, "Bob")
    theirs = path_in(letters(runtime, "digest_confirm")[1], "confirm_url")
    assert bob.post(theirs).status_code == 422
    assert app.test_client().post(theirs).status_code == 401
    to_monday(clock)
    keep_up(runtime)
    assert send_due(runtime) == 1
    assert [each.status for each in letters(runtime, "digest_confirm")] == [
        OutboxStatus.DROPPED, OutboxStatus.WAITING,
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["", "ada", "ada@", "a@b@c.example", "x" * 300 + "@a.example"])
def test_what_is_no_address_is_refused(client: FlaskClient, runtime: Runtime, written: str) -> None:
    staff_client(client, runtime, Role.VIEWER)
    answer = client.post("/staff/digest", data={"email": written})
    assert answer.status_code == 422
    assert letters(runtime, "digest_confirm") == []


def test_one_click_in_the_mail_program_ends_it_and_forgets_the_address(
    ada: FlaskClient, guarded_app: Flask, runtime: Runtime, clock: FileClock
) -> None:
    wants(ada, runtime)
    to_monday(clock)
    keep_up(runtime)
    assert send_due(runtime) == 1
    with runtime.database.transaction() as session:
        taken = [take(session, each, now=clock.now()) for each in claim(
            session, now=clock.now(), limit=100)]  # fmt: skip
    [digest] = [each for each in taken if each is not None and each.template == "digest"]
    mail = compose(runtime, digest, ADDRESS)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(mail["List-Unsubscribe"]).strip("<>").removeprefix("http://localhost")
    stranger = guarded_app.test_client()
    page = stranger.get(link)
    assert "No more digests?" in page.text
    with runtime.database.transaction() as session:
        assert session.scalar(select(DigestReader.id)) is not None, "a look changes nothing"
    for _ in range(2):
        answer = stranger.post(link, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert stranger.post(f"{link}x").status_code == 404
    with runtime.database.transaction() as session:
        assert session.scalar(select(DigestReader.id)) is None
    assert letters(runtime, "digest")[0].recipient_encrypted is None
    assert trail(runtime).count("settings_changed") == 3


def test_a_wish_can_be_taken_back_and_disabled_members_get_none(
    ada: FlaskClient, app: Flask, runtime: Runtime, clock: FileClock
) -> None:
    wants(ada, runtime)
    bob = app.test_client()
    staff_client(bob, runtime, Role.VIEWER, "Bob")
    wants(bob, runtime, "bob@courier.example")
    ada.post("/staff/digest/stop")
    assert "The week in one email" in ada.get("/staff/digest").text
    assert ada.post("/staff/digest/stop").status_code == 303
    with runtime.database.transaction() as session:
        disable(session, member_id(runtime, "Bob"), clock.now(), by=member_id(runtime),
                reason="left")  # fmt: skip
    to_monday(clock)
    keep_up(runtime)
    assert send_due(runtime) == 0
    assert letters(runtime, "digest") == []


def test_what_it_says_is_rounded_agrees_with_the_books_and_names_nobody(
    ada: FlaskClient, runtime: Runtime, clock: FileClock
) -> None:
    now = to_monday(clock)
    keep_up(runtime)
    newsroom = runtime.settings.newsroom
    monday = due_monday(now, RIGA)
    with runtime.database.transaction() as session:
        found = read_digest(session, newsroom, monday, monday)
    assert found is not None
    weeks, promised = found
    assert len(weeks) == CHART_WEEKS + 1
    assert weeks[-1].week.monday == monday - WEEK - YEAR
    told = 0
    with runtime.database.transaction() as session:
        for each in weeks:
            count, gross = _plainly(session, each.week)
            if each.payments is None:
                assert count
            else:
                told += count
                assert (each.payments, each.gross) == (count, gross)
                assert count == 0 or count >= 5
    assert told
    assert promised.supporters
    assert promised.supporters % 5 == 0
    with runtime.database.transaction() as session:
        seen = read_month(session, newsroom, now).goal
    content = write_digest(found, seen, 0, newsroom)
    links = {"staff_url": "http://localhost/staff/", "unsubscribe_url": "http://localhost/u"}
    email = write_email("digest", "en", {**content, **links}, newsroom)
    step = rounding_step(newsroom.goal) // 100
    for written in re.findall(r"\$([\d,]+)", email.text):
        assert int(written.replace(",", "")) % step == 0
    assert "supporter " not in email.text
    assert "@" not in email.text.replace(newsroom.contact_email, "")


def _plainly(session: Session, week: Week) -> tuple[int, int]:
    """Payments settled in the goal's currency and what they came to, by their ledger lines."""
    query = text("""
        SELECT count(DISTINCT t.id) FILTER (WHERE t.category = 'charge'),
               coalesce(sum(e.amount_minor), 0)
        FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE t.category IN ('charge', 'charge_failure') AND e.account IN ('stripe', 'fees')
          AND e.currency = 'usd' AND t.charge_id IS NOT NULL
          AND t.occurred_at >= :begins AND t.occurred_at < :ends""")
    begins = datetime.combine(week.monday, datetime.min.time(), tzinfo=RIGA)
    ends = datetime.combine(week.monday + WEEK, datetime.min.time(), tzinfo=RIGA)
    count, gross = session.execute(query, {"begins": begins, "ends": ends}).one()
    return count, int(gross)


def quiet(payments: int | None, gross: int | None) -> WeekMoney:
    return WeekMoney(week=Week(date(2026, 11, 16)), payments=payments, gifts=None, pledges=None,
                     gross=gross, net=gross)  # fmt: skip


def test_what_changed_most_is_said_as_far_as_it_may_be(
    ada: FlaskClient, runtime: Runtime, now: datetime
) -> None:
    newsroom = runtime.settings.newsroom
    with runtime.database.transaction() as session:
        seen = read_month(session, newsroom, now).goal
    nothing = Promised(end=None, change=None, gained=None, lost=None, supporters=None)

    def said(before: WeekMoney, week: WeekMoney) -> str:
        weeks = [*[quiet(0, 0)] * 11, before, week, quiet(0, 0)]
        return str(write_digest((weeks, nothing), seen, 0, newsroom)["most"])

    less = said(quiet(20, 140_000), quiet(9, 90_000))
    assert less == (
        "What changed most: $500 less came in, all together, than in the week before"
        " ($900 instead of $1,400)."
    )
    parts = replace(quiet(20, 140_000), gifts=10_000, pledges=130_000)
    more = replace(quiet(20, 190_000), gifts=70_000, pledges=120_000)
    assert said(parts, more).startswith("What changed most: $600 more came from gifts than")
    assert said(parts, parts) == "Nothing differs much from the week before."


def test_a_quiet_week_says_little_and_still_reads_well(
    ada: FlaskClient, runtime: Runtime, now: datetime
) -> None:
    newsroom = runtime.settings.newsroom
    with runtime.database.transaction() as session:
        seen = read_month(session, newsroom, now).goal
    nothing = Promised(end=None, change=None, gained=None, lost=None, supporters=None)
    weeks = [quiet(0, 0)] * 12 + [quiet(None, None), quiet(0, 0)]
    content = write_digest((weeks, nothing), seen, 1, newsroom)
    links = {"staff_url": "http://localhost/staff/", "unsubscribe_url": "http://localhost/u"}
    email = write_email("digest", "en", {**content, **links}, newsroom)
    assert email.subject == "The week of 16 Nov 2026"
    assert "Too few payments in the week" in email.text
    assert "1 thing needs a person." in email.text
    assert "Change in the week" not in email.text
