"""Filling an empty local Tuppence with the demo newsroom, in one transaction.

The stand-in is told first; what it answers (ids, fees, rates, payouts) is what stands in our
tables, so both sides agree to the cent and its workers can go on charging these pledges.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from billing.charges.tables import Charge
from billing.checkout.tables import Checkout
from billing.outbox import OutboxMessage
from billing.pledges.changes import pause
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.seed import standin
from billing.seed.bulk import insert_rows, sent_message
from billing.seed.rows import write
from billing.seed.story import tell
from billing.supporters.tables import Supporter

PAUSED_FOR = timedelta(days=70)


def seed_demo(runtime: Runtime) -> bool:
    """Write the demo newsroom, unless there is anything already or Stripe is the real one.

    Returns:
        Whether it was written. The same stand-in with a new database is given the same story
        again, as of the same moment; what has fallen due since is charged by the workers.
    """
    settings = runtime.settings
    if not settings.local or not standin.is_standin(settings.stripe):
        return False
    with runtime.database.transaction() as session:
        if _has_begun(session):
            return False
        now = runtime.clock.now().replace(microsecond=0)
        newsroom = settings.newsroom
        story = tell(now, newsroom.timezone, newsroom.currencies)
        told = standin.send(settings.stripe, story)
        if told["as_of"] != standin.seconds(now):
            earlier = standin.moment(told["as_of"])
            story = tell(earlier, newsroom.timezone, newsroom.currencies)
        write(session, runtime, story, told)
        _pause_one(session, runtime, story.as_of)
    return True


def _pause_one(session: Session, runtime: Runtime, as_of: datetime) -> None:
    """Somebody is on a break: the latest monthly pledge was paused for a good two months."""
    pledge_id = session.scalars(
        select(Pledge.id)
        .where(Pledge.status == PledgeStatus.ACTIVE, Pledge.cadence == Cadence.MONTHLY)
        .order_by(Pledge.id.desc())
        .limit(1)
    ).one()
    zone = runtime.settings.newsroom.timezone
    pledge = pause(
        session,
        pledge_id,
        until=as_of + PAUSED_FOR,
        seen=0,
        turn=get_pledge(session, pledge_id).turn(zone, as_of),
        zone=zone,
        now=as_of,
    )
    key = f"pledge_changed:pledge:{pledge_id}:{pledge.version}"
    letter = sent_message(key, "pledge_changed", pledge.language, as_of)
    insert_rows(session, OutboxMessage, [letter])


def _has_begun(session: Session) -> bool:
    """Whether anybody has given, or tried to."""
    return bool(
        session.scalar(
            select(
                exists().where(Supporter.id.is_not(None))
                | exists().where(Charge.id.is_not(None))
                | exists().where(Checkout.id.is_not(None))
            )
        )
    )
