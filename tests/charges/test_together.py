"""What is opened and recorded for many at once is what would be for each by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.charges.due import create_due_charges
from billing.charges.errors import AttemptNotFoundError
from billing.charges.opening import open_attempt, open_attempts
from billing.charges.settle import record_payment, record_successes
from billing.clock import FixedClock
from billing.gateway import BalanceTransaction, Card, Payment, PaymentStatus, SavedMethod
from billing.runtime import Runtime
from tests.support.after import rows, run_sql
from tests.support.people import pledge_of

THEN = "2027-02-28T12:00:00Z"
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
COUNT = 8
ENDED = {
    "lapsed": ", next_charge_at = NULL",
    "cancelled": f", next_charge_at = NULL, cancelled_at = '{THEN}'",
}
COLUMNS = {
    "pledges": "*",
    "charges": "*",
    "attempts": "id, charge_id, number, status, finished_at, stripe_payment_intent_id, params,"
    " agreed_minor, started_at, key_since, error_code, returned_at",
    "outbox": "unique_key, template, language, recipient_encrypted, recipient_digest, context,"
    " status, created_at, next_try_at, tries",
    "ledger_transactions": "stripe_balance_transaction_id, stripe_charge_id, category, charge_id,"
    " occurred_at, available_at, recorded_at",
    "ledger_entries": "account, currency, amount_minor, occurred_at, (SELECT t.charge_id FROM"
    " ledger_transactions t WHERE t.id = transaction_id)",
    "pledge_movements": "pledge_id, kind, yearly_minor, occurred_at, effective_on",
}


@pytest.fixture
def parts(runtime: Runtime) -> Runtime:
    """Eight pledges with a charge each that is due, at a moment that does not pass."""
    for number in range(COUNT):
        pledge_of(
            runtime, anchor=NOW - timedelta(days=31), customer_id=f"cus_{number}",
            payment_method_id=f"pm_{number + 1}", address=f"reader-{number}@example.org",
        )  # fmt: skip
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        create_due_charges(session, zone=zone, now=NOW, limit=COUNT)
    return replace(runtime, clock=FixedClock(NOW))


def written(session: Session) -> dict[str, list[str]]:
    """Every row that a payment may change, without ids that count up and keys that are drawn."""
    found = {}
    for table, columns in COLUMNS.items():
        query = f"SELECT row_to_json(each) FROM (SELECT {columns} FROM {table}) AS each"  # noqa: S608
        lines = [json.dumps(row, sort_keys=True) for row in session.scalars(text(query))]
        found[table] = sorted(lines)
    return found


def undone(runtime: Runtime, before: list[str], step: Callable[[Session], Any]) -> Any:
    """What is written after a step, none of which stays."""
    with Session(runtime.database.engine) as session:
        for statement in before:
            session.execute(text(statement))
        step(session)
        session.flush()
        return written(session)


def paid(attempt_id: int, how: dict[str, Any]) -> Payment:
    card = Card(brand="visa", last4=how["last4"], expires_on=date(2030, 1, 31))
    booked = BalanceTransaction(
        id=f"txn_{attempt_id}", category="charge", amount=500, fee=45, net=455,
        currency=how["settled"], source_id=None, created=NOW, available=None,
    )  # fmt: skip
    return Payment(
        id=f"pi_{attempt_id}", status=PaymentStatus.SUCCEEDED, amount=500, currency="usd",
        customer_id=None, payment_method_id=None,
        method=SavedMethod(id=f"pm_{attempt_id}", customer_id=None, card=card),
        charge_id=f"ch_{attempt_id}", refunded=0, paid_at=NOW,
        balance_transaction=booked if how["booked"] else None,
        return_transaction=None, decline=None, metadata={},
    )  # fmt: skip


CASES = st.lists(
    st.fixed_dictionaries(
        {
            "attempt": st.sampled_from(
                ["in_flight", "unknown", "processing", "succeeded", "declined", "absent", "refused"]
            ),
            "charge": st.sampled_from(
                ["submitted", "processing", "succeeded", "declined", "due", "cancelled"]
            ),
            "pledge": st.sampled_from(["active", "active", "past_due", "lapsed", "cancelled"]),
            "returned": st.booleans(),
            "erased": st.booleans(),
            "booked": st.booleans(),
            "settled": st.sampled_from(["usd", "eur"]),
            "last4": st.sampled_from(["4242", "0005"]),
        }
    ),
    min_size=COUNT,
    max_size=COUNT,
)


def set_up(number: int, how: dict[str, Any]) -> list[str]:
    changes = [
        f"attempts SET status = '{how['attempt']}'",
        f"charges SET status = '{how['charge']}', decline_code = 'x'",
        f"pledges SET status = '{how['pledge']}'{ENDED.get(how['pledge'], '')}",
    ]
    if how["returned"]:
        changes.append(f"attempts SET returned_at = '{THEN}'")
        changes.append(f"charges SET stripe_charge_id = 'ch_{number}'")
    if how["erased"]:
        changes.append(
            f"supporters SET email_encrypted = NULL, email_digest = NULL, erased_at = '{THEN}'"
        )
    return [f"UPDATE {each} WHERE id = {number}" for each in changes]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=CASES)
def test_payments_recorded_together_leave_what_each_would_by_itself(
    parts: Runtime, cases: list[dict[str, Any]]
) -> None:
    with parts.database.transaction() as session:
        if not session.scalar(text("SELECT count(*) FROM attempts")):
            open_attempts(session, parts, range(1, COUNT + 1))
    ids = {
        charge_id: row_id for row_id, charge_id in rows(parts, "SELECT id, charge_id FROM attempts")
    }
    assert ids == {number: number for number in range(1, COUNT + 1)}
    before = [line for number, how in enumerate(cases, 1) for line in set_up(number, how)]
    payments = {number: paid(number, how) for number, how in enumerate(cases, 1)}

    def singly(session: Session) -> None:
        for attempt_id, payment in payments.items():
            record_payment(session, parts, attempt_id, payment)

    together = undone(parts, before, lambda session: record_successes(session, parts, payments))
    assert together == undone(parts, before, singly)


HURDLES = {
    "cancelled": "UPDATE pledges SET status = 'cancelled', next_charge_at = NULL,"
    " cancelled_at = now() WHERE id = {0}",
    "lapsed": "UPDATE pledges SET status = 'lapsed', next_charge_at = NULL WHERE id = {0}",
    "held": "UPDATE pledges SET held_since = now() WHERE id = {0}",
    "without a card": "UPDATE pledges SET stripe_payment_method_id = NULL WHERE id = {0}",
    "lowered": "UPDATE pledges SET amount_minor = 300 WHERE id = {0}",
    "not due": "UPDATE charges SET next_attempt_at = '2036-01-01T12:00:00Z' WHERE id = {0}",
    "done": "UPDATE charges SET status = 'succeeded' WHERE id = {0}",
    "fine": "SELECT {0}",
}


def test_a_mixed_batch_opens_what_may_be_taken_and_treats_the_rest_as_by_itself(
    parts: Runtime,
) -> None:
    run_sql(parts, *(hurdle.format(n) for n, hurdle in enumerate(HURDLES.values(), 1)))
    charges = list(range(1, COUNT + 1))

    def singly(session: Session) -> None:
        for charge_id in charges:
            open_attempt(session, parts, charge_id)

    def comparable(found: dict[str, list[str]]) -> dict[str, list[Any]]:
        attempts = [json.loads(line) for line in found.pop("attempts")]
        for attempt in attempts:
            del attempt["id"], attempt["params"]["metadata"]["tuppence_attempt"]
        return {**found, "attempts": sorted(attempts, key=lambda row: row["charge_id"])}

    together = comparable(undone(parts, [], lambda session: open_attempts(session, parts, charges)))
    assert together == comparable(undone(parts, [], singly))
    names = list(HURDLES)
    opened = {names[row["charge_id"] - 1]: row["params"]["amount"] for row in together["attempts"]}
    assert opened == {"lowered": 300, "fine": 500}


def test_one_with_an_open_attempt_gets_no_other(parts: Runtime) -> None:
    with parts.database.transaction() as session:
        assert len(open_attempts(session, parts, [1, 2])) == 2
    run_sql(parts, "UPDATE charges SET status = 'due', next_attempt_at = due_at")
    with parts.database.transaction() as session:
        assert len(open_attempts(session, parts, [1, 2, 3])) == 1
    assert rows(parts, "SELECT charge_id FROM attempts ORDER BY 1") == [(1,), (2,), (3,)]


def test_a_charge_that_is_not_there_holds_up_no_other(parts: Runtime) -> None:
    with parts.database.transaction() as session:
        assert len(open_attempts(session, parts, [1, 999])) == 1


def test_a_payment_of_an_unknown_attempt_is_refused_with_all_the_others(parts: Runtime) -> None:
    how = {"last4": "4242", "booked": True, "settled": "usd"}
    with parts.database.transaction() as session:
        [ready] = open_attempts(session, parts, [1])
    known = {ready.attempt_id: paid(ready.attempt_id, how), 999: paid(999, how)}
    with pytest.raises(AttemptNotFoundError), parts.database.transaction() as session:
        record_successes(session, parts, known)
    assert rows(parts, "SELECT status FROM attempts") == [("in_flight",)]
