"""A payment as the pages about it show it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from werkzeug.exceptions import NotFound

from billing.charges.offline import find_gift
from billing.charges.tables import Charge
from billing.charges.tables_offline import OfflineGift
from billing.money import Money
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge
from billing.web import runtime


@dataclass(frozen=True, kw_only=True)
class Paid:
    """A charge as the pages about it show it."""

    charge: Charge
    amount: Money
    left: Money
    """What can still be given back."""
    runs: bool
    """Whether it is for a pledge that has not ended."""
    offline: OfflineGift | None


def look(charge_id: int) -> Paid:
    """The charge as it stands.

    Raises:
        NotFound: when there is none.
    """
    with runtime().database.transaction() as session:
        charge = session.get(Charge, charge_id)
        if charge is None:
            raise NotFound
        pledge = None if charge.pledge_id is None else session.get_one(Pledge, charge.pledge_id)
        return Paid(
            charge=charge,
            amount=Money(charge.amount_minor, charge.currency),
            left=Money(charge.amount_minor - charge.refunded_minor, charge.currency),
            runs=pledge is not None and pledge.status is not PledgeStatus.CANCELLED,
            offline=find_gift(session, charge_id),
        )
