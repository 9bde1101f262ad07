"""The checks that hold our rows against Stripe's own lists."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.audit.findings import Finding
from billing.charges.domain import AttemptStatus, ChargeStatus
from billing.charges.events import KEPT_BY_STRIPE, SUBSCRIBED, TYPES_PER_LISTING
from billing.charges.tables import Attempt, Charge, WebhookEvent
from billing.checkout.tables import Checkout
from billing.gateway import MoneyMoved, Payment, PaymentStatus
from billing.gateway_after import PayoutAtStripe, RefundAtStripe, list_payouts, list_refunds
from billing.ledger.domain import Account
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.runtime import Runtime

ON_ITS_WAY = timedelta(hours=1)
"""How long news from Stripe may take to reach us, by webhook or by sweep, before it is missing."""

BEGINNING = timedelta(days=1)
"""How far before our first row Stripe's lists are read."""


@dataclass(frozen=True)
class AtStripe:
    """What Stripe has, read once for all checks."""

    payments: list[Payment]
    moved: list[MoneyMoved]
    events: list[tuple[str, datetime]]
    refunds: list[RefundAtStripe]
    payouts: list[PayoutAtStripe]


def read_stripe(runtime: Runtime) -> AtStripe:
    """Read Stripe's lists, from the day before our first attempt on.

    Raises:
        GatewayError: when Stripe cannot be asked.
    """
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        first_checkout = session.scalar(select(func.min(Checkout.created_at)))
        first_line = session.scalar(
            select(func.min(LedgerTransaction.occurred_at)).where(
                LedgerTransaction.stripe_balance_transaction_id.is_not(None)
            )
        )
    since = min(first_checkout or now, first_line or now) - BEGINNING
    gateway = runtime.gateway
    events = [
        (event.id, event.created)
        for start in range(0, len(SUBSCRIBED), TYPES_PER_LISTING)
        for event in gateway.list_events(
            list(SUBSCRIBED[start : start + TYPES_PER_LISTING]),
            max(since, now - KEPT_BY_STRIPE),
        )
    ]
    return AtStripe(
        list(gateway.list_payments(None, since)),
        list(gateway.list_money_moved(since)),
        events,
        list(list_refunds(gateway, since=since)),
        list(list_payouts(gateway, since)),
    )


def paid_once(session: Session, stripe: AtStripe) -> Finding:
    """Invariant 1 at Stripe: no charge of ours was paid by two payments."""
    paid = Counter(
        payment.metadata["tuppence_charge"]
        for payment in stripe.payments
        if payment.status is PaymentStatus.SUCCEEDED and "tuppence_charge" in payment.metadata
    )
    return Finding(
        1,
        len(paid),
        [
            f"charge {charge_id} was paid {times} times at Stripe"
            for charge_id, times in paid.items()
            if times > 1
        ],
    )


def paid_as_agreed(session: Session, stripe: AtStripe) -> Finding:
    """Invariant 2 at Stripe: what was taken is what the attempt asked."""
    found = Finding(2)
    asked = {
        attempt.stripe_payment_intent_id: (attempt.id, charge.amount_minor, charge.currency)
        for attempt, charge in session.execute(
            select(Attempt, Charge).join(Charge, Charge.id == Attempt.charge_id)
        )
    }
    for payment in stripe.payments:
        if payment.status is not PaymentStatus.SUCCEEDED or payment.id not in asked:
            continue
        found.looked_at += 1
        attempt_id, amount, currency = asked[payment.id]
        if payment.amount > amount or payment.currency != currency:
            found.offenders.append(
                f"attempt {attempt_id} took {payment.amount} {payment.currency} "
                f"at Stripe ({payment.id}), not {amount} {currency}"
            )
    return found


def known_first(session: Session, stripe: AtStripe) -> Finding:
    """Invariant 3 at Stripe: every payment that bears our mark has its row."""
    keys = set(session.scalars(select(Attempt.idempotency_key)))
    keys |= set(session.scalars(select(Checkout.idempotency_key)))
    marked = [(_mark(payment.metadata), payment.id) for payment in stripe.payments]
    ours = [(mark, payment_id) for mark, payment_id in marked if mark is not None]
    return Finding(
        3,
        len(ours),
        [f"payment {payment_id} has no attempt" for mark, payment_id in ours if mark not in keys],
    )


