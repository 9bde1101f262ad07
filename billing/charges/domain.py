"""The states of a charge and of an attempt. Pure: no database, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ChargeKind(StrEnum):
    """What a charge is for."""

    GIFT = "gift"
    PLEDGE = "pledge"


class ChargeStatus(StrEnum):
    """Where a charge stands."""

    DUE = "due"
    SUBMITTED = "submitted"
    """An attempt is in flight, or its outcome is unknown."""
    PROCESSING = "processing"
    """The bank has it; the money settles, or fails, days later."""
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class AttemptStatus(StrEnum):
    """Where one call to Stripe stands."""

    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REFUSED = "refused"
    """Stripe would not take the request; no money moved."""
    ABSENT = "absent"
    """Stripe never made it: found by listing, after its idempotency key had run out."""


class AttemptKind(StrEnum):
    """Who was there when the card was charged."""

    CHECKOUT = "checkout"
    OFF_SESSION = "off_session"


class RefundStatus(StrEnum):
    """Where a refund stands."""

    REQUESTED = "requested"
    """Asked for by staff; Stripe may or may not have it yet."""
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Stripe made it and the bank sent it back: the money is on our balance again."""
    REFUSED = "refused"
    """Stripe would not make it; no money moved."""


class RefundReason(StrEnum):
    """Why money is given back, in the words that Stripe takes."""

    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"
    REQUESTED_BY_CUSTOMER = "requested_by_customer"


class DisputeStatus(StrEnum):
    """Where a dispute stands, in Stripe's words. One that begins with `warning_` is an inquiry."""

    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    PREVENTED = "prevented"
    LOST = "lost"
    WON = "won"


class WarningDecision(StrEnum):
    """What became of an early fraud warning."""

    KEPT = "kept"
    """Staff trust the supporter: the pledge goes on."""
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    """The bank decided before staff did."""


class PayoutStatus(StrEnum):
    """Where a payout stands, in Stripe's words."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    CANCELED = "canceled"
    FAILED = "failed"


CHARGE_TRANSITIONS: dict[ChargeStatus, frozenset[ChargeStatus]] = {
    ChargeStatus.DUE: frozenset(
        {
            ChargeStatus.SUBMITTED,
            ChargeStatus.SUCCEEDED,
            ChargeStatus.DECLINED,
            ChargeStatus.CANCELLED,
        }
    ),
    ChargeStatus.SUBMITTED: frozenset(
        {
            ChargeStatus.DUE,
            ChargeStatus.PROCESSING,
            ChargeStatus.SUCCEEDED,
            ChargeStatus.DECLINED,
        }
    ),
    ChargeStatus.PROCESSING: frozenset({ChargeStatus.SUCCEEDED, ChargeStatus.DECLINED}),
    ChargeStatus.DECLINED: frozenset(
        {ChargeStatus.SUBMITTED, ChargeStatus.SUCCEEDED, ChargeStatus.CANCELLED}
    ),
    ChargeStatus.SUCCEEDED: frozenset({ChargeStatus.DECLINED}),
    ChargeStatus.CANCELLED: frozenset({ChargeStatus.SUCCEEDED}),
}
"""From which state a charge may go to which.

Money that Stripe took is always recorded, so every open state may become SUCCEEDED; a bank debit
may still fail after it was reported as paid.
"""

ATTEMPT_TRANSITIONS: dict[AttemptStatus, frozenset[AttemptStatus]] = {
    AttemptStatus.IN_FLIGHT: frozenset(
        {
            AttemptStatus.UNKNOWN,
            AttemptStatus.PROCESSING,
            AttemptStatus.SUCCEEDED,
            AttemptStatus.DECLINED,
            AttemptStatus.REFUSED,
            AttemptStatus.ABSENT,
        }
    ),
    AttemptStatus.UNKNOWN: frozenset(
        {
            AttemptStatus.PROCESSING,
            AttemptStatus.SUCCEEDED,
            AttemptStatus.DECLINED,
            AttemptStatus.REFUSED,
            AttemptStatus.ABSENT,
        }
    ),
    AttemptStatus.PROCESSING: frozenset({AttemptStatus.SUCCEEDED, AttemptStatus.DECLINED}),
    AttemptStatus.SUCCEEDED: frozenset({AttemptStatus.DECLINED}),
    AttemptStatus.DECLINED: frozenset({AttemptStatus.SUCCEEDED}),
    AttemptStatus.REFUSED: frozenset(),
    AttemptStatus.ABSENT: frozenset({AttemptStatus.SUCCEEDED, AttemptStatus.DECLINED}),
}
"""From which state an attempt may go to which."""

REFUND_TRANSITIONS: dict[RefundStatus, frozenset[RefundStatus]] = {
    RefundStatus.REQUESTED: frozenset(
        {
            RefundStatus.PENDING,
            RefundStatus.SUCCEEDED,
            RefundStatus.FAILED,
            RefundStatus.REFUSED,
        }
    ),
    RefundStatus.PENDING: frozenset({RefundStatus.SUCCEEDED, RefundStatus.FAILED}),
    RefundStatus.SUCCEEDED: frozenset({RefundStatus.FAILED}),
    RefundStatus.FAILED: frozenset(),
    RefundStatus.REFUSED: frozenset(
        {RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.FAILED}
    ),
}
"""From which state a refund may go to which: only onwards, so news may come in any order.

