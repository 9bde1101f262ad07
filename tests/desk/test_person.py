"""A supporter's page: who they are and all that happened, in words, in few queries, audited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from html import unescape
from http import HTTPStatus
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from billing.charges.offline import Entered, enter
from billing.charges.refunds import claim_refunds, request_refund, send
from billing.charges.tables_offline import OfflineMethod
from billing.db import Database
from billing.desk.timeline import PAGE
from billing.money import Money
from billing.reminders.service import ask
from billing.runtime import Runtime
from billing.staff.audit_trail import read
from billing.staff.domain import Role
from tests.support.after import Advance, Reader, due_renewal, hear, paid_renewal, rows
from tests.support.changes import agree, pause, resume, skip
from tests.support.desk import HOME, problem
from tests.support.letters import deliver_all
from tests.support.people import NoLimit
from tests.support.staff import staff_client
from tests.support.standin import StandIn


def titles(page: str) -> list[str]:
    """What the timeline says, newest first."""
    found = re.findall(r"<div>\s*<b>(.*?)</b>", page)
    return [unescape(re.sub(r"<[^>]*>", "", title)) for title in found]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that were sent meanwhile."""
    sent: list[str] = []

    def note(_c: Any, _cu: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def refunded(reader: Reader) -> None:
    with reader.runtime.database.transaction() as session:
        request_refund(session, reader.runtime, reader.charge_id, amount_minor=100,
                       asked_by="Ada", now=reader.runtime.clock.now())  # fmt: skip
    with reader.runtime.database.transaction() as session:
        claimed = claim_refunds(session, now=reader.runtime.clock.now(), limit=10)
    for refund_id in claimed:
        send(reader.runtime, NoLimit(), refund_id)


def lived(reader: Reader, advance: Advance) -> None:
    """Everything that can happen to somebody in a month."""
    runtime, now = reader.runtime, reader.runtime.clock.now()
    refunded(reader)
    agree(runtime, reader.pledge_id, 400)
    skip(runtime, reader.pledge_id)
    pause(runtime, reader.pledge_id, now + timedelta(days=60))
    advance(timedelta(hours=1))
    resume(runtime, reader.pledge_id)
    gift = Entered(amount=Money(9000, "eur"), received_on=now.date(),
                   method=OfflineMethod.BANK, reference="Line 7")  # fmt: skip
    with runtime.database.transaction() as session:
        enter(session, runtime, 1, gift, entered_by="Ada", receipt=True, now=now)
        zone = runtime.settings.newsroom.timezone
        ask(session, runtime.vault, written="reader@example.org", language="en", source={},
            zone=zone, limit=10, now=now)  # fmt: skip
    deliver_all(runtime, runtime.clock.now())
    advance(timedelta(hours=1))
    reader.control("dispute")
    hear(runtime)


def test_everything_that_happened_is_told_in_words_newest_first(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = paid_renewal(runtime, stripe, advance)
    lived(reader, advance)
    staff_client(client, runtime, Role.DESK)
    with counted(runtime.database) as sent:
        page = client.get(f"{HOME}/1").text
    assert len([each for each in sent if not each.startswith(("BEGIN", "COMMIT"))]) <= 12
    told = titles(page)
    for title in (
        "The payer disputed $5.00",
        "Pledge 1 ended",
        "Gone on after a pause",
        "One payment left out",
        "Changed from $5.00 a month to $4.00 a month",
        "Refund of $1.00: given back",
        "Gift of €90.00 by bank transfer",
        "$5.00 paid for pledge 1",
        "Pledge 1 was made: $5.00 a month",
        "Email: Receipt, sent",
        "Email: Note that money was given back, sent",
        "Email: Confirmation of another amount, sent",
        "Email: Confirmation of a change, sent",
    ):
        assert title in told, title
    assert any(title.startswith("Asked to be reminded on") for title in told)
    assert told[-1] == "Pledge 1 was made: $5.00 a month"
    assert told.index("Pledge 1 ended") < told.index("Gone on after a pause")
    moments = re.findall(r'<time datetime="([^"]+)"', page)
    assert moments == sorted(moments, reverse=True)
    assert "reader@example.org" in page
    for path in (f"charges/{reader.charge_id}", f"pledges/{reader.pledge_id}"):
        assert f'href="/staff/revenue/{path}"' in page
        assert f'href="{HOME}/1"' in client.get(f"/staff/revenue/{path}").text
    assert f'href="{HOME}/reminders/1"' in page
    assert "Give back…" not in page
    refused = client.get(f"{HOME}/charges/{reader.charge_id}/refund")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "they would have the money twice" in problem(refused)
    assert "$4.00 in 1 payment" in page
    with runtime.database.transaction() as session:
        *_, seen = read(session, action="person_seen").lines
    assert seen.subject is not None
    assert (seen.who, seen.subject.kind, seen.subject.id) == ("Ada", "supporter", 1)
    shown = {
        show: titles(client.get(f"{HOME}/1?show={show}").text)
        for show in ("payments", "pledges", "mail", "staff")
    }
    assert sorted(title for each in shown.values() for title in each) == sorted(told)


def test_a_refusal_is_told_with_its_reason_and_offers_no_refund(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    card = "pm_card_chargeCustomerFail"
    reader = due_renewal(runtime, stripe, advance, card)
    reader.pay()
    staff_client(client, runtime, Role.DESK)
    page = client.get(f"{HOME}/1").text
    assert "Refused: $5.00 for pledge 1" in titles(page)
    assert "The bank refused and did not say why" in page
    assert "Payment failed" in page
    assert "Give back…" not in page
    assert "Email: Note that a payment failed, waits to be sent" in titles(page)


def test_a_long_life_is_told_page_by_page_without_gaps(
    client: FlaskClient, runtime: Runtime, stripe: StandIn, advance: Advance
) -> None:
    reader = paid_renewal(runtime, stripe, advance)
    rows(
        runtime,
        "INSERT INTO outbox (unique_key, template, language, context, status, created_at,"
        " next_try_at, tries, sent_at) SELECT 'renewal_notice:pledge:1:' || n, 'renewal_notice',"
        " 'en', '{}', 'sent', m, m, 1, m FROM (SELECT n, timestamptz '2020-01-01' + (n / 3) *"
        " interval '1 day' AS m FROM generate_series(1, 95) AS n) AS each RETURNING id",
    )
    staff_client(client, runtime, Role.DESK)
    path, pages = f"{HOME}/1?show=mail", []
    while path:
        page = client.get(path).text
        pages.append(titles(page))
        older = re.findall(r'<a href="([^"]+)">Older</a>', page)
        path = unescape(older[0]) if older else ""
    assert [len(each) for each in pages] == [PAGE, PAGE, 96 - 2 * PAGE]
    assert reader.pledge_id == 1
    end = client.get(f"{HOME}/1?before=1-1-1")
    assert end.status_code == HTTPStatus.OK
    assert "Nothing older." in end.text


@pytest.mark.parametrize("before", ["x", "1-2", "9" * 18 + "-1-1", "-1-1-1", "1-1-1' OR 1"])
def test_a_place_that_is_none_is_said(
    client: FlaskClient, runtime: Runtime, now: datetime, before: str
) -> None:
    rows(
        runtime,
        "INSERT INTO supporters (language, created_at, erased_at) VALUES ('en', now(), now())"
        " RETURNING id",
    )
    staff_client(client, runtime, Role.DESK)
    answer = client.get(f"{HOME}/1", query_string={"before": before, "show": "nothing"})
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "no such place" in problem(answer)
