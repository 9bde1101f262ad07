"""Which accounts a movement touches, and that its lines always balance."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, strategies as st

from billing.ledger.domain import Account, Line, Movement, against, lines_for

CATEGORIES = [
    "charge", "charge_failure", "refund", "refund_failure", "dispute", "dispute_reversal",
    "payout", "payout_reversal", "fee", "network_cost", "risk_reserved_funds", "topup",
]  # fmt: skip


def movement(category: str, amount: int, fee: int = 0, **other: object) -> Movement:
    values: dict[str, object] = {
        "category": category, "amount": amount, "fee": fee, "net": amount - fee,
        "currency": "usd", "original_amount": amount, "original_currency": "usd", **other,
    }  # fmt: skip
    return Movement(**values)  # type: ignore[arg-type]


def test_a_gift_is_income_less_the_fee() -> None:
    assert lines_for(movement("charge", 1000, 59), Account.GIFTS) == [
        Line(Account.STRIPE, "usd", 941),
        Line(Account.FEES, "usd", 59),
        Line(Account.GIFTS, "usd", -1000),
    ]


def test_stripe_keeps_the_fee_on_a_refund() -> None:
    assert lines_for(movement("refund", -1000), Account.GIFTS) == [
        Line(Account.STRIPE, "usd", -1000),
        Line(Account.REFUNDS, "usd", 1000),
    ]


def test_a_dispute_takes_the_sum_and_its_own_fee() -> None:
    assert lines_for(movement("dispute", -1000, 1500), Account.PLEDGES) == [
        Line(Account.STRIPE, "usd", -2500),
        Line(Account.FEES, "usd", 1500),
        Line(Account.DISPUTES, "usd", 1000),
    ]


def test_a_payout_moves_money_to_the_bank() -> None:
    assert lines_for(movement("payout", -941), None) == [
        Line(Account.STRIPE, "usd", -941),
        Line(Account.BANK, "usd", 941),
    ]


def test_a_payment_in_euros_keeps_both_currencies_balanced() -> None:
    lines = lines_for(
        movement("charge", 1080, 61, original_amount=1000, original_currency="eur"),
        Account.PLEDGES,
    )
    assert Line(Account.PLEDGES, "eur", -1000) in lines
    assert Line(Account.CONVERSION, "eur", 1000) in lines
    assert Line(Account.CONVERSION, "usd", -1080) in lines


@pytest.mark.parametrize("category", ["charge", "refund", "dispute"])
def test_what_is_not_ours_stands_apart(category: str) -> None:
    accounts = {line.account for line in lines_for(movement(category, 500, 10), None)}
    assert accounts == {Account.STRIPE, Account.FEES, Account.OTHER}


@pytest.mark.parametrize(
    ("category", "ours", "foreign"),
    [
        ("charge", Account.PLEDGES, Account.OTHER),
        ("charge_failure", Account.PLEDGES, Account.OTHER),
        ("refund", Account.REFUNDS, Account.OTHER),
        ("refund_failure", Account.REFUNDS, Account.OTHER),
        ("dispute", Account.DISPUTES, Account.OTHER),
        ("dispute_reversal", Account.DISPUTES, Account.OTHER),
        ("payout", Account.BANK, Account.BANK),
        ("payout_reversal", Account.BANK, Account.BANK),
        ("fee", Account.FEES, Account.FEES),
        ("tax", Account.FEES, Account.FEES),
        ("a_category_of_tomorrow", Account.OTHER, Account.OTHER),
    ],
)
def test_what_stands_against_the_balance(category: str, ours: Account, foreign: Account) -> None:
    assert against(category, Account.PLEDGES) is ours
    assert against(category, None) is foreign


@given(
    category=st.sampled_from(CATEGORIES),
    amount=st.integers(-(10**9), 10**9),
    fee=st.integers(-(10**6), 10**6),
    original=st.integers(-(10**9), 10**9),
    original_currency=st.sampled_from(["usd", "eur", "jpy"]),
    income=st.sampled_from([None, Account.GIFTS, Account.PLEDGES]),
)
def test_every_movement_balances_in_each_currency(
    category: str, amount: int, fee: int, original: int, original_currency: str,
    income: Account | None,
) -> None:  # fmt: skip
    moved = movement(
        category, amount, fee, original_amount=original, original_currency=original_currency
    )
    if original_currency == "usd":
        moved = movement(category, amount, fee)
    sums: dict[str, int] = defaultdict(int)
    for line in lines_for(moved, income):
        assert line.minor != 0
        sums[line.currency] += line.minor
    assert set(sums.values()) <= {0}
