"""Each metric by its definition, on numbers small enough to be checked by hand."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from billing.money import Money
from billing.revenue import churn, cohorts
from billing.revenue.bridge import Bridge, Stretch, bridge
from billing.revenue.churn import Amount
from billing.revenue.forecast import Due, arriving, forecast, spread, survival
from billing.revenue.funnel import Funnel
from billing.revenue.rates import fixed_rates
from billing.revenue.recovery import Renewals, is_final, recovery
from billing.revenue.rounding import apportion
from billing.revenue.tables import MoveKind

ONE = {"usd": Fraction(1)}
SUMS = st.dictionaries(
    st.sampled_from(["usd", "eur", "jpy"]), st.integers(-10_000, 10_000), max_size=3
)
RATES = st.builds(
    lambda eur, jpy: {"usd": Fraction(1), "eur": Fraction(eur, 997), "jpy": Fraction(jpy, 991)},
    st.integers(900, 1300),
    st.integers(5, 9),
)


def made(start: int, **moves: int) -> Bridge:
    kinds = {MoveKind(name): {"usd": minor} for name, minor in moves.items()}
    stretch = Stretch(rates=ONE, moves=kinds)
    return bridge({"usd": start}, [stretch], currency="usd", rates_before=ONE)


BRIDGE = made(
    12_000,
    new=2400,
    reactivation=600,
    expansion=1200,
    contraction=-300,
    churn_voluntary=-900,
    churn_involuntary=-600,
    paused=-120,
)


@given(SUMS, st.lists(st.tuples(RATES, st.dictionaries(st.sampled_from(MoveKind), SUMS))), RATES)
def test_a_bridge_ends_where_it_arrives(
    before: dict[str, int],
    stretches: list[tuple[dict[str, Fraction], dict[MoveKind, dict[str, int]]]],
    rates: dict[str, Fraction],
) -> None:
    found = [Stretch(rates=each, moves=moves) for each, moves in stretches]
    seen = bridge(before, found, currency="usd", rates_before=rates)
    assert seen.start + sum(seen.moves.values()) + seen.currency_effect == seen.end
    if set(before) | {c for _, m in stretches for sums in m.values() for c in sums} <= {"usd"}:
        assert seen.currency_effect == 0


def test_months_one_after_another_leave_no_gap() -> None:
    rates = [{"usd": Fraction(1), "eur": Fraction(rate, 100)} for rate in (110, 123, 117)]
    moves = {MoveKind.NEW: {"eur": 1111, "usd": 7}}
    whole = bridge({"eur": 777}, [Stretch(rates=r, moves=moves) for r in rates[1:]],
                   currency="usd", rates_before=rates[0])  # fmt: skip
    first = bridge({"eur": 777}, [Stretch(rates=rates[1], moves=moves)], currency="usd",
                   rates_before=rates[0])  # fmt: skip
    second = bridge({"eur": 1888, "usd": 7}, [Stretch(rates=rates[2], moves=moves)],
                    currency="usd", rates_before=rates[1])  # fmt: skip
    assert (first.start, first.end) == (whole.start, second.start)
    assert second.end == whole.end
    assert first.currency_effect + second.currency_effect == whole.currency_effect


def test_a_currency_without_a_rate_stands_apart() -> None:
    seen = bridge({"jpy": 500}, [], currency="usd", rates_before=ONE)
    assert (seen.start, seen.end, seen.unvalued) == (0, 0, {"jpy": 500})


def test_churn_and_the_quick_ratio() -> None:
    assert BRIDGE.end == 14_280
    assert churn.gross_churn(BRIDGE) == Fraction(1800, 12_000)
    assert churn.net_churn(BRIDGE) == Fraction(600, 12_000)
    assert churn.quick_ratio(BRIDGE) == Fraction(4200, 1800)
    assert BRIDGE.month(BRIDGE.end) == Money(1190, "usd")


def test_nothing_is_said_where_there_is_nothing_to_divide_by() -> None:
    empty = made(0, new=500)
    assert churn.gross_churn(empty) is None
    assert churn.net_churn(empty) is None
    assert churn.quick_ratio(empty) is None
    assert churn.arpu(100, 0) is None
    assert churn.annual_churn(0, 0) is None
    assert churn.median([]) is None


def test_annual_churn_is_against_what_was_due() -> None:
    assert churn.annual_churn(3, 12) == Fraction(1, 4)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), max_size=9))
def test_the_median_is_that_of_the_people_one_by_one(amounts: list[tuple[int, int]]) -> None:
    everybody = sorted(amount for amount, people in amounts for _ in range(people))
    expected = None
    if everybody:
        middle = len(everybody) // 2
        low = everybody[(len(everybody) - 1) // 2]
        expected = Fraction(low + everybody[middle], 2)
    assert churn.median([Amount(*each) for each in amounts]) == expected


def test_a_lifetime_value_needs_departures_enough() -> None:
    arpu = Fraction(1200)
    assert churn.lifetime_value(arpu, [10, 19], [500, 500]) is None
    assert churn.lifetime_value(arpu, [10, 20], [500, 500]) == Fraction(40_000)
    assert churn.lifetime_value(None, [30], [500]) is None


def test_cohorts_begin_with_their_own_month_and_end_with_the_last_that_is_over() -> None:
    jan, feb, mar = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
    changes = [
        cohorts.Change(cohort=jan, month=jan, supporters=10, twelfths=12_000),
        cohorts.Change(cohort=jan, month=feb, supporters=-2, twelfths=1200),
        cohorts.Change(cohort=feb, month=mar, supporters=-1, twelfths=-600),
        cohorts.Change(cohort=feb, month=feb, supporters=4, twelfths=4800),
    ]
    people = cohorts.by_supporters(changes, date(2026, 3, 31))
    assert [(each.month, each.kept) for each in people] == [(jan, (10, 8)), (feb, (4,))]
    assert people[0].shares() == [1, Fraction(4, 5)]
    money = cohorts.by_money(changes, date(2026, 4, 1))
    assert [each.kept for each in money] == [(12_000, 13_200, 13_200), (4800, 4200)]


def test_recovery_is_by_value_and_failing_by_number() -> None:
    rows = [
        Renewals(currency="usd", reason="", renewals=90, recovered=0, amount_minor=90_000,
                 recovered_minor=0),
        Renewals(currency="usd", reason="expired_card", renewals=6, recovered=1,
                 amount_minor=6000, recovered_minor=3000),
        Renewals(currency="eur", reason="do_not_honor", renewals=4, recovered=4,
                 amount_minor=1000, recovered_minor=1000),
    ]  # fmt: skip
    seen = recovery(rows, {"usd": Fraction(1), "eur": Fraction(2)})
    assert (seen.due, seen.failed, seen.recovered) == (100, 10, 5)
    assert seen.failed_rate == Fraction(1, 10)
    assert seen.recovery_rate == Fraction(5000, 8000)
    assert recovery([], ONE).failed_rate is None
    assert recovery([], ONE).recovery_rate is None


def test_a_recovery_rate_is_final_when_the_last_retry_is_over() -> None:
    assert not is_final(date(2026, 1, 31), date(2026, 2, 14))
    assert is_final(date(2026, 1, 31), date(2026, 2, 15))


def test_rates_are_those_of_the_last_month_that_has_any() -> None:
    paid: list[dict[str, tuple[int, int]]] = [
        {"eur": (100, 110)}, {}, {"eur": (100, 120), "jpy": (200, 1)}, {"eur": (0, 0)}
    ]  # fmt: skip
    rates = fixed_rates(paid, "usd")
    assert [each.get("eur") for each in rates] == [
        Fraction(11, 10), Fraction(11, 10), Fraction(11, 10), Fraction(12, 10)
    ]  # fmt: skip
    assert [each.get("jpy") for each in rates] == [Fraction(1, 200)] * 4
    assert all(each["usd"] == 1 for each in rates)
    assert "gbp" not in rates[0]


def test_a_forecast_is_a_range_around_what_is_likely() -> None:
    failed = (Fraction(2, 100), Fraction(5, 100), Fraction(9, 100))
    survives = survival(Fraction(1, 10), 1)
    due = [Due(4000, (survives,) * 3), Due(6000, (survives,) * 3)]
    seen = forecast(due, failed=failed, recovered=Fraction(1, 2), gifts=[900, 400, 500, 300, 700])
    assert arriving(10_000, failed[1], Fraction(1, 2), Fraction(9, 10)) == 8775
    assert seen.likely == 8775 + 500
    assert seen.low == 8595 + 400
    assert seen.high == 8910 + 700
    little = forecast([], failed=failed, recovered=Fraction(0), gifts=[900])
    assert (little.low, little.likely, little.high) == (0, 0, 900)
    wide = forecast([Due(1000, (Fraction(1, 2), Fraction(3, 4), Fraction(1)))],
                    failed=(Fraction(0),) * 3, recovered=Fraction(0), gifts=[])  # fmt: skip
    assert (wide.low, wide.likely, wide.high) == (500, 750, 1000)


def test_a_range_is_from_the_lowest_over_the_middle_to_the_highest() -> None:
    assert spread([]) == (0, 0, 0)
    assert spread([Fraction(3), Fraction(1), Fraction(2)]) == (1, 2, 3)
    assert spread([Fraction(4), Fraction(1), Fraction(2), Fraction(3)]) == (1, Fraction(5, 2), 4)


@given(st.lists(st.fractions(-1000, 1000), min_size=1, max_size=9), st.integers(-3, 3))
def test_parts_add_up_to_their_whole_and_stay_near(parts: list[Fraction], off: int) -> None:
    total = round(sum(parts))
    whole = apportion(parts, total)
    assert sum(whole) == total
    assert all(abs(made - part) <= 1 for made, part in zip(whole, parts, strict=True))
    assert sum(apportion(parts, total + off)) == total + off


@pytest.mark.parametrize("opened", [None, 30])
def test_a_funnel_compares_with_the_step_before_that_is_counted(opened: int | None) -> None:
    seen = Funnel(shown=None, asked=100, sent=80, opened=opened, gave=20)
    shares = {name: share for name, _, share in seen.shares()}
    assert shares["asked"] is None
    assert shares["sent"] == Fraction(8, 10)
    assert shares["gave"] == (Fraction(2, 8) if opened is None else Fraction(2, 3))
