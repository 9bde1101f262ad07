"""What was given up can be tried again: once each, under its own key, if it is still wanted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from billing.charges.events import claim_events
from billing.charges.tables import EventStatus, WebhookEvent
from billing.cli import main
from billing.erasure import erase_supporter
from billing.outbox import OutboxStatus, claim, drop, put, take
from billing.reminders import send, service
from billing.reminders.domain import ReminderStatus
from billing.retry import retry_events, retry_mail
from billing.runtime import Runtime
from tests.support.after import rows, run_sql
from tests.support.people import pledge_of

ADDRESS = "reader@example.org"


def owe(runtime: Runtime, key: str, now: datetime) -> bool:
    with runtime.database.transaction() as session:
        return put(
            session, unique_key=key, template="receipt", language="en",
            recipient_encrypted=runtime.vault.encrypt(ADDRESS),
            recipient_digest=runtime.vault.digest(ADDRESS), context={}, now=now,
        )  # fmt: skip


def retry(runtime: Runtime, limit: int = 100) -> int:
    with runtime.database.transaction() as session:
        return retry_mail(session, now=runtime.clock.now(), limit=limit)


def fail_all(runtime: Runtime) -> None:
    run_sql(runtime, "UPDATE outbox SET status = 'failed', tries = 28, last_error = '550'")


def messages(runtime: Runtime) -> list[tuple[object, ...]]:
    return rows(runtime, "SELECT status, tries, last_error FROM outbox ORDER BY id")


def test_failed_mail_begins_anew_and_nothing_else_does(runtime: Runtime, now: datetime) -> None:
    for number in range(3):
        owe(runtime, f"receipt:charge:{number}", now)
    fail_all(runtime)
    owe(runtime, "receipt:charge:sent", now)
    run_sql(
        runtime,
        "UPDATE outbox SET status = 'sent', recipient_encrypted = NULL, recipient_digest = NULL"
        " WHERE unique_key = 'receipt:charge:sent'",
    )
    assert retry(runtime, limit=2) == 2
    assert retry(runtime) == 1
    assert retry(runtime) == 0
    assert messages(runtime) == [("waiting", 0, None)] * 3 + [("sent", 0, None)]
    assert not owe(runtime, "receipt:charge:0", now), "the key stays"
    with runtime.database.transaction() as session:
        waiting = claim(session, now=runtime.clock.now(), limit=10)
        taken = take(session, waiting[0], now=runtime.clock.now())
    assert len(waiting) == 3
    assert taken is not None
    assert taken.tries == 1


def test_mail_that_was_taken_back_stays_so(runtime: Runtime, now: datetime) -> None:
    owe(runtime, "receipt:charge:1", now)
    fail_all(runtime)
    with runtime.database.transaction() as session:
        assert drop(session, "receipt:charge:1")
    assert retry(runtime) == 0


def test_mail_to_somebody_who_was_erased_stays_so(runtime: Runtime, now: datetime) -> None:
    pledge_of(runtime, anchor=now, address=ADDRESS)
    owe(runtime, "receipt:charge:1", now)
    fail_all(runtime)
    with runtime.database.transaction() as session:
        erase_supporter(session, runtime, 1, now=now)
    assert retry(runtime) == 0


@pytest.fixture
def undelivered(runtime: Runtime, now: datetime) -> int:
    """A reminder that no mail server took: its id."""
    zone = runtime.settings.newsroom.timezone
    then = now - timedelta(days=35)
    with runtime.database.transaction() as session:
        service.ask(
            session,
            runtime.vault,
            written=ADDRESS,
            language="en",
            source={},
            zone=zone,
            now=then,
            limit=1,
        )
        send.queue_due(session, runtime, now=now, limit=10)
    fail_all(runtime)
    with runtime.database.transaction() as session:
        assert send.settle(session, now=now, limit=10) == 1
    assert reminder(runtime) == (ReminderStatus.UNDELIVERED, True)
    return 1


def reminder(runtime: Runtime) -> tuple[object, bool]:
    [(status, held)] = rows(runtime, "SELECT status, email_encrypted IS NOT NULL FROM reminders")
    return ReminderStatus(status), held


def test_a_reminder_that_failed_is_queued_again(runtime: Runtime, undelivered: int) -> None:
    assert retry(runtime) == 1
    assert reminder(runtime) == (ReminderStatus.QUEUED, True)
    assert messages(runtime) == [("waiting", 0, None)]


def test_a_reminder_to_somebody_who_has_given_is_not(
    runtime: Runtime, undelivered: int, now: datetime
) -> None:
    pledge_of(runtime, anchor=now, address=ADDRESS)
    run_sql(
        runtime,
        "INSERT INTO charges (kind, status, supporter_id, currency, amount_minor, fee_cover_minor,"
        " refunded_minor, due_at, created_at, source)"
        " VALUES ('gift', 'succeeded', 1, 'usd', 500, 0, 0, now(), now(), '{}')",
    )
    assert retry(runtime) == 0
    assert reminder(runtime) == (ReminderStatus.UNDELIVERED, False)
    assert messages(runtime)[0][0] == OutboxStatus.DROPPED


def test_who_unsubscribes_after_a_failure_leaves_no_address_in_the_outbox(
    runtime: Runtime, undelivered: int, now: datetime
) -> None:
    with runtime.database.transaction() as session:
        service.unsubscribe(session, undelivered, now=now)
    assert reminder(runtime) == (ReminderStatus.UNDELIVERED, False)
    held = "SELECT count(*) FROM outbox WHERE recipient_encrypted IS NOT NULL"
    assert rows(runtime, held) == [(0,)]
    assert retry(runtime) == 0


def failed_event(runtime: Runtime, number: int, status: EventStatus, now: datetime) -> None:
    with runtime.database.transaction() as session:
        session.add(
            WebhookEvent(
                stripe_event_id=f"evt_{number}", type="payout.paid", object_id="po_1",
                created_at=now, received_at=now, backfilled=False, status=status,
                next_try_at=now, tries=20, last_error="OperationalError",
            )
        )  # fmt: skip


def test_failed_events_are_stored_again(runtime: Runtime, now: datetime) -> None:
    for number, status in enumerate(
        (EventStatus.FAILED, EventStatus.FAILED, EventStatus.PROCESSED, EventStatus.IGNORED)
    ):
        failed_event(runtime, number, status, now)
    with runtime.database.transaction() as session:
        assert retry_events(session, now=now, limit=1) == 1
        assert retry_events(session, now=now, limit=10) == 1
        assert retry_events(session, now=now, limit=10) == 0
    assert rows(runtime, "SELECT status, tries FROM webhook_events ORDER BY id") == [
        ("stored", 0), ("stored", 0), ("processed", 20), ("ignored", 20),
    ]  # fmt: skip
    with runtime.database.transaction() as session:
        assert claim_events(session, now=now, limit=10) == [1, 2]


def test_the_commands(runtime: Runtime, environment: dict[str, str], now: datetime) -> None:
    def tuppence(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False)
        return done.exit_code, done.stdout.strip()

    assert tuppence("attention") == (0, "Nothing needs a person.")
    code, said = tuppence("renewals")
    assert code == 0
    assert said.startswith("Renewals of ")
    assert said.endswith("No renewal has fallen due today, and none will.")
    owe(runtime, "receipt:charge:1", now)
    fail_all(runtime)
    code, said = tuppence("attention")
    assert code == 1
    assert said.startswith("1 email has failed for good (receipt, 550, the last is message 1)")
    assert tuppence("retry", "mail") == (0, "1 email will be tried again.")
    assert tuppence("retry", "events") == (0, "0 events will be tried again.")
    assert tuppence("attention")[0] == 0
    assert rows(runtime, "SELECT status FROM outbox") == [("waiting",)]
