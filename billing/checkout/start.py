"""From the support page to Stripe Checkout: record the checkout, commit, then ask Stripe."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.checkout.domain import CheckoutStatus
from billing.checkout.errors import CheckoutUnavailableError, StaleFormError
from billing.checkout.steps import ReaderStep, note_in
from billing.checkout.tables import Checkout
from billing.db import Json
from billing.gateway import GatewayError
from billing.money import Money
from billing.pledges.domain import Cadence
from billing.runtime import Runtime

OPEN_FOR = timedelta(hours=23)
"""How long a Checkout page may be paid; Stripe takes 30 minutes to 24 hours."""

OPENS_UNTIL = timedelta(minutes=31)
"""How long before its end a page can still be opened: Stripe wants 30 minutes at least."""

REUSE_UNTIL = timedelta(minutes=5)
"""A page with less time left than this is not handed out again."""

THANKS_LINK = "thanks"
"""The purpose under which return links are signed."""


@dataclass(frozen=True, kw_only=True)
class SupportRequest:
    """What a reader asked for at the support page, checked."""

    form_key: str
    """Random, made with the form: the same form sent twice has the same key."""
    cadence: Cadence
    amount: Money
    """What the reader gives, without the covered fee."""
    fee_cover: Money
    language: str
    title: str
    """What Stripe's page calls it, in the reader's language."""
    source: Json

    @property
    def total(self) -> Money:
        """What is taken."""
        return self.amount + self.fee_cover

    def digest(self) -> bytes:
        """32 bytes that are the same for the same form with the same choices."""
        choices = [
            self.form_key,
            self.cadence.value,
            self.amount.minor,
            self.fee_cover.minor,
            self.amount.currency,
            self.language,
        ]
        return hashlib.sha256(json.dumps(choices).encode()).digest()


def start_checkout(runtime: Runtime, wanted: SupportRequest) -> str:
    """Open a Checkout page for what a reader asked for; the same form opens only one.

    Returns:
        The address to send the reader to: Stripe's page, or our thank-you page when this very
        form has been paid already.

    Raises:
        CheckoutUnavailableError: when Stripe cannot be reached or says no.
        StaleFormError: when this form's page has expired.
    """
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        checkout = _record(session, runtime, wanted, now)
    if checkout.status in (CheckoutStatus.PAID, CheckoutStatus.PROCESSING):
        return thanks_url(runtime, checkout.id)
    if checkout.status is not CheckoutStatus.OPEN or checkout.expires_at <= now:
        raise StaleFormError
    if checkout.stripe_url is not None:
        return checkout.stripe_url
    return open_at_stripe(runtime, checkout)


def thanks_url(runtime: Runtime, checkout_id: int) -> str:
    """The address of the thank-you page of one checkout."""
    return runtime.links.url(f"/thanks/{runtime.links.token(THANKS_LINK, checkout_id)}")


def back_url(runtime: Runtime, checkout_id: int) -> str:
    """The address that Stripe's page sends a reader back to who did not pay."""
    return runtime.links.url(f"/support/back/{runtime.links.token(THANKS_LINK, checkout_id)}")


def _record(session: Session, runtime: Runtime, wanted: SupportRequest, now: datetime) -> Checkout:
    """The checkout of this form: recorded now, or by the other click a moment ago."""
    digest = wanted.digest()
    key = f"tuppence-checkout-{uuid.uuid4().hex}"
    expires_at = (now + OPEN_FOR).replace(microsecond=0)
    checkout_id = session.execute(
        insert(Checkout)
        .values(
            form_digest=digest,
            status=CheckoutStatus.OPEN,
            cadence=wanted.cadence,
            currency=wanted.total.currency,
            amount_minor=wanted.total.minor,
            fee_cover_minor=wanted.fee_cover.minor,
            language=wanted.language,
            source=wanted.source,
            idempotency_key=key,
            params={},
            created_at=now,
            expires_at=expires_at,
        )
        .on_conflict_do_nothing(index_elements=[Checkout.form_digest])
        .returning(Checkout.id)
    ).scalar_one_or_none()
    checkout = session.scalars(select(Checkout).where(Checkout.form_digest == digest)).one()
    if checkout_id is not None:
        note_in(session, runtime, ReaderStep.BEGAN, wanted.source)
        back = back_url(runtime, checkout.id)
        checkout.params = session_params(runtime, checkout, title=wanted.title, back=back)
    return checkout


def can_be_opened(now: datetime) -> ColumnElement[bool]:
    """Those checkouts whose page is open at Stripe, or can be opened with what was frozen.

    Where Stripe did not answer at first, the end of the page stays as it was frozen and comes near.
    """
    return or_(Checkout.stripe_session_id.is_not(None), Checkout.expires_at >= now + OPENS_UNTIL)


def open_at_stripe(runtime: Runtime, checkout: Checkout) -> str:
    """Ask Stripe for the page. Two clicks ask with the same key and get the same page.

    Raises:
        CheckoutUnavailableError: when Stripe cannot be reached or says no.
    """
    try:
        page = runtime.gateway.create_checkout_session(checkout.params, checkout.idempotency_key)
    except GatewayError as error:
        raise CheckoutUnavailableError from error
    if page.url is None:
        raise CheckoutUnavailableError
    with runtime.database.transaction() as session:
        row = session.get_one(Checkout, checkout.id, with_for_update=True)
        row.stripe_session_id = page.id
        row.stripe_url = page.url
    return page.url


def session_params(
    runtime: Runtime,
    checkout: Checkout,
    *,
    title: str,
    back: str,
    customer_id: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Json:
    """The request to Stripe, to be frozen. Nothing in it names the person."""
    recurring = checkout.cadence is not Cadence.ONCE
    marks = {"tuppence_checkout": checkout.idempotency_key, **(metadata or {})}
    payment: Json = {"capture_method": "automatic", "metadata": marks}
    if recurring:
        payment["setup_future_usage"] = "off_session"
    payer: Json = {"customer_creation": "always" if recurring else "if_required"}
    if customer_id is not None:
        payer = {"customer": customer_id}
    return {
        "mode": "payment",
        "ui_mode": "hosted_page",
        "submit_type": "donate",
        "locale": checkout.language,
        "success_url": thanks_url(runtime, checkout.id),
        "cancel_url": back,
        "client_reference_id": checkout.idempotency_key,
        **payer,
        "expires_at": int(checkout.expires_at.timestamp()),
        "adaptive_pricing": {"enabled": False},
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": checkout.currency,
                    "unit_amount": checkout.amount_minor,
                    "product_data": {"name": title},
                },
            }
        ],
        "payment_intent_data": payment,
        "metadata": marks,
    }
