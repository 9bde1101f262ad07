"""The notice before an annual charge: 7 to 30 days ahead, and without it the charge is not made.

Source: the card networks' and several countries' rules on yearly renewals (docs/adr/0042).

Only a notice that a mail server has taken counts. After an outage an overdue pledge is announced
first and charged a week later; one whose notice cannot be delivered waits for staff.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from billing.charges.letters import put_renewal_notice
from billing.outbox import OutboxMessage, OutboxStatus
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.tables import Supporter

WRITTEN_AHEAD = timedelta(days=14)
"""How long before an annual charge its notice is written; five days of trying to deliver it fit."""

AT_LEAST = timedelta(days=7)
AT_MOST = timedelta(days=30)
"""How long a notice must, and may, have been with the supporter when the charge is made."""

_UNDELIVERED = (OutboxStatus.FAILED, OutboxStatus.DROPPED)
_ENDED = (OutboxStatus.SENT, *_UNDELIVERED)


def is_announced(now: datetime) -> ColumnElement[bool]:
    """SQL: whether a pledge may be charged at `now`. One that is not annual needs no notice."""
    told = select(OutboxMessage.id).where(
        OutboxMessage.id == Pledge.renewal_notice_id,
        OutboxMessage.status == OutboxStatus.SENT,
        OutboxMessage.sent_at.between(now - AT_MOST, now - AT_LEAST),
    )
    return or_(Pledge.cadence != Cadence.ANNUAL, told.exists())


def put_notices(session: Session, runtime: Runtime, *, now: datetime, limit: int) -> int:
    """Announce up to `limit` annual charges that come within two weeks or are overdue, once each.

    A notice that has grown too old before its charge could be made is followed by another.

    Returns:
        How many were looked at; fewer than `limit` means that none is left.
    """
    ended_at = func.coalesce(OutboxMessage.sent_at, OutboxMessage.created_at)
    too_old = and_(
        OutboxMessage.status.in_(_ENDED),
        ended_at < func.greatest(Pledge.next_charge_at, now) - AT_MOST,
    )
    query = (
        select(Pledge)
        .join(Supporter, Supporter.id == Pledge.supporter_id)
        .outerjoin(OutboxMessage, OutboxMessage.id == Pledge.renewal_notice_id)
        .where(
            Pledge.status == PledgeStatus.ACTIVE,
            Pledge.cadence == Cadence.ANNUAL,
            Pledge.next_charge_at <= now + WRITTEN_AHEAD,
            Supporter.email_encrypted.is_not(None),
            or_(OutboxMessage.id.is_(None), too_old),
        )
        .order_by(Pledge.next_charge_at, Pledge.id)
        .limit(limit)
        .with_for_update(of=Pledge, skip_locked=True)
    )
    pledges = session.scalars(query).all()
    for pledge in pledges:
        _announce(session, runtime, pledge, now)
    return len(pledges)


def _announce(session: Session, runtime: Runtime, pledge: Pledge, now: datetime) -> None:
    """Write the notice of a locked pledge's next charge: on its day, or in a week if later."""
    due = pledge.next_charge_at or now
    key = put_renewal_notice(session, runtime, pledge, charge_at=max(due, now + AT_LEAST), now=now)
    pledge.renewal_notice_id = session.scalar(
        select(OutboxMessage.id).where(OutboxMessage.unique_key == key)
    )
    session.flush()
