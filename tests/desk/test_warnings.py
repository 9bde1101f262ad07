"""Early fraud warnings at the desk: found, asked about, and decided once, with who and why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing.charges.refunds import claim_refunds, send
from billing.pledges.domain import EndReason, PledgeStatus
from billing.runtime import Runtime
from billing.staff.audit_trail import Line, Subject, read
from billing.staff.domain import Role
from tests.support.after import Advance, Reader, hear, paid_renewal, rows, run_sql, wrong
from tests.support.desk import HOME, WHY, press, problem, told
from tests.support.letters import letters
from tests.support.people import NoLimit, stripe_client
from tests.support.staff import staff_client
from tests.support.standin import StandIn

WARNING = f"{HOME}/warnings/1"
KEEP, GIVE_BACK = f"{WARNING}/keep", f"{WARNING}/give-back"


@pytest.fixture
def reader(runtime: Runtime, stripe: StandIn, advance: Advance) -> Reader:
    """Somebody whose renewal the card's network doubts."""
    found = paid_renewal(runtime, stripe, advance)
    found.control("early_fraud_warning")
    hear(runtime)
    return found


@pytest.fixture
def desk(client: FlaskClient, runtime: Runtime, reader: Reader) -> FlaskClient:
    staff_client(client, runtime, Role.DESK)
    return client


def decisions(runtime: Runtime) -> list[tuple[str | None, str | None]]:
    query = "SELECT decision, decided_by FROM fraud_warnings ORDER BY id"
    return [(decision, by) for decision, by in rows(runtime, query)]


def deeds(runtime: Runtime) -> list[Line]:
    with runtime.database.transaction() as session:
        lines = [line for each in ("warning_kept", "warning_refunded")
                 for line in read(session, action=each).lines]  # fmt: skip
        return sorted(lines, key=lambda line: line.id)


