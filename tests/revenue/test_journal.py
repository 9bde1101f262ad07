"""The accountant's journal: it balances, adds up, and the real Beancount finds nothing wrong."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from beancount import loader
from beancount.core.data import Balance, Open, Transaction
from click.testing import CliRunner
from flask.testing import FlaskClient
from hypothesis import given, strategies as st

from billing.cli import main
from billing.clock import FileClock
from billing.ledger.domain import Account, Movement, lines_for
from billing.ledger.service import Posting, post_many
from billing.money import plain_decimal
from billing.revenue.journal.domain import NAMES, OPENING, Entry, Line, closing, opening
from billing.revenue.journal.formats import BeancountJournal, CsvJournal, Head
from billing.revenue.journal.months import JournalError, months_over, read_month
from billing.revenue.months import month_on
from billing.runtime import Runtime
from billing.staff.audit_trail import read
from billing.staff.domain import Role
from tests.support.staff import staff_client

RIGA = ZoneInfo("Europe/Riga")
OCTOBER = month_on(datetime(2026, 10, 1, tzinfo=RIGA).date(), RIGA)
FIRST = datetime(2026, 8, 31, 21, 30, tzinfo=UTC)  # 1 September in Riga
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HEAD = Head(newsroom='The "Courier" \\ Co', month=OCTOBER, zone=RIGA, currency="usd",
            provisional=False)  # fmt: skip


def checked(written: bytes) -> list[object]:
    """What Beancount reads, after it has found nothing wrong."""
    entries, errors, _ = loader.load_string(written.decode())
    assert errors == []
    return list(entries)


def rows_of(written: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline="")))


movements = st.builds(
    lambda category, net, fee, currency, original, paid: Movement(
        category=category, amount=net + fee, fee=fee, net=net, currency=currency,
        original_amount=net + fee if original == currency else paid,
        original_currency=original,
    ),
    st.sampled_from(["charge", "refund", "dispute", "payout", "fee", 'odd "one"\\\n']),
    st.integers(-(10**9), 10**9),
    st.integers(-500, 500),
    st.sampled_from(["usd", "jpy", "kwd"]),
    st.sampled_from(["usd", "jpy", "kwd", "eur"]),
    st.integers(1, 10**9),
)  # fmt: skip
incomes = st.sampled_from([Account.GIFTS, Account.PLEDGES, None])


def entry_of(number: int, movement: Movement, income: Account | None) -> Entry:
    return Entry(
        id=number,
        stripe_id=f"txn_{number}",
        category=movement.category,
        charge_id=number if number % 2 else None,
        occurred_at=OCTOBER.begins,
        lines=tuple(
            Line(NAMES[each.account], each.currency, each.minor)
            for each in lines_for(movement, income)
        ),
    )


def summed(moved: Iterable[tuple[Movement, Account | None]]) -> dict[tuple[Account, str], int]:
    found: dict[tuple[Account, str], int] = defaultdict(int)
    for movement, income in moved:
        for line in lines_for(movement, income):
            found[line.account, line.currency] += line.minor
    return found


@given(st.lists(st.tuples(movements, incomes), max_size=4),
       st.lists(st.tuples(movements, incomes), max_size=4))  # fmt: skip
def test_whatever_moved_beancount_finds_it_balanced_and_its_balances_right(
    earlier: list[tuple[Movement, Account | None]], moved: list[tuple[Movement, Account | None]]
) -> None:
    before, after = summed(earlier), summed([*earlier, *moved])
    entries = [
        each for number, of in enumerate(moved) if (each := entry_of(number, *of)).lines
    ]  # fmt: skip
    journal, table = BeancountJournal(HEAD), CsvJournal(HEAD)
    opened, closed = opening(before), closing(before, after)
    read_back = checked(journal.beginning(opened) + journal.entries(entries) + journal.end(closed))
    transactions = [each for each in read_back if isinstance(each, Transaction)]
    assert len(transactions) == len(entries) + bool(opened)
    asserted = {
        (each.account, each.amount.currency.lower()): each.amount.number
        for each in read_back
        if isinstance(each, Balance)
    }
    assert asserted == {
        place: Decimal(plain_decimal(minor, place[1])) for place, minor in closed.items()
    }
    rows = rows_of(table.beginning(opened) + table.entries(entries) + table.end(closed))
    for kind in ("opening balance", "entry", "closing balance"):
        totals: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in rows:
            if row["row"] == kind:
                assert (row["debit"] == "") != (row["credit"] == "")
                side = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
                totals[row["movement"], row["currency"]] += side
        assert not any(totals.values()), kind


def test_every_account_of_the_ledger_has_a_name() -> None:
    assert {each.value for each in Account} <= set(NAMES)
    assert len(set(NAMES.values())) == len(NAMES)


def test_what_never_was_at_stripe_is_an_entry_too() -> None:
    lines = (Line("Assets:Offline", "eur", 500), Line("Income:Gifts", "eur", -500))
    entry = Entry(id=1, stripe_id=None, category="offline", charge_id=9,
                  occurred_at=OCTOBER.begins, lines=lines)  # fmt: skip
    journal = BeancountJournal(HEAD)
    found = checked(journal.beginning({}) + journal.entries([entry]) + journal.end({}))
    [transaction] = [each for each in found if isinstance(each, Transaction)]
    assert transaction.narration == "offline"
    assert "stripe-id" not in transaction.meta


def test_a_wrong_cent_is_found_in_any_currency() -> None:
    for currency in ("usd", "jpy", "kwd"):
        moved = [(Movement(category="charge", amount=1000, fee=59, net=941, currency=currency,
                           original_amount=1000, original_currency=currency),
                  Account.GIFTS)]  # fmt: skip
        journal, closed = BeancountJournal(HEAD), closing({}, summed(moved))
        whole = journal.beginning({}) + journal.entries([entry_of(1, *moved[0])])
        checked(whole + journal.end(closed))
        place = ("Assets:Stripe:Balance", currency)
        _, errors, _ = loader.load_string(
            (whole + journal.end({**closed, place: closed[place] + 1})).decode()
        )
        assert len(errors) == 1, currency
    assert b"1.000 KWD" in whole
    assert b"0.059 KWD" in whole


def post(
    runtime: Runtime, number: int, at: datetime, income: Account | None, **how: object
) -> None:
    movement = {"category": "charge", "amount": 1000, "fee": 59, "net": 941, "currency": "usd",
                "original_amount": 1000, "original_currency": "usd", **how}  # fmt: skip
    posting = Posting(
        movement=Movement(**movement),  # type: ignore[arg-type]
        stripe_balance_transaction_id=f"txn_{number}",
        stripe_charge_id=f"ch_{number}",
        charge_id=None,
        income=income,
        occurred_at=at,
        available_at=None,
    )
    with runtime.database.transaction() as session:
        post_many(session, [posting], now=at)


@pytest.fixture
def books(runtime: Runtime) -> Runtime:
    """A ledger with something before, in, and after October in Riga."""
    post(runtime, 1, FIRST, Account.GIFTS)
    post(runtime, 2, datetime(2026, 9, 30, 20, 59, tzinfo=UTC), None, category="payout",
         amount=-500, fee=0, net=-500, original_amount=-500)  # fmt: skip
    post(runtime, 3, datetime(2026, 9, 30, 21, 0, tzinfo=UTC), Account.PLEDGES)
    post(runtime, 4, datetime(2026, 10, 9, tzinfo=UTC), Account.PLEDGES, amount=650, fee=49,
         net=601, original_amount=98_765, original_currency="jpy")  # fmt: skip
    post(runtime, 5, datetime(2026, 10, 31, 21, 59, tzinfo=UTC), Account.GIFTS,
         category="refund", amount=-1000, fee=0, net=-1000, original_amount=-1000)  # fmt: skip
    post(runtime, 6, datetime(2026, 10, 31, 22, 0, tzinfo=UTC), Account.GIFTS)
    return runtime


@pytest.fixture
def admin(client: FlaskClient, books: Runtime, clock: FileClock) -> FlaskClient:
    clock.advance(NOW - clock.now())
    staff_client(client, books)
    return client


def test_a_month_is_the_newsrooms_and_stands_by_itself(admin: FlaskClient) -> None:
    answer = admin.post("/staff/revenue/journal", data={"month": "2026-10", "format": "beancount"})
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="journal-2026-10.beancount"'
    )
    entries = checked(answer.data)
    transactions = [each for each in entries if isinstance(each, Transaction)]
    assert [each.meta.get("stripe-id") for each in transactions] == [
        None,
        "txn_3",
        "txn_4",
        "txn_5",
    ]
    assert {each.account for each in entries if isinstance(each, Open)} == {
        *NAMES.values(),
        OPENING,
    }
    balances = {
        (each.account, each.amount.currency): each.amount.number
        for each in entries
        if isinstance(each, Balance)
    }
    assert balances == {
        ("Assets:Stripe:Balance", "USD"): Decimal("9.83"),
        ("Assets:Stripe:Paid-Out", "USD"): Decimal("5.00"),
        ("Income:Pledges", "USD"): Decimal("-10.00"),
        ("Income:Pledges", "JPY"): Decimal(-98765),
        ("Income:Refunds", "USD"): Decimal("10.00"),
        ("Expenses:Fees:Stripe", "USD"): Decimal("1.08"),
        ("Equity:Conversions", "USD"): Decimal("-6.50"),
        ("Equity:Conversions", "JPY"): Decimal(98765),
        ("Equity:Opening-Balances", "USD"): Decimal("-9.41"),
    }


def assets(rows: list[dict[str, str]], kind: str) -> dict[str, str]:
    return {
        row["account"]: row["debit"]
        for row in rows
        if row["row"] == kind and row["account"].startswith("Assets")
    }


def test_the_next_months_opening_is_this_months_closing(admin: FlaskClient) -> None:
    found = {}
    for month in ("2026-09", "2026-10"):
        answer = admin.post("/staff/revenue/journal", data={"month": month, "format": "csv"})
        found[month] = list(
            csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))
        )
    closed = assets(found["2026-09"], "closing balance")
    opened = assets(found["2026-10"], "opening balance")
    assert closed == opened == {"Assets:Stripe:Balance": "4.41", "Assets:Stripe:Paid-Out": "5.00"}
    assert found["2026-09"][0]["moment"] == "2026-09-01T00:30:00+03:00"
    assert found["2026-10"][-1]["date"] == "2026-10-31"


@pytest.mark.parametrize(
    ("month", "said"),
    [
        ("2026-13", "is no month such as 2026-10"),
        ("2026-1", "is no month"),
        ("9999-12", "is no month"),
        ("", "is no month"),
        ("2026-11", "November 2026 is not over"),
        ("2026-12", "December 2026 has not begun"),
        ("2026-08", "The ledger begins in September 2026"),
    ],
)
def test_a_month_that_cannot_be_had_is_refused_in_a_sentence(month: str, said: str) -> None:
    with pytest.raises(JournalError, match=said):
        read_month(month, NOW, RIGA, FIRST)


def test_the_months_that_are_over_are_offered() -> None:
    assert [str(each.first) for each in months_over(NOW, RIGA, FIRST)] == [
        "2026-10-01",
        "2026-09-01",
    ]
    assert months_over(NOW, RIGA, None) == []
    with pytest.raises(JournalError, match="Nothing is in the ledger yet"):
        read_month("2026-10", NOW, RIGA, None)


def test_what_cannot_be_had_is_refused_on_the_page_and_on_the_command_line(
    admin: FlaskClient, books: Runtime, environment: dict[str, str]
) -> None:
    for form, said in (
        ({"month": "2026-11", "format": "csv"}, "is not over"),
        ({"month": "2026-10", "format": "xls"}, "is no format; there are csv, beancount"),
        ({}, "is no month"),
    ):
        answer = admin.post("/staff/revenue/journal", data=form)
        assert answer.status_code == 400
        assert said in answer.text
    run = CliRunner(env=environment).invoke(main, ["journal", "--month", "2026-13"])
    assert run.exit_code == 2
    assert "is no month" in run.stderr
    with books.database.transaction() as session:
        assert "exported" not in [line.action for line in read(session).lines]


def test_the_command_line_prints_it_and_writes_it_down(
    admin: FlaskClient, books: Runtime, environment: dict[str, str]
) -> None:
    command = ["journal", "--month", "2026-10", "--format", "beancount"]
    run = CliRunner(env=environment).invoke(main, command, catch_exceptions=False)
    assert run.exit_code == 0
    checked(run.stdout_bytes)
    with books.database.transaction() as session:
        ended, begun = read(session, action="exported").lines
    assert begun.who is ended.who is None
    assert ended.detail == {"table": "journal", "month": "2026-10", "format": "beancount",
                            "outcome": "complete", "rows": 3}  # fmt: skip


def test_only_administrators_and_only_what_is_there(client: FlaskClient, runtime: Runtime) -> None:
    device = staff_client(client, runtime, Role.DESK)
    assert device
    assert client.get("/staff/revenue/journal").status_code == 403
    assert client.post("/staff/revenue/journal").status_code == 403
