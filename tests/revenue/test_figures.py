"""Every figure of money against a slow and plain second implementation, on generated ledgers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from sqlalchemy import func, select

from billing.ledger.domain import Account, Movement
from billing.ledger.service import post
from billing.ledger.tables import LedgerEntry
from billing.money import Money
from billing.revenue.months import month_on
from billing.revenue.today import MonthSoFar, People
from billing.runtime import Runtime
from tests.conftest import empty
from tests.support.revenue import month_at

RIGA = ZoneInfo("Europe/Riga")
NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
LATER = datetime(2026, 5, 5, 12, tzinfo=UTC)
"""When the figures are made: all that is written down lies before it."""
PER_DOLLAR = {"usd": Fraction(1), "eur": Fraction(9, 10), "jpy": Fraction(3, 2)}
_ids = count(1)


@dataclass(frozen=True)
class Fact:
    """Something that happened to money, in words that know nothing of a ledger."""

    at: datetime
    what: str
    """gift, pledge, refund, dispute, won, payout, fee or foreign."""
    paid: int
    currency: str

    @property
    def settled(self) -> int:
        return round(self.paid / PER_DOLLAR[self.currency])

    @property
    def fee(self) -> int:
        if self.what in {"gift", "pledge", "foreign"}:
            return 30 + self.settled * 29 // 1000
        return 1500 if self.what == "dispute" else 0


CATEGORIES = {
    "gift": ("charge", Account.GIFTS, 1),
    "pledge": ("charge", Account.PLEDGES, 1),
    "refund": ("refund", Account.GIFTS, -1),
    "dispute": ("dispute", Account.PLEDGES, -1),
    "won": ("dispute_reversal", Account.PLEDGES, 1),
    "payout": ("payout", None, -1),
    "fee": ("fee", None, -1),
    "foreign": ("charge", None, 1),
}


def write(runtime: Runtime, facts: Iterable[Fact]) -> None:
    with runtime.database.transaction() as session:
        for fact in facts:
            category, income, sign = CATEGORIES[fact.what]
            amount = sign * fact.settled
            movement = Movement(
                category=category,
                amount=amount,
                fee=fact.fee,
                net=amount - fact.fee,
                currency="usd",
                original_amount=sign * fact.paid,
                original_currency=fact.currency,
            )
            post(
                session,
                movement,
                stripe_balance_transaction_id=f"txn_{next(_ids)}",
                stripe_charge_id=None,
                charge_id=None,
                income=income,
                occurred_at=fact.at,
                available_at=None,
                now=fact.at,
            )


def seen(runtime: Runtime, now: datetime = NOW) -> MonthSoFar:
    return month_at(runtime, now, folded=LATER)


def plainly(facts: Iterable[Fact], year: int, month: int) -> dict[str, int]:
    """The same figures, one payment after another."""
    sums = dict.fromkeys(
        ("gifts", "pledges", "gross", "refunds", "disputes", "fees", "net", "other"), 0
    )
    for fact in facts:
        local = fact.at.astimezone(RIGA)
        if (local.year, local.month) != (year, month):
            continue
        if fact.what in {"gift", "pledge"}:
            sums["gifts" if fact.what == "gift" else "pledges"] += fact.settled
            sums["gross"] += fact.settled
            sums["fees"] += fact.fee
            sums["net"] += fact.settled - fact.fee
        elif fact.what == "refund":
            sums["refunds"] += fact.settled
            sums["net"] -= fact.settled
        elif fact.what == "dispute":
            sums["disputes"] += fact.settled
            sums["fees"] += fact.fee
            sums["net"] -= fact.settled + fact.fee
        elif fact.what == "won":
            sums["disputes"] -= fact.settled
            sums["net"] += fact.settled
        elif fact.what == "fee":
            sums["fees"] += fact.settled
            sums["net"] -= fact.settled
        elif fact.what == "foreign":
            sums["other"] += fact.settled - fact.fee
    return sums


FACTS = st.lists(
    st.builds(
        Fact,
        at=st.datetimes(
            datetime(2025, 3, 25),
            datetime(2026, 5, 2),
            timezones=st.just(UTC),
        ),
        what=st.sampled_from(sorted(set(CATEGORIES) - {"payout", "fee"})),
        paid=st.integers(200, 10**6),
        currency=st.sampled_from(sorted(PER_DOLLAR)),
    )
    | st.builds(
        Fact,
        at=st.sampled_from(
            [
                datetime(2026, 3, 31, 20, 59, 59, 999_999, tzinfo=UTC),
                datetime(2026, 3, 31, 21, tzinfo=UTC),
                datetime(2025, 10, 31, 21, 59, 59, tzinfo=UTC),
                datetime(2025, 10, 31, 22, tzinfo=UTC),
            ]
        ),
        what=st.sampled_from(sorted(CATEGORIES)),
        paid=st.integers(200, 10**6),
        currency=st.just("usd"),
    ),
    max_size=40,
)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FACTS)
def test_the_page_agrees_with_plain_addition_and_with_the_books(
    runtime: Runtime, facts: list[Fact]
) -> None:
    empty(runtime.database)
    write(runtime, facts)
    page = seen(runtime)
    _months_agree(page, facts)
    _net_is_what_stripe_holds_more_of_before_payouts(runtime, page)
    _conversions_tie(page, facts)


def _months_agree(page: MonthSoFar, facts: list[Fact]) -> None:
    months = [each.period.first.month for each in page.chart]
    assert months == [5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3, 4]
    for each in page.chart:
        expected = plainly(facts, each.period.first.year, each.period.first.month)
        assert {name: getattr(each.takings, name) for name in expected} == expected
    this_month = plainly(facts, 2026, 4)
    assert page.goal.received == Money(this_month["net"], "usd")
    assert page.goal.gap == Money(max(0, 1_000_000 - this_month["net"]), "usd")
    assert page.elsewhere == []


def _net_is_what_stripe_holds_more_of_before_payouts(runtime: Runtime, page: MonthSoFar) -> None:
    """The other end of double entry: income and costs are the STRIPE account's own movement."""
    begins = month_on(page.chart[0].period.first, RIGA).begins
    ends = month_on(NOW.astimezone(RIGA).date(), RIGA).ends
    with runtime.database.transaction() as session:
        held = session.scalar(
            select(func.coalesce(func.sum(LedgerEntry.amount_minor), 0)).where(
                LedgerEntry.account.in_([Account.STRIPE, Account.BANK]),
                LedgerEntry.occurred_at >= begins,
                LedgerEntry.occurred_at < ends,
            )
        )
    assert held == sum(each.takings.net + each.takings.other for each in page.chart)


