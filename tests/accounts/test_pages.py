"""The page of a pledge: it asks, acts once, says what is true, and cannot be guessed or forged."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing.charges.letters import CANCEL_LINK, MANAGE_LINK
from billing.checkout.fulfil import Outcome, look
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.service import cancel
from billing.runtime import Runtime
from tests.support.after import due_renewal, hear, run_sql
from tests.support.changes import agree, changes_of, pause as pause_now, run_day
from tests.support.letters import letters
from tests.support.people import card_of, get_pledge, pledge_of
from tests.support.standin import StandIn

Advance = Callable[[timedelta], datetime]
MONTH = timedelta(days=31)


@pytest.fixture
def pledge_id(runtime: Runtime, now: datetime) -> int:
    return pledge_of(runtime, anchor=now)


@pytest.fixture
def url(runtime: Runtime, pledge_id: int) -> str:
    return f"/pledges/{runtime.links.token(MANAGE_LINK, pledge_id)}"


def fields_of(page: str) -> dict[str, str]:
    """What the button of a page sends."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return dict(found)


def press(client: FlaskClient, address: str, page: str, **more: str) -> str:
    """Press the button of a page and follow where it leads."""
    return client.post(address, data={**fields_of(page), **more}, follow_redirects=True).text


def test_it_shows_the_pledge_and_changes_nothing(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str
) -> None:
    page = client.get(url).text
    for words in ("Your pledge", "$5 a month", "Pause it", "Skip the next", "months ahead", "End"):
        assert words in page
    for path in ("/pause", "/pause?months=3", "/skip", "/change", "/change?amount=9", "/ahead"):
        assert client.get(url + path).status_code == 200
    assert get_pledge(runtime, pledge_id).version == 0
    assert letters(runtime) == []


def test_a_pause_is_foreseen_agreed_to_and_confirmed(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str
) -> None:
    ask = client.get(f"{url}/pause?months=2").text
    assert ask.count("<li>") == 2
    page = press(client, f"{url}/pause", ask)
    assert "Done" in page
    assert "It is paused until" in page
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.PAUSED
    [letter] = letters(runtime, "pledge_changed")
    assert letter.context["change"] == "paused"
    page = press(client, f"{url}/resume", client.get(f"{url}/resume").text)
    assert "Done" in page
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE


def test_a_pause_until_a_day_begins_again_at_its_midnight(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str, now: datetime
) -> None:
    day = (now + 3 * MONTH).date()
    press(client, f"{url}/pause", client.get(f"{url}/pause?until={day}&months=1").text)
    until = get_pledge(runtime, pledge_id).paused_until
    assert until is not None
    local = until.astimezone(runtime.settings.newsroom.timezone)
    assert (local.date(), local.hour) == (day, 0)


@pytest.mark.parametrize(
    "query", ["months=4", "months=", "until=yesterday", "until=2020-01-01", "until=2090-01-01"]
)
def test_a_pause_that_cannot_be_is_asked_for_again(
    client: FlaskClient, url: str, query: str
) -> None:
    answer = client.get(f"{url}/pause?{query}")
    assert answer.status_code == 422
    assert "within a year" in answer.text


def test_a_button_pressed_twice_does_it_once(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str
) -> None:
    ask = client.get(f"{url}/skip").text
    assert "Done" in press(client, f"{url}/skip", ask)
    assert "Done" in press(client, f"{url}/skip", ask)
    assert get_pledge(runtime, pledge_id).next_period == 2
    assert len(letters(runtime, "pledge_changed")) == 1


def test_a_page_from_before_a_renewal_does_not_skip_the_one_after_it(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime
) -> None:
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    url = f"/pledges/{runtime.links.token(MANAGE_LINK, pledge_id)}"
    ask = {path: client.get(url + path).text for path in ("/skip", "/pause?months=1", "/ahead")}
    advance(MONTH)
    run_day(runtime)
    for path, page in ask.items():
        data = {**fields_of(page), "months": "3"}
        answer = client.post(url + path.partition("?")[0], data=data)
        assert answer.status_code == 409
        assert "is not any more as that page showed it" in answer.text
    assert (get_pledge(runtime, pledge_id).version, changes_of(runtime, pledge_id)) == (0, [])


