"""Where the links in letters lead: what is shown in each state, and what a button does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from billing.charges.domain import ChargeStatus
from billing.charges.due import claim_due_charges, create_due_charges
from billing.charges.letters import CANCEL_LINK, CARD_LINK, PAY_LINK
from billing.charges.opening import open_attempt
from billing.charges.tables import Charge
from billing.checkout.cards import SAVED_LINK, look_at_update
from billing.pledges.domain import PledgeStatus
from billing.pledges.service import cancel, lapse
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from tests.support.people import NoLimit, card_of, charges_of, get_pledge, pledge_of
from tests.support.standin import StandIn
from tests.support.taking import submit

Advance = Callable[[timedelta], datetime]
languages = pytest.mark.parametrize("language", ["en", "ru"])


@pytest.fixture
def pledge(runtime: Runtime, stripe: StandIn, now: datetime) -> int:
    customer_id, card_id = card_of(stripe)
    return pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)


@pytest.fixture
def past_due(runtime: Runtime, stripe: StandIn, pledge: int, advance: Advance) -> int:
    card_id = get_pledge(runtime, pledge).stripe_payment_method_id
    decline = {"decline_code": "insufficient_funds", "times": 1}
    stripe.ask("POST", f"/_standin/payment_methods/{card_id}/decline", decline)
    advance(timedelta(days=31))
    ask(runtime)
    assert get_pledge(runtime, pledge).status is PledgeStatus.PAST_DUE
    return pledge


@pytest.fixture
def offline(runtime: Runtime, now: datetime) -> int:
    """A past-due pledge, with Stripe out of reach."""
    pledge_id = pledge_of(runtime, anchor=now - timedelta(days=40), payment_method_id=None)
    ask(runtime)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.PAST_DUE
    return pledge_id


def ask(runtime: Runtime) -> None:
    now = runtime.clock.now()
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        create_due_charges(session, zone=zone, now=now, limit=10)
        due = claim_due_charges(session, now=now, limit=10)
    for charge_id in due:
        submit(runtime, NoLimit(), charge_id)


def link(runtime: Runtime, purpose: str, row_id: int, page: str) -> str:
    return f"/pledges/{runtime.links.token(purpose, row_id)}/{page}"


def pay_link(runtime: Runtime, pledge_id: int) -> str:
    return link(runtime, PAY_LINK, pledge_id, "pay")


def card_link(runtime: Runtime, pledge_id: int) -> str:
    return link(runtime, CARD_LINK, pledge_id, "card")


def end(runtime: Runtime, pledge_id: int) -> None:
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=zone, now=now)


def let_go(runtime: Runtime, pledge_id: int) -> None:
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        lapse(session, session.get_one(Pledge, pledge_id), zone=zone, now=now)


def words(html: str) -> str:
    body = html.partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_what_is_past_due_is_shown_with_its_reason_and_paid(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, past_due: int
) -> None:
    url = pay_link(runtime, past_due)
    page = client.get(url)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "not enough money on the card. No money was taken." in words(page.text)
    assert runtime.links.token(CANCEL_LINK, past_due) in page.text
    away = client.post(url)
    assert away.status_code == 303
    assert client.post(url).headers["Location"] == away.headers["Location"]
    thanks = stripe.pay(away.headers["Location"]).headers["Location"]
    assert "Thank you" in client.get(thanks).text
    assert get_pledge(runtime, past_due).status is PledgeStatus.ACTIVE
    assert [charge.status for charge in charges_of(runtime, past_due)] == [ChargeStatus.SUCCEEDED]
    assert "Everything is paid" in client.get(url).text
    again = client.post(url)
    assert again.status_code == 200
    assert "Everything is paid" in again.text


def test_who_comes_back_without_paying_finds_the_page_again(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, past_due: int
) -> None:
    client.post(pay_link(runtime, past_due))
    assert "Pay $5 now" in client.get(pay_link(runtime, past_due)).text


def test_a_payment_under_way_is_not_made_twice(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, past_due: int
) -> None:
    charge_id = charges_of(runtime, past_due)[-1].id
    with runtime.database.transaction() as session:
        session.execute(update(Charge).values(next_attempt_at=runtime.clock.now()))
        assert open_attempt(session, runtime, charge_id)
    page = client.get(pay_link(runtime, past_due))
    assert "being made at this moment" in page.text
    assert "<form" not in page.text
    answer = client.post(pay_link(runtime, past_due))
    assert answer.status_code == 409
    assert "Please look again in a few minutes" in answer.text


@languages
def test_a_lapsed_pledge_can_be_taken_up_again(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, past_due: int, language: str
) -> None:
    let_go(runtime, past_due)
    url = pay_link(runtime, past_due)
    page = client.get(f"{url}?lang={language}")
    assert ("Take up your support again" in page.text) == (language == "en")
    card_page = client.get(card_link(runtime, past_due)).text
    assert url in card_page
    assert client.post(card_link(runtime, past_due)).status_code == 200
    back = stripe.pay(client.post(url).headers["Location"]).headers["Location"]
    thanks = client.get(back)
    assert thanks.status_code == 200
    assert get_pledge(runtime, past_due).status is PledgeStatus.ACTIVE


@languages
@pytest.mark.parametrize("page", ["pay", "card"])
def test_a_cancelled_pledge_asks_for_nothing(
    client: FlaskClient, runtime: Runtime, now: datetime, page: str, language: str
) -> None:
    pledge_id = pledge_of(runtime, anchor=now)
    end(runtime, pledge_id)
    url = {"pay": pay_link, "card": card_link}[page](runtime, pledge_id)
    for answer in (client.get(f"{url}?lang={language}"), client.post(f"{url}?lang={language}")):
        assert answer.status_code == 200
        assert 'method="post"' not in answer.text
        assert ("Nothing more is taken for it" in answer.text) == (language == "en")


def test_the_card_page_saves_another_card(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, pledge: int
) -> None:
    page = client.get(card_link(runtime, pledge))
    assert "Nothing is charged now" in page.text
    away = client.post(card_link(runtime, pledge))
    assert away.status_code == 303
    saved = link(runtime, SAVED_LINK, 1, "card/saved")
    assert "No card has been saved yet" in client.get(saved).text
    back = stripe.pay(away.headers["Location"], number="5555555555554444").headers["Location"]
    assert back.endswith(saved)
    assert "Thank you. Your card is saved." in client.get(back).text
    assert "card ending in 4444" in client.get(card_link(runtime, pledge)).text


def test_the_card_page_of_one_past_due_says_that_money_follows(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, past_due: int
) -> None:
    page = client.get(card_link(runtime, past_due))
    assert "$5 will be taken from it" in page.text
    stripe.pay(client.post(card_link(runtime, past_due)).headers["Location"])
    saved = client.get(link(runtime, SAVED_LINK, 1, "card/saved"))
    assert "is taken from it in the next minutes" in saved.text
    assert look_at_update(runtime, 1).pledge.status is PledgeStatus.PAST_DUE
    ask(runtime)
    assert get_pledge(runtime, past_due).status is PledgeStatus.ACTIVE


@languages
@pytest.mark.parametrize("page", ["pay", "card"])
def test_without_stripe_the_page_says_so_and_can_be_tried_again(
    client: FlaskClient, runtime: Runtime, offline: int, page: str, language: str
) -> None:
    url = {"pay": pay_link, "card": card_link}[page](runtime, offline)
    answer = client.post(f"{url}?lang={language}")
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text
    assert 'method="post"' in answer.text
    assert "No card is saved" in client.get(card_link(runtime, offline)).text


def test_when_nothing_is_known_of_the_card_that_is_said(
    client: FlaskClient, runtime: Runtime, offline: int
) -> None:
    client.post(card_link(runtime, offline))
    page = client.get(link(runtime, SAVED_LINK, 1, "card/saved"))
    assert "We do not know yet" in page.text


@pytest.mark.parametrize("page", ["pay", "card", "card/saved"])
def test_a_link_that_was_tampered_with_shows_nobodys_pledge(
    client: FlaskClient, runtime: Runtime, offline: int, page: str
) -> None:
    wrong = {"pay": CARD_LINK, "card": PAY_LINK, "card/saved": CARD_LINK}[page]
    for token in (runtime.links.token(wrong, offline), "MQ.forged"):
        answer = client.get(f"/pledges/{token}/{page}")
        assert answer.status_code == 404
        assert "$5" not in answer.text
        if page != "card/saved":
            assert client.post(f"/pledges/{token}/{page}").status_code == 404


@pytest.mark.parametrize("page", ["pay", "card"])
def test_a_pledge_that_is_not_there_is_a_broken_link(
    client: FlaskClient, runtime: Runtime, page: str
) -> None:
    url = {"pay": pay_link, "card": card_link}[page](runtime, 99)
    assert client.get(url).status_code == client.post(url).status_code == 404


@pytest.mark.parametrize("page", ["pay", "card"])
def test_a_button_that_cannot_prove_where_it_came_from_changes_nothing(
    guarded_app: Flask, runtime: Runtime, stripe: StandIn, past_due: int, page: str
) -> None:
    client = guarded_app.test_client()
    url = {"pay": pay_link, "card": card_link}[page](runtime, past_due)
    answer = client.post(url)
    assert answer.status_code == 400
    assert "This page had been open too long" in answer.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert token
    assert client.post(url, data={"csrf_token": token[1]}).status_code == 303


@languages
def test_the_page_is_in_the_language_of_the_pledge(
    client: FlaskClient, runtime: Runtime, offline: int, language: str
) -> None:
    with runtime.database.transaction() as session:
        session.execute(update(Pledge).values(language=language))
    other = {"Accept-Language": "ru" if language == "en" else "en"}
    for url in (pay_link(runtime, offline), card_link(runtime, offline)):
        assert f'<html lang="{language}">' in client.get(url, headers=other).text
