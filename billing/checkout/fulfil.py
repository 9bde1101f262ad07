"""Recording what became of a checkout. Webhook, thank-you page and sweep all come here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from billing.charges.domain import AttemptKind, AttemptStatus, ChargeKind, ChargeStatus
from billing.charges.settle import record_absent, record_payment
from billing.charges.tables import Attempt, Charge
from billing.checkout.domain import CHECKOUT_TRANSITIONS, CheckoutStatus
from billing.checkout.errors import CheckoutNotFoundError
from billing.checkout.prepay import take_prepaid
from billing.checkout.tables import Checkout
from billing.gateway import CheckoutSession, GatewayError, Payment, PaymentStatus, RefusedError
from billing.money import Money
from billing.pledges.domain import Cadence
from billing.pledges.service import adopt_card, get_pledge, make_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.service import get_or_create

EXPIRED_FOR = timedelta(minutes=5)
"""How long after its end a checkout is left to its webhook before the sweep looks."""


PROCESSING_FOR = timedelta(days=1)
"""How long after a page's end its bank debit is left to its webhook before the sweep looks."""


MISSING_FOR = timedelta(days=1)
"""How long after its end a page that Stripe does not know is asked for again: the key in use may
be that of another account, by mistake."""

SESSION_MISSING = "session_missing"
"""Why a checkout was written off whose page Stripe does not know."""


class Outcome(StrEnum):
    """What can truthfully be said to a reader who comes back."""

    PAID = "paid"
    PROCESSING = "processing"
    DECLINED = "declined"
    """The card was refused; the same page can still be paid with another."""
    FAILED = "failed"
    """The bank debit came back."""
    NOT_PAID = "not_paid"
    """The reader came back without having paid; the page is still open."""
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """Stripe did not answer; nothing can be said yet."""


@dataclass(frozen=True, kw_only=True)
class Return:
    """What a reader who comes back from Stripe is told."""

    outcome: Outcome
    cadence: Cadence
    total: Money
    fee_cover: Money
    language: str
    stripe_url: str | None
    """Where the payment can still be made, if it can."""
    failure_code: str | None
    next_charge_at: datetime | None
    pledge_id: int | None
    prepays_pledge_id: int | None
    months: int
    """How many months were paid at once."""

    @property
    def ended(self) -> bool:
        """Whether there was a pledge and nothing more is taken for it."""
        return self.pledge_id is not None and self.next_charge_at is None


def look(runtime: Runtime, checkout_id: int) -> Return:
    """What became of a checkout, as Stripe says at this moment; recorded if it is news.

    Raises:
        CheckoutNotFoundError: when there is no such checkout.
    """
    outcome = _outcome_at_stripe(runtime, checkout_id)
    with runtime.database.transaction() as session:
        checkout = _get(session, checkout_id)
        charge = session.get(Charge, checkout.charge_id) if checkout.charge_id else None
        pledge = session.get(Pledge, charge.pledge_id) if charge and charge.pledge_id else None
        return Return(
            outcome=_settled(checkout.status) or outcome,
            cadence=checkout.cadence,
            total=Money(checkout.amount_minor, checkout.currency),
            fee_cover=Money(checkout.fee_cover_minor, checkout.currency),
            language=checkout.language,
            stripe_url=checkout.stripe_url if checkout.status is CheckoutStatus.OPEN else None,
            failure_code=checkout.failure_code,
            next_charge_at=pledge.next_charge_at if pledge else None,
            pledge_id=pledge.id if pledge else None,
            prepays_pledge_id=checkout.prepays_pledge_id,
            months=checkout.months,
        )


def fulfil_session(runtime: Runtime, stripe_session_id: str) -> bool:
    """Handle an event about a Checkout Session.

    Returns:
        Whether it is one of ours.
    """
    return _fulfil_by_page(runtime, runtime.gateway.get_checkout_session(stripe_session_id))


def fulfil_payment(runtime: Runtime, payment_intent_id: str) -> bool:
    """Handle an event about a PaymentIntent made by a Checkout Session, by its metadata.

    Returns:
        Whether it is one of ours.
    """
    payment = runtime.gateway.get_payment(payment_intent_id)
    key = payment.metadata.get("tuppence_checkout")
    with runtime.database.transaction() as session:
        checkout = session.scalars(
            select(Checkout).where(Checkout.idempotency_key == key)
        ).one_or_none()
    if checkout is None or checkout.stripe_session_id is None:
        return False
    return fulfil_session(runtime, checkout.stripe_session_id)


