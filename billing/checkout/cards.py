"""Another card for a pledge: saved on Stripe's page, taken over once, and asked at once where due.

Webhook, the page that the payer comes back to, and the sweep all come to `_finish`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from billing.charges.dunning import ask_again_now
from billing.charges.letters import CARD_LINK, pledge_url
from billing.checkout.errors import (
    CheckoutNotFoundError,
    CheckoutUnavailableError,
    PledgeEndedError,
)
from billing.checkout.start import OPENS_UNTIL, REUSE_UNTIL
from billing.checkout.tables import CardUpdate, CardUpdateStatus
from billing.db import Json
from billing.gateway import CheckoutSession, GatewayError, RefusedError
from billing.money import Money
from billing.pledges.domain import Cadence, CardLoss, PledgeStatus
from billing.pledges.service import adopt_card, get_pledge
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

SAVED_LINK = "card-saved"
"""The purpose under which return links are signed."""

OPEN_FOR = timedelta(hours=1)
"""How long Stripe's page stays open; it takes 30 minutes to 24 hours."""

EXPIRED_FOR = timedelta(minutes=5)
"""How long after its end a page is left to its webhook before the sweep looks."""

NO_CUSTOMER = frozenset({"resource_missing", "customer_deleted"})
"""Reasons for which the pledge's customer at Stripe cannot be used any more."""


@dataclass(frozen=True, kw_only=True)
class CardView:
    """What stands on the page where another card can be put in."""

    status: PledgeStatus
    amount: Money
    cadence: Cadence
    since: datetime
    next_charge_at: datetime | None
    cancelled_at: datetime | None
    has_card: bool
    card_last4: str | None
    card_expires_on: date | None
    language: str


@dataclass(frozen=True)
class CardReturn:
    """What a payer who comes back from Stripe is told."""

    status: CardUpdateStatus | None
    """None where Stripe did not answer and nothing is known yet."""
    pledge_id: int
    pledge: CardView
    stripe_url: str | None


def view_card(session: Session, pledge_id: int) -> CardView:
    """The pledge with the card it is charged on; changes nothing.

    Raises:
        PledgeNotFoundError: when there is no such pledge.
    """
    return _view(get_pledge(session, pledge_id))


def start_card_update(runtime: Runtime, pledge_id: int) -> str:
    """Open a page at Stripe that saves another card, or hand out the one that is open.

    Returns:
        The address of the page.

    Raises:
        PledgeNotFoundError: when there is no such pledge.
        PledgeEndedError: when nothing is charged for it any more.
        CheckoutUnavailableError: when Stripe cannot be reached or says no.
    """
    with runtime.database.transaction() as session:
        pledge = get_pledge(session, pledge_id, lock=True)
        now = runtime.clock.now()
        if pledge.status in (PledgeStatus.LAPSED, PledgeStatus.CANCELLED):
            raise PledgeEndedError
        update = _open(session, pledge, now) or _record(session, runtime, pledge, now)
    return update.stripe_url or _open_at_stripe(runtime, update)


def finish_session(runtime: Runtime, stripe_session_id: str) -> bool:
    """Handle an event about a Checkout Session.

    Returns:
        Whether it was opened to save a card for a pledge of ours.
    """
    return _finish(runtime, runtime.gateway.get_checkout_session(stripe_session_id))


def look_at_update(runtime: Runtime, update_id: int) -> CardReturn:
    """What became of it, as Stripe says at this moment; taken over if it is news.

    Raises:
        CheckoutNotFoundError: when there is no such page.
    """
    with runtime.database.transaction() as session:
        update = _get(session, update_id)
    answered = _ask_stripe(runtime, update)
    with runtime.database.transaction() as session:
        update = _get(session, update_id)
        pledge = get_pledge(session, update.pledge_id)
        is_open = update.status is CardUpdateStatus.OPEN
        return CardReturn(
            status=None if is_open and not answered else update.status,
            pledge_id=pledge.id,
            pledge=_view(pledge),
            stripe_url=update.stripe_url if is_open else None,
        )


def find_overdue_updates(
    session: Session, *, now: datetime, limit: int, after: int = 0
) -> list[int]:
    """Ids, beyond `after`, of pages that should have ended and of which nothing was heard."""
    query = (
        select(CardUpdate.id)
        .where(
            CardUpdate.status == CardUpdateStatus.OPEN,
            CardUpdate.expires_at < now - EXPIRED_FOR,
            CardUpdate.id > after,
        )
        .order_by(CardUpdate.id)
        .limit(limit)
    )
    return list(session.scalars(query).all())


def close_update(runtime: Runtime, update_id: int) -> None:
    """End a page of which nothing was heard: ask Stripe, or write it off if it never began.

    So is one that Stripe does not know: it takes no money, and its payer can open another.

    Raises:
        GatewayError: when Stripe gave no answer, or another one.
    """
    with runtime.database.transaction() as session:
        stripe_session_id = session.get_one(CardUpdate, update_id).stripe_session_id
    if stripe_session_id is not None:
        try:
            finish_session(runtime, stripe_session_id)
        except RefusedError as error:
            if error.code != "resource_missing":
                raise
        else:
            return
    with runtime.database.transaction() as session:
        update = session.get_one(CardUpdate, update_id, with_for_update=True)
        known = update.stripe_session_id != stripe_session_id
        if update.status is CardUpdateStatus.OPEN and not known:
            update.status = CardUpdateStatus.EXPIRED
            update.finished_at = runtime.clock.now()


