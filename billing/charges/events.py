"""Webhook events: stored when they come, processed later from a fresh look at Stripe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from sqlalchemy import Connection, Table, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.charges.domain import AttemptKind, AttemptStatus, ChargeStatus
from billing.charges.settle import record_payment
from billing.charges.sweeps import Seen, pages, sweep_twice
from billing.charges.tables import Attempt, Charge, EventStatus, WebhookEvent
from billing.gateway import API_VERSION, Event, Payment, RefusedError
from billing.gateway_after import get_charge
from billing.ledger.tables import LedgerTransaction
from billing.runtime import Runtime

SUBSCRIBED = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "payment_method.automatically_updated",
    "payment_method.updated",
    "payment_method.detached",
    "mandate.updated",
    "charge.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "radar.early_fraud_warning.created",
    "payout.reconciliation_completed",
    "payout.paid",
    "payout.failed",
    "customer.deleted",
)
"""The events that Tuppence asks Stripe for."""

FOR_THE_RECORD = frozenset(
    {
        "payment_intent.requires_action",
        "setup_intent.succeeded",
        "setup_intent.setup_failed",
        "mandate.updated",
    }
)
"""Those that nobody acts upon: what they tell is learnt from the session or at the next charge.
They are kept, so that the history of a payment that somebody asks about is whole."""

TYPES_PER_LISTING = 20
"""As many as Stripe takes at once. Source: https://docs.stripe.com/api/events/list."""

SWEEP = "events"
MAX_TRIES = 20
LONGEST_PAUSE = timedelta(hours=1)
CLAIMED_FOR = timedelta(minutes=5)

KEPT_BY_STRIPE = timedelta(days=30)
"""For how long Stripe lists an event."""

OTHER_MODE = "other_mode"
OTHER_VERSION = "other_api_version"
NO_SUCH_OBJECT = "resource_missing"
NOT_OURS = "not_ours"
"""Why an event was not acted upon, kept beside it."""

_EVENTS = cast(Table, WebhookEvent.__table__)
_ROW = insert(_EVENTS)
_STORE = _ROW.on_conflict_do_update(
    index_elements=[_EVENTS.c.stripe_event_id],
    set_={
        "status": EventStatus.STORED,
        "next_try_at": _ROW.excluded.next_try_at,
        "last_error": None,
    },
    where=(_EVENTS.c.last_error == OTHER_VERSION)
    & (_EVENTS.c.status == EventStatus.IGNORED)
    & (_ROW.excluded.status == EventStatus.STORED),
).returning(_EVENTS.c.id)
"""Built once: a renewal night brings thousands of events."""

Handler = Callable[[Runtime, str], bool]
"""Takes the id of the object that the event is about; says whether it concerned us."""


def store(
    connection: Connection, event: Event, *, live: bool, backfilled: bool, now: datetime
) -> bool:
    """Keep an event, once, to be processed soon, unless it is not for us to act upon.

    It takes one statement, so that the connection may be one that commits each by itself.

    `live` tells whether our key moves real money: an event of the other mode is ignored. So is one
    delivered in another version of Stripe's interface, until the sweep finds it in the list that we
    asked for ourselves: nothing is lost over a wrong setting, it only comes later.

    Returns:
        Whether it is new, or was found again after having been ignored.
    """
    reason = _reason_to_ignore(event, live=live, backfilled=backfilled)
    row = {
        "stripe_event_id": event.id,
        "type": event.type,
        "object_id": event.object_id,
        "api_version": event.api_version,
        "created_at": event.created,
        "received_at": now,
        "backfilled": backfilled,
        "status": EventStatus.IGNORED if reason else EventStatus.STORED,
        "next_try_at": now,
        "tries": 0,
        "last_error": reason,
    }
    return connection.execute(_STORE, row).scalar_one_or_none() is not None


