"""Finding a charge by Stripe's id, and locking it: always pledge → charge → the rest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.charges.errors import ChargeNotFoundError, NotKnownYetError
from billing.charges.tables import Attempt, Charge
from billing.clock import Clock
from billing.gateway_after import ChargeAtStripe
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge

OURS = "tuppence_"
"""What every key of our metadata begins with."""


def lock_charge(session: Session, charge_id: int) -> tuple[Charge, Pledge | None]:
    """The charge and its pledge, locked in the order of the house.

    Raises:
        ChargeNotFoundError: when there is no such charge.
    """
    row = session.execute(
        select(Charge.id, Charge.pledge_id).where(Charge.id == charge_id)
    ).one_or_none()
    if row is None:
        raise ChargeNotFoundError(charge_id)
    pledge = None if row.pledge_id is None else get_pledge(session, row.pledge_id, lock=True)
    charge = session.scalars(
        select(Charge)
        .where(Charge.id == charge_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return charge, pledge


def moment_under_lock(session: Session, pledge_id: int, clock: Clock) -> datetime:
    """Lock a pledge, and only then say what time it is for whoever ends or changes it.

    Who waits for the lock acts after whoever held it: taken before, the time of a cancellation
    would lie before that of the charge it waited for. Where the clock was set back since the last
    charge was asked for, it is that charge's moment: a pledge's history never goes back.

    Raises:
        PledgeNotFoundError: when there is none.
    """
    get_pledge(session, pledge_id, lock=True)
    last_asked = session.scalar(
        select(func.max(Attempt.started_at))
        .join(Charge, Charge.id == Attempt.charge_id)
        .where(Charge.pledge_id == pledge_id)
    )
    now = clock.now()
    return now if last_asked is None else max(now, last_asked)


def find_charge_id(session: Session, at_stripe: ChargeAtStripe) -> int | None:
    """The id of our charge that Stripe's charge paid; None for another shop's.

    Raises:
        NotKnownYetError: when it bears our mark and its payment is not recorded yet.
    """
    found = session.scalar(select(Charge.id).where(Charge.stripe_charge_id == at_stripe.id))
    if found is None and any(key.startswith(OURS) for key in at_stripe.metadata):
        raise NotKnownYetError(at_stripe.id)
    return found
