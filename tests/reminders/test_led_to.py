"""What a reminder led to is known as long as its address is, and stays when that is forgotten."""

from __future__ import annotations

import pytest

from billing.charges.domain import ChargeStatus
from billing.reminders import send
from tests.reminders.conftest import Newsroom

MONTH = 31


def led_to(newsroom: Newsroom) -> bool | None:
    """Whether the one reminder led to something."""
    [reminder] = newsroom.reminders
    return reminder.gave


def note(newsroom: Newsroom) -> None:
    with newsroom.parts.database.transaction() as session:
        send.note_given(session, now=newsroom.now)


@pytest.fixture
def sent(newsroom: Newsroom) -> Newsroom:
    """A reminder that has just gone out."""
    newsroom.ask()
    newsroom.wait(MONTH)
    newsroom.run()
    assert led_to(newsroom) is None
    return newsroom


def test_a_gift_within_thirty_days_is_noted_and_outlives_the_address(sent: Newsroom) -> None:
    sent.wait(29)
    sent.give()
    note(sent)
    assert led_to(sent) is True
    sent.wait(2)
    sent.erase_old()
    [reminder] = sent.reminders
    assert reminder.email_digest is None
    assert reminder.gave is True


def test_it_is_looked_for_once_more_before_the_address_is_forgotten(sent: Newsroom) -> None:
    sent.wait(29)
    sent.give()
    sent.wait(10)
    sent.erase_old()
    assert led_to(sent) is True


def test_a_gift_after_that_is_none_of_its_doing(sent: Newsroom) -> None:
    sent.wait(31)
    sent.give()
    note(sent)
    assert led_to(sent) is None
    sent.erase_old()
    assert led_to(sent) is False


@pytest.mark.parametrize("status", [ChargeStatus.DECLINED, ChargeStatus.PROCESSING])
def test_what_is_not_paid_is_not_given(sent: Newsroom, status: ChargeStatus) -> None:
    sent.give(status=status)
    note(sent)
    assert led_to(sent) is None


def test_somebody_elses_gift_is_not_taken_for_it(sent: Newsroom) -> None:
    sent.give("stranger@example.org")
    note(sent)
    assert led_to(sent) is None


def test_who_had_the_address_forgotten_is_not_guessed_at(sent: Newsroom) -> None:
    sent.unsubscribe()
    sent.give()
    note(sent)
    sent.wait(40)
    sent.erase_old()
    assert led_to(sent) is None


def test_the_emails_link_says_what_was_read_and_nothing_of_the_reader(newsroom: Newsroom) -> None:
    newsroom.ask("one@example.org")
    newsroom.ask("two@example.org")
    newsroom.wait(MONTH)
    newsroom.tick()
    links = {message.context["support_url"] for message in newsroom.outbox}
    assert links == {"http://localhost/support?lang=en&appeal=reminder&referrer=mail&article=mine"}
