"""The calendar and the states of a pledge. Pure: no database, no clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta


class Cadence(StrEnum):
    """How often a reader gives. `ONCE` makes a gift, the others a pledge."""

    ONCE = "once"
    MONTHLY = "monthly"
    ANNUAL = "annual"


class PledgeStatus(StrEnum):
    """Where a pledge stands."""

    ACTIVE = "active"
    PAST_DUE = "past_due"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


class CardLoss(StrEnum):
    """How a pledge lost the payment method that it was charged on."""

    DETACHED = "detached"
    """Removed from the customer: by the payer in Link, by staff at Stripe, by Stripe."""
    CUSTOMER_DELETED = "customer_deleted"
    """The whole customer was deleted at Stripe."""


class EndReason(StrEnum):
    """Why a pledge was cancelled."""

    SUPPORTER = "supporter"
    DISPUTED = "disputed"
    """The payer took a payment back through their bank."""
    FRAUD_WARNING = "fraud_warning"
    """Staff gave the money back after a warning that the card was not the payer's."""
    ERASED = "erased"
    """The supporter asked to be forgotten."""


INVOLUNTARY = frozenset({EndReason.DISPUTED, EndReason.FRAUD_WARNING})
"""Ends that the supporter did not ask us for; the period that was paid does not last either."""

TRANSITIONS: dict[PledgeStatus, frozenset[PledgeStatus]] = {
    PledgeStatus.ACTIVE: frozenset({PledgeStatus.PAST_DUE, PledgeStatus.CANCELLED}),
    PledgeStatus.PAST_DUE: frozenset(
        {PledgeStatus.ACTIVE, PledgeStatus.LAPSED, PledgeStatus.CANCELLED}
    ),
    PledgeStatus.LAPSED: frozenset({PledgeStatus.ACTIVE, PledgeStatus.CANCELLED}),
    PledgeStatus.CANCELLED: frozenset(),
}
"""From which state a pledge may go to which. Cancelled is final: whoever returns pledges anew."""

CHARGEABLE = frozenset({PledgeStatus.ACTIVE, PledgeStatus.PAST_DUE})
"""The states in which money may be taken for a pledge."""

_MONTHS = {Cadence.MONTHLY: 1, Cadence.ANNUAL: 12}


def may_become(current: PledgeStatus, new: PledgeStatus) -> bool:
    """Whether the state table lets a pledge go from `current` to `new`."""
    return new in TRANSITIONS[current]


def due_at(anchor: datetime, cadence: Cadence, period: int, zone: ZoneInfo) -> datetime:
    """The moment at which `period` of a pledge falls due, in UTC.

    Period 0 is the first payment, made at `anchor` (aware). Later ones fall on the anchor's day of
    the month and hour in the newsroom's `zone`; where a month is too short, on its last day, and
    on the anchor's day again after it (invariant 9), because each period is counted from the
    anchor and never from the one before. An hour that daylight saving skips moves on to the hour
    that the clocks jump to; one that comes twice is taken the first time.

    Raises:
        ValueError: for a gift, or a period below 0.
    """
    if cadence not in _MONTHS:
        raise ValueError("a gift has no calendar")
    if period < 0:
        raise ValueError("periods are counted from 0")
    if period == 0:
        return anchor
    local = anchor.astimezone(zone).replace(tzinfo=None)
    day = local + relativedelta(months=period * _MONTHS[cadence])
    utc = ZoneInfo("UTC")
    return day.replace(tzinfo=zone, fold=0).astimezone(utc)


def current_period(anchor: datetime, cadence: Cadence, now: datetime, zone: ZoneInfo) -> int:
    """The last period that has fallen due at `now`; 0 before the first renewal.

    After an outage only this one is charged, not every period that was missed (invariant 7).
    """
    days = (now - anchor) / timedelta(days=1)
    period = max(0, int(days / (28 * _MONTHS[cadence])) + 1)
    while period > 0 and due_at(anchor, cadence, period, zone) > now:
        period -= 1
    return period


def yearly_value(amount_minor: int, cadence: Cadence) -> int:
    """What a pledge brings in a year, in minor units: MRR counted in whole twelfths.

    Source: the definition of MRR, Σ monthly + annual/12, divided only when it is shown.
    """
    return amount_minor * 12 // _MONTHS[cadence]
