"""Who acts on which of Stripe's events: wiring only."""

from __future__ import annotations

from billing.charges.cards import follow_card, miss_card, miss_customer
from billing.charges.disputes import note_dispute
from billing.charges.events import Handler, is_settled, payment_of_charge, settle_payment
from billing.charges.payouts import note_payout
from billing.charges.refunds_seen import note_refund
from billing.charges.warnings import note_warning
from billing.checkout.cards import finish_session
from billing.checkout.fulfil import fulfil_payment, fulfil_session
from billing.runtime import Runtime


def _payment_changed(runtime: Runtime, payment_intent_id: str) -> bool:
    return settle_payment(runtime, payment_intent_id) or fulfil_payment(runtime, payment_intent_id)


def _payment_succeeded(runtime: Runtime, payment_intent_id: str) -> bool:
    return is_settled(runtime, payment_intent_id) or _payment_changed(runtime, payment_intent_id)


def _session_changed(runtime: Runtime, stripe_session_id: str) -> bool:
    return fulfil_session(runtime, stripe_session_id) or finish_session(runtime, stripe_session_id)


def _charge_failed(runtime: Runtime, stripe_charge_id: str) -> bool:
    payment_intent_id = payment_of_charge(runtime, stripe_charge_id)
    return payment_intent_id is not None and _payment_changed(runtime, payment_intent_id)


HANDLERS: dict[str, Handler] = {
    "checkout.session.completed": _session_changed,
    "checkout.session.async_payment_succeeded": fulfil_session,
    "checkout.session.async_payment_failed": fulfil_session,
    "checkout.session.expired": _session_changed,
    "payment_intent.succeeded": _payment_succeeded,
    "payment_intent.payment_failed": _payment_changed,
    "payment_intent.processing": _payment_changed,
    "payment_intent.canceled": _payment_changed,
    "payment_method.automatically_updated": follow_card,
    "payment_method.updated": follow_card,
    "payment_method.detached": miss_card,
    "customer.deleted": miss_customer,
    "refund.created": note_refund,
    "refund.updated": note_refund,
    "refund.failed": note_refund,
    "charge.failed": _charge_failed,
    "charge.dispute.created": note_dispute,
    "charge.dispute.updated": note_dispute,
    "charge.dispute.closed": note_dispute,
    "charge.dispute.funds_withdrawn": note_dispute,
    "charge.dispute.funds_reinstated": note_dispute,
    "radar.early_fraud_warning.created": note_warning,
    "payout.reconciliation_completed": note_payout,
    "payout.paid": note_payout,
    "payout.failed": note_payout,
}
"""A type that is not here is stored and ignored."""