def outcomes_agree(session: Session, stripe: AtStripe, now: datetime) -> Finding:
    """Invariant 4 at Stripe: a payment that went through is not recorded as anything else."""
    rows = session.execute(
        select(Attempt.idempotency_key, Attempt.id, Attempt.status, Charge.status).join(
            Charge, Charge.id == Attempt.charge_id
        )
    )
    known = {key: (attempt_id, attempt, charge) for key, attempt_id, attempt, charge in rows}
    found = Finding(4)
    for payment in stripe.payments:
        mark = _mark(payment.metadata)
        if payment.status is not PaymentStatus.SUCCEEDED or mark is None:
            continue
        found.looked_at += 1
        attempt_id, attempt, charge = known.get(mark, (None, None, None))
        fresh = payment.paid_at is not None and payment.paid_at > now - ON_ITS_WAY
        paid = attempt is AttemptStatus.SUCCEEDED and charge is ChargeStatus.SUCCEEDED
        if not paid and not fresh:
            found.offenders.append(
                f"payment {payment.id} went through, but attempt {attempt_id} is {attempt}"
            )
    return found


def ledger_is_stripe(session: Session, stripe: AtStripe, now: datetime) -> Finding:
    """Invariant 5 at Stripe: the same balance transactions, the same sums, to the cent."""
    ours = _posted(session)
    theirs = {moved.transaction.id: moved for moved in stripe.moved}
    settled = set(
        session.scalars(
            select(Charge.stripe_charge_id).where(Charge.status == ChargeStatus.SUCCEEDED)
        )
    )
    found = Finding(5, len(theirs))
    difference: dict[str, int] = defaultdict(int)
    for name, moved in theirs.items():
        net, fee = ours.get(name, (0, 0))
        transaction = moved.transaction
        if (net, fee) == (transaction.net, transaction.fee):
            continue
        fresh = transaction.created > now - ON_ITS_WAY and moved.stripe_charge_id not in settled
        if name not in ours and fresh:
            continue
        difference[transaction.currency] += net - transaction.net
        found.offenders.append(
            f"{name}: ledger {net} with fee {fee}, "
            f"Stripe {transaction.net} with fee {transaction.fee} {transaction.currency}"
        )
    found.offenders += [f"{name} is not at Stripe" for name in sorted(ours.keys() - theirs.keys())]
    found.offenders += [f"in all {cents:+} {name}" for name, cents in difference.items() if cents]
    return found


def events_arrived(session: Session, stripe: AtStripe, now: datetime) -> Finding:
    """Invariant 8 at Stripe: every event we asked for is stored."""
    stored = set(session.scalars(select(WebhookEvent.stripe_event_id)))
    late = [name for name, created in stripe.events if created < now - ON_ITS_WAY]
    missing: Iterable[str] = (name for name in late if name not in stored)
    return Finding(8, len(stripe.events), [f"event {name} never came" for name in missing])


def metadata_is_bare(session: Session, stripe: AtStripe) -> Finding:
    """Invariant 10 at Stripe: our metadata holds keys and numbers, no addresses."""
    return Finding(
        10,
        len(stripe.payments),
        [
            f"payment {payment.id} has an address in its metadata"
            for payment in stripe.payments
            if _mark(payment.metadata) and any("@" in text for text in payment.metadata.values())
        ],
    )


def _posted(session: Session) -> dict[str, tuple[int, int]]:
    """Net and fee of each balance transaction, as the ledger has them."""
    on_stripe = func.coalesce(
        func.sum(LedgerEntry.amount_minor).filter(LedgerEntry.account == Account.STRIPE), 0
    )
    in_fees = func.coalesce(
        func.sum(LedgerEntry.amount_minor).filter(LedgerEntry.account == Account.FEES), 0
    )
    rows = session.execute(
        select(
            LedgerTransaction.stripe_balance_transaction_id,
            LedgerTransaction.category,
            on_stripe,
            in_fees,
        )
        .outerjoin(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .group_by(LedgerTransaction.id)
    )
    return {
        name: (int(net), int(fees) if category not in FEE_CATEGORIES else 0)
        for name, category, net, fees in rows
        if name is not None
    }


FEE_CATEGORIES = frozenset({"fee", "network_cost", "tax"})
"""Where the whole movement is a fee, Stripe's own `fee` column is zero."""


def _mark(metadata: Mapping[str, str]) -> str | None:
    """The key by which a payment of ours is known."""
    return metadata.get("tuppence_attempt") or metadata.get("tuppence_checkout")
