"""The address that webhooks come to: what is let in, and what becomes of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from billing.app import create_app
from billing.charges.events import (
    FOR_THE_RECORD,
    SUBSCRIBED,
    Handler,
    backfill,
    claim_events,
    process,
)
from billing.charges.tables import EventStatus, WebhookEvent
from billing.runtime import Runtime
from billing.settings import read_settings
from billing.webhooks import HANDLERS
from tests.support.people import stripe_client
from tests.support.standin import StandIn

SECRET = "whsec_tuppence"


def event(name: str = "evt_1", kind: str = "customer.deleted", **extra: Any) -> bytes:
    body = {
        "id": name,
        "object": "event",
        "type": kind,
        "api_version": "2026-10-28.endive",
        "created": 1_795_000_000,
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer", "email": "reader@example.org"}},
        **extra,
    }
    return json.dumps(body).encode()


def signed(body: bytes, at: datetime, secret: str = SECRET) -> str:
    stamp = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def post(client: FlaskClient, body: bytes, signature: str | None) -> TestResponse:
    headers = {"Stripe-Signature": signature} if signature is not None else {}
    return client.post("/stripe/webhook", data=body, headers=headers)


def stored(runtime: Runtime) -> list[WebhookEvent]:
    with runtime.database.transaction() as session:
        return list(session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))


def test_a_signed_event_is_stored_without_its_personal_contents(
    runtime: Runtime, client: FlaskClient, now: datetime
) -> None:
    body = event()
    assert post(client, body, signed(body, now)).status_code == 200
    [row] = stored(runtime)
    assert (row.stripe_event_id, row.type, row.object_id) == ("evt_1", "customer.deleted", "cus_1")
    assert not any("reader" in str(value) for value in vars(row).values())


def test_the_same_event_twice_is_stored_once(
    runtime: Runtime, client: FlaskClient, now: datetime
) -> None:
    body = event()
    for _ in range(2):
        assert post(client, body, signed(body, now)).status_code == 200
    assert len(stored(runtime)) == 1


def test_an_unknown_type_is_stored_and_ignored(
    runtime: Runtime, client: FlaskClient, now: datetime
) -> None:
    body = event(kind="invented.thing")
    assert post(client, body, signed(body, now)).status_code == 200
    run_events(runtime)
    assert stored(runtime)[0].status is EventStatus.IGNORED


def test_an_event_without_an_object_of_its_own_is_taken(
    runtime: Runtime, client: FlaskClient, now: datetime
) -> None:
    body = event(kind="balance.available", data={"object": {"object": "balance"}})
    assert post(client, body, signed(body, now)).status_code == 200
    run_events(runtime)
    assert stored(runtime)[0].status is EventStatus.IGNORED


@pytest.mark.parametrize(
    "tamper",
    [
        lambda body, at: None,
        lambda body, at: "",
        lambda body, at: "nonsense",
        lambda body, at: "t=,v1=",
        lambda body, at: "t=99999999999999999999,v1=00",
        lambda body, at: signed(body, at, "whsec_another"),
        lambda body, at: signed(body + b" ", at),
        lambda body, at: signed(body, at).replace("v1=", "v0="),
        lambda body, at: signed(body, at - timedelta(seconds=301)),
        lambda body, at: signed(body, at + timedelta(seconds=301)),
    ],
    ids=["missing", "empty", "nonsense", "hollow", "absurd", "another's", "another body",
         "another scheme", "old", "of the future"],
)  # fmt: skip
def test_what_stripe_did_not_sign_just_now_is_refused(
    runtime: Runtime,
    client: FlaskClient,
    now: datetime,
    tamper: Callable[[bytes, datetime], str | None],
) -> None:
    body = event()
    assert post(client, body, tamper(body, now)).status_code == 400
    assert stored(runtime) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b"\xff\xfe", b'{"id": 1}'])
def test_a_signed_body_that_is_no_event_is_refused(
    runtime: Runtime, client: FlaskClient, now: datetime, body: bytes
) -> None:
    assert post(client, body, signed(body, now)).status_code == 400
    assert stored(runtime) == []


def test_ten_megabytes_are_refused_unread(
    runtime: Runtime, client: FlaskClient, now: datetime
) -> None:
    body = event(padding="x" * 10_000_000)
    assert post(client, body, signed(body, now)).status_code == 413
    assert stored(runtime) == []


def test_without_a_secret_every_event_is_refused(
    runtime: Runtime, environment: dict[str, str], now: datetime
) -> None:
    del environment["STRIPE_WEBHOOK_SECRET"]
    open_app = create_app(read_settings(environment))
    body = event()
    for secret in ("", " ", SECRET, "None"):
        answer = post(open_app.test_client(), body, signed(body, now, secret))
        assert answer.status_code == 400
    assert stored(runtime) == []
    open_app.extensions["tuppence"].database.dispose()


def run_events(runtime: Runtime, handlers: dict[str, Handler] | None = None) -> int:
    with runtime.database.transaction() as session:
        waiting = claim_events(session, now=runtime.clock.now(), limit=100)
    for event_id in waiting:
        process(runtime, handlers or HANDLERS, event_id)
    return len(waiting)


def test_an_event_whose_handler_fails_is_tried_again_later(
    runtime: Runtime,
    client: FlaskClient,
    now: datetime,
    advance: Callable[[timedelta], datetime],
) -> None:
    body = event()
    post(client, body, signed(body, now))
    calls = []

    def fails_once(parts: Runtime, object_id: str) -> bool:
        calls.append(object_id)
        if len(calls) == 1:
            raise RuntimeError("the first time")
        return True

    with pytest.raises(RuntimeError):
        run_events(runtime, {"customer.deleted": fails_once})
    assert stored(runtime)[0].last_error == "RuntimeError"
    assert run_events(runtime, {"customer.deleted": fails_once}) == 0
    advance(timedelta(minutes=1))
    run_events(runtime, {"customer.deleted": fails_once})
    assert stored(runtime)[0].status is EventStatus.PROCESSED
    assert calls == ["cus_1", "cus_1"]


def test_events_that_never_came_are_found_in_stripes_list(
    runtime: Runtime, stripe: StandIn, advance: Callable[[timedelta], datetime]
) -> None:
    client = stripe_client(stripe)
    first = client.v1.customers.create(params={})
    client.v1.customers.delete(first.id)
    assert backfill(runtime) == 1
    assert backfill(runtime) == 0
    advance(timedelta(days=2))
    second = client.v1.customers.create(params={})
    client.v1.customers.delete(second.id)
    with runtime.database.transaction() as session:
        session.execute(update(WebhookEvent).values(created_at=runtime.clock.now()))
    assert backfill(runtime) == 1
    assert [row.object_id for row in stored(runtime)] == [first.id, second.id]
    assert all(row.backfilled for row in stored(runtime))


def test_every_event_we_ask_for_has_a_handler_or_is_for_the_record() -> None:
    assert set(HANDLERS) | FOR_THE_RECORD == set(SUBSCRIBED)
    assert not set(HANDLERS) & FOR_THE_RECORD
    assert len(SUBSCRIBED) == len(set(SUBSCRIBED))