def find_overdue_checkouts(
    session: Session, *, now: datetime, limit: int, after: int = 0
) -> list[int]:
    """Ids of checkouts of which nothing was heard: ended by now, or with the bank for a day.

    They come in the order of their ids, from the first beyond `after`.
    """
    ended = and_(Checkout.status == CheckoutStatus.OPEN, Checkout.expires_at < now - EXPIRED_FOR)
    with_the_bank = and_(
        Checkout.status == CheckoutStatus.PROCESSING,
        Checkout.expires_at < now - PROCESSING_FOR,
    )
    query = (
        select(Checkout.id)
        .where(or_(ended, with_the_bank), Checkout.id > after)
        .order_by(Checkout.id)
        .limit(limit)
    )
    return list(session.scalars(query).all())


def close_overdue(runtime: Runtime, checkout_id: int) -> None:
    """End a checkout of which nothing was heard: ask Stripe, or write it off if it never began.

    One that Stripe does not know is written off too, a day later: staff see a line about it.

    Raises:
        GatewayError: when Stripe gave no answer, or another one.
    """
    with runtime.database.transaction() as session:
        checkout = session.get_one(Checkout, checkout_id, with_for_update=True)
        stripe_session_id = checkout.stripe_session_id
        if stripe_session_id is None:
            _expire(session, checkout, runtime.clock.now())
    if stripe_session_id is None:
        return
    try:
        fulfil_session(runtime, stripe_session_id)
    except RefusedError as error:
        if error.code != "resource_missing" or not _give_up(runtime, checkout_id):
            raise


def _give_up(runtime: Runtime, checkout_id: int) -> bool:
    """Write off a page that Stripe does not know, unless it may be a passing mistake of ours.

    Money that arrives for it all the same is recorded as ever (`CHECKOUT_TRANSITIONS`).
    """
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        checkout = session.get_one(Checkout, checkout_id, with_for_update=True)
        if checkout.status is CheckoutStatus.OPEN and checkout.expires_at < now - MISSING_FOR:
            checkout.failure_code = SESSION_MISSING
            _expire(session, checkout, now)
        return checkout.status is CheckoutStatus.EXPIRED


def _outcome_at_stripe(runtime: Runtime, checkout_id: int) -> Outcome:
    with runtime.database.transaction() as session:
        checkout = _get(session, checkout_id)
        stripe_session_id, status = checkout.stripe_session_id, checkout.status
    settled = _settled(status)
    if settled is not None and status is not CheckoutStatus.PROCESSING:
        return settled
    if stripe_session_id is None:
        return Outcome.UNKNOWN
    try:
        page = runtime.gateway.get_checkout_session(stripe_session_id)
    except GatewayError:
        return Outcome.UNKNOWN
    _fulfil_by_page(runtime, page)
    declined = page.payment and page.payment.decline
    return Outcome.DECLINED if declined else Outcome.NOT_PAID


def _settled(status: CheckoutStatus) -> Outcome | None:
    """What the recorded state says by itself; an open checkout says nothing."""
    return None if status is CheckoutStatus.OPEN else Outcome(status.value)


def _get(session: Session, checkout_id: int) -> Checkout:
    checkout = session.get(Checkout, checkout_id)
    if checkout is None:
        raise CheckoutNotFoundError(checkout_id)
    return checkout


def _fulfil_by_page(runtime: Runtime, page: CheckoutSession) -> bool:
    with runtime.database.transaction() as session:
        checkout = session.scalars(
            select(Checkout)
            .where(Checkout.idempotency_key == page.metadata.get("tuppence_checkout"))
            .with_for_update()
        ).one_or_none()
        if checkout is None:
            return False
        now = runtime.clock.now()
        checkout.stripe_session_id = page.id
        if page.payment is not None and page.payment.decline is not None:
            checkout.failure_code = page.payment.decline.reason
        if page.status == "expired":
            _expire(session, checkout, now)
        elif page.status == "complete" and page.payment is not None:
            _complete(session, runtime, checkout, page, page.payment, now)
    return True


