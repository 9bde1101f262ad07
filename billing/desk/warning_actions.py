"""What staff decide about an early fraud warning: trust the payer, or give it back and stop.

Each in the caller's transaction, by way of `charges/warnings.py`; what the page showed is
compared under the locks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.charges import warnings
from billing.charges.errors import WarningDecidedError, WarningNotFoundError
from billing.charges.locks import lock_charge
from billing.charges.tables import Charge
from billing.charges.tables_after import FraudWarning
from billing.desk.deeds import Outcome
from billing.desk.errors import StalePageError
from billing.desk.formats import formats_of
from billing.desk.money_actions import refuse_what_stripe_would
from billing.desk.names import DECISIONS
from billing.money import Money
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

MOST_LISTED = 50
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A warning about which nobody has decided."""

    id: int
    charge_id: int
    supporter_id: int
    amount: Money
    warned_at: datetime
    holds: int | None
    """The pledge for which nothing is taken meanwhile."""


def waiting(session: Session) -> Sequence[Waiting]:
    """The warnings that wait for a decision, the oldest first; at most `MOST_LISTED`."""
    query = (
        select(FraudWarning, Charge, Pledge)
        .join(Charge, Charge.id == FraudWarning.charge_id)
        .outerjoin(Pledge, (Pledge.id == Charge.pledge_id) & Pledge.held_since.is_not(None))
        .where(FraudWarning.decision.is_(None))
        .order_by(FraudWarning.id)
        .limit(MOST_LISTED)
    )
    return [
        Waiting(
            id=warning.id,
            charge_id=charge.id,
            supporter_id=charge.supporter_id,
            amount=Money(charge.amount_minor, charge.currency),
            warned_at=warning.warned_at,
            holds=None if pledge is None else pledge.id,
        )
        for warning, charge, pledge in session.execute(query)
    ]


def keep(session: Session, runtime: Runtime, warning: FraudWarning, *, by: str) -> Outcome:
    """Let a payment stand, and its pledge go on.

    Raises:
        StalePageError: when it was decided about since the page was opened.
    """
    now = runtime.clock.now()
    _decide(lambda: warnings.keep(session, runtime, warning.id, decided_by=by, now=now))
    _, pledge = lock_charge(session, warning.charge_id)
    words = f"Fraud warning {warning.id} was decided: the payment stands."
    if pledge is not None and pledge.status is not PledgeStatus.CANCELLED:
        if pledge.held_since is None:
            words += f" Pledge {pledge.id} goes on."
        else:
            words += f" Pledge {pledge.id} is still held by another warning."
    return Outcome(words, {"warning": warning.id})


def give_back(
    session: Session, runtime: Runtime, warning: FraudWarning, *, left: int, by: str
) -> Outcome:
    """Give back all that is left of a payment, and end its pledge; `left` is what the page said.

    Raises:
        StalePageError: when it was decided about, or something given back, since the page was
            opened.
        DeskError, RefundRefusedError: in words, when it can't be given back.
    """
    charge, pledge = lock_charge(session, warning.charge_id)
    refuse_what_stripe_would(session, charge)
    formats, really_left = formats_of(runtime), charge.amount_minor - charge.refunded_minor
    if left != really_left:
        raise StalePageError(
            "Nothing was decided just now: somebody gave back part of this payment since the page "
            f"was opened. {formats.money(Money(really_left, charge.currency))} of it is left."
        )
    ends = pledge is not None and pledge.status is not PledgeStatus.CANCELLED
    now = runtime.clock.now()
    refund_id = _decide(
        lambda: warnings.refund_and_stop(session, runtime, warning.id, decided_by=by, now=now)
    )
    words = f"Fraud warning {warning.id} was decided: "
    if refund_id is None:
        words += f"charge {charge.id} had been given back in full already."
    else:
        words += (
            f"{formats.money(Money(left, charge.currency))} of charge {charge.id} is on its way "
            f"back (refund {refund_id})."
        )
    if ends and pledge is not None:
        words += f" Pledge {pledge.id} has ended."
    return Outcome(
        words,
        {"warning": warning.id, "refund": refund_id, "minor": left, "currency": charge.currency},
    )


def find_warning(session: Session, warning_id: int) -> FraudWarning | None:
    """The warning as it stands."""
    return session.get(FraudWarning, warning_id)


def holds(session: Session, warning: FraudWarning) -> bool:
    """Whether the payment's pledge waits for a decision."""
    query = (
        select(Pledge.id)
        .join(Charge, Charge.pledge_id == Pledge.id)
        .where(Charge.id == warning.charge_id, Pledge.held_since.is_not(None))
    )
    return session.scalar(query) is not None


def told(warning: FraudWarning) -> str:
    """What was decided about a warning."""
    words = DECISIONS[warning.decision.value if warning.decision else None]
    return f"{words} Decided by {warning.decided_by}." if warning.decided_by else words


def _decide(decide: Callable[[], T]) -> T:
    try:
        return decide()
    except (WarningDecidedError, WarningNotFoundError) as error:
        raise StalePageError(
            "Nothing was changed just now: this warning had been decided about already."
        ) from error
