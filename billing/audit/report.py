"""Running the whole audit."""

from __future__ import annotations

from collections.abc import Sequence

from billing.audit import after_payment, changes, database, figures, stripe_side, values
from billing.audit.findings import INVARIANTS, Check, Finding
from billing.runtime import Runtime

DATABASE_CHECKS: Sequence[Check] = (
    database.charged_once,
    database.within_agreement,
    database.recorded_first,
    database.unknown_resolved,
    database.books_balanced,
    database.outbox_complete,
    database.nothing_forgotten,
    database.events_handled,
    after_payment.stopped_by_dispute,
    after_payment.given_back,
    after_payment.nothing_left_hanging,
    changes.months_paid_once,
    changes.wishes_kept,
    changes.changes_confirmed,
    changes.pauses_end,
    changes.revenue_explained,
    figures.rollups_are_the_ledger,
    values.calendars_kept,
    values.privacy_kept,
)


def audit(runtime: Runtime, *, with_stripe: bool = True) -> list[Finding]:
    """Check every invariant and return one finding for each, in their order. Changes nothing.

    Raises:
        GatewayError: when Stripe cannot be asked.
    """
    findings = {number: Finding(number) for number in INVARIANTS}
    with runtime.database.transaction() as session:
        for check in DATABASE_CHECKS:
            found = check(runtime, session)
            findings[found.invariant] += found
    if with_stripe:
        for found in _stripe_findings(runtime):
            findings[found.invariant] += found
    return list(findings.values())


def _stripe_findings(runtime: Runtime) -> list[Finding]:
    """Stripe is read before our rows are: what arrives in between is ours to know, not missing."""
    stripe = stripe_side.read_stripe(runtime)
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        return [
            stripe_side.paid_once(session, stripe),
            stripe_side.paid_as_agreed(session, stripe),
            stripe_side.known_first(session, stripe),
            stripe_side.outcomes_agree(session, stripe, now),
            stripe_side.ledger_is_stripe(session, stripe, now),
            after_payment.refunds_agree(session, stripe, now),
            after_payment.payouts_agree(session, stripe, now),
            stripe_side.events_arrived(session, stripe, now),
            stripe_side.metadata_is_bare(session, stripe),
        ]
