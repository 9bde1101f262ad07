"""Payouts: what the bank was sent is what the ledger says, to the cent."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from billing.charges.attention import attention
from billing.charges.books import reconcile
from billing.charges.payouts import find_open, note_payout
from billing.runtime import Runtime
from tests.support.after import (
    EUR,
    Advance,
    balance_of,
    due_renewal,
    hear,
    paid_renewal,
    rows,
    run_sql,
    sepa,
    wrong,
)
from tests.support.people import stripe_client
from tests.support.standin import StandIn


def payouts(runtime: Runtime) -> list[tuple[Any, ...]]:
    return rows(
        runtime,
        "SELECT status, amount_minor, movements, difference_minor, reconciled_at IS NOT NULL"
        " FROM payouts ORDER BY id",
    )


@pytest.fixture
def busy(runtime: Runtime, stripe: StandIn, advance: Advance) -> None:
    """A payment, a refund, a refund that failed and a dispute, all of it known."""
    first = paid_renewal(runtime, stripe, advance)
    first.refund_on_stripe(120)
    hear(runtime)


def test_every_movement_of_a_payout_is_accounted_for(
    runtime: Runtime, busy: None, advance: Advance
) -> None:
    advance(timedelta(days=5))
    hear(runtime)
    hear(runtime)
    assert payouts(runtime) == [("paid", 455 - 120, 2, 0, True)]
    assert rows(
        runtime,
        "SELECT t.category, sum(e.amount_minor)::int FROM payout_lines l"
        " JOIN ledger_transactions t ON t.id = l.transaction_id"
        " JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'stripe'"
        " GROUP BY t.category ORDER BY 1",
    ) == [("charge", 455), ("refund", -120)]
    assert balance_of(runtime, "bank") == 335
    assert balance_of(runtime, "stripe") == 0
    assert wrong(runtime) == []


def test_it_is_reconciled_from_nothing_but_its_own_event(
    runtime: Runtime, stripe: StandIn, busy: None, advance: Advance
) -> None:
    """The fee came late, the refund's event was lost: all is found in the payout itself."""
    tables = "ledger_transactions, ledger_entries"
    run_sql(
        runtime,
        "SET LOCAL session_replication_role = replica",
        f"TRUNCATE {tables}",
    )
    advance(timedelta(days=5))
    [payout] = list(stripe_client(stripe).v1.payouts.list())
    assert note_payout(runtime, payout.id)
    assert payouts(runtime) == [("paid", 335, 2, 0, True)]


def test_one_that_does_not_add_up_is_named_and_looked_at_again(
    runtime: Runtime, stripe: StandIn, busy: None, advance: Advance
) -> None:
    advance(timedelta(days=5))
    run_sql(
        runtime,
        "INSERT INTO ledger_entries (transaction_id, account, currency, amount_minor, occurred_at)"
        " SELECT id, account, 'usd', minor, now() FROM ledger_transactions,"
        " (VALUES ('stripe', 7), ('other', -7)) AS line (account, minor)"
        " WHERE category = 'refund'",
    )
    [payout] = list(stripe_client(stripe).v1.payouts.list())
    note_payout(runtime, payout.id)
    assert payouts(runtime) == [("paid", 335, 2, 7, False)]
    advance(timedelta(days=2))
    with runtime.database.transaction() as session:
        said = attention(session, now=runtime.clock.now())
        assert list(find_open(session, now=runtime.clock.now(), limit=10)) == [payout.id]
    assert any("difference 7 usd (minor units), 0 of 2 movements missing" in line for line in said)
    hear(runtime)
    assert any(f"payout 1 ({payout.id}) differs by 7 usd" in line for line in wrong(runtime))


