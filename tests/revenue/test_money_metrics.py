"""Gifts' spread, fees and what was saved, and the lift of reminders: by example and by property."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from hypothesis import given, strategies as st

from billing.revenue.fees import by_kind, fees_of
from billing.revenue.figures import MoneyRow
from billing.revenue.funnel import lift
from billing.revenue.gifts import Given, Givers, is_closed, spread


def row(**values: object) -> MoneyRow:
    zeros: dict[str, object] = dict.fromkeys(
        ("payments", "periods", "gross_paid", "covered_paid", "gross", "refunds", "disputes",
         "fees", "other"), 0)  # fmt: skip
    names = {"cadence": "monthly", "paid_currency": "usd", "settled_currency": "usd"}
    return MoneyRow(**{**zeros, **names, **values})  # type: ignore[arg-type]


def test_what_is_saved_is_the_fixed_part_of_payments_not_needed() -> None:
    rows = [
        row(payments=3, periods=8, gross_paid=8000, gross=8000, fees=322, covered_paid=120),
        row(cadence="annual", payments=2, periods=2, gross_paid=24_000, gross=24_000, fees=756),
        row(cadence="once", payments=1, gross_paid=500, gross=500, fees=45),
    ]
    seen = fees_of(rows, "usd")
    assert (seen.fees, seen.gross, seen.covered) == (1123, 32_500, 120)
    assert (seen.prepaid_avoided, seen.prepaid_saved) == (5, 150)
    assert (seen.annual_avoided, seen.annual_saved) == (22, 660)
    assert seen.share == Fraction(1123, 32_500)
    assert seen.share_left == Fraction(1003, 32_500)


def test_other_currencies_are_valued_as_they_were_settled_and_other_balances_left_out() -> None:
    rows = [
        row(paid_currency="eur", payments=1, periods=3, gross_paid=3000, gross=3300, fees=126,
            covered_paid=100),
        row(settled_currency="eur", paid_currency="eur", payments=9, gross=9, gross_paid=9, fees=9),
    ]  # fmt: skip
    seen = fees_of(rows, "usd")
    assert (seen.fees, seen.covered) == (126, 110)
    assert (seen.prepaid_avoided, seen.prepaid_saved) == (2, 55)
    assert [kind[:2] for kind in by_kind(rows, "usd")] == [("monthly", "eur")]


def test_where_nothing_was_paid_there_is_no_share() -> None:
    assert fees_of([row(fees=1500)], "usd").share is None
    assert fees_of([], "usd").share_left is None


AMOUNTS = st.lists(st.tuples(st.integers(1, 10_000), st.integers(-2, 5)), max_size=30)


@given(AMOUNTS)
def test_quartiles_are_what_a_sorted_list_says(given_: list[tuple[int, int]]) -> None:
    each = sorted(amount for amount, gifts in given_ for _ in range(gifts))
    found = spread([Given(Fraction(amount), gifts) for amount, gifts in given_])
    if not each:
        assert found is None
        return
    assert found is not None
    ranks = [-(-len(each) * part // 4) - 1 for part in (1, 2, 3)]
    assert [found.low, found.median, found.high] == [each[rank] for rank in ranks]
    assert found.largest == each[-1]


def test_whoever_had_a_pledge_before_can_not_be_won() -> None:
    people = Givers(givers=10, again=3, had_pledged=2, within={30: 1, 90: 2, 365: 4})
    assert people.share(365) == Fraction(4, 8)
    assert Givers(givers=2, again=0, had_pledged=2, within={365: 0}).share(365) is None


def test_a_window_is_closed_when_the_last_of_the_month_have_had_their_days() -> None:
    assert not is_closed(date(2026, 1, 31), 30, date(2026, 3, 2))
    assert is_closed(date(2026, 1, 31), 30, date(2026, 3, 3))


def test_lift_is_one_share_over_the_other_and_is_not_made_up() -> None:
    assert lift(9, 30, 5, 100) == 6
    assert lift(0, 30, 5, 100) == 0
    for nothing in ((3, 0, 5, 100), (9, 29, 5, 100), (9, 30, 5, 0), (9, 30, 0, 100)):
        assert lift(*nothing) is None
