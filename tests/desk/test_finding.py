"""Finding somebody: by address, id or number; nobody and several are said; searching is audited."""

from __future__ import annotations

import logging
from datetime import datetime
from http import HTTPStatus

import pytest
from flask.testing import FlaskClient

from billing.desk.finding import By, Query, UnreadableQueryError, read_query
from billing.runtime import Runtime
from billing.staff.audit_trail import Line, read
from billing.staff.domain import Role
from tests.support.after import Advance, paid_renewal, rows, run_sql
from tests.support.desk import HOME, problem
from tests.support.people import pledge_of
from tests.support.staff import staff_client
from tests.support.standin import StandIn


@pytest.mark.parametrize(
    ("written", "by", "text", "kind"),
    [
        (" Ann@Example.ORG ", By.ADDRESS, "Ann@example.org", ""),
        ("<ann@example.org>", By.ADDRESS, "ann@example.org", ""),
        ("mailto:ann@example.org", By.ADDRESS, "ann@example.org", ""),
        ("pi_3abcDEF", By.STRIPE_ID, "pi_3abcDEF", ""),
        ("cs_test_a1B2", By.STRIPE_ID, "cs_test_a1B2", ""),
        ("340", By.NUMBER, "340", ""),
        ("#340", By.NUMBER, "340", ""),
        ("Pledge no. 12", By.NUMBER, "12", "pledge"),
        ("charge 17", By.NUMBER, "17", "charge"),
        ("supporter#3", By.NUMBER, "3", "supporter"),
    ],
)
def test_what_is_written_is_read_as_it_was_meant(
    written: str, by: By, text: str, kind: str
) -> None:
    assert read_query(written) == Query(by=by, text=text, kind=kind)


@pytest.mark.parametrize(
    "written", ["", "Ann", "ann@", "@", "a@b@c", "refund 3", "-1", "9" * 20, "pi_", "pi_'; --"]
)
def test_what_can_be_read_in_no_way_is_refused(written: str) -> None:
    with pytest.raises(UnreadableQueryError):
        read_query(written)


def searches(runtime: Runtime) -> list[Line]:
    with runtime.database.transaction() as session:
        return list(reversed(read(session, action="person_searched").lines))


def test_everybody_is_found_by_whatever_is_kept(
    client: FlaskClient,
    runtime: Runtime,
    stripe: StandIn,
    advance: Advance,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    pledge_of(runtime, anchor=now, address="first@example.org", customer_id="cus_shared")
    reader = paid_renewal(runtime, stripe, advance)
    staff_client(client, runtime, Role.DESK)
    [(pi, ch, cus, pm, txn)] = rows(
        runtime,
        "SELECT c.stripe_payment_intent_id, c.stripe_charge_id, p.stripe_customer_id,"
        " p.stripe_payment_method_id, t.stripe_balance_transaction_id FROM charges c"
        " JOIN pledges p ON p.id = c.pledge_id JOIN ledger_transactions t ON t.charge_id = c.id",
    )
    for who in (
        "READER@example.org",
        pi,
        ch,
        cus,
        pm,
        txn,
        "pledge 2",
        f"charge {reader.charge_id}",
    ):
        answer = client.post(HOME, data={"who": who})
        assert (answer.status_code, answer.location) == (303, f"{HOME}/2"), who
    assert reader.pledge.supporter_id == 2
    lines = searches(runtime)
    assert {(line.subject.kind, line.subject.id) for line in lines if line.subject} == {
        ("supporter", 2)
    }
    assert lines[0].detail == {"by": "address", "found": 1}
    assert lines[1].detail == {"by": "stripe id", "asked": pi, "found": 1}
    assert "reader@" not in str([line.detail for line in lines]).lower()
    assert "READER@" not in caplog.text


def test_several_are_listed_and_nobody_is_said(
    client: FlaskClient, runtime: Runtime, now: datetime
) -> None:
    pledge_of(runtime, anchor=now, address="first@example.org", customer_id="cus_shared")
    pledge_of(runtime, anchor=now, address="second@example.org", customer_id="cus_shared")
    pledge_of(runtime, anchor=now, address="first@example.org", customer_id="cus_own")
    staff_client(client, runtime, Role.DESK)
    shared = client.post(HOME, data={"who": "cus_shared"})
    assert "2 people fit" in shared.text
    assert f'href="{HOME}/1"' in shared.text
    assert f'href="{HOME}/2"' in shared.text
    assert "@example.org" not in shared.text
    both = client.post(HOME, data={"who": "1"})
    assert both.location == f"{HOME}/1"  # pledge 1 and supporter 1 are one person's
    run_sql(runtime, "UPDATE pledges SET supporter_id = 2 WHERE id = 1")
    both = client.post(HOME, data={"who": "1"})
    assert "pledge 1" in both.text
    assert "supporter 1" in both.text
    for who, words in (
        ("nobody@example.org", "Nobody has given under this address"),
        ("99", "nothing with the number 99"),
        ("9999999999999999999", "nothing with the number"),
        ("cus_unknown", "Nothing here belongs to cus_unknown"),
        ("sub_123", "There are no subscriptions at Stripe"),
        ("acct_123", "are not kept here"),
    ):
        answer = client.post(HOME, data={"who": who})
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert words in problem(answer)
        assert "nobody@example.org" not in answer.text
    for who in ("", "Ann Reader", "x" * 5000):
        answer = client.post(HOME, data={"who": who})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "Names can’t be looked for" in problem(answer)
    found = [line.detail["found"] for line in searches(runtime)]
    assert found == [2, 1, 2, 0, 0, 0, 0, 0, 0]


def test_a_viewer_finds_nobody(client: FlaskClient, runtime: Runtime, now: datetime) -> None:
    pledge_of(runtime, anchor=now)
    staff_client(client, runtime, Role.VIEWER)
    for answer in (client.get(HOME), client.post(HOME, data={"who": "1"}), client.get(f"{HOME}/1")):
        assert answer.status_code == HTTPStatus.FORBIDDEN
        assert "reader@example.org" not in answer.text
    assert searches(runtime) == []
    assert f'href="{HOME}"' not in client.get("/staff/").text
