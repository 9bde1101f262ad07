"""How many payments stand behind sums, as far as whoever sees no person may know. Pure.

A sum of one payment is what somebody gave. So where fewer than five payments make it (ADR 0054),
the sum is left out with their number, and so is another one, lest a total bring it back. Within a
period that is the rule of the pages (`billing.revenue.viewers`); here weeks lie beside each other
as well, of months whose sums the pages tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from billing.revenue.figures import MoneyRow
from billing.revenue.viewers import hidden_money
from billing.staff.suppression import hidden


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Numbers of payments in a period; None for what is left out, the sum beside it too."""

    payments: int | None
    gifts: int | None
    pledges: int | None

    @classmethod
    def of(cls, rows: Iterable[MoneyRow], currency: str) -> Counted:
        """What was settled in a currency, counted."""
        rows = [row for row in rows if row.settled_currency == currency]
        payments = sum(row.payments for row in rows)
        gifts = sum(row.payments for row in rows if row.is_gift)
        return cls(payments=payments, gifts=gifts, pledges=payments - gifts)


def suppressed(parts: Sequence[Counted]) -> list[Counted]:
    """Periods that lie side by side, without what could be told of few people.

    A period that is left out is so with both its parts. Of a period that is shown, gifts and
    pledges are shown both or neither, since they add up to it.
    """
    left_out = hidden([each.payments or 0 for each in parts])
    return [
        Counted(payments=None, gifts=None, pledges=None) if place in left_out else _with_parts(each)
        for place, each in enumerate(parts)
    ]


def _with_parts(each: Counted) -> Counted:
    if hidden_money(each.gifts or 0, each.pledges or 0, moved=False):
        return replace(each, gifts=None, pledges=None)
    return each