def test_an_old_page_agrees_to_nothing_new(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str
) -> None:
    ask = client.get(f"{url}/change?amount=20&cadence=monthly").text
    agree(runtime, pledge_id, 300)
    answer = client.post(f"{url}/change", data=fields_of(ask))
    assert answer.status_code == 409
    assert "is not any more as that page showed it" in answer.text
    assert get_pledge(runtime, pledge_id).amount_minor == 300


@pytest.mark.parametrize(
    ("query", "minor", "cadence"),
    [
        ("amount=9", 900, Cadence.MONTHLY),
        ("amount=2,50", 250, Cadence.MONTHLY),
        ("amount=60&cadence=annual", 6000, Cadence.ANNUAL),
        ("amount=5&cover_fee=1", 546, Cadence.MONTHLY),
    ],
)
def test_another_sum_or_rhythm_is_shown_and_then_agreed_to(
    client: FlaskClient,
    runtime: Runtime,
    pledge_id: int,
    url: str,
    query: str,
    minor: int,
    cadence: Cadence,
) -> None:
    ask = client.get(f"{url}/change?{query}").text
    assert "$5 a month" in ask
    press(client, f"{url}/change", ask)
    pledge = get_pledge(runtime, pledge_id)
    assert (pledge.amount_minor, pledge.cadence) == (minor, cadence)
    [letter] = letters(runtime, "amount_changed")
    assert (letter.context["old_amount_minor"], letter.context["amount_minor"]) == (500, minor)
    assert [change.old_amount_minor for change in changes_of(runtime, pledge_id)] == [500]


@pytest.mark.parametrize(
    ("amount", "words"),
    [("1", "Support starts at"), ("x", "could not read"), ("5", "nothing to change")],
)
def test_a_sum_that_cannot_be_is_asked_for_again(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str, amount: str, words: str
) -> None:
    answer = client.get(f"{url}/change?amount={amount}")
    assert answer.status_code == 422
    assert words in answer.text
    assert client.post(f"{url}/change", data={"amount": amount, "seen": "0"}).status_code == 409
    assert get_pledge(runtime, pledge_id).version == 0


@pytest.mark.parametrize("cadence", [{}, {"cadence": "once"}, {"cadence": "weekly"}])
def test_a_sum_without_its_rhythm_is_not_agreed_to(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str, cadence: dict[str, str]
) -> None:
    answer = client.post(f"{url}/change", data={"amount": "60", "seen": "0", **cadence})
    assert answer.status_code == 409
    if cadence:
        query = {"amount": "60", **cadence}
        assert client.get(f"{url}/change", query_string=query).status_code == 422
    assert get_pledge(runtime, pledge_id).version == 0


def test_a_payment_under_way_is_not_kept_quiet(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance)
    url = f"/pledges/{runtime.links.token(MANAGE_LINK, reader.pledge_id)}"
    for path in ("", "/skip", "/pause?months=1", "/change?amount=9"):
        assert "due or under way at this moment" in client.get(url + path).text
    ask = client.get(f"{url}/change?amount=60&cadence=annual").text
    assert "when it is through" in ask
    assert client.post(f"{url}/change", data=fields_of(ask)).status_code == 409
    assert (
        client.post(f"{url}/ahead", data={"months": "3", "seen": "0", "turn": "2"}).status_code
        == 409
    )


