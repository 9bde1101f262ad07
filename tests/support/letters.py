"""The outbox as tests look at it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from billing.emails import Email, write_email
from billing.outbox import OutboxMessage, OutboxStatus, mark_sent
from billing.runtime import Runtime


def letters(runtime: Runtime, template: str | None = None) -> list[OutboxMessage]:
    """Every letter, or every letter of a kind, in the order of writing."""
    query = select(OutboxMessage).order_by(OutboxMessage.id)
    if template is not None:
        query = query.where(OutboxMessage.template == template)
    with runtime.database.transaction() as session:
        return list(session.scalars(query).all())


def written(runtime: Runtime, letter: OutboxMessage, language: str | None = None) -> Email:
    """A letter as it would be sent."""
    newsroom = runtime.settings.newsroom
    return write_email(letter.template, language or letter.language, letter.context, newsroom)


def deliver_all(runtime: Runtime, now: datetime) -> int:
    """A mail server takes every letter that is waiting: how many there were."""
    with runtime.database.transaction() as session:
        waiting = session.scalars(
            select(OutboxMessage.id).where(OutboxMessage.status == OutboxStatus.WAITING)
        ).all()
        for message_id in waiting:
            mark_sent(session, message_id, now=now)
    return len(waiting)
