"""Bad input and bad luck: each ends in a named state with a line for staff, and holds nobody up."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from billing.app import create_app
from billing.charges.attention import attention, remarks
from billing.charges.domain import ChargeStatus
from billing.charges.events import backfill, claim_events, process
from billing.charges.opening import open_attempt
from billing.charges.submit import send
from billing.erasure import erase_supporter
from billing.money import Money
from billing.pledges.domain import EndReason, PledgeStatus
from billing.reminders.service import ask as ask_reminder
from billing.runtime import Runtime
from billing.supporters.errors import SupporterNotFoundError
from billing.webhooks import HANDLERS
from tests.support.after import (
    Advance,
    Reader,
    due_renewal,
    hear,
    paid_renewal,
    rows,
    run_sql,
    wrong,
)
from tests.support.people import NoLimit, card_of, charges_of, pledge_of, stripe_client
from tests.support.staff import local_link
from tests.support.standin import StandIn
from tests.support.taking import submit


def lines(runtime: Runtime) -> list[str]:
    """What waits for a person; every sentence stands on the staff page too."""
    with runtime.database.transaction() as session:
        said = attention(session, now=runtime.clock.now())
    app = create_app(runtime.settings)
    app.config.update(WTF_CSRF_ENABLED=False)
    staff = app.test_client()
    staff.post(local_link(runtime))
    words = re.sub(r"</?a\b[^>]*>", "", staff.get("/staff/").text)
    page = " ".join(unescape(words).split())
    app.extensions["tuppence"].database.dispose()
    assert [line for line in said if line not in page] == []
    assert ("Nothing. Whatever else goes wrong" in page) == (not said)
    return said


@pytest.fixture
def reader(runtime: Runtime, stripe: StandIn, advance: Advance) -> Reader:
    """One whose renewal is due and is about to meet with bad luck, beside one with none."""
    customer_id, card_id = card_of(stripe)
    pledge_of(
        runtime,
        anchor=runtime.clock.now(),
        customer_id=customer_id,
        payment_method_id=card_id,
        address="lucky@example.org",
    )
    return due_renewal(runtime, stripe, advance)


def renew_everyone(runtime: Runtime) -> None:
    for (charge_id,) in rows(runtime, "SELECT id FROM charges ORDER BY id DESC"):
        submit(runtime, NoLimit(), charge_id)


def assert_the_other_was_charged(runtime: Runtime) -> None:
    [lucky] = charges_of(runtime, 1)
    assert lucky.status is ChargeStatus.SUCCEEDED


def test_no_payment_method(runtime: Runtime, reader: Reader) -> None:
    run_sql(runtime, "UPDATE pledges SET stripe_payment_method_id = NULL WHERE id = 2")
    renew_everyone(runtime)
    assert reader.charge.decline_code == "no_payment_method"
    assert reader.pledge.status is PledgeStatus.PAST_DUE
    assert any(line.startswith("Pledge 2 has no payment method (none was saved)")
               for line in lines(runtime))  # fmt: skip
    assert_the_other_was_charged(runtime)
    assert wrong(runtime) == []


def test_a_customer_deleted_on_stripe(runtime: Runtime, stripe: StandIn, reader: Reader) -> None:
    stripe_client(stripe).v1.customers.delete(reader.pledge.stripe_customer_id)
    renew_everyone(runtime)
    assert reader.pledge.past_due_reason == "resource_missing"
    said = "Stripe would not take the request for charge 2 of pledge 2 (resource_missing, USD)"
    assert any(line.startswith(said) for line in lines(runtime))
    hear(runtime)
    assert any("Pledge 2 has no payment method (customer_deleted)" in line
               for line in lines(runtime))  # fmt: skip
    assert_the_other_was_charged(runtime)


def test_a_currency_that_stripe_takes_no_more(runtime: Runtime, reader: Reader) -> None:
    run_sql(runtime, "UPDATE charges SET currency = 'zzz' WHERE id = 2")
    renew_everyone(runtime)
    assert reader.charge.status is ChargeStatus.DECLINED
    assert reader.pledge.status is PledgeStatus.PAST_DUE
    said = lines(runtime)
    assert any("charge 2 of pledge 2" in line and "ZZZ" in line for line in said)
    assert any("of charge 2 failed with a code in no table" in line for line in said)
    assert_the_other_was_charged(runtime)


def test_a_currency_that_the_newsroom_offers_no_more_is_charged_as_promised(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance, amount=Money(500, "eur"))
    newsroom = replace(runtime.settings.newsroom, currencies=("usd",))
    changed = replace(runtime, settings=replace(runtime.settings, newsroom=newsroom))
    submit(changed, NoLimit(), reader.charge_id)
    assert reader.charge.status is ChargeStatus.SUCCEEDED


@pytest.mark.parametrize(("new", "taken"), [(300, 300), (900, 500)])
def test_an_amount_changed_before_the_last_look(
    runtime: Runtime, stripe: StandIn, reader: Reader, new: int, taken: int
) -> None:
    """Never more than is agreed to now, nor more than was due."""
    run_sql(runtime, f"UPDATE pledges SET amount_minor = {new} WHERE id = 2")  # noqa: S608
    renew_everyone(runtime)
    assert reader.charge.amount_minor == taken
    hear(runtime)
    assert wrong(runtime) == []


def test_an_amount_lowered_while_the_payment_is_on_its_way(
    runtime: Runtime, reader: Reader
) -> None:
    """What was agreed to at the last look is what counts: frozen beside the attempt."""
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, reader.charge_id)
    run_sql(runtime, "UPDATE pledges SET amount_minor = 300 WHERE id = 2")
    assert ready is not None
    send(runtime, NoLimit(), ready)
    assert reader.charge.status is ChargeStatus.SUCCEEDED
    assert reader.charge.amount_minor == 500
    renew_everyone(runtime)
    hear(runtime)
    assert wrong(runtime) == []


def erase(runtime: Runtime, supporter_id: int) -> bool:
    with runtime.database.transaction() as session:
        return erase_supporter(session, runtime, supporter_id, now=runtime.clock.now())


def test_a_supporter_erased_before_the_last_look(runtime: Runtime, reader: Reader) -> None:
    assert erase(runtime, 2)
    assert not erase(runtime, 2)
    renew_everyone(runtime)
    assert reader.charge.status is ChargeStatus.CANCELLED
    assert reader.pledge.end_reason is EndReason.ERASED
    assert rows(runtime, "SELECT email_digest, email_encrypted, name_encrypted FROM supporters"
                         " WHERE id = 2") == [(None, None, None)]  # fmt: skip
    assert_the_other_was_charged(runtime)
    assert wrong(runtime) == []


def test_a_supporter_erased_while_the_payment_is_on_its_way(
    runtime: Runtime, reader: Reader
) -> None:
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, reader.charge_id)
    erase(runtime, 2)
    [line] = lines(runtime)
    assert line.startswith("Supporter 2 was erased while charge 2 was submitted")
    assert ready is not None
    send(runtime, NoLimit(), ready)
    assert reader.charge.status is ChargeStatus.SUCCEEDED
    assert reader.pledge.status is PledgeStatus.CANCELLED
    [line] = lines(runtime)
    assert line.startswith("Charge 2 was paid after supporter 2 was erased")
    assert rows(runtime, "SELECT count(*) FROM outbox") == [(0,)]
    renew_everyone(runtime)
    hear(runtime)
    assert wrong(runtime) == []


def test_an_erasure_forgets_mail_and_reminders_and_keeps_the_money(
    runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = paid_renewal(runtime, stripe, advance)
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        ask_reminder(
            session, runtime.vault, written="Reader@example.org", language="en", source={},
            zone=zone, limit=600, now=now,
        )  # fmt: skip
    erase(runtime, 1)
    assert rows(runtime, "SELECT status, recipient_encrypted, recipient_digest FROM outbox") == [
        ("dropped", None, None)
    ]
    assert rows(runtime, "SELECT status, email_encrypted, email_digest FROM reminders") == [
        ("unsubscribed", None, None)
    ]
    assert reader.charge.status is ChargeStatus.SUCCEEDED
    assert rows(runtime, "SELECT count(*) FROM ledger_transactions") == [(1,)]
    hear(runtime)
    assert wrong(runtime) == []


def test_nobody_to_erase(runtime: Runtime) -> None:
    with pytest.raises(SupporterNotFoundError):
        erase(runtime, 9)


def test_an_erasure_among_payments_leaves_no_address_behind(
    runtime: Runtime, reader: Reader
) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(submit, runtime, NoLimit(), reader.charge_id) for _ in range(2)]
        done += [pool.submit(erase, runtime, 2)]  # type: ignore[list-item]
        for each in done:
            each.result()
    left = "SELECT count(*) FROM outbox WHERE recipient_encrypted IS NOT NULL"
    assert rows(runtime, left) == [(0,)]


def post_event(client: FlaskClient, at: datetime, kind: str, object_id: str, **extra: Any) -> None:
    body = json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": kind,
            "api_version": "2026-10-28.endive",
            "created": int(at.timestamp()),
            "livemode": False,
            "data": {"object": {"id": object_id}},
            **extra,
        }
    ).encode()
    stamp = int(at.timestamp())
    signed = hmac.new(b"whsec_tuppence", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    answer = client.post(
        "/stripe/webhook", data=body, headers={"Stripe-Signature": f"t={stamp},v1={signed}"}
    )
    assert answer.status_code == 200


def events(runtime: Runtime) -> list[tuple[Any, ...]]:
    return rows(
        runtime,
        "SELECT type, status, last_error FROM webhook_events WHERE stripe_event_id = 'evt_1'",
    )


@pytest.mark.parametrize(
    ("kind", "object_id"),
    [
        ("payment_intent.succeeded", "pi_nobody"),
        ("refund.created", "re_nobody"),
        ("charge.dispute.created", "du_nobody"),
        ("radar.early_fraud_warning.created", "issfr_nobody"),
        ("payout.paid", "po_nobody"),
        ("charge.failed", "ch_nobody"),
        ("checkout.session.completed", "cs_nobody"),
    ],
)
def test_an_event_for_an_object_that_nobody_knows(
    runtime: Runtime, stripe: StandIn, client: FlaskClient, now: datetime, kind: str, object_id: str
) -> None:
    post_event(client, now, kind, object_id)
    hear(runtime)
    assert events(runtime) == [(kind, "ignored", "resource_missing")]
    [line] = lines(runtime)
    assert line.startswith("Events came about things that Stripe does not know (1,")
    assert object_id in line


def test_an_event_for_a_payment_that_somebody_else_took(
    runtime: Runtime, stripe: StandIn, client: FlaskClient, now: datetime
) -> None:
    """Another system on the same Stripe account is no reason to look; that it is there is said."""
    customer_id, card_id = card_of(stripe)
    payment = stripe_client(stripe).v1.payment_intents.create(
        params={
            "amount": 700, "currency": "usd", "customer": customer_id, "payment_method": card_id,
            "confirm": True, "off_session": True,
        }
    )  # fmt: skip
    post_event(client, now, "payment_intent.succeeded", payment.id)
    with runtime.database.transaction() as session:
        [event_id] = claim_events(session, now=runtime.clock.now(), limit=10)
    process(runtime, HANDLERS, event_id)
    assert events(runtime) == [("payment_intent.succeeded", "ignored", "not_ours")]
    assert lines(runtime) == []
    with runtime.database.transaction() as session:
        [line] = remarks(session, now=runtime.clock.now())
    assert line.startswith("Events came about things at Stripe that Tuppence has no part in (1,")


def test_an_event_of_live_mode_is_never_acted_upon_with_a_test_key(
    runtime: Runtime, stripe: StandIn, client: FlaskClient, advance: Advance, now: datetime
) -> None:
    reader = paid_renewal(runtime, stripe, advance)
    refund = reader.refund_on_stripe()
    post_event(client, runtime.clock.now(), "refund.created", refund.id, livemode=True)
    assert events(runtime) == [("refund.created", "ignored", "other_mode")]
    [line] = lines(runtime)
    assert line.startswith("Events came in the mode that our key is not for (1,")


def test_an_event_of_another_version_waits_for_our_own_list(
    runtime: Runtime, stripe: StandIn, client: FlaskClient, advance: Advance
) -> None:
    reader = paid_renewal(runtime, stripe, advance)
    refund = reader.refund_on_stripe(200)
    [(true_id, kind)] = [
        (event.id, event.type)
        for event in stripe_client(stripe).v1.events.list(params={"type": "refund.created"})
    ]
    post_event(client, runtime.clock.now(), kind, refund.id, id=true_id, api_version="2019-05-16")
    query = "SELECT status, last_error FROM webhook_events WHERE type = 'refund.created'"
    assert rows(runtime, query) == [("ignored", "other_api_version")]
    assert "version 2019-05-16 of Stripe's interface" in lines(runtime)[0]
    hear(runtime)
    assert rows(runtime, query) == [("processed", None)]
    assert reader.charge.refunded_minor == 200
    assert backfill(runtime) == 0
    assert "version 2019-05-16 of Stripe's interface" in lines(runtime)[0]


def test_a_decline_that_is_in_no_table(runtime: Runtime, reader: Reader) -> None:
    renew_everyone(runtime)
    run_sql(
        runtime,
        "UPDATE attempts SET mapped = false, decline_code = 'quite_new' WHERE charge_id = 2",
    )
    assert any("failed with a code in no table (quite_new)" in line for line in lines(runtime))


def test_nothing_to_see(runtime: Runtime, stripe: StandIn, advance: Advance) -> None:
    paid_renewal(runtime, stripe, advance)
    run_sql(runtime, "DELETE FROM outbox")
    advance(timedelta(days=5))
    hear(runtime)
    assert lines(runtime) == []
    with runtime.database.transaction() as session:
        assert remarks(session, now=runtime.clock.now()) == []
