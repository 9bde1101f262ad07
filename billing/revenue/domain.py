"""The figures, as pure sums over what the queries return.

Definitions: net = gross − refunds − disputes − fees, each on its own date. All money is in minor
units of the currency in which Stripe settles, at the rate at which it did. MRR is counted in
twelfths (a year's worth) and divided only when it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from billing.ledger.domain import INCOME, Account
from billing.money import Money


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What one account's lines of one month add up to, by currencies.

    Signed as in the ledger: income is negative, what is taken from us positive.
    """

    month: date
    account: Account
    paid_currency: str
    settled_currency: str
    paid_minor: int
    settled_minor: int


@dataclass(frozen=True, kw_only=True)
class Takings:
    """A month in minor units of `currency`; everything is positive when it is as its name says."""

    currency: str
    gifts: int = 0
    pledges: int = 0
    refunds: int = 0
    disputes: int = 0
    fees: int = 0
    other: int = 0
    """What moved on the Stripe account without our doing, after its fees. Not part of `net`."""

    @property
    def gross(self) -> int:
        """All that supporters paid."""
        return self.gifts + self.pledges

    @property
    def net(self) -> int:
        """What is left for the newsroom."""
        return self.gross - self.refunds - self.disputes - self.fees

    @property
    def taken_off(self) -> int:
        """Refunds, disputes and fees together."""
        return self.gross - self.net

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all happened."""
        return not any(
            (self.gifts, self.pledges, self.refunds, self.disputes, self.fees, self.other)
        )


@dataclass(frozen=True)
class Converted:
    """What was paid in a currency other than the one in which Stripe settled it."""

    paid: Money
    settled: Money

    @property
    def rate(self) -> Fraction:
        """Settled minor units for one minor unit paid: the rate of all these payments together."""
        return Fraction(self.settled.minor, self.paid.minor)


def takings(flows: Iterable[Flow], month: date, currency: str) -> Takings:
    """The figures of one month, of what was settled in `currency`."""
    sums = dict.fromkeys(Account, 0)
    for flow in flows:
        if flow.month == month and flow.settled_currency == currency:
            sums[flow.account] += flow.settled_minor
    return Takings(
        currency=currency,
        gifts=-sums[Account.GIFTS],
        pledges=-sums[Account.PLEDGES],
        refunds=sums[Account.REFUNDS],
        disputes=sums[Account.DISPUTES],
        fees=sums[Account.FEES],
        other=-sums[Account.OTHER],
    )


def settled_elsewhere(flows: Iterable[Flow], month: date, currency: str) -> list[Takings]:
    """The month's figures in the other currencies in which Stripe settled, never mixed in."""
    kept = [flow for flow in flows if flow.month == month and flow.settled_currency != currency]
    found = (takings(kept, month, other) for other in sorted({f.settled_currency for f in kept}))
    return [each for each in found if not each.is_empty]


def conversions(flows: Iterable[Flow], month: date, currency: str) -> list[Converted]:
    """What the month's payments in other currencies came to, one line a currency."""
    paid: dict[str, int] = {}
    settled: dict[str, int] = {}
    for flow in flows:
        foreign = flow.paid_currency != currency == flow.settled_currency
        if foreign and flow.month == month and flow.account in INCOME:
            paid[flow.paid_currency] = paid.get(flow.paid_currency, 0) - flow.paid_minor
            settled[flow.paid_currency] = settled.get(flow.paid_currency, 0) - flow.settled_minor
    return [
        Converted(Money(paid[each], each), Money(settled[each], currency)) for each in sorted(paid)
    ]


def monthly_rates(flows: list[Flow], month: date, currency: str) -> dict[str, Fraction]:
    """The fixed rates at which `month` values what is not paid but promised.

    A currency's rate is that of all its payments in the last month before `month` that has any;
    failing that, of the first month since. One rate holds for the whole month, so that MRR moves
    when supporters do and not with the market. A currency without any payment has no rate.
    """
    rates: dict[str, Fraction] = {currency: Fraction(1)}
    months = sorted({flow.month for flow in flows})
    earlier = [each for each in months if each < month]
    for each in [*reversed(earlier), *(each for each in months if each >= month)]:
        for converted in conversions(flows, each, currency):
            if converted.paid.minor > 0:
                rates.setdefault(converted.paid.currency, converted.rate)
    return rates


def valued(sums: Mapping[str, int], rates: Mapping[str, Fraction]) -> int:
    """Sums by currency as one sum, at `rates`; what has no rate is left out (and shown apart).

    Each currency is rounded to a whole unit, half to even, before they are added.
    """
    return sum(round(minor * rates[each]) for each, minor in sums.items() if each in rates)


def fee_share(flows: Iterable[Flow], currency: str) -> Fraction:
    """The part of what supporters paid that Stripe kept, over all the months given."""
    gross = fees = 0
    for flow in flows:
        if flow.settled_currency == currency:
            gross -= flow.settled_minor if flow.account in INCOME else 0
            fees += flow.settled_minor if flow.account is Account.FEES else 0
    return min(Fraction(1), Fraction(fees, gross)) if gross > 0 else Fraction(0)


def after_fees(minor: int, share: Fraction) -> int:
    """What is left of a sum to come when Stripe keeps `share` of it, to the nearest unit."""
    return round(minor * (1 - share))
