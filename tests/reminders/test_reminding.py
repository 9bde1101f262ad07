"""One email, about a month later, to those who asked and have not given; and then forgotten."""

from __future__ import annotations

import threading

import pytest

from billing.charges.domain import ChargeStatus
from billing.outbox import MAX_TRIES, OutboxStatus, drop
from billing.reminders.domain import ReminderStatus
from billing.reminders.errors import ReminderNotFoundError
from billing.reminders.tables import Suppression
from tests.reminders.conftest import ADDRESS, Newsroom

MONTH = 31
"""Days after which every reminder is due."""


def states(newsroom: Newsroom) -> list[ReminderStatus]:
    return [reminder.status for reminder in newsroom.reminders]


def test_one_email_a_month_later_and_never_again(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(27)
    newsroom.run()
    assert newsroom.box.messages == []
    newsroom.wait(4)
    newsroom.run()
    newsroom.wait(100)
    newsroom.run()
    assert newsroom.box.recipients == [ADDRESS]
    assert states(newsroom) == [ReminderStatus.SENT]


def test_an_outage_delays_and_never_skips(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(60)
    newsroom.run()
    assert len(newsroom.box.messages) == 1


def test_the_email_is_in_the_readers_language_and_can_be_stopped(newsroom: Newsroom) -> None:
    newsroom.ask(language="ru")
    newsroom.wait(MONTH)
    newsroom.run()
    (mail,) = newsroom.box.messages
    assert mail["Content-Language"] == "ru"
    assert str(mail["List-Unsubscribe"]).startswith("<http://localhost/remind/unsubscribe/")
    assert ADDRESS not in str(mail.get_body(("html",)))


def test_two_workers_at_once_queue_it_once(newsroom: Newsroom) -> None:
    for number in range(20):
        newsroom.ask(f"reader{number}@example.org")
    newsroom.wait(MONTH)
    workers = [threading.Thread(target=newsroom.tick) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(message.unique_key for message in newsroom.outbox) == sorted(
        f"reminder:{number}" for number in range(1, 21)
    )


def test_asking_again_changes_nothing(newsroom: Newsroom) -> None:
    newsroom.ask()
    (first,) = newsroom.reminders
    newsroom.wait(1)
    newsroom.ask(" READER@Example.org ")
    (same,) = newsroom.reminders
    assert (same.id, same.due_at, same.asked_at) == (first.id, first.due_at, first.asked_at)


def test_asking_again_while_last_months_reminder_waits_changes_nothing(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(27)
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    assert len(newsroom.reminders) == 1


def test_asking_at_once_from_many_windows_makes_one(newsroom: Newsroom) -> None:
    windows = [threading.Thread(target=newsroom.ask) for _ in range(8)]
    for window in windows:
        window.start()
    for window in windows:
        window.join()
    assert len(newsroom.reminders) == 1


def test_after_the_email_one_may_ask_anew(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    assert len(newsroom.box.messages) == 2


@pytest.mark.parametrize(
    "status", [ChargeStatus.SUCCEEDED, ChargeStatus.PROCESSING, ChargeStatus.SUBMITTED]
)
def test_who_has_given_since_is_not_reminded_and_forgotten(
    newsroom: Newsroom, status: ChargeStatus
) -> None:
    newsroom.ask()
    newsroom.wait(3)
    newsroom.give("Reader@example.org", status)
    newsroom.wait(MONTH)
    newsroom.run()
    assert newsroom.box.messages == []
    assert states(newsroom) == [ReminderStatus.SKIPPED]
    assert not newsroom.holds(ADDRESS)


@pytest.mark.parametrize("status", [ChargeStatus.DECLINED, ChargeStatus.CANCELLED])
def test_whose_card_was_declined_has_not_given(newsroom: Newsroom, status: ChargeStatus) -> None:
    newsroom.ask()
    newsroom.wait(3)
    newsroom.give(status=status)
    newsroom.wait(MONTH)
    newsroom.run()
    assert len(newsroom.box.messages) == 1


def test_who_gave_before_asking_is_reminded(newsroom: Newsroom) -> None:
    newsroom.give()
    newsroom.wait(1)
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    assert len(newsroom.box.messages) == 1


def test_who_gives_while_the_mail_server_is_away_is_not_reminded(newsroom: Newsroom) -> None:
    newsroom.box.on_recipient = "451 later"
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    newsroom.give()
    newsroom.box.on_recipient = None
    newsroom.wait(1)
    newsroom.run()
    assert newsroom.box.messages == []
    assert states(newsroom) == [ReminderStatus.SKIPPED]
    assert not newsroom.holds(ADDRESS)


def test_thirty_days_after_the_email_nobody_can_tell_whose_it_was(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    newsroom.wait(29)
    newsroom.erase_old()
    assert newsroom.holds(ADDRESS)
    newsroom.wait(1)
    newsroom.erase_old()
    assert not newsroom.holds(ADDRESS)
    (reminder,) = newsroom.reminders
    assert reminder.status is ReminderStatus.SENT
    assert reminder.source == {"article": "mine"}


def test_an_email_that_nobody_took_is_told_from_one_that_was_sent(newsroom: Newsroom) -> None:
    newsroom.box.on_recipient = "550 nobody here"
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    assert states(newsroom) == [ReminderStatus.UNDELIVERED]
    newsroom.wait(30)
    newsroom.erase_old()
    assert not newsroom.holds(ADDRESS)
    assert [message.status for message in newsroom.outbox] == [OutboxStatus.DROPPED]


def test_a_server_that_says_later_for_days_ends_undelivered(newsroom: Newsroom) -> None:
    newsroom.box.on_recipient = "451 later"
    newsroom.ask()
    newsroom.wait(MONTH)
    for _ in range(MAX_TRIES):
        newsroom.run()
        newsroom.wait(0.25)
    newsroom.run()
    assert states(newsroom) == [ReminderStatus.UNDELIVERED]


def test_unsubscribed_before_it_is_due(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.unsubscribe()
    newsroom.unsubscribe()
    newsroom.wait(MONTH)
    newsroom.run()
    assert newsroom.box.messages == []
    assert states(newsroom) == [ReminderStatus.UNSUBSCRIBED]
    assert not newsroom.holds(ADDRESS)


def test_unsubscribed_while_its_email_waits(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.tick()
    newsroom.unsubscribe()
    newsroom.run()
    assert newsroom.box.messages == []
    assert states(newsroom) == [ReminderStatus.UNSUBSCRIBED]


def test_unsubscribed_right_after_it_came(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.tick()
    newsroom.deliver()
    newsroom.unsubscribe()
    assert states(newsroom) == [ReminderStatus.SENT]
    assert not newsroom.holds(ADDRESS)


def test_suppression_outlives_the_address(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    newsroom.unsubscribe()
    newsroom.wait(60)
    newsroom.erase_old()
    newsroom.ask()
    newsroom.ask("READER@example.org")
    assert len(newsroom.reminders) == 1
    assert newsroom.suppressed == 1


def test_who_unsubscribed_by_an_old_email_gets_no_newer_one_either(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    newsroom.wait(20)
    newsroom.ask()
    newsroom.unsubscribe(1)
    newsroom.wait(MONTH)
    newsroom.run()
    assert states(newsroom) == [ReminderStatus.SENT, ReminderStatus.UNSUBSCRIBED]
    assert len(newsroom.box.messages) == 1


def test_a_link_to_an_erased_address_notes_nothing(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    newsroom.wait(30)
    newsroom.erase_old()
    newsroom.unsubscribe()
    assert newsroom.suppressed == 0


def test_the_last_look_finds_who_wants_none(newsroom: Newsroom) -> None:
    """However the two came to stand side by side: a backup put back, two requests at once."""
    newsroom.ask()
    with newsroom.parts.database.transaction() as session:
        digest = newsroom.parts.vault.digest(ADDRESS)
        session.add(Suppression(email_digest=digest, created_at=newsroom.now))
    newsroom.wait(MONTH)
    newsroom.run()
    assert newsroom.box.messages == []
    assert states(newsroom) == [ReminderStatus.UNSUBSCRIBED]


def test_there_is_nothing_to_unsubscribe_from(newsroom: Newsroom) -> None:
    with pytest.raises(ReminderNotFoundError):
        newsroom.unsubscribe(99)


def test_an_email_dropped_by_somebody_else_ends_its_reminder(newsroom: Newsroom) -> None:
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.tick()
    with newsroom.parts.database.transaction() as session:
        assert drop(session, "reminder:1")
    newsroom.tick()
    assert states(newsroom) == [ReminderStatus.UNSUBSCRIBED]
    assert not newsroom.holds(ADDRESS)
