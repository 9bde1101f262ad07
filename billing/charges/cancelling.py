"""Ending a pledge at the supporter's wish, and saying so by email in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges.changing import prepaid_until
from billing.charges.domain import ChargeStatus
from billing.charges.letters import put_letter
from billing.charges.tables import Charge
from billing.money import Money
from billing.pledges.answers import may_answer
from billing.pledges.domain import Cadence, EndReason, PledgeStatus
from billing.pledges.service import cancel, get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.tables import Supporter

UNDER_WAY = frozenset({ChargeStatus.SUBMITTED, ChargeStatus.PROCESSING})
"""A payment in these states cannot be called back: the bank may have it already."""

SECOND_CLICK = timedelta(minutes=2)
"""How long pressing the button once more is taken for the same wish, on a slow line too."""


@dataclass(frozen=True, kw_only=True)
class PledgeView:
    """What its supporter is shown of a pledge."""

    amount: Money
    cadence: Cadence
    status: PledgeStatus
    since: datetime
    next_charge_at: datetime | None
    cancelled_at: datetime | None
    under_way: Money | None
    """A payment that Stripe or the bank is working on at this moment."""
    prepaid_until: datetime | None
    """Until when it has been paid ahead."""
    language: str
    reachable: bool
    """Whether an email can be sent about it: an erased supporter has no address."""
    asked: bool
    """Whether its supporter may say what made them stop."""


def look_at(session: Session, pledge_id: int, *, now: datetime) -> PledgeView:
    """The pledge as it stands; changes nothing.

    Raises:
        PledgeNotFoundError: when there is none.
    """
    return _view(session, get_pledge(session, pledge_id), now)


def cancel_pledge(
    session: Session, runtime: Runtime, pledge_id: int, *, now: datetime
) -> tuple[bool, PledgeView]:
    """End a pledge and put the confirmation into the outbox.

    Returns:
        Whether the reader has just ended it, by this call or by one `SECOND_CLICK` ago or less
        (False when it had ended before that, or otherwise), and how it stands now.

    Raises:
        PledgeNotFoundError: when there is none.
    """
    ended = cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=now)
    pledge = get_pledge(session, pledge_id)
    if ended:
        _put_confirmation(session, pledge, now)
    return ended or _just_ended(pledge, now), _view(session, pledge, now)


def _just_ended(pledge: Pledge, now: datetime) -> bool:
    """Whether the reader's first click ended it a moment ago: that is what the second asks for."""
    return (
        pledge.end_reason is EndReason.SUPPORTER
        and pledge.cancelled_at is not None
        and now - pledge.cancelled_at <= SECOND_CLICK
    )


def _put_confirmation(session: Session, pledge: Pledge, now: datetime) -> None:
    """Queue the email that confirms it."""
    put_letter(
        session,
        key=f"cancelled:pledge:{pledge.id}",
        template="cancelled",
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            "amount_minor": pledge.amount_minor,
            "currency": pledge.currency,
            "cadence": pledge.cadence.value,
            "cancelled_at": now.isoformat(),
        },
        now=now,
    )


def _view(session: Session, pledge: Pledge, now: datetime) -> PledgeView:
    query = select(Charge).where(Charge.pledge_id == pledge.id, Charge.status.in_(UNDER_WAY))
    charge = session.scalars(query.order_by(Charge.id.desc()).limit(1)).one_or_none()
    return PledgeView(
        amount=Money(pledge.amount_minor, pledge.currency),
        cadence=pledge.cadence,
        status=pledge.status,
        since=pledge.anchor_at,
        next_charge_at=pledge.next_charge_at,
        cancelled_at=pledge.cancelled_at,
        under_way=Money(charge.amount_minor, charge.currency) if charge else None,
        prepaid_until=prepaid_until(session, pledge),
        language=pledge.language,
        reachable=session.get_one(Supporter, pledge.supporter_id).email_encrypted is not None,
        asked=may_answer(session, pledge, now=now),
    )