def test_a_warning_is_led_to_from_wherever_it_is_told(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    for path in ("/staff/", HOME, f"{HOME}/1", f"/staff/revenue/charges/{reader.charge_id}"):
        assert f'href="{WARNING}"' in desk.get(path).text, path
    today = desk.get("/staff/").text
    assert f'<a href="/staff/revenue/charges/{reader.charge_id}">charge 1</a>' in today
    assert f'<a href="/staff/revenue/pledges/{reader.pledge_id}">pledge 1</a>' in today
    page = desk.get(WARNING).text
    with runtime.database.transaction() as session:
        seen = read(session, action="person_seen").lines[0]
    assert (seen.who, seen.subject, seen.detail) == ("Ada", Subject("supporter", 1), {"warning": 1})
    assert "made with stolen card" in page
    assert "nothing is taken for pledge 1 until somebody decides" in page
    assert f'href="{KEEP}"' in page
    assert f'href="{GIVE_BACK}"' in page


def test_a_payment_is_let_stand_and_its_pledge_goes_on(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    ask, late = desk.get(KEEP), desk.get(GIVE_BACK)
    assert decisions(runtime) == [(None, None)]
    words = told(desk, press(desk, KEEP, ask))
    assert words == "Fraud warning 1 was decided: the payment stands. Pledge 1 goes on."
    assert told(desk, press(desk, KEEP, ask)) == words
    assert (decisions(runtime), reader.pledge.held_since) == ([("kept", "Ada")], None)
    refused = press(desk, GIVE_BACK, late)
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "had been decided about already" in problem(refused)
    assert 'name="key"' not in refused.text
    assert [desk.get(path).location for path in (KEEP, GIVE_BACK)] == [WARNING, WARNING]
    assert "Staff let the payment stand. Decided by Ada." in desk.get(WARNING).text
    [line] = deeds(runtime)
    assert (line.who, line.reason, line.detail) == ("Ada", WHY, {"warning": 1})
    assert f'href="{WARNING}"' not in desk.get(HOME).text
    assert rows(runtime, "SELECT count(*) FROM refunds") == [(0,)]
    assert wrong(runtime) == []


def test_it_is_given_back_and_stopped_once_however_often_it_is_pressed(
    app: Flask, runtime: Runtime, stripe: StandIn, reader: Reader
) -> None:
    """Two colleagues at one moment, one of them twice."""
    clients = [app.test_client(), app.test_client()]
    asks = []
    for client, name in zip(clients, ("Ada", "Dan"), strict=True):
        staff_client(client, runtime, Role.DESK, name)
        asks.append(client.get(GIVE_BACK))
    assert "Give $5.00 back and stop?" in asks[0].text
    with ThreadPoolExecutor(3) as three:
        answers = list(three.map(lambda who: press(clients[who], GIVE_BACK, asks[who]), (0, 1, 0)))
    by_ada = [answers[0].status_code, answers[2].status_code]
    assert sorted({*by_ada, answers[1].status_code}) == [303, 409]
    assert len(set(by_ada)) == 1
    winner, loser = (answers[0], answers[1]) if by_ada[0] == 303 else (answers[1], answers[0])
    assert "decided" in problem(loser)
    assert told(clients[answers.index(winner)], winner) == (
        "Fraud warning 1 was decided: $5.00 of charge 1 is on its way back (refund 1). Pledge 1 "
        "has ended."
    )
    with runtime.database.transaction() as session:
        claimed = claim_refunds(session, now=runtime.clock.now(), limit=10)
    for refund_id in claimed:
        send(runtime, NoLimit(), refund_id)
    [refund] = list(stripe_client(stripe).v1.refunds.list())
    assert (refund.amount, refund.reason) == (500, "fraudulent")
    assert reader.pledge.end_reason is EndReason.FRAUD_WARNING
    assert [each.template for each in letters(runtime)][1:] == ["refunded"]
    assert len(deeds(runtime)) == 1
    assert wrong(runtime) == []


def test_a_page_that_is_out_of_date_decides_nothing(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    ask = desk.get(GIVE_BACK)
    run_sql(runtime, "UPDATE charges SET refunded_minor = 200")
    answer = press(desk, GIVE_BACK, ask)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "$3.00 of it is left" in problem(answer)
    for name, value in (("reason", ""), ("key", "")):
        answer = press(desk, GIVE_BACK, desk.get(GIVE_BACK), **{name: value})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert decisions(runtime) == [(None, None)]
    assert reader.pledge.status is PledgeStatus.ACTIVE


def test_what_was_disputed_before_the_warning_came_can_only_stand(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    ask = desk.get(GIVE_BACK)
    reader.control("dispute")
    hear(runtime)
    assert "The payer disputed the payment" in desk.get(WARNING).text
    run_sql(
        runtime, "UPDATE fraud_warnings SET decision = NULL, decided_at = NULL, decided_by = NULL"
    )
    assert f'href="{GIVE_BACK}"' not in desk.get(WARNING).text
    answer = press(desk, GIVE_BACK, ask)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "they would have the money twice" in problem(answer)
    assert rows(runtime, "SELECT count(*) FROM refunds") == [(0,)]
    words = told(desk, press(desk, KEEP, desk.get(KEEP)))
    assert words == "Fraud warning 1 was decided: the payment stands."


def test_a_warning_is_for_the_desk_and_giving_back_asks_for_the_passkey_again(
    desk: FlaskClient, app: Flask, runtime: Runtime, advance: Advance
) -> None:
    viewer = app.test_client()
    staff_client(viewer, runtime, Role.VIEWER, "Vi")
    for path in (WARNING, KEEP, GIVE_BACK):
        assert viewer.get(path).status_code == HTTPStatus.FORBIDDEN
    ask = desk.get(GIVE_BACK)
    advance(timedelta(minutes=6))
    for answer in (desk.get(GIVE_BACK), press(desk, GIVE_BACK, ask)):
        assert answer.location.startswith("/staff/verify?")
    for path in (f"{HOME}/warnings/77", f"{HOME}/warnings/77/keep"):
        assert desk.get(path).status_code == HTTPStatus.NOT_FOUND
    assert decisions(runtime) == [(None, None)]
