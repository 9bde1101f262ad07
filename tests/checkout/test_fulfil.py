"""From the support form through the hosted page to what is recorded, and what readers are told."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from billing.audit.report import audit
from billing.charges.domain import AttemptKind, ChargeKind, ChargeStatus
from billing.charges.events import backfill, claim_events, process
from billing.charges.tables import Attempt, Charge
from billing.checkout.domain import CheckoutStatus
from billing.checkout.errors import CheckoutUnavailableError, StaleFormError
from billing.checkout.fulfil import (
    Outcome,
    close_overdue,
    find_overdue_checkouts,
    fulfil_payment,
    fulfil_session,
    look,
)
from billing.checkout.start import SupportRequest, start_checkout
from billing.checkout.tables import Checkout
from billing.money import Money
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.tables import Pledge, PledgeMovement
from billing.runtime import Runtime
from billing.supporters.tables import Supporter
from billing.webhooks import HANDLERS
from tests.support.people import stripe_client
from tests.support.standin import StandIn

DECLINED = "4000000000000002"
INSUFFICIENT = "4000000000009995"


def wanted(cadence: Cadence = Cadence.MONTHLY, **values: object) -> SupportRequest:
    given: dict[str, object] = {
        "form_key": secrets.token_urlsafe(16),
        "cadence": cadence,
        "amount": Money(500, "usd"),
        "fee_cover": Money(46, "usd"),
        "language": "en",
        "title": "Support",
        "source": {"article": "spring"},
    }
    return SupportRequest(**{**given, **values})  # type: ignore[arg-type]


def the(runtime: Runtime, table: type[Any]) -> Any:
    with runtime.database.transaction() as session:
        return session.scalars(select(table)).one()


def count(runtime: Runtime, table: str) -> int:
    with runtime.database.transaction() as session:
        return int(
            session.execute(
                text(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own words
            ).scalar_one()
        )


def assert_audit_is_clean(runtime: Runtime) -> None:
    assert [finding.line() for finding in audit(runtime) if finding.offenders] == []


def hear_of_everything(runtime: Runtime) -> None:
    """The events that never came are found in Stripe's list, and acted upon."""
    backfill(runtime)
    with runtime.database.transaction() as session:
        waiting = claim_events(session, now=runtime.clock.now(), limit=100)
    for event_id in waiting:
        process(runtime, HANDLERS, event_id)


def test_a_monthly_pledge_begins_with_its_first_payment(runtime: Runtime, stripe: StandIn) -> None:
    url = start_checkout(runtime, wanted())
    answer = stripe.pay(url)
    checkout = the(runtime, Checkout)
    assert answer.status_code == 303
    assert "/thanks/" in answer.headers["Location"]
    told = look(runtime, checkout.id)
    assert (told.outcome, told.total) == (Outcome.PAID, Money(546, "usd"))
    pledge, charge = the(runtime, Pledge), the(runtime, Charge)
    assert (pledge.status, pledge.amount_minor, pledge.fee_cover_minor) == (
        PledgeStatus.ACTIVE,
        546,
        46,
    )
    assert (charge.pledge_id, charge.period, charge.kind) == (pledge.id, 0, ChargeKind.PLEDGE)
    assert told.next_charge_at == pledge.next_charge_at
    assert pledge.stripe_customer_id.startswith("cus_")
    assert pledge.stripe_payment_method_id.startswith("pm_")
    assert the(runtime, PledgeMovement).yearly_minor == 500 * 12
    assert the(runtime, Attempt).kind is AttemptKind.CHECKOUT
    assert_audit_is_clean(runtime)


def test_a_gift_promises_nothing(runtime: Runtime, stripe: StandIn) -> None:
    stripe.pay(start_checkout(runtime, wanted(Cadence.ONCE)))
    assert look(runtime, 1).outcome is Outcome.PAID
    assert the(runtime, Charge).kind is ChargeKind.GIFT
    assert count(runtime, "pledges") == 0
    with runtime.database.transaction() as session:
        accounts = set(session.execute(text("SELECT account FROM ledger_entries")).scalars())
    assert accounts == {"stripe", "fees", "gifts"}
    assert_audit_is_clean(runtime)


