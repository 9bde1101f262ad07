"""What a CSV file says, to programs and to spreadsheets."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from billing.digest.suppressed import Counted, suppressed
from billing.money import Money, plain_decimal
from billing.revenue.exports.writing import Writer, safe_text
from billing.revenue.figures import MoneyRow

RIGA = ZoneInfo("Europe/Riga")
FORMULAS = "=+-@\uff1d\uff0b\uff0d\uff20"


def read(written: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+371 200", "'+371 200"),
        ("-5", "'-5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\r=1", "' =1"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("spring=autumn", "spring=autumn"),
        ("two\nlines", "two lines"),
        ("", ""),
    ],
)
def test_text_is_no_formula(text: str, kept: str) -> None:
    assert safe_text(text) == kept


@given(st.text())
def test_no_text_at_all_is_a_formula_or_more_than_one_line(text: str) -> None:
    written = Writer(RIGA).lines([[text, "end"]])
    assert written.endswith(b"\r\n")
    assert written.count(b"\n") == 1
    [[found, end]] = read(written)
    assert end == "end"
    assert found.lstrip()[:1] not in set(FORMULAS)
    assert not found.startswith(("\t", "\r", "\n"))


def test_what_is_a_number_stays_one() -> None:
    row = [-5, Money(-1234, "usd"), Money(-7, "usd"), Money(-1500, "jpy"), Money(1001, "kwd"),
           Fraction(-1, 8), Decimal("-0.5"), None]  # fmt: skip
    assert read(Writer(RIGA).lines([row])) == [
        ["-5", "-12.34", "-0.07", "-1500", "1.001", "-0.125000", "-0.5", ""]
    ]


def test_days_and_moments_are_the_newsrooms() -> None:
    row = [date(2026, 1, 31), datetime(2026, 1, 31, 22, 30, 5, 999, UTC),
           datetime(2026, 7, 1, 21, tzinfo=UTC)]  # fmt: skip
    assert read(Writer(RIGA).lines([row])) == [
        ["2026-01-31", "2026-02-01T00:30:05+02:00", "2026-07-02T00:00:00+03:00"]
    ]


def test_a_file_says_that_it_is_utf_8_and_quotes_what_it_must() -> None:
    writer = Writer(RIGA)
    written = writer.head(["name", "sum"]) + writer.lines([['“Вот”, "so"', 1]])
    assert written.startswith(b"\xef\xbb\xbfname,sum\r\n")
    assert read(written) == [["name", "sum"], ['“Вот”, "so"', "1"]]


@given(st.integers(-(10**12), 10**12), st.sampled_from(["usd", "jpy", "kwd", "xof", "chf"]))
def test_a_sum_is_written_exactly(minor: int, currency: str) -> None:
    digits = {"jpy": 0, "xof": 0, "kwd": 3}.get(currency, 2)
    assert Decimal(plain_decimal(minor, currency)).scaleb(digits) == minor


def row(payments: int, cadence: str, currency: str = "usd") -> MoneyRow:
    return MoneyRow(cadence=cadence, paid_currency="eur", settled_currency=currency,
                    payments=payments, periods=0, gross_paid=0, covered_paid=0, gross=0,
                    refunds=0, disputes=0, fees=0, other=0)  # fmt: skip


def test_only_what_was_settled_in_the_currency_counts() -> None:
    rows = [row(4, "once"), row(7, "monthly"), row(50, "once", "jpy")]
    assert Counted.of(rows, "usd") == Counted(payments=11, gifts=4, pledges=7)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6))
def test_no_number_of_few_payments_is_told_or_can_be_worked_out(
    numbers: list[tuple[int, int]],
) -> None:
    parts = [Counted(payments=a + b, gifts=a, pledges=b) for a, b in numbers]
    shown = suppressed(parts)
    for before, after in zip(parts, shown, strict=True):
        told = [after.payments, after.gifts, after.pledges]
        assert not [each for each in told if each is not None and 0 < each < 5]
        assert after.payments in (None, before.payments)
        assert (after.gifts is None) == (after.pledges is None)
    gaps = [before for before, after in zip(parts, shown, strict=True) if after.payments is None]
    if gaps and len(gaps) < len([each for each in parts if each.payments]):
        assert len(gaps) > 1
        assert sum(each.payments or 0 for each in gaps) >= 5
