"""Which accounts a movement on the Stripe balance touches. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Account(StrEnum):
    """The accounts. Debits are positive, credits negative."""

    STRIPE = "stripe"
    """Asset: what Stripe holds for us, in its settlement currency."""
    BANK = "bank"
    """Asset: what Stripe has paid out."""
    OFFLINE = "offline"
    """Asset: what came by bank transfer or cheque, and never passed through Stripe."""
    GIFTS = "gifts"
    """Income: single gifts."""
    PLEDGES = "pledges"
    """Income: monthly and annual pledges."""
    FEES = "fees"
    """Expense: what Stripe keeps."""
    REFUNDS = "refunds"
    """Income turned back: given back to supporters."""
    DISPUTES = "disputes"
    """Income turned back: taken back by a bank, and returned if won."""
    CONVERSION = "conversion"
    """Clearing: money that left one currency for another; worth nothing at Stripe's rate."""
    OTHER = "other"
    """What moved on the Stripe account without Tuppence's doing."""


OFFLINE, OFFLINE_REVERSAL = "offline", "offline_reversal"
"""Categories of our own, for what Stripe knows nothing of: a gift entered, and taken back."""

_CATEGORIES = {
    "refund": Account.REFUNDS,
    "refund_failure": Account.REFUNDS,
    "partial_capture_reversal": Account.REFUNDS,
    "dispute": Account.DISPUTES,
    "dispute_reversal": Account.DISPUTES,
    "payout": Account.BANK,
    "payout_reversal": Account.BANK,
    "fee": Account.FEES,
    "network_cost": Account.FEES,
    "tax": Account.FEES,
}
"""Stripe's reporting categories by the account that stands against the Stripe balance.

`charge` and `charge_failure` go to the income account of the charge; anything else to OTHER.
Source: https://docs.stripe.com/reports/reporting-categories.
"""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A balance transaction: `amount` = `net` + `fee` in `currency`, all in minor units.

    `original_amount` is the same sum in the currency in which the supporter paid, signed alike.
    """

    category: str
    amount: int
    fee: int
    net: int
    currency: str
    original_amount: int
    original_currency: str


@dataclass(frozen=True)
class Line:
    """One ledger line; debits positive."""

    account: Account
    currency: str
    minor: int


def against(category: str, income: Account | None) -> Account:
    """The account that stands against the Stripe balance; `income` is None for what is not ours."""
    if category in ("charge", "charge_failure"):
        return income or Account.OTHER
    if category in ("refund", "refund_failure", "dispute", "dispute_reversal") and income is None:
        return Account.OTHER
    return _CATEGORIES.get(category, Account.OTHER)


def lines_for(movement: Movement, income: Account | None) -> list[Line]:
    """The balanced lines of a movement: they sum to zero in each currency.

    A payment in another currency passes through CONVERSION at the rate at which Stripe settled.
    """
    account = against(movement.category, income)
    lines = [
        Line(Account.STRIPE, movement.currency, movement.net),
        Line(Account.FEES, movement.currency, movement.fee),
    ]
    if movement.original_currency == movement.currency:
        lines.append(Line(account, movement.currency, -movement.amount))
    else:
        lines += [
            Line(Account.CONVERSION, movement.currency, -movement.amount),
            Line(Account.CONVERSION, movement.original_currency, movement.original_amount),
            Line(account, movement.original_currency, -movement.original_amount),
        ]
    return [line for line in lines if line.minor]


def offline_lines(minor: int, currency: str) -> list[Line]:
    """The balanced lines of a gift that did not pass through Stripe; negative takes it back."""
    return [Line(Account.OFFLINE, currency, minor), Line(Account.GIFTS, currency, -minor)]