def test_webhook_page_and_sweep_at_once_record_it_once(runtime: Runtime, stripe: StandIn) -> None:
    stripe.pay(start_checkout(runtime, wanted()))
    checkout = the(runtime, Checkout)
    [intent] = list(stripe_client(stripe).v1.payment_intents.list())
    ways: list[Callable[[], object]] = [
        lambda: look(runtime, checkout.id),
        lambda: fulfil_session(runtime, checkout.stripe_session_id),
        lambda: fulfil_payment(runtime, intent.id),
        lambda: close_overdue(runtime, checkout.id),
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda way: way(), ways * 3))
    for table in ("pledges", "charges", "attempts", "supporters", "ledger_transactions", "outbox"):
        assert count(runtime, table) == 1, table
    assert_audit_is_clean(runtime)


def test_the_same_address_in_any_case_is_one_supporter(runtime: Runtime, stripe: StandIn) -> None:
    stripe.pay(start_checkout(runtime, wanted()), email="Reader@Example.org")
    stripe.pay(start_checkout(runtime, wanted(Cadence.ONCE)), email="reader@example.org")
    for checkout_id in (1, 2):
        look(runtime, checkout_id)
    supporter = the(runtime, Supporter)
    assert runtime.vault.decrypt(supporter.email_encrypted) == "Reader@example.org"
    assert b"xample" not in supporter.email_encrypted


def test_two_clicks_at_once_open_one_page(runtime: Runtime, stripe: StandIn) -> None:
    form = wanted()
    with ThreadPoolExecutor(6) as pool:
        urls = list(pool.map(lambda _: start_checkout(runtime, form), range(6)))
    assert len(set(urls)) == 1
    assert len(list(stripe_client(stripe).v1.checkout.sessions.list())) == 1


def test_another_choice_on_the_same_form_is_another_page(runtime: Runtime, stripe: StandIn) -> None:
    first = start_checkout(runtime, wanted(form_key="same"))
    second = start_checkout(runtime, wanted(form_key="same", amount=Money(900, "usd")))
    assert first != second


def test_a_form_that_was_paid_leads_to_its_thanks(runtime: Runtime, stripe: StandIn) -> None:
    form = wanted()
    stripe.pay(start_checkout(runtime, form))
    look(runtime, 1)
    assert "/thanks/" in start_checkout(runtime, form)
    assert count(runtime, "checkouts") == 1


def test_a_declined_card_is_told_and_can_be_followed_by_another(
    runtime: Runtime, stripe: StandIn
) -> None:
    url = start_checkout(runtime, wanted())
    stripe.pay(url, number=INSUFFICIENT)
    told = look(runtime, 1)
    assert (told.outcome, told.failure_code) == (Outcome.DECLINED, "insufficient_funds")
    assert told.stripe_url == url
    assert count(runtime, "charges") == 0
    stripe.pay(url)
    assert look(runtime, 1).outcome is Outcome.PAID


def test_who_comes_back_without_paying_is_told_so(runtime: Runtime, stripe: StandIn) -> None:
    start_checkout(runtime, wanted())
    assert look(runtime, 1).outcome is Outcome.NOT_PAID


def test_an_expired_page_is_told_and_its_form_is_stale(
    runtime: Runtime, stripe: StandIn, advance: Callable[[timedelta], datetime]
) -> None:
    form = wanted()
    start_checkout(runtime, form)
    advance(timedelta(hours=24))
    assert look(runtime, 1).outcome is Outcome.EXPIRED
    with pytest.raises(StaleFormError):
        start_checkout(runtime, form)


