"""Gifts by bank and cheque: in the books once, in revenue on their day, and taken back once."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing.charges.errors import ChargeNotFoundError, OfflineGiftError
from billing.charges.offline import Entered, enter, take_back
from billing.charges.tables_offline import OfflineMethod
from billing.erasure import erase_supporter
from billing.ledger.service import post_offline
from billing.ledger.tables import LedgerTransaction
from billing.money import Money
from billing.revenue import figures
from billing.revenue.cells import find_cells
from billing.revenue.drilldown import MoneyFigure, money_lines
from billing.revenue.filters import Filters
from billing.revenue.months import month_on
from billing.revenue.periods import Period
from billing.revenue.rebuild import keep_up, rebuild
from billing.runtime import Runtime
from billing.supporters.errors import SupporterNotFoundError
from tests.support.after import Advance, paid_renewal, rows, wrong
from tests.support.letters import letters, written
from tests.support.standin import StandIn

pytestmark = pytest.mark.alone


@pytest.fixture
def supporter(runtime: Runtime, stripe: StandIn, advance: Advance) -> int:
    """Somebody who has paid through Stripe, too."""
    return paid_renewal(runtime, stripe, advance).pledge.supporter_id


def gift(runtime: Runtime, minor: int = 25_000, day: date | None = None) -> Entered:
    today = runtime.clock.now().astimezone(runtime.settings.newsroom.timezone).date()
    return Entered(
        amount=Money(minor, "usd"),
        received_on=day or today,
        method=OfflineMethod.CHEQUE,
        reference="No. 118",
    )


def entered(
    runtime: Runtime, supporter: int, what: Entered | None = None, *, receipt: bool = False
) -> int:
    with runtime.database.transaction() as session:
        return enter(
            session,
            runtime,
            supporter,
            what or gift(runtime),
            entered_by="Ada",
            receipt=receipt,
            now=runtime.clock.now(),
        )


def taken_back(runtime: Runtime, charge_id: int) -> None:
    with runtime.database.transaction() as session:
        take_back(session, charge_id, now=runtime.clock.now())


def ledger(runtime: Runtime) -> list[tuple[str, str, int]]:
    query = (
        "SELECT t.category, e.account, e.amount_minor FROM ledger_transactions t"
        " JOIN ledger_entries e ON e.transaction_id = t.id WHERE t.category LIKE 'offline%'"
        " ORDER BY e.id"
    )
    return [
        (str(category), str(account), int(minor))
        for category, account, minor in rows(runtime, query)
    ]


def of_month(runtime: Runtime, day: date) -> tuple[int, int, int]:
    """Gifts of a day's month by the ledger itself; gross and payments by the rollups."""
    query = """
        SELECT coalesce(-sum(e.amount_minor), 0)::bigint
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        WHERE e.account = 'gifts' AND t.occurred_at >= :begins AND t.occurred_at < :ends"""
    zone = runtime.settings.newsroom.timezone
    month = month_on(day, zone)
    filters = Filters(period=Period(month.first, day))
    with runtime.database.transaction() as session:
        given = session.execute(
            text(query), {"begins": month.begins, "ends": month.ends}
        ).scalar_one()
        [sums] = figures.money(session, find_cells(session, filters), [filters.period])
    once = [row for row in sums if row.cadence == "once"]
    return given, sum(row.gross for row in once), sum(row.payments for row in once)


