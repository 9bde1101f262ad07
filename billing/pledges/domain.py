"""The calendar and the states of a pledge. Pure: no database, no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
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
    PAUSED = "paused"
    """Nothing is taken until a day that its supporter chose."""
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


class ChangeKind(StrEnum):
    """What a supporter changed about a pledge."""

    PAUSED = "paused"
    RESUMED = "resumed"
    """By the supporter, or because the day had come."""
    SKIPPED = "skipped"
    TERMS = "terms"
    """Another sum, another rhythm, or both."""
    PREPAID = "prepaid"


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


class EndAnswer(StrEnum):
    """What made a supporter stop, if they told us: one of these, never words of their own."""

    COST = "costs_too_much"
    LIMITED = "limited_time"
    """It was meant to last for a while only."""
    SAFETY = "worried_about_safety"
    PAYMENT = "payment_trouble"
    CONTENT = "what_we_publish"
    OTHERWISE = "gives_otherwise"
    """They give to us in another way."""
    OTHER = "something_else"


INVOLUNTARY = frozenset({EndReason.DISPUTED, EndReason.FRAUD_WARNING})
"""Ends that the supporter did not ask us for; the period that was paid does not last either."""

TRANSITIONS: dict[PledgeStatus, frozenset[PledgeStatus]] = {
    PledgeStatus.ACTIVE: frozenset(
        {PledgeStatus.PAST_DUE, PledgeStatus.PAUSED, PledgeStatus.CANCELLED}
    ),
    PledgeStatus.PAST_DUE: frozenset(
        {
            PledgeStatus.ACTIVE,
            PledgeStatus.PAUSED,
            PledgeStatus.LAPSED,
            PledgeStatus.CANCELLED,
        }
    ),
    PledgeStatus.PAUSED: frozenset({PledgeStatus.ACTIVE, PledgeStatus.CANCELLED}),
    PledgeStatus.LAPSED: frozenset({PledgeStatus.ACTIVE, PledgeStatus.CANCELLED}),
    PledgeStatus.CANCELLED: frozenset(),
}
"""From which state a pledge may go to which. Cancelled is final: whoever returns pledges anew."""

CHARGEABLE = frozenset({PledgeStatus.ACTIVE, PledgeStatus.PAST_DUE})
"""The states in which money may be taken for a pledge."""

_MONTHS = {Cadence.MONTHLY: 1, Cadence.ANNUAL: 12}
_UTC = ZoneInfo("UTC")


def may_become(current: PledgeStatus, new: PledgeStatus) -> bool:
    """Whether the state table lets a pledge go from `current` to `new`."""
    return new in TRANSITIONS[current]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """When the periods of a pledge fall due, counted from its anchor and never from each other.

    The first payment, period 0, was made at `anchor` (aware). From `from_period` on, which falls
    due `from_month` months after it, there is one period every `cadence`. Whatever a supporter
    changes moves these two numbers at most, so the anchor's day and hour outlast every change.
    """

    anchor: datetime
    cadence: Cadence
    zone: ZoneInfo
    from_period: int = 0
    from_month: int = 0

    def months(self, period: int) -> int:
        """How many months after the anchor `period` falls due.

        Raises:
            ValueError: for a gift, or a period before `from_period`.
        """
        if self.cadence not in _MONTHS:
            raise ValueError("a gift has no calendar")
        if period < self.from_period:
            raise ValueError(f"this rhythm's periods are counted from {self.from_period}")
        return self.from_month + (period - self.from_period) * _MONTHS[self.cadence]

    def due_at(self, period: int) -> datetime:
        """The moment at which `period` falls due, in UTC.

        It falls on the anchor's day of the month and hour in the newsroom's `zone`; where a month
        is too short, on its last day, and on the anchor's day again after it (invariant 9). An hour
        that daylight saving skips moves on to the hour that the clocks jump to; one that comes
        twice is taken the first time.

        Raises:
            ValueError: as `months` does.
        """
        months = self.months(period)
        if months == 0:
            return self.anchor
        local = self.anchor.astimezone(self.zone).replace(tzinfo=None)
        day = local + relativedelta(months=months)
        return day.replace(tzinfo=self.zone, fold=0).astimezone(_UTC)

    def current(self, now: datetime) -> int:
        """The last period that has fallen due at `now`; 0 before the first renewal.

        After an outage only this one is charged, not every period that was missed (invariant 7).
        Before the first period of a new rhythm it is the last one of the old.
        """
        if self.cadence not in _MONTHS:
            raise ValueError("a gift has no calendar")
        first, today = self.anchor.astimezone(self.zone), now.astimezone(self.zone)
        months = (today.year - first.year) * 12 + today.month - first.month
        period = self.from_period + max(0, (months - self.from_month) // _MONTHS[self.cadence])
        while period >= max(1, self.from_period) and self.due_at(period) > now:
            period -= 1
        return max(0, period)


def due_at(anchor: datetime, cadence: Cadence, period: int, zone: ZoneInfo) -> datetime:
    """The moment at which `period` of a pledge that was never changed falls due, in UTC.

    Raises:
        ValueError: for a gift, or a period below 0.
    """
    return Calendar(anchor=anchor, cadence=cadence, zone=zone).due_at(period)


def after_pause(calendar: Calendar, period: int, until: datetime) -> tuple[Calendar, int]:
    """The calendar and the next period of a pledge that pauses before `period` and until `until`.

    Monthly periods that fall into the pause are left out and never made up for. A year that would
    begin in the pause begins after it, on the anchor's day of a month, and is counted from there.
    """
    if calendar.cadence is Cadence.MONTHLY:
        while calendar.due_at(period) < until:
            period += 1
        return calendar, period
    moved = calendar
    while moved.due_at(period) < until:
        moved = replace(moved, from_period=period, from_month=moved.months(period) + 1)
    return moved, period


def in_rhythm(calendar: Calendar, cadence: Cadence, period: int) -> Calendar:
    """The calendar in another rhythm: `period`, the next one, stays where it is.

    What has been paid lasts as long as it would have.
    """
    return replace(
        calendar, cadence=cadence, from_period=period, from_month=calendar.months(period)
    )


def yearly_value(amount_minor: int, cadence: Cadence) -> int:
    """What a pledge brings in a year, in minor units: MRR counted in whole twelfths.

    Source: the definition of MRR, Σ monthly + annual/12, divided only when it is shown.
    """
    return amount_minor * 12 // _MONTHS[cadence]