def customer_of(pledge: Pledge) -> str | None:
    """The pledge's customer at Stripe; None where it is gone and a new one has to be made."""
    gone = pledge.card_lost is CardLoss.CUSTOMER_DELETED or pledge.past_due_reason in NO_CUSTOMER
    return None if gone else pledge.stripe_customer_id


def _view(pledge: Pledge) -> CardView:
    return CardView(
        status=pledge.status,
        amount=Money(pledge.amount_minor, pledge.currency),
        cadence=pledge.cadence,
        since=pledge.anchor_at,
        next_charge_at=pledge.next_charge_at,
        cancelled_at=pledge.cancelled_at,
        has_card=pledge.stripe_payment_method_id is not None,
        card_last4=pledge.card_last4,
        card_expires_on=pledge.card_expires_on,
        language=pledge.language,
    )


def _open(session: Session, pledge: Pledge, now: datetime) -> CardUpdate | None:
    """The page that this payer opened a while ago, if it can still be used."""
    query = select(CardUpdate).where(
        CardUpdate.pledge_id == pledge.id,
        CardUpdate.status == CardUpdateStatus.OPEN,
        CardUpdate.expires_at >= now + REUSE_UNTIL,
        or_(CardUpdate.stripe_session_id.is_not(None), CardUpdate.expires_at >= now + OPENS_UNTIL),
    )
    return session.scalars(query.order_by(CardUpdate.id.desc()).limit(1)).one_or_none()


def _record(session: Session, runtime: Runtime, pledge: Pledge, now: datetime) -> CardUpdate:
    """The request, in the transaction of the look at the pledge (invariant 3)."""
    update = CardUpdate(
        pledge_id=pledge.id,
        status=CardUpdateStatus.OPEN,
        idempotency_key=f"tuppence-card-{uuid.uuid4().hex}",
        params={},
        created_at=now,
        expires_at=(now + OPEN_FOR).replace(microsecond=0),
    )
    session.add(update)
    session.flush()
    update.params = _params(runtime, pledge, update)
    session.flush()
    return update


def _params(runtime: Runtime, pledge: Pledge, update: CardUpdate) -> Json:
    """The request to Stripe, frozen. Nothing in it names the person."""
    marks = {"tuppence_card_update": update.idempotency_key, "tuppence_pledge": str(pledge.id)}
    customer_id = customer_of(pledge)
    token = runtime.links.token(SAVED_LINK, update.id)
    return {
        "mode": "setup",
        "ui_mode": "hosted_page",
        "currency": pledge.currency,
        "locale": pledge.language,
        "success_url": runtime.links.url(f"/pledges/{token}/card/saved"),
        "cancel_url": pledge_url(runtime, CARD_LINK, pledge.id),
        "client_reference_id": update.idempotency_key,
        **({"customer": customer_id} if customer_id else {"customer_creation": "always"}),
        "expires_at": int(update.expires_at.timestamp()),
        "setup_intent_data": {"metadata": marks},
        "metadata": marks,
    }


def _open_at_stripe(runtime: Runtime, update: CardUpdate) -> str:
    """Ask Stripe for the page. Two clicks ask with the same key and get the same page."""
    try:
        page = runtime.gateway.create_checkout_session(update.params, update.idempotency_key)
    except GatewayError as error:
        raise CheckoutUnavailableError from error
    if page.url is None:
        raise CheckoutUnavailableError
    with runtime.database.transaction() as session:
        row = session.get_one(CardUpdate, update.id, with_for_update=True)
        row.stripe_session_id = page.id
        row.stripe_url = page.url
    return page.url


def _ask_stripe(runtime: Runtime, update: CardUpdate) -> bool:
    """Take over what Stripe says of an open page; whether it answered."""
    if update.status is not CardUpdateStatus.OPEN:
        return True
    if update.stripe_session_id is None:
        return False
    try:
        finish_session(runtime, update.stripe_session_id)
    except GatewayError:
        return False
    return True


def _finish(runtime: Runtime, page: CheckoutSession) -> bool:
    """Take over what was saved, once; the pledge is locked before its row."""
    key = page.metadata.get("tuppence_card_update")
    query = select(CardUpdate).where(CardUpdate.idempotency_key == key)
    with runtime.database.transaction() as session:
        pledge_id = session.scalar(query.with_only_columns(CardUpdate.pledge_id))
        if key is None or pledge_id is None:
            return False
        pledge = get_pledge(session, pledge_id, lock=True)
        now = runtime.clock.now()
        update = session.scalars(query.with_for_update()).one()
        update.stripe_session_id = page.id
        if update.status is CardUpdateStatus.SAVED:
            return True
        if page.status == "expired":
            update.status, update.finished_at = CardUpdateStatus.EXPIRED, now
        elif page.status == "complete" and page.saved is not None:
            update.status, update.finished_at = CardUpdateStatus.SAVED, now
            _take_over(session, pledge, page, now)
    return True


def _take_over(session: Session, pledge: Pledge, page: CheckoutSession, now: datetime) -> None:
    if pledge.status is PledgeStatus.CANCELLED:
        return
    adopt_card(pledge, customer_id=page.customer_id, method=page.saved)
    session.flush()
    if pledge.status is PledgeStatus.PAST_DUE:
        ask_again_now(session, pledge.id, now=now)


def _get(session: Session, update_id: int) -> CardUpdate:
    update = session.get(CardUpdate, update_id)
    if update is None:
        raise CheckoutNotFoundError(update_id)
    return update