def test_a_gift_is_in_the_books_and_in_revenue_on_its_day(runtime: Runtime, supporter: int) -> None:
    keep_up(runtime)
    day = runtime.clock.now().date() - timedelta(days=40)
    charge_id = entered(runtime, supporter, gift(runtime, day=day))
    assert ledger(runtime) == [("offline", "offline", 25_000), ("offline", "gifts", -25_000)]
    keep_up(runtime)
    assert of_month(runtime, day) == (25_000, 25_000, 1)
    filters = Filters(period=Period(day, day))
    with runtime.database.transaction() as session:
        for figure in (MoneyFigure.GIFTS, MoneyFigure.NET, MoneyFigure.GROSS):
            [line] = money_lines(
                session,
                filters,
                find_cells(session, filters),
                figure,
                settled_currency="usd",
                zone=runtime.settings.newsroom.timezone,
                after=None,
            )
            assert (line.charge_id, line.supporter_id, line.minor) == (charge_id, supporter, 25_000)
            assert (line.cadence, line.paid_minor) == ("once", 25_000)
    assert wrong(runtime) == []
    assert [each for each in rebuild(runtime) if each.wrong] == []


def test_an_entry_is_taken_back_once_by_one_that_reverses_it(
    runtime: Runtime, supporter: int
) -> None:
    charge_id = entered(runtime, supporter, receipt=True)
    taken_back(runtime, charge_id)
    keep_up(runtime)
    assert ledger(runtime)[2:] == [
        ("offline_reversal", "offline", -25_000),
        ("offline_reversal", "gifts", 25_000),
    ]
    assert of_month(runtime, runtime.clock.now().date()) == (0, 0, 0)
    assert [letter.status for letter in letters(runtime)][1:] == ["dropped"]
    with pytest.raises(OfflineGiftError, match="taken back before"):
        taken_back(runtime, charge_id)
    assert len(ledger(runtime)) == 4
    assert wrong(runtime) == []


@pytest.mark.parametrize("reverses", [False, True])
def test_the_database_posts_neither_twice(
    runtime: Runtime, supporter: int, now: datetime, reverses: bool
) -> None:
    charge_id, amount = entered(runtime, supporter), Money(25_000, "usd")
    taken_back(runtime, charge_id)
    with (
        pytest.raises(IntegrityError, match="uq_ledger_transactions_offline"),
        runtime.database.transaction() as session,
    ):
        post_offline(session, charge_id, amount, occurred_at=now, now=now, reverses=reverses)


@pytest.mark.parametrize(
    ("category", "name", "charge"),
    [("charge", None, 1), ("offline", "txn_1", 1), ("offline", None, None)],
)
def test_what_is_not_stripes_has_to_say_so(
    runtime: Runtime, supporter: int, now: datetime, category: str, name: str, charge: int
) -> None:
    transaction = LedgerTransaction(
        category=category,
        stripe_balance_transaction_id=name,
        charge_id=charge,
        occurred_at=now,
        recorded_at=now,
    )
    with (
        pytest.raises(IntegrityError, match="stripes_or_offline"),
        runtime.database.transaction() as session,
    ):
        session.add(transaction)


def test_a_receipt_goes_out_if_it_is_wanted(runtime: Runtime, supporter: int) -> None:
    entered(runtime, supporter)
    assert len(letters(runtime)) == 1  # that of the renewal
    entered(runtime, supporter, receipt=True)
    [_, receipt] = letters(runtime, "receipt")
    assert "$250" in written(runtime, receipt).text
    assert "single gift" in written(runtime, receipt).text
    assert wrong(runtime) == []


def test_a_gift_of_today_does_not_lie_ahead(runtime: Runtime, supporter: int) -> None:
    entered(runtime, supporter)
    ahead = "SELECT count(*) FROM ledger_transactions WHERE occurred_at > recorded_at"
    assert rows(runtime, ahead) == [(0,)]


def test_nothing_is_entered_under_somebody_erased_or_unknown(
    runtime: Runtime, supporter: int, now: datetime
) -> None:
    with runtime.database.transaction() as session:
        erase_supporter(session, runtime, supporter, now=now)
    with pytest.raises(OfflineGiftError, match="erased"):
        entered(runtime, supporter)
    with pytest.raises(SupporterNotFoundError):
        entered(runtime, 99)
    with pytest.raises(ChargeNotFoundError):
        taken_back(runtime, 99)
    assert ledger(runtime) == []
