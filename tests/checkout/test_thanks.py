"""The thank-you page tells the truth in every case, and reloading it changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from billing.charges.tables import Charge
from billing.checkout.domain import CheckoutStatus
from billing.checkout.start import THANKS_LINK
from billing.checkout.tables import Checkout
from billing.runtime import Runtime
from tests.support.standin import StandIn

FORM = {"form_key": "a-form-key-of-this-test", "currency": "usd", "amount": "5"}


def start(client: FlaskClient, cadence: str = "monthly", **more: str) -> str:
    answer = client.post("/support", data={**FORM, "cadence": cadence, **more})
    assert answer.status_code == 303
    return answer.headers["Location"]


def token(runtime: Runtime) -> str:
    return runtime.links.token(THANKS_LINK, 1)


def set_status(runtime: Runtime, status: CheckoutStatus) -> None:
    with runtime.database.transaction() as session:
        session.scalars(select(Checkout)).one().status = status


@pytest.mark.parametrize(
    ("cadence", "words"),
    [("once", "You gave $5"), ("monthly", "$5 a month"), ("annual", "$5 a year")],
)
def test_paid_is_said_with_what_comes_next(
    stripe: StandIn, client: FlaskClient, runtime: Runtime, cadence: str, words: str
) -> None:
    stripe.pay(start(client, cadence))
    answer = client.get(f"/thanks/{token(runtime)}")
    assert answer.status_code == 200
    assert "Your support has arrived" in answer.text
    assert words in answer.text
    assert "NORTHERN COURIER" in answer.text
    assert ("Next payment" in answer.text) == (cadence != "once")


def test_reloading_changes_nothing(stripe: StandIn, client: FlaskClient, runtime: Runtime) -> None:
    stripe.pay(start(client))
    pages = {client.get(f"/thanks/{token(runtime)}").text for _ in range(3)}
    assert len(pages) == 1
    with runtime.database.transaction() as session:
        assert len(session.scalars(select(Charge)).all()) == 1


def test_a_declined_card_may_be_replaced_on_the_same_page(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    url = start(client)
    stripe.pay(url, number="4000000000009995")
    page = client.get(f"/thanks/{token(runtime)}").text
    assert "Your card was declined" in page
    assert "not enough money" in page
    assert url in page


def test_who_has_not_paid_is_told_so(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    url = start(client)
    page = client.get(f"/thanks/{token(runtime)}").text
    assert "You have not paid yet" in page
    assert url in page


def test_an_expired_page_can_be_opened_anew(
    stripe: StandIn, client: FlaskClient, runtime: Runtime, advance: Any
) -> None:
    start(client)
    advance(timedelta(days=2))
    page = client.get(f"/thanks/{token(runtime)}").text
    assert "payment page has closed" in page
    assert f"/support/back/{token(runtime)}" in page


def test_a_bank_debit_that_came_back_is_not_called_paid(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    start(client)
    set_status(runtime, CheckoutStatus.FAILED)
    page = client.get(f"/thanks/{token(runtime)}").text
    assert "did not go through" in page
    assert "has arrived" not in page


def test_a_bank_debit_on_its_way_is_not_called_paid(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    start(client)
    set_status(runtime, CheckoutStatus.PROCESSING)
    page = client.get(f"/thanks/{token(runtime)}").text
    assert "Your bank is still working on it" in page
    assert "Your support has arrived" not in page


def test_a_silent_stripe_is_an_unknown_outcome(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    start(client)
    with runtime.database.transaction() as session:
        session.scalars(select(Checkout)).one().stripe_session_id = None
    answer = client.get(f"/thanks/{token(runtime)}")
    assert answer.status_code == 200
    assert "We do not know yet" in answer.text
    assert "do not pay a second time" in answer.text


def test_it_speaks_the_language_of_the_checkout_without_a_cookie(
    stripe: StandIn, client: FlaskClient, app: Any, runtime: Runtime
) -> None:
    client.get("/support?lang=ru")
    start(client)
    fresh = app.test_client()
    assert "Вы ещё не заплатили" in fresh.get(f"/thanks/{token(runtime)}").text
    assert "You have not paid yet" in fresh.get(f"/thanks/{token(runtime)}?lang=en").text


def test_the_way_back_keeps_the_choices(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    start(client, "annual", amount="77", cover_fee="1", article="news/ferry")
    page = client.get(f"/support/back/{token(runtime)}").text
    assert 'value="77"' in page
    assert "nothing was charged" in page
    assert 'value="news/ferry"' in page
    assert "checked" in page.partition('name="cover_fee"')[2].partition(">")[0]


@pytest.mark.parametrize("path", ["/thanks/", "/support/back/"])
def test_a_tampered_link_is_said_to_be_broken(
    client: FlaskClient, runtime: Runtime, path: str
) -> None:
    for broken in (token(runtime)[:-1] + "~", "x", runtime.links.token("cancel-pledge", 1)):
        answer = client.get(path + broken)
        assert answer.status_code == 404
        assert "This link does not work" in answer.text


def test_pages_about_a_payment_are_kept_by_nobody(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    start(client)
    answer = client.get(f"/thanks/{token(runtime)}")
    assert "noindex" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
