"""Whoever waits for a pledge's lock acts when it is theirs: its history never goes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from billing.charges.changing import resume_due
from billing.charges.letters import CANCEL_LINK, MANAGE_LINK
from billing.charges.opening import open_attempt, open_attempts
from billing.charges.settle import record_refusal
from billing.checkout.prepay import start_prepaying
from billing.pledges.service import get_pledge as lock_pledge
from billing.runtime import Runtime
from tests.conftest import wait_until
from tests.support.after import Advance, Reader, due_renewal, hear, rows, wrong
from tests.support.changes import pause, run_day
from tests.support.people import attempts_of, charges_of, get_pledge
from tests.support.standin import StandIn

HOUR = timedelta(hours=1)
IN_LINE = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'active'"
Act = Callable[[Flask, Runtime, Reader], object]


@contextmanager
def waiting(runtime: Runtime, pledge_id: int, act: Callable[[], object]) -> Iterator[Session]:
    """Hold a pledge's lock until the block ends; meanwhile `act` waits for it in a thread."""
    with ThreadPoolExecutor(1) as pool:
        with runtime.database.transaction() as session:
            lock_pledge(session, pledge_id, lock=True)
            done = pool.submit(act)
            wait_until(lambda: done.done() or bool(rows(runtime, IN_LINE)), "standing in line")
            yield session
        done.result(20)


@pytest.fixture
def reader(runtime: Runtime, stripe: StandIn, advance: Advance) -> Reader:
    """A reader whose renewal is due."""
    return due_renewal(runtime, stripe, advance)


def cancel(app: Flask, runtime: Runtime, reader: Reader) -> object:
    token = runtime.links.token(CANCEL_LINK, reader.pledge_id)
    return app.test_client().post(f"/pledges/{token}/cancel")


def skip(app: Flask, runtime: Runtime, reader: Reader) -> object:
    token = runtime.links.token(MANAGE_LINK, reader.pledge_id)
    shown = {"seen": "0", "turn": "2"}
    return app.test_client().post(f"/pledges/{token}/skip", data=shown)


def open_one(app: Flask, runtime: Runtime, reader: Reader) -> object:
    with runtime.database.transaction() as session:
        return open_attempt(session, runtime, reader.charge_id)


def open_many(app: Flask, runtime: Runtime, reader: Reader) -> object:
    with runtime.database.transaction() as session:
        return open_attempts(session, runtime, [reader.charge_id])


def pay_ahead(app: Flask, runtime: Runtime, reader: Reader) -> object:
    return start_prepaying(runtime, reader.pledge_id, months=3, seen=0, turn=2, title="Ahead")


def moment(runtime: Runtime, query: str) -> datetime:
    [(at,)] = rows(runtime, query)
    assert isinstance(at, datetime)
    return at


@pytest.mark.parametrize(
    ("act", "noted"),
    [
        (cancel, "SELECT cancelled_at FROM pledges"),
        (skip, "SELECT occurred_at FROM pledge_changes"),
        (open_one, "SELECT started_at FROM attempts"),
        (open_many, "SELECT started_at FROM attempts"),
    ],
)
def test_its_time_is_that_of_the_lock(
    app: Flask, runtime: Runtime, advance: Advance, reader: Reader, act: Act, noted: str
) -> None:
    with waiting(runtime, reader.pledge_id, lambda: act(app, runtime, reader)):
        free = advance(HOUR)
    assert moment(runtime, noted) >= free


def test_so_it_is_for_a_page_that_pays_ahead(
    app: Flask, runtime: Runtime, advance: Advance, reader: Reader
) -> None:
    reader.pay()
    with waiting(runtime, reader.pledge_id, lambda: pay_ahead(app, runtime, reader)):
        free = advance(HOUR)
    assert moment(runtime, "SELECT created_at FROM checkouts") >= free


def test_so_it_is_for_what_became_of_a_payment(
    runtime: Runtime, advance: Advance, reader: Reader
) -> None:
    def refuse() -> None:
        with runtime.database.transaction() as session:
            record_refusal(session, runtime, attempt_id, code="parameter_invalid")

    with runtime.database.transaction() as session:
        opened = open_attempt(session, runtime, reader.charge_id)
    assert opened is not None
    attempt_id = opened.attempt_id
    with waiting(runtime, reader.pledge_id, refuse):
        free = advance(HOUR)
    assert moment(runtime, "SELECT finished_at FROM attempts") >= free


def test_a_charge_made_while_a_cancellation_waits_is_no_alarm(
    app: Flask, runtime: Runtime, advance: Advance, reader: Reader
) -> None:
    with waiting(runtime, reader.pledge_id, lambda: cancel(app, runtime, reader)) as session:
        advance(HOUR)
        assert open_attempt(session, runtime, reader.charge_id) is not None
    [attempt] = attempts_of(runtime, reader.charge_id)
    ended = get_pledge(runtime, reader.pledge_id).cancelled_at
    assert ended is not None
    assert ended > attempt.started_at
    assert wrong(runtime) == []


BACK = timedelta(minutes=-10)


def test_the_clock_set_back_between_a_charge_and_a_cancellation_is_no_alarm(
    app: Flask, runtime: Runtime, advance: Advance, reader: Reader
) -> None:
    reader.pay()
    advance(BACK)
    cancel(app, runtime, reader)
    [attempt] = attempts_of(runtime, reader.charge_id)
    ended = get_pledge(runtime, reader.pledge_id).cancelled_at
    assert ended is not None
    assert ended >= attempt.started_at
    assert wrong(runtime) == []


def test_the_clock_set_back_between_a_charge_and_a_pause_is_no_alarm(
    runtime: Runtime, advance: Advance, reader: Reader
) -> None:
    reader.pay()
    advance(BACK)
    pause(runtime, reader.pledge_id, runtime.clock.now() + 50 * HOUR)
    assert wrong(runtime) == []


def test_the_clock_set_back_between_a_pause_s_end_and_a_charge_is_no_alarm(
    runtime: Runtime, advance: Advance, reader: Reader
) -> None:
    reader.pay()
    due = get_pledge(runtime, reader.pledge_id).next_charge_at
    assert due is not None
    advance(due - runtime.clock.now() - HOUR)
    pause(runtime, reader.pledge_id, due - timedelta(minutes=1))
    now = advance(2 * HOUR)
    with runtime.database.transaction() as session:
        assert resume_due(session, runtime, now=now, limit=10) == 1
    advance(BACK)
    run_day(runtime)
    assert len(charges_of(runtime, reader.pledge_id)) == 2
    hear(runtime)
    assert wrong(runtime) == []