def test_a_checkout_nobody_heard_of_again_is_closed(
    runtime: Runtime, stripe: StandIn, advance: Callable[[timedelta], datetime]
) -> None:
    start_checkout(runtime, wanted())
    now = advance(timedelta(hours=24))
    with runtime.database.transaction() as session:
        [overdue] = find_overdue_checkouts(session, now=now, limit=10)
    close_overdue(runtime, overdue)
    assert the(runtime, Checkout).status is CheckoutStatus.EXPIRED


def test_a_bank_debit_is_processing_until_it_settles(
    runtime: Runtime, stripe: StandIn, advance: Callable[[timedelta], datetime]
) -> None:
    form = wanted(amount=Money(500, "eur"), fee_cover=Money(0, "eur"))
    stripe.pay(start_checkout(runtime, form), method="bank")
    assert look(runtime, 1).outcome is Outcome.PROCESSING
    assert the(runtime, Charge).status is ChargeStatus.PROCESSING
    assert count(runtime, "pledges") == count(runtime, "outbox") == 0
    advance(timedelta(days=15))
    assert look(runtime, 1).outcome is Outcome.PAID
    assert count(runtime, "pledges") == count(runtime, "outbox") == 1
    hear_of_everything(runtime)
    assert_audit_is_clean(runtime)


def test_a_debit_that_settles_is_a_pledge_whichever_event_is_heard_first(
    runtime: Runtime, stripe: StandIn, advance: Callable[[timedelta], datetime]
) -> None:
    form = wanted(amount=Money(500, "eur"), fee_cover=Money(0, "eur"))
    stripe.pay(start_checkout(runtime, form), method="bank")
    assert look(runtime, 1).outcome is Outcome.PROCESSING
    advance(timedelta(days=15))
    [intent] = list(stripe_client(stripe).v1.payment_intents.list())
    assert HANDLERS["payment_intent.succeeded"](runtime, intent.id)
    with runtime.database.transaction() as session:
        receipt = session.execute(text("SELECT context FROM outbox")).scalar_one()
    assert receipt["cadence"] == "monthly"
    assert receipt["cancel_url"]
    assert count(runtime, "pledges") == 1


def test_a_bank_debit_that_comes_back_is_told(
    runtime: Runtime, stripe: StandIn, advance: Callable[[timedelta], datetime]
) -> None:
    form = wanted(amount=Money(500, "eur"), fee_cover=Money(0, "eur"))
    stripe.pay(start_checkout(runtime, form), method="bank", account="DE62370400440532013001")
    assert look(runtime, 1).outcome is Outcome.PROCESSING
    advance(timedelta(days=15))
    assert look(runtime, 1).outcome is Outcome.FAILED
    assert the(runtime, Charge).status is ChargeStatus.DECLINED
    assert count(runtime, "pledges") == count(runtime, "ledger_transactions") == 0
    hear_of_everything(runtime)
    assert_audit_is_clean(runtime)


def test_the_pledge_is_anchored_on_the_payment_and_not_on_the_news_of_it(
    runtime: Runtime, stripe: StandIn, advance: Callable[[timedelta], datetime], now: datetime
) -> None:
    stripe.pay(start_checkout(runtime, wanted()))
    advance(timedelta(days=2))
    look(runtime, 1)
    assert abs(the(runtime, Pledge).anchor_at - now) < timedelta(minutes=1)


def test_without_stripe_nothing_is_promised(runtime: Runtime) -> None:
    form = wanted()
    with pytest.raises(CheckoutUnavailableError):
        start_checkout(runtime, form)
    assert look(runtime, 1).outcome is Outcome.UNKNOWN


def test_a_checkout_that_is_not_ours_is_left_alone(runtime: Runtime, stripe: StandIn) -> None:
    page = stripe_client(stripe).v1.checkout.sessions.create(
        params={
            "mode": "payment",
            "success_url": "http://localhost/elsewhere",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 500,
                        "product_data": {"name": "A mug"},
                    },
                }
            ],
        }
    )
    assert page.url
    stripe.pay(page.url)
    assert not fulfil_session(runtime, page.id)
    assert count(runtime, "charges") == 0
