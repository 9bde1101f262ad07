"""The cancel link asks first, acts once, and says what is true."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from billing.charges.domain import ChargeKind, ChargeStatus
from billing.charges.receipts import CANCEL_LINK
from billing.charges.tables import Charge
from billing.outbox import OutboxMessage
from billing.pledges.domain import PledgeStatus
from billing.runtime import Runtime
from billing.supporters.tables import Supporter
from tests.support.people import get_pledge, pledge_of

ANCHOR = datetime(2026, 10, 31, 12, tzinfo=UTC)


@pytest.fixture
def pledge_id(runtime: Runtime) -> int:
    return pledge_of(runtime, anchor=ANCHOR)


@pytest.fixture
def url(runtime: Runtime, pledge_id: int) -> str:
    return f"/pledges/{runtime.links.token(CANCEL_LINK, pledge_id)}/cancel"


def outbox(runtime: Runtime) -> list[OutboxMessage]:
    with runtime.database.transaction() as session:
        return list(session.scalars(select(OutboxMessage)).all())


def test_the_link_shows_the_pledge_and_changes_nothing(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str
) -> None:
    page = client.get(url).text
    for words in ("End your pledge?", "$5 a month", "31 October 2026", "30 November 2026"):
        assert words in page
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE
    assert outbox(runtime) == []


def test_the_button_ends_it_and_a_confirmation_is_queued(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str
) -> None:
    answer = client.post(url)
    assert answer.status_code == 200
    assert "Your pledge has ended" in answer.text
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.CANCELLED
    (message,) = outbox(runtime)
    assert message.unique_key == f"cancelled:pledge:{pledge_id}"
    assert message.template == "cancelled"
    assert message.context["amount_minor"] == 500
    assert message.context["cadence"] == "monthly"


def test_a_second_click_is_answered_as_the_first(
    client: FlaskClient, runtime: Runtime, url: str
) -> None:
    first = client.post(url).text
    assert client.post(url).text == first
    assert len(outbox(runtime)) == 1


def test_the_button_on_an_old_page_says_that_it_had_ended(
    client: FlaskClient, runtime: Runtime, url: str, advance: Callable[[timedelta], datetime]
) -> None:
    client.post(url)
    advance(timedelta(minutes=3))
    assert "already ended" in client.post(url).text
    assert "already ended" in client.get(url).text
    assert len(outbox(runtime)) == 1


def test_a_payment_under_way_is_not_kept_quiet(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str
) -> None:
    with runtime.database.transaction() as session:
        supporter = session.scalars(select(Supporter)).one()
        session.add(
            Charge(
                kind=ChargeKind.PLEDGE,
                status=ChargeStatus.SUBMITTED,
                supporter_id=supporter.id,
                pledge_id=pledge_id,
                period=1,
                currency="usd",
                amount_minor=500,
                fee_cover_minor=0,
                due_at=ANCHOR,
                created_at=ANCHOR,
                source={},
            )
        )
    assert "already under way" in client.get(url).text
    assert "may still arrive" in client.post(url).text


def test_an_erased_supporter_gets_no_email(client: FlaskClient, runtime: Runtime, url: str) -> None:
    with runtime.database.transaction() as session:
        supporter = session.scalars(select(Supporter)).one()
        supporter.email_digest = supporter.email_encrypted = None
        supporter.erased_at = ANCHOR
    page = client.post(url).text
    assert "has ended" in page
    assert "confirmation by email" not in page
    assert outbox(runtime) == []


def test_it_speaks_russian_when_asked(client: FlaskClient, url: str) -> None:
    assert "Остановить списания?" in client.get(f"{url}?lang=ru").text


def test_a_tampered_link_is_said_to_be_broken(
    client: FlaskClient, runtime: Runtime, pledge_id: int
) -> None:
    links = runtime.links
    for broken in ("x", links.token("thanks", pledge_id), links.token(CANCEL_LINK, 999)):
        for answer in (
            client.get(f"/pledges/{broken}/cancel"),
            client.post(f"/pledges/{broken}/cancel"),
        ):
            assert answer.status_code == 404
            assert "This link does not work" in answer.text
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE


def test_a_forged_button_ends_nothing_and_a_fresh_one_does(
    guarded_app: Flask, runtime: Runtime, pledge_id: int, url: str
) -> None:
    client = guarded_app.test_client()
    refused = client.post(url, data={"csrf_token": "forged"})
    assert refused.status_code == 400
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE
    found = re.search(r'name="csrf_token" value="([^"]+)"', refused.text)
    assert found
    assert "has ended" in client.post(url, data={"csrf_token": found[1]}).text