def claim_events(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of up to `limit` stored events whose turn it is; nobody else gets them for a while."""
    waiting = (
        select(WebhookEvent.id)
        .where(WebhookEvent.status == EventStatus.STORED, WebhookEvent.next_try_at <= now)
        .order_by(WebhookEvent.next_try_at, WebhookEvent.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("waiting")  # computed once, so that the limit holds
    )
    claimed = (
        update(WebhookEvent)
        .where(WebhookEvent.id.in_(select(waiting.c.id)))
        .values(next_try_at=now + CLAIMED_FOR)
        .returning(WebhookEvent.id)
    )
    return sorted(session.scalars(claimed).all())


def retry_failed(session: Session, *, now: datetime, limit: int) -> int:
    """Act on failed events once more, the oldest first, with as many tries as new ones have.

    Returns:
        How many are waiting again.
    """
    failed = (
        select(WebhookEvent.id)
        .where(WebhookEvent.status == EventStatus.FAILED)
        .order_by(WebhookEvent.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("failed")
    )
    again = (
        update(WebhookEvent)
        .where(WebhookEvent.id.in_(select(failed.c.id)))
        .values(status=EventStatus.STORED, next_try_at=now, tries=0)
        .returning(WebhookEvent.id)
        .execution_options(synchronize_session=False)
    )
    return len(session.scalars(again).all())


def process(runtime: Runtime, handlers: Mapping[str, Handler], event_id: int) -> None:
    """Act on a stored event by its type's handler; what fails is tried again later.

    Raises:
        Exception: whatever the handler raised, after the next try has been written down.
    """
    with runtime.database.transaction() as session:
        event = session.get(WebhookEvent, event_id)
        if event is None or event.status is not EventStatus.STORED:
            return
        event_type, object_id = event.type, event.object_id
    handler = handlers.get(event_type)
    reason = None
    try:
        ours = handler is not None and object_id is not None and handler(runtime, object_id)
        reason = None if ours or handler is None else NOT_OURS
    except RefusedError as error:
        if error.code != NO_SUCH_OBJECT:
            with runtime.database.transaction() as session:
                _note_failure(session, event_id, error, runtime.clock.now())
            raise
        ours, reason = False, NO_SUCH_OBJECT
    except Exception as error:
        with runtime.database.transaction() as session:
            _note_failure(session, event_id, error, runtime.clock.now())
        raise
    with runtime.database.transaction() as session:
        session.execute(
            update(WebhookEvent)
            .where(WebhookEvent.id == event_id)
            .values(
                status=EventStatus.PROCESSED if ours else EventStatus.IGNORED,
                processed_at=runtime.clock.now(),
                tries=WebhookEvent.tries + 1,
                last_error=reason,
            )
        )


def backfill(runtime: Runtime) -> int:
    """Find events that never came: those in Stripe's list that we do not hold.

    Returns:
        How many were found.
    """
    return sweep_twice(runtime, SWEEP, partial(_look, runtime), kept=KEPT_BY_STRIPE)


def _look(runtime: Runtime, since: datetime, until: datetime | None) -> Seen:
    now, live = runtime.clock.now(), runtime.settings.stripe.live
    listed = found = 0
    for start in range(0, len(SUBSCRIBED), TYPES_PER_LISTING):
        types = list(SUBSCRIBED[start : start + TYPES_PER_LISTING])
        for page in pages(runtime.gateway.list_events(types, since, until)):
            listed += len(page)
            for event in _not_held(runtime, page):
                with runtime.database.statement() as connection:
                    found += store(connection, event, live=live, backfilled=True, now=now)
    return Seen(listed=listed, new=found)


def _not_held(runtime: Runtime, listed: list[Event]) -> list[Event]:
    ids = [event.id for event in listed]
    with runtime.database.transaction() as session:
        held = set(
            session.scalars(
                select(WebhookEvent.stripe_event_id).where(
                    WebhookEvent.stripe_event_id.in_(ids),
                    func.coalesce(WebhookEvent.last_error, "") != OTHER_VERSION,
                )
            )
        )
    return [event for event in listed if event.id not in held]


def is_settled(runtime: Runtime, payment_intent_id: str) -> bool:
    """Whether an off-session payment is recorded and posted: that it succeeded is no news then.

    So it is with nearly every such event of a renewal night, and Stripe need not be asked again.
    """
    known = (
        select(Attempt.id)
        .join(Charge, Charge.id == Attempt.charge_id)
        .join(LedgerTransaction, LedgerTransaction.charge_id == Charge.id)
        .where(
            Attempt.stripe_payment_intent_id == payment_intent_id,
            Attempt.kind == AttemptKind.OFF_SESSION,
            Attempt.status == AttemptStatus.SUCCEEDED,
            Charge.status == ChargeStatus.SUCCEEDED,
            Charge.stripe_payment_intent_id == payment_intent_id,
            LedgerTransaction.category == "charge",
        )
        .limit(1)
    )
    with runtime.database.transaction() as session:
        return session.scalar(known) is not None


def settle_payment(runtime: Runtime, payment_intent_id: str) -> bool:
    """Look at a PaymentIntent and record what became of the off-session attempt that made it.

    One that a Checkout page made is not for us but for `checkout.fulfil`, which alone knows what
    it promises.

    Returns:
        Whether it is such an attempt of ours.
    """
    payment = runtime.gateway.get_payment(payment_intent_id)
    with runtime.database.transaction() as session:
        attempt_id = _attempt_of(session, payment)
        if attempt_id is None:
            return False
        record_payment(session, runtime, attempt_id, payment)
    return True


def _attempt_of(session: Session, payment: Payment) -> int | None:
    """The off-session attempt that made a payment: by the key it carries, else by its id.

    The key has an index, which one condition on both would not use.
    """
    ours = select(Attempt.id).where(Attempt.kind == AttemptKind.OFF_SESSION)
    key = payment.metadata.get("tuppence_attempt")
    if key is not None:
        found = session.scalar(ours.where(Attempt.idempotency_key == key))
        if found is not None:
            return found
    if "tuppence_checkout" in payment.metadata:
        return None
    return session.scalar(ours.where(Attempt.stripe_payment_intent_id == payment.id))


def payment_of_charge(runtime: Runtime, stripe_charge_id: str) -> str | None:
    """The PaymentIntent behind one of Stripe's charges: what is settled is always the payment."""
    return get_charge(runtime.gateway, stripe_charge_id).payment_intent_id


def _reason_to_ignore(event: Event, *, live: bool, backfilled: bool) -> str | None:
    if event.livemode is not live:
        return OTHER_MODE
    if event.api_version != API_VERSION and not backfilled:
        return OTHER_VERSION
    return None


def _note_failure(session: Session, event_id: int, error: Exception, now: datetime) -> None:
    event = session.get_one(WebhookEvent, event_id, with_for_update=True)
    event.tries += 1
    event.last_error = type(error).__name__
    event.next_try_at = now + min(LONGEST_PAUSE, timedelta(seconds=2**event.tries))
    if event.tries >= MAX_TRIES:
        event.status = EventStatus.FAILED
