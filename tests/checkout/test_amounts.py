"""Amounts are read as their writers mean them, or refused with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from billing.checkout.domain import (
    OFFERS,
    AmountError,
    AmountProblem,
    fee_cover_for,
    fee_cover_terms,
    fee_on,
    read_amount,
)
from billing.checkout.forms import as_written
from billing.money import CURRENCIES, Money

USD = OFFERS["usd"]
DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "۰۱۲۳۴۵۶۷۸۹"]
GROUPS = [" ", "\u00a0", "\u202f", "'", "’"]


def test_every_currency_has_an_offer_in_whole_units_of_its_own() -> None:
    assert OFFERS.keys() == CURRENCIES.keys()
    for code, offer in OFFERS.items():
        assert offer.currency == code
        assert 0 < offer.minimum < min(offer.suggested) <= max(offer.suggested) < offer.maximum


def problem_with(written: str, currency: str = "usd") -> AmountProblem:
    with pytest.raises(AmountError) as caught:
        read_amount(written, OFFERS[currency])
    return caught.value.problem


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("5", 500),
        ("5,5", 550),
        ("5.50", 550),
        ("5.00 $", 500),
        ("$5", 500),
        ("US$5", 500),
        ("＄5", 500),
        ("5 USD", 500),
        ("usd 5", 500),
        ("+5", 500),
        ("٥٫٥٠", 550),
        ("५", 500),
        ("１０", 1000),
        ("5，50", 550),
        ("\u200f٥\u200f", 500),
        ("  5\u00a0", 500),
        ("1 234,50", 123450),
        ("1\u202f234.50", 123450),
        ("1'234.50", 123450),
        ("١٬٢٣٤٫٥٠", 123450),
        ("1,234.50", 123450),
        ("1.234,50", 123450),
        ("5.", 500),
        ("007", 700),
    ],
)
def test_what_people_write_is_read_as_they_mean_it(written: str, minor: int) -> None:
    assert read_amount(written, USD) == Money(minor, "usd")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", AmountProblem.EMPTY),
        ("   ", AmountProblem.EMPTY),
        ("\u00a0\u202f", AmountProblem.EMPTY),
        ("$", AmountProblem.EMPTY),
        ("0", AmountProblem.NOT_POSITIVE),
        ("0,00", AmountProblem.NOT_POSITIVE),
        ("-5", AmountProblem.NOT_POSITIVE),
        ("−5", AmountProblem.NOT_POSITIVE),
        ("-$5", AmountProblem.NOT_POSITIVE),
        ("$-5", AmountProblem.NOT_POSITIVE),
        ("1.99", AmountProblem.BELOW_MINIMUM),
        (".5", AmountProblem.BELOW_MINIMUM),
        ("10000.01", AmountProblem.ABOVE_MAXIMUM),
        ("99999999999999999999", AmountProblem.ABOVE_MAXIMUM),
        ("1,234", AmountProblem.AMBIGUOUS),
        ("1.234", AmountProblem.AMBIGUOUS),
        ("5.125", AmountProblem.AMBIGUOUS),
        ("0.125", AmountProblem.TOO_PRECISE),
        ("1234.567", AmountProblem.TOO_PRECISE),
        ("5.5555", AmountProblem.TOO_PRECISE),
        ("1e9", AmountProblem.NOT_A_NUMBER),
        ("NaN", AmountProblem.NOT_A_NUMBER),
        ("Infinity", AmountProblem.NOT_A_NUMBER),
        ("½", AmountProblem.NOT_A_NUMBER),
        ("5²", AmountProblem.NOT_A_NUMBER),
        ("0x10", AmountProblem.NOT_A_NUMBER),
        ("5 50", AmountProblem.NOT_A_NUMBER),
        ("5'50", AmountProblem.NOT_A_NUMBER),
        ("1 2,3 456", AmountProblem.NOT_A_NUMBER),
        ("0 123", AmountProblem.NOT_A_NUMBER),
        ("5$00", AmountProblem.NOT_A_NUMBER),
        ("5\x0050", AmountProblem.NOT_A_NUMBER),
        ("five", AmountProblem.NOT_A_NUMBER),
        (".", AmountProblem.NOT_A_NUMBER),
        ("1,2,3", AmountProblem.NOT_A_NUMBER),
        ("5" * 10_000, AmountProblem.NOT_A_NUMBER),
        ("€5", AmountProblem.OTHER_CURRENCY),
        ("5 EUR", AmountProblem.OTHER_CURRENCY),
        ("500 ₽", AmountProblem.OTHER_CURRENCY),
        ("500 руб", AmountProblem.OTHER_CURRENCY),
    ],
)
def test_what_cannot_be_charged_is_refused_by_name(written: str, problem: AmountProblem) -> None:
    assert problem_with(written) is problem


def test_a_dollar_sign_is_no_euro() -> None:
    assert problem_with("$5", "eur") is AmountProblem.OTHER_CURRENCY


@pytest.mark.parametrize(
    ("written", "minor"),
    [("500", 500), ("1,234", 1234), ("1.234", 1234), ("¥500", 500), ("500円", 500)],
)
def test_a_currency_without_decimals_has_only_groups(written: str, minor: int) -> None:
    assert read_amount(written, OFFERS["jpy"]) == Money(minor, "jpy")


def test_a_currency_without_decimals_takes_no_fraction() -> None:
    assert problem_with("500.50", "jpy") is AmountProblem.TOO_PRECISE


@given(
    minor=st.integers(USD.minimum, USD.maximum),
    digits=st.sampled_from(DIGITS),
    group=st.sampled_from(GROUPS),
    decimal=st.sampled_from([".", ","]),
    sign=st.sampled_from(["", "$", "usd ", "US$ "]),
)
def test_every_sum_is_read_back_however_it_is_written(
    minor: int, digits: str, group: str, decimal: str, sign: str
) -> None:
    grouped = f"{minor // 100:,}".replace(",", group)
    written = f"{sign}{grouped}{decimal}{minor % 100:02d}"
    assert read_amount(written.translate(str.maketrans("0123456789", digits)), USD).minor == minor


@given(st.text(max_size=60), st.sampled_from(sorted(OFFERS)))
def test_any_text_is_an_amount_within_bounds_or_a_named_problem(text: str, currency: str) -> None:
    offer = OFFERS[currency]
    try:
        amount = read_amount(text, offer)
    except AmountError:
        return
    assert offer.minimum <= amount.minor <= offer.maximum


@given(st.sampled_from(sorted(OFFERS)), st.data())
def test_what_is_shown_in_the_field_is_read_back_the_same(
    currency: str, data: st.DataObject
) -> None:
    offer = OFFERS[currency]
    amount = Money(data.draw(st.integers(offer.minimum, offer.maximum)), currency)
    assert read_amount(as_written(amount), offer) == amount


@given(st.sampled_from(sorted(OFFERS)), st.data())
def test_a_covered_fee_is_the_smallest_that_lets_the_amount_arrive(
    currency: str, data: st.DataObject
) -> None:
    offer = OFFERS[currency]
    amount = Money(data.draw(st.integers(offer.minimum, offer.maximum)), currency)
    cover = fee_cover_for(amount, offer)
    total = amount + cover
    assert amount <= total - fee_on(total, offer)
    less = total - Money(1, currency)
    assert less - fee_on(less, offer) < amount


@given(st.sampled_from(sorted(OFFERS)), st.data())
def test_the_terms_of_covering_hold_for_every_amount_to_a_minor_unit(
    currency: str, data: st.DataObject
) -> None:
    offer = OFFERS[currency]
    minor = data.draw(st.integers(offer.minimum, offer.maximum))
    share, fixed = fee_cover_terms(offer)
    said = minor * share + fixed.minor
    assert abs(fee_cover_for(Money(minor, currency), offer).minor - said) <= 1


def test_two_dollars_lose_eighteen_percent() -> None:
    assert fee_on(Money(200, "usd"), USD) == Money(36, "usd")