def _conversions_tie(page: MonthSoFar, facts: list[Fact]) -> None:
    ours = [
        fact
        for fact in facts
        if fact.what in {"gift", "pledge"}
        and fact.at.astimezone(RIGA).strftime("%Y-%m") == "2026-04"
        and fact.currency != "usd"
    ]
    shown = {each.paid.currency: each for each in page.converted}
    assert set(shown) == {fact.currency for fact in ours}
    for currency, each in shown.items():
        assert each.paid.minor == sum(f.paid for f in ours if f.currency == currency)
        assert each.settled.minor == sum(f.settled for f in ours if f.currency == currency)


def test_an_empty_database_is_all_zeros_and_says_so(runtime: Runtime) -> None:
    page = seen(runtime)
    assert page.is_new
    assert page.this_month.is_empty
    assert page.goal.received == Money(0, "usd")
    assert page.goal.expected == page.goal.committed == Money(0, "usd")
    assert page.goal.gap == page.goal.goal
    assert page.fee_share == 0
    assert page.people == People(all=0, monthly=0, annual=0)
    assert page.waiting.next_reminder_at is None
    assert not page.chart[-1].complete
    assert all(each.complete for each in page.chart[:-1])


def test_a_refund_and_a_dispute_count_when_they_happen_not_when_the_gift_did(
    runtime: Runtime,
) -> None:
    march = datetime(2026, 3, 10, tzinfo=UTC)
    april = datetime(2026, 4, 10, tzinfo=UTC)
    write(
        runtime,
        [
            Fact(march, "gift", 5000, "usd"),
            Fact(march, "pledge", 2000, "usd"),
            Fact(april, "refund", 5000, "usd"),
            Fact(april, "dispute", 2000, "usd"),
            Fact(april + timedelta(days=5), "won", 2000, "usd"),
        ],
    )
    *_, before, now = seen(runtime).chart
    assert (before.takings.gross, before.takings.refunds, before.takings.disputes) == (7000, 0, 0)
    assert (now.takings.gross, now.takings.refunds, now.takings.disputes) == (0, 5000, 0)
    assert now.takings.net == -5000 - 1500


def test_fees_of_somebody_elses_charges_stay_out_of_ours(runtime: Runtime) -> None:
    at = datetime(2026, 4, 10, tzinfo=UTC)
    write(runtime, [Fact(at, "foreign", 100_000, "usd"), Fact(at, "gift", 1000, "usd")])
    month = seen(runtime).this_month
    assert (month.gross, month.fees, month.net) == (1000, 59, 941)
    assert month.other == 100_000 - 2930


def test_another_balance_at_stripe_is_never_mixed_in(runtime: Runtime) -> None:
    at = datetime(2026, 4, 10, tzinfo=UTC)
    with runtime.database.transaction() as session:
        post(
            session,
            Movement(
                category="charge",
                amount=1000,
                fee=50,
                net=950,
                currency="eur",
                original_amount=1000,
                original_currency="eur",
            ),
            stripe_balance_transaction_id="txn_eur",
            stripe_charge_id=None,
            charge_id=None,
            income=Account.GIFTS,
            occurred_at=at,
            available_at=None,
            now=at,
        )
    page = seen(runtime)
    assert page.this_month.is_empty
    [other] = page.elsewhere
    assert (other.currency, other.gross, other.fees, other.net) == ("eur", 1000, 50, 950)


@pytest.mark.parametrize(
    ("at", "in_april"),
    [
        ("2026-03-31T20:59:59.999999", False),
        ("2026-03-31T21:00:00", True),
        ("2026-04-30T20:59:59.999999", True),
        ("2026-04-30T21:00:00", False),
    ],
)
def test_a_month_begins_at_the_newsrooms_midnight(
    runtime: Runtime, at: str, in_april: bool
) -> None:
    write(runtime, [Fact(datetime.fromisoformat(at).replace(tzinfo=UTC), "gift", 1000, "usd")])
    assert seen(runtime).this_month.gross == (1000 if in_april else 0)
