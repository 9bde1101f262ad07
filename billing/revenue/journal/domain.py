"""The ledger in an accountant's words. Pure. Debits are positive, credits negative.

A file stands by itself: what was earned and spent before is in `OPENING`, as after a year is
closed, and the other accounts begin with what stood on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from billing.ledger.domain import Account

NAMES = {
    Account.STRIPE: "Assets:Stripe:Balance",
    Account.BANK: "Assets:Stripe:Paid-Out",
    Account.GIFTS: "Income:Gifts",
    Account.PLEDGES: "Income:Pledges",
    Account.REFUNDS: "Income:Refunds",
    Account.DISPUTES: "Income:Disputes",
    Account.FEES: "Expenses:Fees:Stripe",
    Account.CONVERSION: "Equity:Conversions",
    Account.OTHER: "Equity:Not-Of-Tuppence",
    Account.OFFLINE: "Assets:Offline",
}
"""Names that Beancount takes: https://beancount.github.io/docs/beancount_language_syntax.html."""
OPENING = "Equity:Opening-Balances"
_OF_A_PERIOD = ("Income:", "Expenses:")

Balances = Mapping[tuple[Account, str], int]
"""Minor units by account and currency."""
Named = dict[tuple[str, str], int]
"""Minor units by an account's name and currency; none is zero."""


@dataclass(frozen=True)
class Line:
    """So much in one currency on one account."""

    account: str
    currency: str
    minor: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One movement with its lines; they come to zero in each currency."""

    id: int
    stripe_id: str | None
    """None for what never was at Stripe."""
    category: str
    charge_id: int | None
    occurred_at: datetime
    lines: tuple[Line, ...]


def opening(before: Balances) -> Named:
    """What a month begins with: it comes to zero in each currency."""
    found: Named = {}
    for (account, currency), minor in before.items():
        name = NAMES[account]
        kept = OPENING if name.startswith(_OF_A_PERIOD) else name
        found[kept, currency] = found.get((kept, currency), 0) + minor
    return _without_zeros(found)


def closing(before: Balances, after: Balances) -> Named:
    """What stands at the end: income and expenses of this month alone."""
    found = opening(before)
    for account, currency in before.keys() | after.keys():
        moved = after.get((account, currency), 0) - before.get((account, currency), 0)
        place = NAMES[account], currency
        found[place] = found.get(place, 0) + moved
    return _without_zeros(found)


def _without_zeros(found: Named) -> Named:
    return {place: found[place] for place in sorted(found) if found[place]}
