"""Disputes and early fraud warnings: whose money goes back, and who is not charged any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from billing.charges.attention import attention
from billing.charges.books import reconcile
from billing.charges.domain import ChargeStatus, DisputeStatus, dispute_advances
from billing.charges.due import create_due_charges
from billing.charges.errors import RefundRefusedError, WarningDecidedError, WarningNotFoundError
from billing.charges.opening import open_attempt
from billing.charges.refunds import claim_refunds, request_refund, send
from billing.charges.resolve import claim_unsettled, resolve
from billing.charges.tables import Charge
from billing.charges.warnings import keep, refund_and_stop
from billing.pledges.domain import EndReason, PledgeStatus
from billing.runtime import Runtime
from tests.support.after import (
    EUR,
    MONTH,
    Advance,
    Reader,
    balance_of,
    due_renewal,
    hear,
    paid_renewal,
    rows,
    run_sql,
    sepa,
    the_charge,
    wrong,
)
from tests.support.people import NoLimit, charges_of, stripe_client
from tests.support.standin import StandIn
from tests.support.taking import submit

Paid = Callable[..., Reader]


@pytest.fixture
def paid(runtime: Runtime, stripe: StandIn, advance: Advance) -> Paid:
    return lambda token="pm_card_visa": paid_renewal(runtime, stripe, advance, token)


def lines(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return attention(session, now=runtime.clock.now())


def disputes(runtime: Runtime) -> list[tuple[str, bool]]:
    found = rows(runtime, "SELECT status, closed_at IS NOT NULL FROM disputes ORDER BY id")
    return [(status, closed) for status, closed in found]


def templates(runtime: Runtime) -> list[str]:
    return [name for (name,) in rows(runtime, "SELECT template FROM outbox ORDER BY id")]


def next_charges(runtime: Runtime, pledge_id: int) -> list[Charge]:
    """What becomes of the pledge when everything that is due by now is done."""
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=now, limit=10)
    for charge in charges_of(runtime, pledge_id):
        submit(runtime, NoLimit(), charge.id)
    return charges_of(runtime, pledge_id)


def test_a_dispute_stops_the_pledge_and_takes_the_money_from_the_books(
    runtime: Runtime, paid: Paid, advance: Advance
) -> None:
    reader = paid()
    reader.control("dispute", reason="fraudulent")
    hear(runtime)
    assert disputes(runtime) == [("needs_response", False)]
    assert reader.pledge.status is PledgeStatus.CANCELLED
    assert reader.pledge.end_reason is EndReason.DISPUTED
    assert balance_of(runtime, "disputes") == 500
    assert balance_of(runtime, "fees") == 45 + 1500
    [(kind, same_day)] = rows(
        runtime,
        "SELECT kind, effective_on <= (occurred_at AT TIME ZONE 'Europe/Riga')::date"
        " FROM pledge_movements WHERE yearly_minor < 0",
    )
    assert (kind, same_day) == ("churn_involuntary", True)
    assert templates(runtime) == ["receipt"]
    [line] = lines(runtime)
    assert line.startswith("Dispute 1 (fraudulent) about charge 1 is open; answer on")
    advance(MONTH)
    assert len(next_charges(runtime, reader.pledge_id)) == 1
    hear(runtime)
    assert wrong(runtime) == []


def test_a_retry_that_was_planned_is_not_made_after_a_dispute(
    runtime: Runtime, stripe: StandIn, paid: Paid, advance: Advance
) -> None:
    reader = paid()
    moment = advance(MONTH)
    zone = runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=moment, limit=10)
    reader.control("dispute")
    hear(runtime)
    later = charges_of(runtime, reader.pledge_id)[1]
    submit(runtime, NoLimit(), later.id)
    assert the_charge(runtime, later.id).status is ChargeStatus.CANCELLED
    assert len(list(stripe_client(stripe).v1.payment_intents.list())) == 1


def test_a_dispute_won_brings_the_money_back_but_not_the_pledge(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    dispute = reader.control("dispute")
    hear(runtime)
    stripe.ask("POST", f"/_standin/disputes/{dispute['id']}/close", {"status": "won"})
    hear(runtime)
    hear(runtime)
    assert disputes(runtime) == [("won", True)]
    assert balance_of(runtime, "disputes") == 0
    assert reader.pledge.status is PledgeStatus.CANCELLED
    assert lines(runtime) == []
    assert wrong(runtime) == []


def test_a_dispute_lost_stays_lost(runtime: Runtime, stripe: StandIn, paid: Paid) -> None:
    reader = paid()
    dispute = reader.control("dispute")
    stripe.ask("POST", f"/_standin/disputes/{dispute['id']}/close", {"status": "lost"})
    hear(runtime)
    assert disputes(runtime) == [("lost", True)]
    assert balance_of(runtime, "disputes") == 500
    assert reader.pledge.status is PledgeStatus.CANCELLED
    assert wrong(runtime) == []


def test_an_inquiry_stops_nothing_but_is_shown(runtime: Runtime, paid: Paid) -> None:
    reader = paid("pm_card_createDisputeInquiry")
    hear(runtime)
    assert disputes(runtime) == [("warning_needs_response", False)]
    assert reader.pledge.status is PledgeStatus.ACTIVE
    assert balance_of(runtime, "disputes") == 0
    assert lines(runtime)[0].startswith("Inquiry 1 (fraudulent) about charge 1")


def test_an_inquiry_that_grows_into_a_dispute_stops_the_pledge(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    dispute = reader.control("dispute", inquiry=True)
    hear(runtime)
    stripe.ask("POST", f"/_standin/disputes/{dispute['id']}/escalate", {})
    hear(runtime)
    assert disputes(runtime) == [("needs_response", False)]
    assert reader.pledge.status is PledgeStatus.CANCELLED
    assert balance_of(runtime, "disputes") == 500


def test_what_was_disputed_is_not_given_back_as_well(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    reader.control("dispute")
    with runtime.database.transaction() as session:
        request_refund(session, runtime, reader.charge_id, asked_by="Anna", now=runtime.clock.now())
        session.flush()
        claimed = claim_refunds(session, now=runtime.clock.now(), limit=10)
    send(runtime, NoLimit(), claimed[0])
    assert rows(runtime, "SELECT status, failure_code FROM refunds") == [
        ("refused", "charge_disputed")
    ]
    assert "Refund 1 of charge 1 was refused by Stripe (charge_disputed)." in lines(runtime)


@pytest.mark.parametrize("later", DisputeStatus)
@pytest.mark.parametrize("earlier", DisputeStatus)
def test_a_disputes_status_only_moves_onwards(earlier: DisputeStatus, later: DisputeStatus) -> None:
    assert not (dispute_advances(earlier, later) and dispute_advances(later, earlier))
    assert dispute_advances(earlier, later) or earlier is later or dispute_advances(later, earlier)


def warned(runtime: Runtime, paid: Paid) -> tuple[Reader, int]:
    reader = paid("pm_card_createIssuerFraudRecord")
    hear(runtime)
    [(warning_id,)] = rows(runtime, "SELECT id FROM fraud_warnings")
    return reader, warning_id


def test_a_fraud_warning_holds_the_pledge_until_staff_decide(
    runtime: Runtime, stripe: StandIn, paid: Paid, advance: Advance
) -> None:
    reader, warning_id = warned(runtime, paid)
    assert reader.pledge.held_since is not None
    assert reader.pledge.status is PledgeStatus.ACTIVE
    assert "nothing is taken for pledge 1 until you decide" in lines(runtime)[0]
    for _ in range(2):
        advance(MONTH)
        hear(runtime)
        reconcile(runtime)
    assert len(next_charges(runtime, reader.pledge_id)) == 1
    assert wrong(runtime) == []
    with runtime.database.transaction() as session:
        keep(session, runtime, warning_id, decided_by="Anna", now=runtime.clock.now())
    made = next_charges(runtime, reader.pledge_id)
    assert [(charge.period, charge.status) for charge in made] == [
        (1, ChargeStatus.SUCCEEDED),
        (3, ChargeStatus.SUCCEEDED),
    ]
    hear(runtime)
    assert reader.pledge.held_since is not None, "the next payment raised a warning of its own"


def test_a_charge_that_is_due_already_waits_and_only_the_current_one_is_made(
    runtime: Runtime, stripe: StandIn, paid: Paid, advance: Advance
) -> None:
    reader = paid()
    moment = advance(MONTH)
    zone = runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=moment, limit=10)
    reader.control("early_fraud_warning")
    hear(runtime)
    next_charges(runtime, reader.pledge_id)
    held = charges_of(runtime, reader.pledge_id)[1]
    assert held.status is ChargeStatus.DUE
    assert held.next_attempt_at is not None
    assert held.next_attempt_at > moment
    advance(MONTH)
    next_charges(runtime, reader.pledge_id)
    with runtime.database.transaction() as session:
        keep(session, runtime, 1, decided_by="Anna", now=runtime.clock.now())
    made = next_charges(runtime, reader.pledge_id)
    assert [charge.status for charge in made] == [
        ChargeStatus.SUCCEEDED,
        ChargeStatus.CANCELLED,
        ChargeStatus.SUCCEEDED,
    ]
    hear(runtime)
    assert wrong(runtime) == []


def test_staff_give_it_back_and_end_the_pledge_in_one_step(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader, warning_id = warned(runtime, paid)
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        refund_id = refund_and_stop(session, runtime, warning_id, decided_by="Anna", now=now)
        claim_refunds(session, now=now, limit=10)
    assert refund_id is not None
    send(runtime, NoLimit(), refund_id)
    assert reader.charge.refunded_minor == 500
    assert reader.pledge.end_reason is EndReason.FRAUD_WARNING
    assert reader.pledge.held_since is None
    [refund] = list(stripe_client(stripe).v1.refunds.list())
    assert refund.reason == "fraudulent"
    assert lines(runtime) == []
    hear(runtime)
    assert wrong(runtime) == []
    with pytest.raises(WarningDecidedError), runtime.database.transaction() as session:
        keep(session, runtime, warning_id, decided_by="Boris", now=now)
    with pytest.raises(WarningNotFoundError), runtime.database.transaction() as session:
        keep(session, runtime, 99, decided_by="Boris", now=now)


def test_one_step_or_none(runtime: Runtime, paid: Paid) -> None:
    reader, warning_id = warned(runtime, paid)
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        request_refund(session, runtime, reader.charge_id, amount_minor=1, asked_by="A", now=now)
    with pytest.raises(RefundRefusedError), runtime.database.transaction() as session:
        refund_and_stop(session, runtime, warning_id, decided_by="Anna", now=now)
    assert reader.pledge.status is PledgeStatus.ACTIVE
    assert reader.pledge.held_since is not None


def test_a_dispute_decides_about_the_warning(runtime: Runtime, paid: Paid) -> None:
    reader, _ = warned(runtime, paid)
    reader.control("dispute")
    hear(runtime)
    assert rows(runtime, "SELECT decision FROM fraud_warnings") == [("disputed",)]
    assert reader.pledge.held_since is None


def test_a_bank_debit_disputed_by_its_payer(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance, method=sepa("AT591904300235473203"), amount=EUR)
    reader.pay()
    advance(timedelta(minutes=5))
    hear(runtime)
    hear(runtime)
    assert disputes(runtime) == [("needs_response", False)]
    assert reader.pledge.status is PledgeStatus.CANCELLED


def test_an_attempt_whose_outcome_is_unknown_is_not_sent_for_a_held_pledge_a_day_later(
    runtime: Runtime, stripe: StandIn, paid: Paid, advance: Advance
) -> None:
    reader = paid()
    moment = advance(MONTH)
    zone = runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=moment, limit=10)
    later = charges_of(runtime, reader.pledge_id)[1]
    with runtime.database.transaction() as session:
        open_attempt(session, runtime, later.id)
    reader.control("early_fraud_warning")
    hear(runtime)
    now = advance(timedelta(days=2))
    with runtime.database.transaction() as session:
        [attempt_id] = claim_unsettled(session, now=now, limit=10)
    resolve(runtime, NoLimit(), attempt_id)
    submit(runtime, NoLimit(), later.id)
    assert the_charge(runtime, later.id).status is ChargeStatus.DUE
    assert len(list(stripe_client(stripe).v1.payment_intents.list())) == 1


def test_a_gift_may_be_disputed_and_given_back_too(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    run_sql(runtime, "UPDATE charges SET kind = 'gift', pledge_id = NULL, period = NULL")
    reader.control("early_fraud_warning")
    hear(runtime)
    assert lines(runtime)[0].startswith("Fraud warning 1 (made with stolen card) about charge 1.")
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        refund_id = refund_and_stop(session, runtime, 1, decided_by="Anna", now=now)
        claim_refunds(session, now=now, limit=10)
    assert refund_id is not None
    send(runtime, NoLimit(), refund_id)
    reader.control("dispute")
    hear(runtime)
    assert disputes(runtime) == [("needs_response", False)]
    assert reader.pledge.status is PledgeStatus.ACTIVE
    assert templates(runtime) == ["receipt", "refunded"]
