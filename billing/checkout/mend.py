"""Making good a pledge whose charge was declined: the payer comes back and finishes it on-session.

The page finishes the very charge that was declined. Its attempt is open from the moment the payer
asks for the page until it is paid or expires, so that no retry can take the money a second time.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.charges.domain import (
    ASKABLE,
    OPEN_ATTEMPTS,
    AttemptKind,
    AttemptStatus,
    ChargeKind,
    ChargeStatus,
)
from billing.charges.letters import PAY_LINK, pledge_url
from billing.charges.tables import Attempt, Charge
from billing.checkout.cards import customer_of
from billing.checkout.closing import close_page
from billing.checkout.domain import CheckoutStatus
from billing.checkout.errors import CheckoutUnavailableError, NothingDueError, UnderWayError
from billing.checkout.fulfil import close_overdue
from billing.checkout.start import OPENS_UNTIL, REUSE_UNTIL, open_at_stripe, session_params
from billing.checkout.tables import Checkout
from billing.gateway import GatewayError, RefusedError
from billing.money import Money
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

OPEN_FOR = timedelta(hours=1)
"""How long such a page may be paid: retries wait for it. Stripe takes 30 minutes to 24 hours."""


class Mending(StrEnum):
    """What a payer who follows the link is shown."""

    DUE = "due"
    """A declined payment can be made now."""
    LAPSED = "lapsed"
    """The pledge has ended; paying takes it up again."""
    UNDER_WAY = "under_way"
    HELD = "held"
    """Nothing is taken until staff have decided about a fraud warning."""
    NOTHING_DUE = "nothing_due"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class MendView:
    """What stands on the page behind the link."""

    state: Mending
    amount: Money
    cadence: Cadence
    since: datetime
    reason: str | None
    due_at: datetime | None
    next_charge_at: datetime | None
    language: str


def view_mending(session: Session, pledge_id: int) -> MendView:
    """What there is to be made good; changes nothing.

    Raises:
        PledgeNotFoundError: when there is no such pledge.
    """
    pledge = get_pledge(session, pledge_id)
    charge = _latest_open(session, pledge)
    asked = pledge.amount_minor if charge is None else min(charge.amount_minor, pledge.amount_minor)
    return MendView(
        state=_state(session, pledge, charge),
        amount=Money(asked, pledge.currency),
        cadence=pledge.cadence,
        since=pledge.anchor_at,
        reason=charge.decline_code if charge else None,
        due_at=charge.due_at if charge else None,
        next_charge_at=pledge.next_charge_at,
        language=pledge.language,
    )


def start_mending(runtime: Runtime, pledge_id: int, *, title: str) -> str:
    """Open a Checkout page for what is past due, or hand out the one that is open.

    Returns:
        The address of the page.

    Raises:
        PledgeNotFoundError: when there is no such pledge.
        NothingDueError: when nothing is past due, or the pledge was cancelled or is held.
        UnderWayError: when the saved card is being asked at this moment.
        CheckoutUnavailableError: when Stripe cannot be reached.
    """
    _close_dearer_page(runtime, pledge_id)
    with runtime.database.transaction() as session:
        pledge = get_pledge(session, pledge_id, lock=True)
        now = runtime.clock.now()
        if pledge.held_since is not None:
            raise NothingDueError
        checkout = _open_page(session, pledge, now)
        if checkout is None:
            charge = _payable(session, runtime, pledge, now)
            checkout = _record(session, runtime, pledge, charge, title, now)
    try:
        return checkout.stripe_url or open_at_stripe(runtime, checkout)
    except CheckoutUnavailableError as error:
        # Stripe did not answer at first, and by now the end that was frozen is too near for it: had
        # it made the page then, the same key would find it. So there is none, and a new one may be.
        refused = isinstance(error.__cause__, RefusedError)
        if not refused or checkout.expires_at >= now + OPENS_UNTIL:
            raise
    close_overdue(runtime, checkout.id)
    return start_mending(runtime, pledge_id, title=title)


def _close_dearer_page(runtime: Runtime, pledge_id: int) -> None:
    """Close the page that is open at a sum above what is agreed to now."""
    with runtime.database.transaction() as session:
        pledge = get_pledge(session, pledge_id, lock=True)
        attempt = _open_attempt(session, pledge)
        checkout = session.scalars(
            select(Checkout).where(
                Checkout.idempotency_key == (attempt and attempt.idempotency_key),
                Checkout.status == CheckoutStatus.OPEN,
                Checkout.amount_minor > pledge.amount_minor,
            )
        ).one_or_none()
    if checkout is None:
        return
    try:
        close_page(runtime, checkout.id)
    except GatewayError as error:
        raise CheckoutUnavailableError from error


def _state(session: Session, pledge: Pledge, charge: Charge | None) -> Mending:
    if pledge.status is PledgeStatus.CANCELLED:
        return Mending.CANCELLED
    attempt = _open_attempt(session, pledge)
    if attempt is not None and attempt.kind is AttemptKind.OFF_SESSION:
        return Mending.UNDER_WAY
    if attempt is not None and attempt.status is AttemptStatus.PROCESSING:
        return Mending.UNDER_WAY
    if pledge.held_since is not None:
        return Mending.HELD
    if pledge.status is PledgeStatus.LAPSED:
        return Mending.LAPSED
    return Mending.DUE if charge is not None else Mending.NOTHING_DUE


def _latest_open(session: Session, pledge: Pledge) -> Charge | None:
    """The charge that is past due: the latest that was asked for and is not paid."""
    query = select(Charge).where(
        Charge.pledge_id == pledge.id,
        Charge.status.in_([*ASKABLE, ChargeStatus.SUBMITTED]),
        Charge.first_declined_at.is_not(None),
    )
    return session.scalars(query.order_by(Charge.period.desc()).limit(1)).one_or_none()


def _open_attempt(session: Session, pledge: Pledge) -> Attempt | None:
    query = (
        select(Attempt)
        .join(Charge, Charge.id == Attempt.charge_id)
        .where(Charge.pledge_id == pledge.id, Attempt.status.in_(OPEN_ATTEMPTS))
    )
    return session.scalars(query.limit(1)).one_or_none()


def _open_page(session: Session, pledge: Pledge, now: datetime) -> Checkout | None:
    """The page that this payer opened a while ago, if it can still be paid."""
    attempt = _open_attempt(session, pledge)
    if attempt is None:
        return None
    if attempt.kind is not AttemptKind.CHECKOUT or attempt.status is AttemptStatus.PROCESSING:
        raise UnderWayError
    checkout = session.scalars(
        select(Checkout).where(Checkout.idempotency_key == attempt.idempotency_key)
    ).one()
    if checkout.status is not CheckoutStatus.OPEN or checkout.expires_at < now + REUSE_UNTIL:
        raise UnderWayError
    return checkout


def _payable(session: Session, runtime: Runtime, pledge: Pledge, now: datetime) -> Charge:
    """The charge to be paid, locked: the one past due, or that of the current period."""
    if pledge.status is PledgeStatus.LAPSED:
        return _current(session, runtime, pledge, now)
    charge = _latest_open(session, pledge)
    if pledge.status is not PledgeStatus.PAST_DUE or charge is None:
        raise NothingDueError
    return _within_agreement(session.get_one(Charge, charge.id, with_for_update=True), pledge)


def _within_agreement(charge: Charge, pledge: Pledge) -> Charge:
    """A locked charge, never above what is agreed to now: the sum may have been lowered since."""
    if charge.amount_minor > pledge.amount_minor:
        charge.amount_minor = pledge.amount_minor
        charge.fee_cover_minor = pledge.fee_cover_minor
    return charge


def _current(session: Session, runtime: Runtime, pledge: Pledge, now: datetime) -> Charge:
    """The charge of a lapsed pledge's current period; never one for the months in between.

    What was skipped or prepaid stays so: then it is that of the first period after it, which is
    there already if a page was opened for it before.
    """
    calendar = pledge.calendar(runtime.settings.newsroom.timezone)
    current = calendar.current(now)
    period = max(current, pledge.next_period)
    known = session.scalars(
        select(Charge)
        .where(Charge.pledge_id == pledge.id, Charge.period.in_((current, period)))
        .order_by(Charge.period)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if known is not None:
        if known.status not in ASKABLE:
            raise NothingDueError
        return _within_agreement(known, pledge)
    charge = Charge(
        kind=ChargeKind.PLEDGE,
        status=ChargeStatus.DUE,
        supporter_id=pledge.supporter_id,
        pledge_id=pledge.id,
        period=period,
        currency=pledge.currency,
        amount_minor=pledge.amount_minor,
        fee_cover_minor=pledge.fee_cover_minor,
        due_at=calendar.due_at(period),
        created_at=now,
        stripe_customer_id=pledge.stripe_customer_id,
        source=pledge.source,
    )
    session.add(charge)
    session.flush()
    return charge


def _record(
    session: Session, runtime: Runtime, pledge: Pledge, charge: Charge, title: str, now: datetime
) -> Checkout:
    """The checkout and its attempt, in the transaction of the look at the pledge (invariant 3)."""
    key = f"tuppence-checkout-{uuid.uuid4().hex}"
    checkout = Checkout(
        form_digest=hashlib.sha256(key.encode()).digest(),
        status=CheckoutStatus.OPEN,
        cadence=pledge.cadence,
        currency=charge.currency,
        amount_minor=charge.amount_minor,
        fee_cover_minor=charge.fee_cover_minor,
        language=pledge.language,
        source=pledge.source,
        idempotency_key=key,
        params={},
        charge_id=charge.id,
        created_at=now,
        expires_at=(now + OPEN_FOR).replace(microsecond=0),
    )
    session.add(checkout)
    session.flush()
    checkout.params = session_params(
        runtime,
        checkout,
        title=title,
        back=pledge_url(runtime, PAY_LINK, pledge.id),
        customer_id=customer_of(pledge),
        metadata={"tuppence_charge": str(charge.id)},
    )
    number = session.scalar(select(func.max(Attempt.number)).where(Attempt.charge_id == charge.id))
    session.add(
        Attempt(
            charge_id=charge.id,
            number=1 + (number or 0),
            kind=AttemptKind.CHECKOUT,
            status=AttemptStatus.IN_FLIGHT,
            idempotency_key=key,
            params=checkout.params,
            started_at=now,
            last_sent_at=now,
            key_since=now,
        )
    )
    charge.status = ChargeStatus.SUBMITTED
    session.flush()
    return checkout
