"""A pledge as its supporter is shown it, with what can be done about it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from billing.charges.changing import find_open, prepaid_until
from billing.charges.notices import AT_LEAST
from billing.checkout.domain import OFFERS, Offer
from billing.checkout.prepay import Ahead, ways_ahead
from billing.money import Money
from billing.pledges.domain import CHARGEABLE, Cadence, PledgeStatus, after_pause
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.tables import Supporter


@dataclass(frozen=True, kw_only=True)
class PledgeSeen:
    """What stands on the page of a pledge."""

    id: int
    version: int
    """Sent back with every form: what its sender agrees to is what was shown."""
    turn: int
    """The period charged next, sent back as well: a renewal changes it, and not the version."""
    status: PledgeStatus
    amount: Money
    """What is taken each period, the covered fee included."""
    fee_cover: Money
    cadence: Cadence
    since: datetime
    next_charge_at: datetime | None
    paused_until: datetime | None
    cancelled_at: datetime | None
    under_way: Money | None
    """A payment that is due or being made at this moment."""
    skips: datetime | None
    """The payment that would be left out."""
    skips_to: datetime | None
    """The one that would follow it."""
    resumes_to: datetime | None
    """The next payment, if a pause ended now."""
    ahead: list[Ahead]
    prepaid_until: datetime | None
    """Until when it has been paid ahead."""
    offer: Offer | None
    """The bounds of sums in its currency; None for one that is not offered any more."""
    language: str
    reachable: bool
    """Whether an email can be sent about it."""

    @property
    def given(self) -> Money:
        """What the supporter gives each period, without the covered fee."""
        return self.amount - self.fee_cover

    @property
    def may_change(self) -> bool:
        """Whether another sum or rhythm can be agreed to."""
        return self.status in CHARGEABLE and self.offer is not None

    @property
    def only_lower(self) -> bool:
        """Whether only a lower sum can: while a payment is past due nothing is added to it."""
        return self.status is PledgeStatus.PAST_DUE


@dataclass(frozen=True, kw_only=True)
class PauseSeen:
    """What a pause would come to."""

    until: datetime
    left_out: list[datetime]
    """The payments that would not be taken."""
    next_charge_at: datetime


def look_at(session: Session, runtime: Runtime, pledge_id: int) -> PledgeSeen:
    """The pledge as it stands.

    Raises:
        PledgeNotFoundError: when there is none.
    """
    pledge = get_pledge(session, pledge_id)
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    calendar, turn = pledge.calendar(zone), pledge.turn(zone, now)
    under_way = find_open(session, pledge_id)
    active = pledge.status is PledgeStatus.ACTIVE
    return PledgeSeen(
        id=pledge.id,
        version=pledge.version,
        turn=turn,
        status=pledge.status,
        amount=Money(pledge.amount_minor, pledge.currency),
        fee_cover=Money(pledge.fee_cover_minor, pledge.currency),
        cadence=pledge.cadence,
        since=pledge.anchor_at,
        next_charge_at=pledge.next_charge_at,
        paused_until=pledge.paused_until,
        cancelled_at=pledge.cancelled_at,
        under_way=Money(under_way.amount_minor, under_way.currency) if under_way else None,
        skips=calendar.due_at(turn) if active else None,
        skips_to=calendar.due_at(turn + 1) if active else None,
        resumes_to=_after(runtime, pledge, now) if pledge.paused_until else None,
        ahead=ways_ahead(runtime, pledge, now),
        prepaid_until=prepaid_until(session, pledge),
        offer=OFFERS.get(pledge.currency),
        language=pledge.language,
        reachable=session.get_one(Supporter, pledge.supporter_id).email_encrypted is not None,
    )


def foresee_pause(session: Session, runtime: Runtime, pledge_id: int, until: datetime) -> PauseSeen:
    """What a pause until `until` would come to; changes nothing.

    Raises:
        PledgeNotFoundError: when there is none.
    """
    pledge = get_pledge(session, pledge_id)
    calendar = pledge.calendar(runtime.settings.newsroom.timezone)
    moved, period = after_pause(calendar, pledge.next_period, until)
    periods = range(pledge.next_period, period)
    left_out = [calendar.due_at(each) for each in periods]
    if moved != calendar:
        left_out = [calendar.due_at(pledge.next_period)]
    return PauseSeen(until=until, left_out=left_out, next_charge_at=moved.due_at(period))


def first_payment(seen: PledgeSeen, cadence: Cadence, now: datetime) -> datetime | None:
    """When the first payment in a rhythm is taken: an annual one is announced a week before."""
    due = seen.next_charge_at
    if due is None or cadence is not Cadence.ANNUAL:
        return due
    return max(due, now + AT_LEAST)


def _after(runtime: Runtime, pledge: Pledge, moment: datetime) -> datetime:
    calendar = pledge.calendar(runtime.settings.newsroom.timezone)
    moved, period = after_pause(calendar, pledge.next_period, moment)
    return moved.due_at(period)
