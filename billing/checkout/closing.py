"""Closing at Stripe the pages that nobody should pay any more.

A page on which months are paid ahead says what its pledge was when it was opened. Once the pledge
was cancelled, paused, held or changed otherwise, the page is out of date; a sweep finds it by these
rows alone, so whichever process made the change may die after its commit. What was paid before
is recorded as ever (docs/adr/0044).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from billing.checkout.domain import CheckoutStatus
from billing.checkout.fulfil import close_overdue, fulfil_session
from billing.checkout.start import OPENS_UNTIL
from billing.checkout.tables import Checkout
from billing.gateway import RefusedError
from billing.pledges.domain import CHARGEABLE
from billing.pledges.tables import Pledge
from billing.runtime import Runtime


def find_outdated(session: Session, *, now: datetime, limit: int, after: int = 0) -> list[int]:
    """Ids of open pages for months of a pledge that is not what it was when they were opened.

    They come in the order of their ids, from the first beyond `after`. A decline meanwhile does not
    count: it is made good by whoever pays there.
    """
    query = (
        select(Checkout.id)
        .join(Pledge, Pledge.id == Checkout.prepays_pledge_id)
        .where(
            Checkout.status == CheckoutStatus.OPEN,
            Checkout.expires_at > now,
            Checkout.id > after,
            or_(
                Pledge.status.not_in(CHARGEABLE),
                Pledge.held_since.is_not(None),
                Pledge.version != Checkout.prepays_version,
            ),
        )
        .order_by(Checkout.id)
        .limit(limit)
    )
    return list(session.scalars(query).all())


def close_page(runtime: Runtime, checkout_id: int) -> None:
    """Close a page at Stripe and record what became of it.

    Nothing is locked while Stripe is asked. Dies: the next call does the same. Paid at that very
    moment: Stripe refuses to close it, and the payment is recorded.

    Raises:
        GatewayError: when Stripe gave no answer, or another one.
    """
    with runtime.database.transaction() as session:
        checkout = session.get_one(Checkout, checkout_id)
    session_id = checkout.stripe_session_id
    if session_id is None:  # Its answer was lost, if it was asked for: the same key finds the page.
        try:
            page = runtime.gateway.create_checkout_session(
                checkout.params, checkout.idempotency_key
            )
        except RefusedError:
            if checkout.expires_at >= runtime.clock.now() + OPENS_UNTIL:
                raise
            close_overdue(runtime, checkout_id)  # It is not there, and cannot be opened any more.
            return
        session_id = page.id
    with suppress(RefusedError):
        runtime.gateway.expire_checkout_session(session_id)
    fulfil_session(runtime, session_id)
