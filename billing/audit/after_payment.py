"""The checks of what comes after a payment: refunds, disputes, holds and payouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.audit.database import GRACE
from billing.audit.findings import Finding, count, offenders
from billing.audit.stripe_side import ON_ITS_WAY, AtStripe
from billing.charges.domain import GIVEN_BACK, PayoutStatus
from billing.charges.refunds_seen import MARK
from billing.charges.tables import Charge, WebhookEvent
from billing.charges.tables_after import Payout, Refund
from billing.gateway_after import RefundAtStripe
from billing.runtime import Runtime

_STANDING = frozenset({"pending", "requires_action", "succeeded"})
"""Stripe's words for refunds that it counts as given back."""


def stopped_by_dispute(runtime: Runtime, session: Session) -> Finding:
    """Invariant 2: whoever disputed a payment is not charged any more."""
    return Finding(
        2,
        count(session, "disputes"),
        offenders(
            session,
            """
            SELECT 'pledge ' || p.id || ' is ' || p.status || ' though dispute ' || d.id
                   || ' is about its charge ' || c.id
            FROM disputes d JOIN charges c ON c.id = d.charge_id
            JOIN pledges p ON p.id = c.pledge_id
            WHERE d.status NOT LIKE 'warning%' AND p.status <> 'cancelled'
            """,
        ),
    )


def given_back(runtime: Runtime, session: Session) -> Finding:
    """Invariant 5: a charge's sum of refunds is that of its rows, and never above what was paid."""
    return Finding(
        5,
        count(session, "refunds"),
        offenders(
            session,
            """
            SELECT 'charge ' || c.id || ' counts ' || c.refunded_minor || ' given back, its rows '
                   || coalesce(sum(r.amount_minor)
                               FILTER (WHERE r.status IN ('pending', 'succeeded')), 0)
            FROM charges c JOIN refunds r ON r.charge_id = c.id
            GROUP BY c.id
            HAVING c.refunded_minor <> coalesce(sum(r.amount_minor)
                       FILTER (WHERE r.status IN ('pending', 'succeeded')), 0)
            """,
        )
        + offenders(
            session,
            """
            SELECT 'payout ' || id || ' (' || stripe_payout_id || ') differs by '
                   || difference_minor || ' ' || currency || ', ' || unposted || ' of ' || movements
                   || ' movements missing'
            FROM payouts
            WHERE status NOT IN ('failed', 'canceled') AND reconciled_at IS NULL
              AND (difference_minor <> 0 OR unposted > 0)
            """,
        ),
    )


def nothing_left_hanging(runtime: Runtime, session: Session) -> Finding:
    """Invariant 7: no refund is left unsent, and no pledge held for no reason."""
    return Finding(
        7,
        count(session, "refunds", "status = 'requested'")
        + count(session, "pledges", "held_since IS NOT NULL"),
        offenders(
            session,
            """
            SELECT 'refund ' || id || ' has been on its way since ' || requested_at FROM refunds
            WHERE status = 'requested' AND next_try_at < :long_ago
            UNION ALL
            SELECT 'pledge ' || p.id || ' is held and no fraud warning waits for a decision'
            FROM pledges p WHERE p.held_since IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM fraud_warnings w JOIN charges c ON c.id = w.charge_id
                WHERE c.pledge_id = p.id AND w.decision IS NULL)
            """,
            long_ago=runtime.clock.now() - GRACE,
        ),
    )


def refunds_agree(session: Session, stripe: AtStripe, now: datetime) -> Finding:
    """Invariant 5 at Stripe: the same refunds, each made once, and the same sums."""
    heard_of = _heard_of(session, now)
    found = Finding(5, len(stripe.refunds))
    ours = {refund.stripe_refund_id: refund for refund in session.scalars(select(Refund))}
    charges = {
        charge.stripe_charge_id: charge
        for charge in session.scalars(select(Charge).where(Charge.stripe_charge_id.is_not(None)))
    }
    late = [
        refund
        for refund in stripe.refunds
        if refund.charge_id in charges and heard_of(refund.created)
    ]
    found.offenders += _doubled(stripe.refunds)
    for refund in late:
        row = ours.get(refund.id)
        if row is None:
            found.offenders.append(f"refund {refund.id} has no row")
        elif row.amount_minor != refund.amount or (
            (row.status in GIVEN_BACK) != (refund.status in _STANDING)
        ):
            found.offenders.append(
                f"refund {row.id} is {row.amount_minor} and {row.status}, at Stripe "
                f"({refund.id}) {refund.amount} and {refund.status}"
            )
    found.offenders += _sums(stripe, charges, now)
    return found


def payouts_agree(session: Session, stripe: AtStripe, now: datetime) -> Finding:
    """Invariant 5 at Stripe: every payout that reached the bank is explained to the cent."""
    heard_of = _heard_of(session, now)
    rows = {payout.stripe_payout_id: payout for payout in session.scalars(select(Payout))}
    found = Finding(5, len(stripe.payouts))
    for payout in stripe.payouts:
        if payout.status != PayoutStatus.PAID.value or not heard_of(payout.created):
            continue
        if payout.arrives > now - ON_ITS_WAY:
            continue
        row = rows.get(payout.id)
        if row is None:
            found.offenders.append(f"payout {payout.id} has no row")
        elif row.amount_minor != payout.amount:
            found.offenders.append(
                f"payout {row.id} is {row.amount_minor}, at Stripe ({payout.id}) {payout.amount}"
            )
        elif payout.automatic and row.reconciled_at is None:
            found.offenders.append(f"payout {row.id} ({payout.id}) is not reconciled")
    return found


def _heard_of(session: Session, now: datetime) -> Callable[[datetime], bool]:
    """Whether what was made at a moment must be known: since events come, and not only just now."""
    since = session.scalar(select(func.min(WebhookEvent.received_at)))
    return lambda made: since is not None and since < made < now - ON_ITS_WAY


def _doubled(refunds: list[RefundAtStripe]) -> list[str]:
    made = Counter(refund.metadata[MARK] for refund in refunds if MARK in refund.metadata)
    return [f"refund {key} was made {times} times" for key, times in made.items() if times > 1]


def _sums(stripe: AtStripe, charges: dict[str | None, Charge], now: datetime) -> list[str]:
    """Charges whose sum given back is not Stripe's, unless a refund is too new to be known."""
    fresh = {refund.charge_id for refund in stripe.refunds if refund.created > now - ON_ITS_WAY}
    wrong = []
    for payment in stripe.payments:
        charge = charges.get(payment.charge_id) if payment.charge_id else None
        if charge is None or payment.charge_id in fresh:
            continue
        if charge.refunded_minor != payment.refunded:
            wrong.append(
                f"charge {charge.id} counts {charge.refunded_minor} given back, "
                f"Stripe {payment.refunded}"
            )
    return wrong
