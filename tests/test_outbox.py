"""The outbox's states: who gets a message, for how long, and what ends it."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from billing.outbox import (
    GAVE_UP,
    MAX_TRIES,
    OUTBOX_TRANSITIONS,
    QUEUED_FOR,
    SENDING_FOR,
    OutboxMessage,
    OutboxStatus,
    Taken,
    claim,
    drop,
    fail,
    mark_sent,
    pause_after,
    postpone,
    put,
    take,
)
from billing.runtime import Runtime
from billing.smtp import ACCEPT_SECONDS, STEP_SECONDS

KEY = "receipt:charge:1"


@pytest.fixture
def message_id(runtime: Runtime, now: datetime) -> int:
    """A message that waits."""
    return put_one(runtime, KEY, now)


def put_one(runtime: Runtime, key: str, now: datetime) -> int:
    address = "reader@example.org"
    with runtime.database.transaction() as session:
        put(
            session,
            unique_key=key,
            template="receipt",
            language="en",
            recipient_encrypted=runtime.vault.encrypt(address),
            recipient_digest=runtime.vault.digest(address),
            context={},
            now=now,
        )
        return session.scalars(
            select(OutboxMessage.id).where(OutboxMessage.unique_key == key)
        ).one()


def message(runtime: Runtime, message_id: int) -> OutboxMessage:
    with runtime.database.transaction() as session:
        return session.get_one(OutboxMessage, message_id)


def claimed(runtime: Runtime, now: datetime) -> list[int]:
    with runtime.database.transaction() as session:
        return claim(session, now=now, limit=100)


def taken(runtime: Runtime, message_id: int, now: datetime) -> Taken:
    with runtime.database.transaction() as session:
        found = take(session, message_id, now=now)
    assert found is not None
    return found


def test_the_same_thing_is_said_once(runtime: Runtime, now: datetime) -> None:
    assert put_one(runtime, KEY, now) == put_one(runtime, KEY, now)


def test_a_message_is_claimed_by_one(runtime: Runtime, message_id: int, now: datetime) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(runtime.database.transaction())
        second = stack.enter_context(runtime.database.transaction())
        assert claim(first, now=now, limit=10) == [message_id]
        assert claim(second, now=now, limit=10) == []
    assert claimed(runtime, now) == []


def test_a_claim_that_came_to_nothing_runs_out(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    claimed(runtime, now)
    assert claimed(runtime, now + QUEUED_FOR - timedelta(seconds=1)) == []
    assert claimed(runtime, now + QUEUED_FOR) == [message_id]


def test_two_tasks_for_one_message_send_it_once(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    taken(runtime, message_id, now)
    with runtime.database.transaction() as session:
        assert take(session, message_id, now=now) is None


def test_a_message_whose_worker_died_waits_again(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    taken(runtime, message_id, now)
    assert claimed(runtime, now + SENDING_FOR - timedelta(seconds=1)) == []
    assert claimed(runtime, now + SENDING_FOR) == [message_id]
    assert taken(runtime, message_id, now + SENDING_FOR).tries == 2


def test_a_delivery_cannot_outlast_its_lease() -> None:
    steps = ["connect", "banner", "EHLO", "STARTTLS", "handshake", "EHLO", "AUTH", "its answer"]
    steps += ["MAIL", "RCPT"]
    longest = len(steps) * STEP_SECONDS + ACCEPT_SECONDS
    assert timedelta(seconds=longest) < SENDING_FOR


def test_what_was_sent_tells_no_longer_to_whom(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    taken(runtime, message_id, now)
    with runtime.database.transaction() as session:
        mark_sent(session, message_id, now=now)
    row = message(runtime, message_id)
    assert (row.status, row.sent_at) == (OutboxStatus.SENT, now)
    assert row.recipient_encrypted is None
    assert row.recipient_digest is None
    assert claimed(runtime, now + timedelta(days=1)) == []


def test_a_failed_try_is_repeated_after_a_pause(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    this = taken(runtime, message_id, now)
    with runtime.database.transaction() as session:
        postpone(session, this, code="smtp_451", now=now)
    row = message(runtime, message_id)
    assert (row.status, row.last_error) == (OutboxStatus.WAITING, "smtp_451")
    assert claimed(runtime, now + timedelta(seconds=59)) == []
    assert claimed(runtime, now + timedelta(seconds=60)) == [message_id]


def test_tries_go_on_for_five_days_and_then_a_person_should_look(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    at = now
    for _ in range(MAX_TRIES):
        assert claimed(runtime, at) == [message_id]
        this = taken(runtime, message_id, at)
        with runtime.database.transaction() as session:
            postpone(session, this, code="smtp_451", now=at)
        at += pause_after(this.tries)
    assert timedelta(days=4) < at - now < timedelta(days=6)
    assert message(runtime, message_id).status is OutboxStatus.FAILED
    assert message(runtime, message_id).recipient_encrypted is not None
    assert claimed(runtime, at + timedelta(days=9)) == []


def test_a_message_that_kills_every_worker_is_given_up(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    at = now
    for _ in range(MAX_TRIES):
        claimed(runtime, at)
        taken(runtime, message_id, at)
        at += SENDING_FOR
    claimed(runtime, at)
    with runtime.database.transaction() as session:
        assert take(session, message_id, now=at) is None
    row = message(runtime, message_id)
    assert (row.status, row.last_error) == (OutboxStatus.FAILED, GAVE_UP)


def test_a_refused_message_is_not_tried_again(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    this = taken(runtime, message_id, now)
    with runtime.database.transaction() as session:
        fail(session, this, code="smtp_550", now=now)
    assert message(runtime, message_id).status is OutboxStatus.FAILED
    assert claimed(runtime, now + timedelta(days=9)) == []


def test_a_slow_worker_does_not_undo_what_a_quicker_one_did(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    slow = taken(runtime, message_id, now)
    claimed(runtime, now + SENDING_FOR)
    taken(runtime, message_id, now + SENDING_FOR)
    with runtime.database.transaction() as session:
        fail(session, slow, code="smtp_550", now=now + SENDING_FOR)
    assert message(runtime, message_id).status is OutboxStatus.SENDING


def test_what_a_slow_worker_sent_is_not_sent_again(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    taken(runtime, message_id, now)
    claimed(runtime, now + SENDING_FOR)
    with runtime.database.transaction() as session:
        mark_sent(session, message_id, now=now + SENDING_FOR)
    with runtime.database.transaction() as session:
        assert take(session, message_id, now=now + SENDING_FOR) is None


def test_a_dropped_message_is_neither_sent_nor_kept(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    with runtime.database.transaction() as session:
        assert drop(session, KEY)
        assert not drop(session, KEY)
    assert message(runtime, message_id).recipient_encrypted is None
    assert claimed(runtime, now) == []


def test_a_message_dropped_on_its_way_does_not_come_back_when_the_try_fails(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    this = taken(runtime, message_id, now)
    with runtime.database.transaction() as session:
        assert drop(session, KEY)
        postpone(session, this, code="smtp_451", now=now)
    assert message(runtime, message_id).status is OutboxStatus.DROPPED


def test_a_message_dropped_on_its_way_and_taken_all_the_same_was_sent(
    runtime: Runtime, message_id: int, now: datetime
) -> None:
    taken(runtime, message_id, now)
    with runtime.database.transaction() as session:
        drop(session, KEY)
    with runtime.database.transaction() as session:
        mark_sent(session, message_id, now=now)
        assert not drop(session, KEY)
    assert message(runtime, message_id).status is OutboxStatus.SENT


def test_the_state_table_names_every_state() -> None:
    assert set(OUTBOX_TRANSITIONS) == set(OutboxStatus)
    ends = [old for old, new in OUTBOX_TRANSITIONS.items() if not new]
    assert ends == [OutboxStatus.SENT]
    assert all(OutboxStatus.SENT in new for old, new in OUTBOX_TRANSITIONS.items() if new)