def test_one_that_the_bank_sent_back_is_paid_out_with_the_next(
    runtime: Runtime, stripe: StandIn, busy: None, advance: Advance
) -> None:
    advance(timedelta(days=5))
    hear(runtime)
    [payout] = list(stripe_client(stripe).v1.payouts.list())
    stripe.ask("POST", f"/_standin/payouts/{payout.id}/fail", {})
    hear(runtime)
    assert payouts(runtime) == [("failed", 335, 2, 0, True)]
    assert balance_of(runtime, "bank") == 0
    with runtime.database.transaction() as session:
        said = attention(session, now=runtime.clock.now())
    assert [line for line in said if "was sent back by the bank (account_closed)" in line]
    advance(timedelta(days=5))
    hear(runtime)
    assert payouts(runtime)[1] == ("paid", 335, 1, 0, True)
    assert balance_of(runtime, "bank") == 335
    assert wrong(runtime) == []


def test_disputes_and_failed_refunds_and_other_currencies_add_up_too(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    paid_renewal(runtime, stripe, advance).control("dispute")
    for _ in range(6):
        paid_renewal(runtime, stripe, advance)
        hear(runtime)
        reconcile(runtime)
    bounced = paid_renewal(runtime, stripe, advance, "pm_card_refundFail")
    bounced.refund_on_stripe()
    advance(timedelta(minutes=1))
    hear(runtime)
    due_renewal(runtime, stripe, advance, method=sepa("DE89370400440532013000"), amount=EUR).pay()
    hear(runtime)
    advance(timedelta(days=6))
    hear(runtime)
    hear(runtime)
    assert len(payouts(runtime)) > 2
    assert all(row[3:] == (0, True) for row in payouts(runtime))
    of_money = re.compile("txn_|payout|refund|given back|in all")
    assert [line for line in wrong(runtime) if of_money.search(line)] == []


def test_a_payout_made_by_hand_is_posted(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    paid_renewal(runtime, stripe, advance, "pm_card_bypassPending")
    stripe_client(stripe).v1.payouts.create(params={"amount": 100, "currency": "usd"})
    advance(timedelta(hours=30))
    hear(runtime)
    assert balance_of(runtime, "bank") >= 100
    by_hand = rows(runtime, "SELECT status, reconciled_at FROM payouts WHERE NOT automatic")
    assert by_hand == [("paid", None)]
    with runtime.database.transaction() as session:
        said = attention(session, now=runtime.clock.now())
    assert [line for line in said if "email" not in line] == []  # nobody sends mail here
    assert wrong(runtime) == []


def test_the_audit_misses_a_payout_and_a_refund(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = paid_renewal(runtime, stripe, advance)
    hear(runtime)
    advance(timedelta(seconds=2))
    refund = reader.refund_on_stripe(100)
    advance(timedelta(days=5))
    hear(runtime)
    assert wrong(runtime) == []
    [payout] = list(stripe_client(stripe).v1.payouts.list())
    run_sql(runtime, "UPDATE payouts SET reconciled_at = NULL")
    assert wrong(runtime) == [f"payout 1 ({payout.id}) is not reconciled"]
    run_sql(runtime, "UPDATE payouts SET amount_minor = 1")
    assert wrong(runtime) == [f"payout 1 is 1, at Stripe ({payout.id}) 355"]
    run_sql(runtime, "DELETE FROM payouts")
    assert wrong(runtime) == [f"payout {payout.id} has no row"]
    hear(runtime)
    note_payout(runtime, payout.id)
    run_sql(runtime, "UPDATE refunds SET status = 'failed'")
    assert f"refund 1 is 100 and failed, at Stripe ({refund.id}) 100 and succeeded" in wrong(
        runtime
    )
    run_sql(runtime, "DELETE FROM refunds")
    assert wrong(runtime) == [f"refund {refund.id} has no row"]


def test_the_audit_sees_a_refund_made_twice(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = paid_renewal(runtime, stripe, advance)
    for _ in range(2):
        stripe_client(stripe).v1.refunds.create(
            params={
                "charge": str(reader.charge.stripe_charge_id),
                "amount": 100,
                "metadata": {"tuppence_refund": "tuppence-refund-1"},
            }
        )
    assert "refund tuppence-refund-1 was made 2 times" in wrong(runtime)
