"""Bank debits off-session: days until they settle, and some come back after they were paid."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.charges.attention import attention
from billing.charges.domain import AttemptStatus, ChargeStatus
from billing.charges.events import settle_payment
from billing.charges.settle import record_payment
from billing.pledges.domain import PledgeStatus
from billing.runtime import Runtime
from tests.support.after import EUR, Advance, Reader, due_renewal, hear, rows, sepa, wrong
from tests.support.people import NoLimit, attempts_of, stripe_client
from tests.support.standin import StandIn
from tests.support.taking import submit

PAYS_SOON, PAYS_LATE = "DE89370400440532013000", "AT321904300235473204"
FAILS_LATE = "AT051904300235473205"


def debit(runtime: Runtime, stripe: StandIn, advance: Advance, iban: str) -> Reader:
    reader = due_renewal(runtime, stripe, advance, method=sepa(iban), amount=EUR)
    reader.pay()
    return reader


def letters(runtime: Runtime) -> list[str]:
    return [name for (name,) in rows(runtime, "SELECT template FROM outbox ORDER BY id")]


def come_back(reader: Reader, code: str = "insufficient_funds") -> None:
    intent = reader.charge.stripe_payment_intent_id
    reader.stripe.ask("POST", f"/_standin/payment_intents/{intent}/return", {"code": code})


@pytest.fixture
def returned(runtime: Runtime, stripe: StandIn, advance: Advance) -> Reader:
    """A debit that was paid, and came back a few days later."""
    reader = debit(runtime, stripe, advance, PAYS_SOON)
    advance(timedelta(minutes=1))
    hear(runtime)
    assert letters(runtime) == ["receipt"]
    advance(timedelta(days=3))
    come_back(reader)
    return reader


def test_a_debit_is_processing_until_it_settles(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debit(runtime, stripe, advance, PAYS_LATE)
    assert reader.charge.status is ChargeStatus.PROCESSING
    submit(runtime, NoLimit(), reader.charge_id)
    assert letters(runtime) == []
    advance(timedelta(minutes=5))
    hear(runtime)
    hear(runtime)
    assert reader.charge.status is ChargeStatus.SUCCEEDED
    assert letters(runtime) == ["receipt"]
    assert wrong(runtime) == []


def test_a_debit_that_fails_days_later_is_a_decline(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debit(runtime, stripe, advance, FAILS_LATE)
    advance(timedelta(minutes=5))
    hear(runtime)
    assert reader.charge.status is ChargeStatus.DECLINED
    assert reader.charge.decline_code == "insufficient_funds"
    assert reader.pledge.status is PledgeStatus.PAST_DUE
    assert letters(runtime) == ["payment_failed"]
    assert wrong(runtime) == []


def test_one_that_comes_back_after_it_was_paid_is_past_due_and_leaves_the_books(
    runtime: Runtime, returned: Reader
) -> None:
    hear(runtime)
    hear(runtime)
    assert returned.charge.status is ChargeStatus.DECLINED
    assert returned.charge.settled_at is None
    assert returned.pledge.status is PledgeStatus.PAST_DUE
    assert letters(runtime) == ["receipt", "payment_failed"]
    lines = rows(
        runtime,
        "SELECT t.category, e.account, e.currency, e.amount_minor FROM ledger_entries e"
        " JOIN ledger_transactions t ON t.id = e.transaction_id WHERE e.account = 'pledges'"
        " ORDER BY e.id",
    )
    assert lines == [
        ("charge", "pledges", "eur", -500),
        ("charge_failure", "pledges", "eur", 500),
    ]
    with runtime.database.transaction() as session:
        said = attention(session, now=runtime.clock.now())
    assert "The bank debit of charge 1 came back after it was paid (insufficient_funds)." in said
    assert wrong(runtime) == []


def test_it_is_made_good_with_a_receipt_of_its_own(
    runtime: Runtime, returned: Reader, advance: Advance
) -> None:
    hear(runtime)
    advance(timedelta(days=2))
    returned.pay()
    advance(timedelta(minutes=1))
    hear(runtime)
    assert returned.charge.status is ChargeStatus.SUCCEEDED
    assert returned.pledge.status is PledgeStatus.ACTIVE
    keys = rows(runtime, "SELECT unique_key FROM outbox WHERE template = 'receipt' ORDER BY id")
    assert keys == [("receipt:charge:1",), ("receipt:charge:1:1",)]
    assert [attempt.status for attempt in attempts_of(runtime, 1)] == [
        AttemptStatus.DECLINED,
        AttemptStatus.SUCCEEDED,
    ]
    assert wrong(runtime) == []


def test_old_news_of_the_payment_does_not_undo_its_coming_back(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = debit(runtime, stripe, advance, PAYS_SOON)
    advance(timedelta(minutes=1))
    hear(runtime)
    intent = reader.charge.stripe_payment_intent_id
    assert intent is not None
    old = runtime.gateway.get_payment(intent)
    come_back(reader)
    settle_payment(runtime, intent)
    with runtime.database.transaction() as session:
        record_payment(session, runtime, attempts_of(runtime, 1)[0].id, old)
    assert reader.charge.status is ChargeStatus.DECLINED
    assert wrong(runtime) == []


def test_old_news_of_a_decline_does_not_undo_a_payment(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    """A card declined on a page, then another that went through: read early, recorded late."""
    reader = due_renewal(runtime, stripe, advance, "pm_card_chargeCustomerFail")
    reader.pay()
    client = stripe_client(stripe)
    [intent] = list(client.v1.payment_intents.list())
    old = runtime.gateway.get_payment(intent.id)
    client.v1.payment_intents.confirm(intent.id, params={"payment_method": "pm_card_visa"})
    settle_payment(runtime, intent.id)
    assert reader.charge.status is ChargeStatus.SUCCEEDED
    with runtime.database.transaction() as session:
        record_payment(session, runtime, attempts_of(runtime, 1)[0].id, old)
    assert reader.charge.status is ChargeStatus.SUCCEEDED
    assert letters(runtime) == ["payment_failed", "receipt"]
