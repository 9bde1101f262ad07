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
from billing.erasure import erase_supporter
from billing.outbox import OutboxMessage
from billing.pledges.domain import EndAnswer, EndReason, PledgeStatus
from billing.pledges.service import cancel
from billing.pledges.tables import PledgeAnswer
from billing.runtime import Runtime
from billing.supporters.tables import Supporter
from tests.revenue.lives import RIGA
from tests.support.people import get_pledge, pledge_of

ANCHOR = datetime(2026, 10, 31, 12, tzinfo=UTC)
TOKEN = r'name="csrf_token" value="([^"]+)"'


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
    first, second = (re.sub(TOKEN, "", client.post(url).text) for _ in range(2))
    assert second == first
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
    found = re.search(TOKEN, refused.text)
    assert found
    assert "has ended" in client.post(url, data={"csrf_token": found[1]}).text


QUESTION = "What made you stop?"


@pytest.fixture
def why(url: str) -> str:
    return url.replace("/cancel", "/why")


def kept(runtime: Runtime) -> list[EndAnswer | None]:
    with runtime.database.transaction() as session:
        return list(session.scalars(select(PledgeAnswer.answer)).all())


def test_whoever_ended_it_may_say_why_once(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str, why: str
) -> None:
    assert QUESTION not in client.get(url).text
    assert QUESTION in client.post(url).text
    assert QUESTION in client.get(why).text
    before = as_it_stands(runtime, pledge_id)
    for given in (EndAnswer.SAFETY, EndAnswer.COST):
        answer = client.post(why, data={"answer": given.value})
        assert answer.status_code == 200
        assert "Thank you for telling us" in answer.text
    assert kept(runtime) == [EndAnswer.SAFETY]
    assert "Thank you for telling us" in client.get(why).text
    assert QUESTION not in client.get(url).text
    assert as_it_stands(runtime, pledge_id) == before
    assert len(outbox(runtime)) == 1


def as_it_stands(runtime: Runtime, pledge_id: int) -> dict[str, object]:
    pledge = get_pledge(runtime, pledge_id)
    return {column.key: getattr(pledge, column.key) for column in pledge.__table__.columns}


@pytest.mark.parametrize("given", ["", "supporter", "I fear my neighbour"])
def test_no_other_words_are_taken(
    client: FlaskClient, runtime: Runtime, url: str, why: str, given: str
) -> None:
    client.post(url)
    answer = client.post(why, data={"answer": given})
    assert answer.status_code == 422
    assert "Nothing was chosen" in answer.text
    assert QUESTION in answer.text
    assert kept(runtime) == []


def test_a_pledge_that_goes_on_takes_no_answer(
    client: FlaskClient, runtime: Runtime, pledge_id: int, why: str
) -> None:
    answer = client.post(why, data={"answer": EndAnswer.COST.value})
    assert answer.status_code == 409
    assert "End your pledge?" in answer.text
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.ACTIVE
    assert kept(runtime) == []


@pytest.mark.parametrize("reason", [EndReason.DISPUTED, EndReason.FRAUD_WARNING, EndReason.ERASED])
def test_nobody_is_asked_about_an_end_that_was_not_theirs(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str, why: str, reason: EndReason
) -> None:
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=RIGA, now=runtime.clock.now(), reason=reason)
    assert QUESTION not in client.get(url).text
    answer = client.post(why, data={"answer": EndAnswer.COST.value})
    assert answer.status_code == 409
    assert "already ended" in answer.text
    assert kept(runtime) == []


def test_nobody_is_asked_after_a_month(
    client: FlaskClient, runtime: Runtime, url: str, why: str,
    advance: Callable[[timedelta], datetime],
) -> None:  # fmt: skip
    client.post(url)
    advance(timedelta(days=30, seconds=1))
    assert QUESTION not in client.get(url).text
    assert client.post(why, data={"answer": EndAnswer.COST.value}).status_code == 409
    assert kept(runtime) == []


def test_who_is_forgotten_is_asked_nothing_and_what_they_said_is_gone(
    client: FlaskClient, runtime: Runtime, pledge_id: int, url: str, why: str
) -> None:
    other = pledge_of(runtime, anchor=ANCHOR)
    supporter_id = get_pledge(runtime, pledge_id).supporter_id
    assert get_pledge(runtime, other).supporter_id == supporter_id
    link = f"/pledges/{runtime.links.token(CANCEL_LINK, other)}/"
    for each in (url, f"{link}cancel"):
        client.post(each)
    client.post(why, data={"answer": EndAnswer.SAFETY.value})
    with runtime.database.transaction() as session:
        erase_supporter(session, runtime, supporter_id, now=runtime.clock.now())
    assert kept(runtime) == [None]
    assert QUESTION not in client.get(f"{link}cancel").text
    assert client.post(f"{link}why", data={"answer": EndAnswer.COST.value}).status_code == 409
    client.post(why, data={"answer": EndAnswer.COST.value})
    assert kept(runtime) == [None]


def test_a_tampered_link_and_a_forged_button_answer_nothing(
    guarded_app: Flask, client: FlaskClient, runtime: Runtime, url: str, why: str
) -> None:
    client.post(url)
    given = {"answer": EndAnswer.COST.value}
    assert client.post("/pledges/x/why", data=given).status_code == 404
    guarded = guarded_app.test_client()
    refused = guarded.post(why, data=given | {"csrf_token": "forged"})
    assert refused.status_code == 400
    assert "Please press the button once more" in refused.text
    assert kept(runtime) == []
    found = re.search(TOKEN, refused.text)
    assert found
    assert guarded.post(why, data=given | {"csrf_token": found[1]}).status_code == 200
    assert kept(runtime) == [EndAnswer.COST]