def _complete(
    session: Session,
    runtime: Runtime,
    checkout: Checkout,
    page: CheckoutSession,
    payment: Payment,
    now: datetime,
) -> None:
    """The payer has finished: record the charge once, then whatever its payment has come to."""
    if checkout.charge_id is None:
        checkout.charge_id = _record_charge(session, runtime, checkout, page, payment, now)
    charge = session.get_one(Charge, checkout.charge_id)
    recurring = checkout.cadence is not Cadence.ONCE
    if payment.status is PaymentStatus.SUCCEEDED:
        if checkout.prepays_pledge_id is not None and charge.pledge_id is None:
            take_prepaid(session, runtime, checkout, charge)
        elif recurring and charge.pledge_id is None:
            _promise(session, runtime, checkout, charge, payment, now)
        _become(checkout, CheckoutStatus.PAID, now)
    elif payment.status in (PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION):
        _become(checkout, CheckoutStatus.PROCESSING, now)
    else:
        _become(checkout, CheckoutStatus.FAILED, now)
    record_payment(session, runtime, _attempt_id(session, checkout), payment)
    if payment.status is PaymentStatus.SUCCEEDED and charge.pledge_id is not None:
        adopt_card(
            get_pledge(session, charge.pledge_id, lock=True),
            customer_id=payment.customer_id,
            method=payment.method,
        )


def _attempt_id(session: Session, checkout: Checkout) -> int:
    query = select(Attempt.id).where(Attempt.idempotency_key == checkout.idempotency_key)
    return session.scalars(query).one()


def _expire(session: Session, checkout: Checkout, now: datetime) -> None:
    """Nobody paid: a declined charge that this page was to make good is declined as before."""
    _become(checkout, CheckoutStatus.EXPIRED, now)
    if checkout.charge_id is not None:
        record_absent(session, _attempt_id(session, checkout), now=now)


def _record_charge(
    session: Session,
    runtime: Runtime,
    checkout: Checkout,
    page: CheckoutSession,
    payment: Payment,
    now: datetime,
) -> int:
    charge = Charge(
        kind=ChargeKind.GIFT if checkout.cadence is Cadence.ONCE else ChargeKind.PLEDGE,
        status=ChargeStatus.SUBMITTED,
        supporter_id=_supporter_id(session, runtime, checkout, page, now),
        currency=checkout.currency,
        amount_minor=checkout.amount_minor,
        fee_cover_minor=checkout.fee_cover_minor,
        due_at=checkout.created_at,
        created_at=now,
        stripe_customer_id=payment.customer_id,
        source=checkout.source,
    )
    session.add(charge)
    session.flush()
    session.add(
        Attempt(
            charge_id=charge.id,
            number=1,
            kind=AttemptKind.CHECKOUT,
            status=AttemptStatus.IN_FLIGHT,
            idempotency_key=checkout.idempotency_key,
            params=checkout.params,
            started_at=checkout.created_at,
            last_sent_at=now,
            key_since=checkout.created_at,
        )
    )
    session.flush()
    return charge.id


def _supporter_id(
    session: Session, runtime: Runtime, checkout: Checkout, page: CheckoutSession, now: datetime
) -> int:
    """Whose payment it is: of months paid ahead, whoever made the pledge."""
    if checkout.prepays_pledge_id is not None:
        return get_pledge(session, checkout.prepays_pledge_id, lock=True).supporter_id
    supporter = get_or_create(
        session,
        runtime.vault,
        address=page.email or f"unknown-{page.id}@invalid",
        name=page.name,
        language=checkout.language,
        now=now,
    )
    return supporter.id


def _promise(
    session: Session,
    runtime: Runtime,
    checkout: Checkout,
    charge: Charge,
    payment: Payment,
    now: datetime,
) -> None:
    """Make the pledge that this first payment belongs to; it is the pledge's period 0."""
    pledge = make_pledge(
        session,
        supporter_id=charge.supporter_id,
        cadence=checkout.cadence,
        amount=Money(checkout.amount_minor, checkout.currency),
        fee_cover=Money(checkout.fee_cover_minor, checkout.currency),
        anchor=payment.paid_at or now,
        zone=runtime.settings.newsroom.timezone,
        stripe_customer_id=payment.customer_id or "",
        stripe_payment_method_id=payment.payment_method_id,
        language=checkout.language,
        source=checkout.source,
        now=now,
    )
    pledge.card_country = payment.country
    charge.pledge_id = pledge.id
    charge.period = 0
    session.flush()


def _become(checkout: Checkout, status: CheckoutStatus, now: datetime) -> None:
    if status in CHECKOUT_TRANSITIONS[checkout.status]:
        checkout.status = status
        checkout.finished_at = None if status is CheckoutStatus.PROCESSING else now