def test_what_is_past_due_can_be_lowered_paused_or_paid(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = due_renewal(runtime, stripe, advance, "pm_card_chargeCustomerFail")
    reader.pay()
    url = f"/pledges/{runtime.links.token(MANAGE_LINK, reader.pledge_id)}"
    page = client.get(url).text
    assert "Make up for the payment" in page
    assert "Skip the next" not in page
    assert client.get(f"{url}/change?amount=9").status_code == 422
    press(client, f"{url}/change", client.get(f"{url}/change?amount=3").text)
    assert reader.charge.amount_minor == 300


def test_several_months_are_paid_on_stripes_page(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, now: datetime
) -> None:
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    url = f"/pledges/{runtime.links.token(MANAGE_LINK, pledge_id)}"
    page = client.get(f"{url}/ahead").text
    assert "6 months: $30 now" in page
    answer = client.post(f"{url}/ahead", data={**fields_of(page), "months": "6"})
    assert answer.status_code == 303
    back = stripe.pay(answer.headers["Location"]).headers["Location"]
    thanks = client.get(back).text
    assert "You have paid 6 months ahead" in thanks
    assert "a month" not in re.sub(r"(?s).*<dl", "", thanks)
    hear(runtime)
    assert look(runtime, 1).outcome is Outcome.PAID
    assert "It is paid ahead until" in client.get(url).text


def test_stripe_out_of_reach_is_said(client: FlaskClient, runtime: Runtime, url: str) -> None:
    answer = client.post(f"{url}/ahead", data={"months": "3", "seen": "0", "turn": "1"})
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    assert client.post(f"{url}/ahead", data={"months": "5", "seen": "0"}).status_code == 409


def test_where_nothing_can_be_done_the_pledge_is_shown(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str, now: datetime
) -> None:
    assert client.get(f"{url}/resume").status_code == 303
    pause_now(runtime, pledge_id, now + MONTH)
    for path in ("/pause", "/skip", "/change", "/ahead"):
        assert client.get(url + path).status_code == 303
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=now)
    page = client.get(url).text
    assert "It has ended" in page
    assert "Support us again" in page
    run_sql(runtime, "UPDATE pledges SET status = 'lapsed', cancelled_at = NULL, end_reason = NULL")
    assert "Take up my support again" in client.get(url).text


def test_a_tampered_link_is_said_to_be_broken(
    client: FlaskClient, runtime: Runtime, pledge_id: int
) -> None:
    links = runtime.links
    for broken in ("x", links.token(CANCEL_LINK, pledge_id), links.token(MANAGE_LINK, 999)):
        for path in ("", "/pause", "/skip", "/resume", "/change", "/ahead"):
            answers = [client.get(f"/pledges/{broken}{path}")]
            if path:
                answers.append(client.post(f"/pledges/{broken}{path}", data={"seen": "0"}))
            for answer in answers:
                assert answer.status_code == 404
                assert "This link does not work" in answer.text
    assert get_pledge(runtime, pledge_id).version == 0


@pytest.mark.parametrize("path", ["skip", "change", "cancel", "pay", "card"])
def test_a_tampered_link_is_said_to_be_broken_without_any_proof_too(
    guarded_app: Flask, path: str
) -> None:
    guarded_app.config["TESTING"] = False
    answer = guarded_app.test_client().post(f"/pledges/abc.def/{path}")
    assert answer.status_code == 404
    assert "This link does not work" in answer.text


def test_a_forged_button_changes_nothing_and_a_fresh_one_does(
    guarded_app: Flask, runtime: Runtime, pledge_id: int, url: str
) -> None:
    client = guarded_app.test_client()
    refused = client.post(f"{url}/skip", data={"csrf_token": "forged", "seen": "0"})
    assert refused.status_code == 400
    assert "Nothing was changed" in refused.text.replace("\n", " ")
    assert get_pledge(runtime, pledge_id).version == 0
    ask = client.get(f"{url}/skip").text
    press(client, f"{url}/skip", ask)
    assert get_pledge(runtime, pledge_id).version == 1


def test_it_speaks_the_language_of_the_pledge_or_that_of_the_link(
    client: FlaskClient, runtime: Runtime, url: str
) -> None:
    assert "Ваша поддержка" in client.get(f"{url}?lang=ru").text
    run_sql(runtime, "UPDATE pledges SET language = 'ru'")
    assert "Ваша поддержка" in client.get(url).text
    assert "3 месяца" in client.get(f"{url}/pause").text
    answer = client.post(f"{url}/skip?lang=en", data={"seen": "0", "turn": "1"})
    assert "lang=en" in answer.headers["Location"]


def test_no_cache_keeps_it(client: FlaskClient, url: str) -> None:
    assert client.get(url).headers["Cache-Control"] == "no-store"
