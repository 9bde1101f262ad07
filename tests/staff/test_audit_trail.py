"""What staff did is written down once and for all."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing.cli import main
from billing.runtime import Runtime
from billing.staff.audit_trail import (
    PAGE,
    AuditAction,
    PersonalDataError,
    Subject,
    read,
    record,
)
from billing.staff.domain import Role
from tests.support.staff import member_id, staff_client


@pytest.mark.parametrize(
    "statement",
    ["UPDATE staff_audit SET reason = 'x'", "DELETE FROM staff_audit", "TRUNCATE staff_audit"],
)
def test_nothing_is_changed_or_taken_away(runtime: Runtime, now: datetime, statement: str) -> None:
    with runtime.database.transaction() as session:
        record(session, None, AuditAction.EXPORTED, now)
    with (
        pytest.raises(IntegrityError, match="append-only"),
        runtime.database.transaction() as session,
    ):
        session.execute(text(statement))
    with runtime.database.transaction() as session:
        assert len(read(session).lines) == 1


def test_an_entry_belongs_to_its_deeds_transaction(runtime: Runtime, now: datetime) -> None:
    def refused_deed() -> None:
        with runtime.database.transaction() as session:
            record(session, None, AuditAction.EXPORTED, now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        refused_deed()
    with runtime.database.transaction() as session:
        assert read(session).lines == []


def test_an_entry_says_who_what_to_whom_and_why(
    app: Flask, runtime: Runtime, now: datetime
) -> None:
    staff_client(app.test_client(), runtime)
    ada = member_id(runtime)
    with runtime.database.transaction() as session:
        record(
            session,
            ada,
            AuditAction.CHARGE_REFUNDED,
            now,
            subject=Subject("charge", 7),
            detail={"amount_minor": 500, "currency": "usd"},
            reason="  given   twice ",
        )
        line = read(session).lines[0]
    assert (line.who, line.action, line.subject) == ("Ada", "charge_refunded", Subject("charge", 7))
    assert line.detail == {"amount_minor": 500, "currency": "usd"}
    assert line.reason == "given twice"
    assert line.occurred_at == now


@pytest.mark.parametrize(
    ("detail", "reason"),
    [({"to": "reader@example.org"}, ""), ({}, "ask reader@example.org"), ({}, "x" * 501),
     ({"why": "x" * 201}, "")],
)  # fmt: skip
def test_addresses_and_letters_are_not_taken(
    runtime: Runtime, now: datetime, detail: dict[str, str], reason: str
) -> None:
    with runtime.database.transaction() as session, pytest.raises(PersonalDataError):
        record(session, None, AuditAction.EXPORTED, now, detail=detail, reason=reason)


def test_the_page_shows_the_trail_in_parts(
    client: FlaskClient, runtime: Runtime, now: datetime
) -> None:
    staff_client(client, runtime)
    with runtime.database.transaction() as session:
        for number in range(PAGE + 5):
            subject = Subject("supporter", number)
            record(session, member_id(runtime), AuditAction.PERSON_SEEN, now, subject=subject)
    first = client.get("/staff/audit-trail").text
    assert "Page 1 of 2" in first
    assert "supporter 54" in first
    assert ">supporter 4</a>" not in first
    last = client.get("/staff/audit-trail?page=2").text
    assert ">supporter 4</a>" in last
    assert "Older" not in last
    beyond = client.get("/staff/audit-trail?page=3")
    assert beyond.status_code == HTTPStatus.NOT_FOUND
    assert "The trail ends with page 2" in beyond.text


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 10, "9" * 40, "1e9", "²"])
def test_a_page_that_is_none_breaks_nothing(
    client: FlaskClient, runtime: Runtime, page: str
) -> None:
    staff_client(client, runtime)
    assert client.get(f"/staff/audit-trail?page={page}").status_code in {200, 404}
    assert client.get(f"/staff/audit-trail?member={page}&action={page}").status_code == 200


def test_the_trail_is_read_by_member_and_action(client: FlaskClient, runtime: Runtime) -> None:
    staff_client(client, runtime)
    staff_client(client, runtime, Role.DESK, "Dan")
    staff_client(client, runtime, name="Bea")
    page = client.get(f"/staff/audit-trail?member={member_id(runtime, 'Dan')}").text
    assert page.count("by Dan") == 2
    assert "by Ada" not in page
    page = client.get("/staff/audit-trail?action=signed_in").text
    assert page.count("by Dan") == page.count("by Ada") == page.count("by Bea") == 1


def tuppence(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["staff", *arguments], env=environment)
    return result.exit_code, result.output


def test_the_command_line_invites_recovers_and_reads_the_trail(
    app: Flask, runtime: Runtime, environment: dict[str, str]
) -> None:
    code, link = tuppence(environment, "invite", "Ada", "--role", "admin")
    assert code == 0
    assert link.startswith("http://localhost/staff/join/")
    staff_client(app.test_client(), runtime)
    assert tuppence(environment, "invite", "Ada")[0] == 2
    code, link = tuppence(environment, "recover", "Ada", "--revoke-passkeys")
    assert (code, link[:28]) == (0, "http://localhost/staff/join/")
    assert tuppence(environment, "recover", "Bea") == (2, "Nobody here is called Bea.\n")
    code, lines = tuppence(environment, "audit-trail")
    newest = lines.splitlines()[0]
    assert "command line  member_recovered  staff 1 (Ada)  revokes_passkeys: True" in newest
    assert "passkey_added" not in tuppence(environment, "audit-trail", "--action", "signed_in")[1]
    assert "command line" not in tuppence(environment, "audit-trail", "--member", "Ada")[1]
    assert tuppence(environment, "audit-trail", "--member", "Nobody")[0] == 2
    assert "There is no page 9" in tuppence(environment, "audit-trail", "--page", "9")[1]
