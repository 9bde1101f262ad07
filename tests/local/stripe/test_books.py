"""Refunds, disputes and payouts: the books add up."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.local.stripe.helpers import Receiver, StandIn, until

DAY = 86_400


def pay(client: stripe.StripeClient, token: str = "pm_card_visa", **more: Any) -> Any:
    return client.v1.payment_intents.create(
        {
            "amount": 1000, "currency": "usd", "payment_method": token, "confirm": True,
            "expand": ["latest_charge.balance_transaction"], **more,
        }
    )  # fmt: skip


def test_a_charge_costs_29_promille_and_30_cents(client: stripe.StripeClient) -> None:
    posted = pay(client).latest_charge.balance_transaction
    assert (posted.amount, posted.fee, posted.net) == (1000, 59, 941)
    assert posted.fee_details[0].type == "stripe_fee"
    assert posted.reporting_category == "charge"
    assert posted.available_on % DAY == 0
    assert posted.available_on > posted.created + DAY


def test_another_currency_is_converted(client: stripe.StripeClient) -> None:
    posted = pay(client, currency="eur").latest_charge.balance_transaction
    assert posted.currency == "usd"
    assert float(posted.exchange_rate) == pytest.approx(1 / 0.9, rel=1e-5)
    assert posted.amount == 1111


def test_a_refund_keeps_the_fee(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = pay(client)
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    posted = client.v1.balance_transactions.retrieve(str(refund.balance_transaction))
    assert (posted.amount, posted.fee, posted.net) == (-400, 0, -400)
    receiver.wait("refund.created", refund.id)
    charge = receiver.wait("charge.refunded", intent.latest_charge.id).data.object
    assert (charge["amount_refunded"], charge["refunded"]) == (400, False)
    client.v1.refunds.create({"charge": intent.latest_charge.id})
    assert client.v1.charges.retrieve(intent.latest_charge.id).refunded
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.refunds.create({"charge": intent.latest_charge.id})
    assert raised.value.code == "charge_already_refunded"


def test_more_than_is_left_is_not_refunded(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.refunds.create({"payment_intent": pay(client).id, "amount": 1001})
    assert raised.value.param == "amount"


def test_a_refund_may_fail_later(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = pay(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    receiver.wait("refund.failed", refund.id)
    receiver.wait("charge.refund.updated", refund.id)
    failed = client.v1.refunds.retrieve(refund.id)
    assert failed.failure_balance_transaction
    assert client.v1.charges.retrieve(intent.latest_charge.id).amount_refunded == 0


def test_a_refund_may_be_pending(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = pay(client, "pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "pending"
    event = receiver.wait("refund.updated", refund.id)
    assert event.data.object["status"] == "succeeded"
    assert receiver.previous("refund.updated", refund.id) == {"status": "pending"}


def disputed(client: stripe.StripeClient, token: str) -> stripe.Dispute:
    intent = pay(client, token)
    return client.v1.disputes.list({"payment_intent": intent.id}).data[0]


def test_a_dispute_takes_the_sum_and_a_fee(client: stripe.StripeClient, receiver: Receiver) -> None:
    dispute = disputed(client, "pm_card_createDispute")
    assert (dispute.status, dispute.reason) == ("needs_response", "fraudulent")
    assert [t.net for t in dispute.balance_transactions] == [-2500]
    receiver.wait("charge.dispute.created", dispute.id)
    receiver.wait("charge.dispute.funds_withdrawn", dispute.id)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.refunds.create({"charge": str(dispute.charge)})
    assert raised.value.code == "charge_disputed"


def test_a_dispute_won_brings_the_sum_back(client: stripe.StripeClient, receiver: Receiver) -> None:
    dispute = disputed(client, "pm_card_createDisputeProductNotReceived")
    evidence: Any = {"evidence": {"uncategorized_text": "winning_evidence"}}
    assert client.v1.disputes.update(dispute.id, evidence).status == "won"
    receiver.wait("charge.dispute.funds_reinstated", dispute.id)
    receiver.wait("charge.dispute.closed", dispute.id)
    nets = [t.net for t in client.v1.disputes.retrieve(dispute.id).balance_transactions]
    assert nets == [-2500, 1000]


def test_a_dispute_is_lost_by_closing_it(client: stripe.StripeClient) -> None:
    dispute = disputed(client, "pm_card_createDispute")
    assert client.v1.disputes.close(dispute.id).status == "lost"


def test_staged_evidence_is_not_submitted(client: stripe.StripeClient) -> None:
    dispute = disputed(client, "pm_card_createDispute")
    staged = client.v1.disputes.update(
        dispute.id, {"evidence": {"customer_name": "A Reader"}, "submit": False}
    )
    assert staged.status == "needs_response"
    assert staged.evidence.customer_name == "A Reader"


def test_an_inquiry_moves_no_money(client: stripe.StripeClient) -> None:
    dispute = disputed(client, "pm_card_createDisputeInquiry")
    assert dispute.status == "warning_needs_response"
    assert dispute.balance_transactions == []
    assert client.v1.disputes.close(dispute.id).status == "warning_closed"


def test_an_early_fraud_warning_is_listed(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = pay(client, "pm_card_createIssuerFraudRecord")
    found = client.v1.radar.early_fraud_warnings.list({"payment_intent": intent.id}).data
    assert len(found) == 1
    receiver.wait("radar.early_fraud_warning.created", found[0].id)


def test_an_authorisation_is_captured_or_released(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    held = pay(client, capture_method="manual")
    assert (held.status, held.amount_capturable) == ("requires_capture", 1000)
    assert held.latest_charge.balance_transaction is None
    taken = client.v1.payment_intents.capture(held.id, {"amount_to_capture": 600})
    assert (taken.status, taken.amount_received) == ("succeeded", 600)
    released = client.v1.payment_intents.cancel(pay(client, capture_method="manual").id)
    assert released.status == "canceled"
    receiver.wait("payment_intent.canceled", released.id)


@pytest.fixture
def own(start: Any) -> tuple[StandIn, stripe.StripeClient]:
    standin = start()
    return standin, standin.client()


def test_a_payout_is_made_of_its_transactions(
    own: tuple[StandIn, stripe.StripeClient],
) -> None:
    standin, client = own
    for amount in (1000, 2000, 5000):
        pay(client, amount=amount)
    client.v1.refunds.create({"payment_intent": pay(client).id, "amount": 300})
    assert client.v1.balance.retrieve().available[0].amount == -300
    standin.control("POST", "clock", {"advance_seconds": 4 * DAY})
    payout = until(lambda: client.v1.payouts.list({"status": "paid"}).data, "it is paid out")[0]
    assert payout.automatic
    assert payout.reconciliation_status == "completed"
    parts = client.v1.balance_transactions.list({"payout": payout.id, "limit": 100}).data
    assert sum(part.net for part in parts) == 0
    assert sum(part.net for part in parts if part.type != "payout") == payout.amount
    books = standin.control("GET", "books")
    gross = books["balance_transactions"]["usd"]["by_category"]["charge"]["amount"]
    assert gross == 9000
    kinds = {e.type for e in client.v1.events.list({"limit": 100}).data}
    assert {"payout.created", "payout.paid", "payout.reconciliation_completed"} <= kinds


def test_a_failed_payout_goes_out_again(own: tuple[StandIn, stripe.StripeClient]) -> None:
    standin, client = own
    pay(client)
    standin.control("POST", "clock", {"advance_seconds": 3 * DAY})
    first = until(lambda: client.v1.payouts.list().data, "a payout")[0]
    failed = standin.control("POST", f"payouts/{first.id}/fail")
    assert (failed["status"], failed["failure_code"]) == ("failed", "account_closed")
    standin.control("POST", "clock", {"advance_seconds": DAY})
    second = until(lambda: client.v1.payouts.list({"status": "pending"}).data, "another")[0]
    assert second.amount == first.amount


def test_a_payout_by_hand_needs_money(own: tuple[StandIn, stripe.StripeClient]) -> None:
    _, client = own
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.payouts.create({"amount": 100, "currency": "usd"})
    assert raised.value.code == "balance_insufficient"
    pay(client, "pm_card_bypassPending")
    assert client.v1.payouts.create({"amount": 100, "currency": "usd"}).status == "pending"


def test_the_books_tell_double_charges(standin: StandIn, client: stripe.StripeClient) -> None:
    for _ in range(2):
        pay(client, metadata={"charge_id": "twice"})
    found = standin.control("GET", "books?metadata_key=charge_id")["payments"]
    assert found["twice"].pop("first_at") > 0
    assert found["twice"] == {"count": 2, "amount_received": 2000}
