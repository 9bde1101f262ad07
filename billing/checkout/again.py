"""The choices of an earlier checkout, for a reader who comes back without having paid."""

from __future__ import annotations

from dataclasses import dataclass

from billing.checkout.errors import CheckoutNotFoundError
from billing.checkout.tables import Checkout
from billing.db import Json
from billing.money import Money
from billing.pledges.domain import Cadence
from billing.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was chosen at the support page."""

    cadence: Cadence
    amount: Money
    """What the reader gives, without the covered fee."""
    covers_fee: bool
    language: str
    source: Json


def get_choices(runtime: Runtime, checkout_id: int) -> Choices:
    """What was chosen for a checkout.

    Raises:
        CheckoutNotFoundError: when there is no such checkout.
    """
    with runtime.database.transaction() as session:
        checkout = session.get(Checkout, checkout_id)
        if checkout is None:
            raise CheckoutNotFoundError(checkout_id)
        return Choices(
            cadence=checkout.cadence,
            amount=Money(checkout.amount_minor - checkout.fee_cover_minor, checkout.currency),
            covers_fee=checkout.fee_cover_minor > 0,
            language=checkout.language,
            source=checkout.source,
        )
