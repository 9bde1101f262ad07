"""The support page: what it shows, what it refuses, and where it leads."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from billing.checkout.tables import Checkout
from billing.pledges.domain import Cadence
from billing.runtime import Runtime
from tests.support.standin import StandIn

FORM = {
    "form_key": "a-form-key-of-this-test",
    "cadence": "monthly",
    "currency": "usd",
    "amount": "5",
}


def count(runtime: Runtime) -> int:
    with runtime.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(Checkout)) or 0


def the_checkout(runtime: Runtime) -> Checkout:
    with runtime.database.transaction() as session:
        return session.scalars(select(Checkout)).one()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, f"{name} is not on the page"
    return found[1]


def picked(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"\s+value="([^"]+)"[^>]*checked', page)
    return found[1] if found else ""


def test_the_page_says_what_a_reader_should_know_before_paying(client: FlaskClient) -> None:
    page = client.get("/support").text
    assert "NORTHERN COURIER" in page
    assert "$4.56 reaches us" in page
    assert "$0.36 (18%)" in page
    assert "4.2%" in page
    assert "anonym" not in page


def test_it_speaks_russian(client: FlaskClient) -> None:
    page = client.get("/support?lang=ru").text
    assert '<html lang="ru">' in page
    assert "Перейти к оплате" in page
    assert "дойдёт 4,56\u00a0$" in page


def test_a_link_fills_it_in(client: FlaskClient) -> None:
    page = client.get("/support?cadence=annual&amount=60&currency=eur&article=news/ferry").text
    assert picked(page, "cadence") == "annual"
    assert picked(page, "pick_annual") == "60"
    assert hidden(page, "article") == "news/ferry"
    assert 'value="eur" selected' in page


def test_a_free_amount_in_the_link_stands_in_the_free_field(client: FlaskClient) -> None:
    page = client.get("/support?amount=7,50").text
    assert picked(page, "pick_monthly") == ""
    assert 'value="7,50"' in page


def test_the_fee_option_says_what_it_adds_to_an_amount_of_ones_own(client: FlaskClient) -> None:
    general = "To an amount of your own it adds about 3% of it and $0.31."
    assert general in client.get("/support").text
    assert "To your" not in client.get("/support").text
    page = client.get("/support?amount=7.77").text
    assert "To your $7.77 it adds $0.54." in page
    assert general in page
    assert "about 3% of it and ¥41." in client.get("/support?currency=jpy").text
    assert "примерно 3\u00a0% от неё" in client.get("/support?lang=ru").text


def test_an_amount_that_is_written_counts_whatever_is_picked(client: FlaskClient) -> None:
    page = client.post("/support", data={**FORM, "amount": "0.50", "pick_monthly": "5"})
    assert page.status_code == 422
    assert 'value="0.50"' in page.text
    assert picked(page.text, "pick_monthly") == ""


def test_a_choice_made_in_the_appeal_is_kept(client: FlaskClient) -> None:
    page = client.get("/support?cadence=once&pick_once=25&pick_monthly=5&amount=").text
    assert picked(page, "cadence") == "once"
    assert picked(page, "pick_once") == "25"


def test_each_page_has_a_form_key_of_its_own(client: FlaskClient) -> None:
    first, second = (hidden(client.get("/support").text, "form_key") for _ in range(2))
    assert first != second


def test_a_good_form_leads_to_the_payment_page(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    answer = client.post(
        "/support", data={**FORM, "cover_fee": "1", "article": "a/b", "campaign": "spring"}
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(stripe.url)
    checkout = the_checkout(runtime)
    assert checkout.cadence is Cadence.MONTHLY
    assert (checkout.amount_minor, checkout.fee_cover_minor) == (546, 46)
    assert checkout.source == {"article": "a/b", "campaign": "spring"}


def test_a_suggestion_counts_where_nothing_is_written(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    client.post("/support", data={**FORM, "amount": " ", "pick_monthly": "10"})
    assert the_checkout(runtime).amount_minor == 1000


def test_what_is_written_counts_before_a_suggestion(
    stripe: StandIn, client: FlaskClient, runtime: Runtime
) -> None:
    client.post("/support", data={**FORM, "amount": "7,50", "pick_monthly": "10"})
    assert the_checkout(runtime).amount_minor == 750


@pytest.mark.parametrize(
    ("changed", "words", "field"),
    [
        ({"amount": ""}, "Please write the amount", "amount"),
        ({"amount": "0"}, "above zero", "amount"),
        ({"amount": "-5"}, "above zero", "amount"),
        ({"amount": "1.99"}, "Support starts at $2", "amount"),
        ({"amount": "10000.01"}, "at most $10,000", "amount"),
        ({"amount": "1e9"}, "could not read", "amount"),
        ({"amount": "NaN"}, "could not read", "amount"),
        ({"amount": "5.1234"}, "two digits", "amount"),
        ({"amount": "1,234"}, "two different amounts", "amount"),
        ({"amount": "5" * 10_000}, "could not read", "amount"),
        ({"amount": "$5", "currency": "eur"}, "sign of another currency", "amount"),
        ({"amount": "500.5", "currency": "jpy"}, "no smaller coins", "amount"),
        ({"currency": "xxx"}, "cannot take this currency", "currency"),
        ({"cadence": "weekly"}, "choose how often", "cadence"),
        ({"cadence": ""}, "choose how often", "cadence"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_and_nothing_is_written(
    client: FlaskClient, runtime: Runtime, changed: dict[str, str], words: str, field: str
) -> None:
    answer = client.post("/support", data={**FORM, **changed})
    assert answer.status_code == 422
    page = answer.text
    assert words in page
    assert f'href="#{field}"' in page
    assert f'id="{field}-error"' in page
    assert f'id="{field}"' in page
    assert f'value="{changed.get("amount", "5")}"' in page
    assert count(runtime) == 0


def test_an_empty_form_is_answered_with_what_is_missing(
    client: FlaskClient, runtime: Runtime
) -> None:
    answer = client.post("/support", data={})
    assert answer.status_code == 422
    assert "arrived incomplete" in answer.text
    assert count(runtime) == 0


def test_what_was_written_cannot_become_markup(client: FlaskClient) -> None:
    page = client.post("/support", data={**FORM, "amount": '"><script>x</script>'}).text
    assert "<script" not in page


def test_changing_the_currency_shows_its_sums_and_keeps_the_rest(
    client: FlaskClient, runtime: Runtime
) -> None:
    form = {**FORM, "currency": "jpy", "shown_currency": "usd", "cadence": "annual"}
    answer = client.post("/support", data={**form, "amount": "", "action": "currency"})
    assert answer.status_code == 200
    assert "¥9,000" in answer.text
    assert picked(answer.text, "cadence") == "annual"
    assert count(runtime) == 0


def test_sums_shown_in_dollars_are_not_taken_in_euros_unseen(
    client: FlaskClient, runtime: Runtime
) -> None:
    form = {**FORM, "currency": "eur", "shown_currency": "usd", "pick_monthly": "10"}
    answer = client.post("/support", data=form)
    assert answer.status_code == 200
    assert "The amounts are now in euros" in answer.text
    assert count(runtime) == 0


def test_after_a_failure_at_stripe_the_form_has_another_key(
    client: FlaskClient, runtime: Runtime, stripe: StandIn
) -> None:
    fault = {"kind": "error_500_after", "path": "/v1/checkout/sessions", "times": 1}
    stripe.ask("POST", "/_standin/faults", {"rules": [fault]})
    answer = client.post("/support", data=FORM)
    assert answer.status_code == 503
    key = hidden(answer.text, "form_key")
    assert key != FORM["form_key"]
    again = [client.post("/support", data={**FORM, "form_key": key}) for _ in range(2)]
    assert [page.status_code for page in again] == [303, 303]
    assert again[0].headers["Location"] == again[1].headers["Location"]


def test_a_silent_stripe_is_said_plainly_and_the_input_kept(
    client: FlaskClient, runtime: Runtime
) -> None:
    answer = client.post("/support", data={**FORM, "amount": "7.25"})
    assert answer.status_code == 503
    assert "Nothing was charged" in answer.text
    assert 'value="7.25"' in answer.text
    assert hidden(answer.text, "form_key") == FORM["form_key"]


def test_a_used_up_form_gets_a_new_key(
    stripe: StandIn, client: FlaskClient, runtime: Runtime, advance: Any
) -> None:
    client.post("/support", data=FORM)
    advance(timedelta(days=2))
    answer = client.post("/support", data=FORM)
    assert answer.status_code == 409
    assert hidden(answer.text, "form_key") != FORM["form_key"]
    assert picked(answer.text, "pick_monthly") == "5"
    assert count(runtime) == 1


def test_a_form_sent_many_times_at_once_opens_one_checkout(
    stripe: StandIn, app: Flask, runtime: Runtime
) -> None:
    def send(_: int) -> tuple[int, str]:
        answer = app.test_client().post("/support", data=FORM)
        return answer.status_code, answer.headers["Location"]

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(send, range(4)))
    assert len(answers) == 1
    assert count(runtime) == 1


def test_a_forged_form_is_shown_again_with_the_input_kept(
    guarded_app: Flask, runtime: Runtime
) -> None:
    client = guarded_app.test_client()
    answer = client.post("/support", data={**FORM, "amount": "7.25", "csrf_token": "forged"})
    assert answer.status_code == 400
    assert "allow cookies" in answer.text
    assert 'value="7.25"' in answer.text
    assert count(runtime) == 0


def test_the_fresh_token_of_a_refused_form_is_good(
    stripe: StandIn, guarded_app: Flask, runtime: Runtime
) -> None:
    client = guarded_app.test_client()
    page = client.post("/support", data=FORM).text
    answer = client.post("/support", data={**FORM, "csrf_token": hidden(page, "csrf_token")})
    assert answer.status_code == 303
    assert count(runtime) == 1


def test_a_source_holds_no_address_and_no_query(client: FlaskClient) -> None:
    page = client.get("/support?article=news/ferry?mail=a@b.example&campaign=a@b.example").text
    assert hidden(page, "article") == "news/ferry"
    assert "a@b.example" not in page.replace("lang=", "").split("<footer")[0]


def test_nothing_is_cached_and_no_script_may_run(client: FlaskClient) -> None:
    headers = client.get("/support").headers
    assert headers["Cache-Control"] == "no-store"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
