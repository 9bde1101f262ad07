"""What Stripe kept, what supporters covered of it, and what fewer payments saved. Pure.

The fee of a card payment has a part in proportion to the sum and a fixed one (`FEE_RATE` and
`Offer.fee_fixed`, https://stripe.com/pricing). The first is the same however a year's worth is
paid; the second is paid once a payment. So what is saved is

    payments that were not needed x the fixed part,

where months paid ahead would have been a payment each, and a year of an annual pledge twelve.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from billing.checkout.domain import OFFERS
from billing.pledges.domain import Cadence
from billing.revenue.figures import MoneyRow

_MONTHS = {Cadence.MONTHLY.value: 1, Cadence.ANNUAL.value: 12}
"""How many monthly payments a period of a pledge stands for."""


@dataclass(frozen=True, kw_only=True)
class Fees:
    """Sums in minor units of the reporting currency."""

    payments: int
    gross: int
    fees: int
    """Of payments and of disputes, in the days on which Stripe took them."""
    covered: int
    """Paid by supporters on top, so that the fee is not the newsroom's."""
    prepaid_avoided: int
    """Payments not needed because several months were paid at once."""
    prepaid_saved: int
    annual_avoided: int
    """Payments not needed because a year was paid at once."""
    annual_saved: int

    @property
    def share(self) -> Fraction | None:
        """Fees as a part of gross; None where nothing was paid."""
        return Fraction(self.fees, self.gross) if self.gross > 0 else None

    @property
    def share_left(self) -> Fraction | None:
        """The part that the newsroom bears, after what supporters covered."""
        return Fraction(self.fees - self.covered, self.gross) if self.gross > 0 else None


def fees_of(rows: Iterable[MoneyRow], currency: str) -> Fees:
    """Add up what was settled in `currency`.

    What supporters covered and what was saved are known as they paid; each row is valued at the
    rate at which its own payments were settled, and the whole rounded, half to even.
    """
    rows = [row for row in rows if row.settled_currency == currency]
    saved = {True: Fraction(), False: Fraction()}
    avoided = {True: 0, False: 0}
    covered = Fraction()
    for row in rows:
        rate = Fraction(row.gross, row.gross_paid) if row.gross_paid else Fraction()
        covered += row.covered_paid * rate
        if row.cadence in _MONTHS:
            annual = row.cadence == Cadence.ANNUAL.value
            fewer = _MONTHS[row.cadence] * row.periods - row.payments
            offer = OFFERS.get(row.paid_currency)
            avoided[annual] += fewer
            saved[annual] += fewer * (offer.fee_fixed if offer else 0) * rate
    return Fees(
        payments=sum(row.payments for row in rows),
        gross=sum(row.gross for row in rows),
        fees=sum(row.fees for row in rows),
        covered=round(covered),
        prepaid_avoided=avoided[False],
        prepaid_saved=round(saved[False]),
        annual_avoided=avoided[True],
        annual_saved=round(saved[True]),
    )


def by_kind(rows: Iterable[MoneyRow], currency: str) -> list[tuple[str, str, Fees]]:
    """The same for each cadence and currency paid, in this order; what has neither is left out."""
    kinds: dict[tuple[str, str], list[MoneyRow]] = {}
    for row in rows:
        if row.settled_currency == currency and row.cadence:
            kinds.setdefault((row.cadence, row.paid_currency), []).append(row)
    return [(*kind, fees_of(found, currency)) for kind, found in sorted(kinds.items())]
