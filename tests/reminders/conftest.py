"""Readers who ask to be reminded, and the mail server that their reminder goes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text

from billing.charges.domain import ChargeKind, ChargeStatus
from billing.charges.tables import Charge
from billing.mail import deliver
from billing.outbox import OutboxMessage, claim
from billing.reminders import send, service
from billing.reminders.tables import Reminder, Suppression
from billing.runtime import Runtime
from billing.supporters.service import get_or_create
from tests.support.mailbox import Mailbox, mailbox, sending_to

ADDRESS = "reader@example.org"


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox(enable_SMTPUTF8=True) as running:
        yield running


@dataclass
class Newsroom:
    """What readers and workers do, in words. Time is the clock's."""

    parts: Runtime
    box: Mailbox
    move: Callable[[timedelta], datetime]

    @property
    def now(self) -> datetime:
        return self.parts.clock.now()

    def ask(self, address: str = ADDRESS, language: str = "en", limit: int = 1000) -> bool:
        with self.parts.database.transaction() as session:
            return service.ask(
                session,
                self.parts.vault,
                written=address,
                language=language,
                source={"article": "mine"},
                zone=self.parts.settings.newsroom.timezone,
                limit=limit,
                now=self.now,
            )

    def wait(self, days: float) -> None:
        self.move(timedelta(days=days))

    def tick(self) -> None:
        """What the beat starts every minute: due reminders, then what is in the outbox."""
        with self.parts.database.transaction() as session:
            send.settle(session, now=self.now, limit=100)
        with self.parts.database.transaction() as session:
            send.recall(session, now=self.now, limit=100)
        with self.parts.database.transaction() as session:
            send.queue_due(session, self.parts, now=self.now, limit=100)

    def deliver(self) -> None:
        with self.parts.database.transaction() as session:
            waiting = claim(session, now=self.now, limit=100)
        for message_id in waiting:
            deliver(self.parts, message_id)

    def run(self) -> None:
        """Everything the workers have to do by now."""
        self.tick()
        self.deliver()
        self.tick()

    def erase_old(self) -> None:
        with self.parts.database.transaction() as session:
            send.erase_old(session, now=self.now, limit=100)

    def give(self, address: str = ADDRESS, status: ChargeStatus = ChargeStatus.SUCCEEDED) -> None:
        with self.parts.database.transaction() as session:
            supporter = get_or_create(
                session, self.parts.vault, address=address, name=None, language="en", now=self.now
            )
            session.add(
                Charge(
                    kind=ChargeKind.GIFT,
                    status=status,
                    supporter_id=supporter.id,
                    currency="usd",
                    amount_minor=500,
                    fee_cover_minor=0,
                    due_at=self.now,
                    created_at=self.now,
                    source={},
                )
            )

    def unsubscribe(self, reminder_id: int = 1) -> None:
        with self.parts.database.transaction() as session:
            service.unsubscribe(session, reminder_id, now=self.now)

    @property
    def reminders(self) -> list[Reminder]:
        with self.parts.database.transaction() as session:
            return list(session.scalars(select(Reminder).order_by(Reminder.id)))

    @property
    def outbox(self) -> list[OutboxMessage]:
        with self.parts.database.transaction() as session:
            return list(session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))

    @property
    def suppressed(self) -> int:
        with self.parts.database.transaction() as session:
            return len(session.scalars(select(Suppression)).all())

    def holds(self, address: str) -> bool:
        """Whether reminders or the outbox still hold the address or its digest."""
        digest = self.parts.vault.digest(address)
        with self.parts.database.transaction() as session:
            rows = session.execute(
                text(
                    "SELECT email_digest, email_encrypted FROM reminders"
                    " UNION ALL SELECT recipient_digest, recipient_encrypted FROM outbox"
                )
            ).all()
        return any(
            found == digest or (token and self.parts.vault.decrypt(token) == address)
            for found, token in rows
        )


@pytest.fixture
def newsroom(runtime: Runtime, box: Mailbox, advance: Callable[[timedelta], datetime]) -> Newsroom:
    return Newsroom(sending_to(runtime, box.url), box, advance)