What Stripe shows in its list was made, whatever we had been told before.
"""

GIVEN_BACK = frozenset({RefundStatus.PENDING, RefundStatus.SUCCEEDED})
"""Refunds that count against the charge, as they do in Stripe's `amount_refunded`."""

INQUIRIES = frozenset(
    {
        DisputeStatus.WARNING_NEEDS_RESPONSE,
        DisputeStatus.WARNING_UNDER_REVIEW,
        DisputeStatus.WARNING_CLOSED,
    }
)
"""The bank only asks: no money was taken back. Source: https://docs.stripe.com/disputes."""

OPEN_DISPUTES = frozenset(
    {
        DisputeStatus.WARNING_NEEDS_RESPONSE,
        DisputeStatus.WARNING_UNDER_REVIEW,
        DisputeStatus.NEEDS_RESPONSE,
        DisputeStatus.UNDER_REVIEW,
    }
)

_DISPUTE_ORDER = tuple(DisputeStatus)


def dispute_advances(current: DisputeStatus, told: DisputeStatus) -> bool:
    """Whether `told` is later in a dispute's life than `current`: old news changes nothing.

    An inquiry that was closed may still become a dispute, and one that was lost may be won.
    """
    return _DISPUTE_ORDER.index(told) > _DISPUTE_ORDER.index(current)


ASKABLE = frozenset({ChargeStatus.DUE, ChargeStatus.DECLINED})
"""The states in which a charge may be asked for, when its moment has come."""

OPEN_ATTEMPTS = frozenset(
    {AttemptStatus.IN_FLIGHT, AttemptStatus.UNKNOWN, AttemptStatus.PROCESSING}
)
"""Attempts that may still take money: at most one a charge."""

REPLAY_WINDOW = timedelta(hours=23)
"""How long an attempt is repeated under its own idempotency key; Stripe keeps keys for 24 hours.

Source: https://docs.stripe.com/api/idempotent_requests, less an hour for clocks that differ.
"""

STALE_AFTER = timedelta(minutes=2)
"""How long an attempt may be in flight before a sweep takes its worker for dead.

Longer than the client's own time limits can be set (10 s to connect, 60 s to answer) together.
"""

MEASURED_OVER = timedelta(minutes=5)
"""How far back the pace of a run is measured."""

MEASURED_AT_LEAST = timedelta(seconds=10)
"""What is shorter says nothing about a pace."""

STANDS_STILL_AFTER = timedelta(minutes=10)
"""How long a charge may wait while none is answered before something must be wrong."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How far a day's renewals have come: charges, each counted once. See `progress.py`."""

    waiting: int = 0
    """Due by now and not asked for yet."""
    under_way: int = 0
    """Asked for, and Stripe has not answered yet."""
    unknown: int = 0
    """Asked for without an answer: sweeps find out what became of them."""
    with_bank: int = 0
    """A debit that settles or fails days later."""
    done: int = 0
    declined: int = 0
    later_today: int = 0
    """Not due yet: first charges and retries whose moment comes before the day ends."""
    waiting_since: datetime | None = None
    """The moment at which the first of those that wait fell due."""
    answered: int = 0
    """How many were answered within `measured`."""
    measured: timedelta = timedelta(0)
    limit: float
    """How many a second may be asked for, by the setting."""

    @property
    def due(self) -> int:
        """All that fell due so far."""
        asked = self.under_way + self.unknown + self.with_bank + self.done + self.declined
        return self.waiting + asked

    @property
    def rate(self) -> float | None:
        """Answers a second, as measured; None while there is too little to tell."""
        if not self.answered or self.measured < MEASURED_AT_LEAST:
            return None
        return self.answered / self.measured.total_seconds()

    @property
    def time_left(self) -> timedelta | None:
        """Until the last that is due now is answered: at the measured rate, or else at the limit.

        Those that are unknown or with the bank come in at their own time and are not counted.
        """
        left = self.waiting + self.under_way
        return timedelta(seconds=left / (self.rate or self.limit)) if left else None

    def stands_still(self, now: datetime) -> bool:
        """Whether charges wait and nobody seems to take them up."""
        since = self.waiting_since
        return since is not None and not self.answered and now - since > STANDS_STILL_AFTER
