"""Downloads: what is in them, who may have them, what is written down, and how they end."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.revenue.exports.catalogue import TABLES
from billing.revenue.exports.streaming import PLACES, Download, Make, NoPlaceError, bound
from billing.revenue.exports.tables import ROWS_AT_ONCE, each_of
from billing.revenue.rebuild import keep_up
from billing.revenue.viewers import rounding_step
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.staff.audit_trail import AuditAction, read
from billing.staff.domain import STEP_UP_LASTS, Role
from tests.support.staff import local_link, member_id, staff_client, trail
from tests.support.standin import StandIn

YEAR = "period=last-12-months"
RIGA = ZoneInfo("Europe/Riga")


@pytest.fixture
def newsroom(runtime: Runtime, stripe: StandIn) -> Runtime:
    """The demo newsroom."""
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    return runtime


@pytest.fixture
def staff(client: FlaskClient, newsroom: Runtime) -> FlaskClient:
    """A browser in which Ada, an admin, is signed in."""
    staff_client(client, newsroom)
    return client


def rows_of(written: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline="")))


def told(runtime: Runtime) -> list[dict[str, object]]:
    """What the trail says of downloads, the oldest first."""
    with runtime.database.transaction() as session:
        lines = read(session, action=AuditAction.EXPORTED).lines
    return [dict(line.detail) for line in reversed(lines)]


def test_every_table_comes_whole_and_its_page_says_how_many_rows(staff: FlaskClient) -> None:
    for table in TABLES:
        address = f"/staff/revenue/export/{table.name}?{YEAR}"
        page = staff.get(address)
        assert page.status_code == 200, table.name
        answer = staff.post(address)
        assert answer.content_type == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"].endswith('.csv"')
        assert answer.headers["Cache-Control"] == "no-store"
        rows = rows_of(answer.data)
        assert rows, table.name
        assert tuple(rows[0]) == table.columns
        [counted] = re.findall(r'data-rows="(\d+)"', page.text)
        assert int(counted) == len(rows)


def test_the_rows_are_those_of_the_page_and_add_up_to_its_sum(staff: FlaskClient) -> None:
    for query in ("figure=gross", "figure=fees&cadence=monthly", "figure=net&currency=usd"):
        page = staff.get(f"/staff/revenue/lines?{YEAR}&{query}")
        [link] = [
            unescape(each) for each in re.findall(r'href="([^"]+)"', page.text)
            if "/export/" in each
        ]  # fmt: skip
        rows = rows_of(staff.post(link).data)
        heading = re.search(r"<h1>(.*?)</h1>", page.text)
        assert heading is not None
        total = sum(Decimal(each["counts_as"]) for each in rows)
        assert heading[1].endswith(f"${total:,.2f}"), query
        assert {each["currency"] for each in rows} == {"USD"}


def test_movements_add_up_exactly_to_the_bridge(staff: FlaskClient) -> None:
    moves = rows_of(staff.post(f"/staff/revenue/export/movements?{YEAR}&currency=usd").data)
    months = rows_of(staff.post(f"/staff/revenue/export/monthly-revenue?{YEAR}&currency=usd").data)
    ended = Decimal(months[-1]["end_times_12"]) - Decimal(months[0]["start_times_12"])
    assert sum(Decimal(each["a_year"]) for each in moves) == ended != 0


FOR_VIEWERS = {
    "gross-to-net", "churn", "churn-reasons", "cohorts-by-supporters", "failed-payments",
    "failure-reasons", "gifts", "givers-who-pledge", "reminder-funnel", "reminders-by-month",
}  # fmt: skip
SUMS = re.compile(r"-?\d+\.\d\d")
"""As files write money; shares have six digits, counts none."""
REFUSED = {
    "no-such-table": 404,
    "ledger-lines?figure=profit": 400,
    "ledger-lines?from=2026-02-30&to=2026-03-01": 400,
    "overview?figure=net": 400,
    "movements?kind=vanished": 400,
    "sources?of=colour": 400,
    "forecast?months=99": 400,
    "past-due?order=name": 400,
    "ended-pledges?reason=boredom": 400,
    "renewals?tries=many": 400,
    "cohort-members?cohort=2026-03&month=2026-01": 400,
    "givers?step=never": 400,
    "pledges-begun?step=never": 400,
    "payout-movements?id=0": 400,
}


def test_what_cannot_be_had_is_refused_and_nothing_is_begun(
    staff: FlaskClient, newsroom: Runtime
) -> None:
    for path, status in REFUSED.items():
        assert staff.get(f"/staff/revenue/export/{path}").status_code == status, path
        assert staff.post(f"/staff/revenue/export/{path}").status_code == status, path
    assert told(newsroom) == []
    answer = staff.post("/staff/revenue/export/ledger-lines?campaign=never")
    assert rows_of(answer.data) == []
    assert answer.text.count("\r\n") == 1


def test_each_role_may_have_what_it_may_see(app: Flask, newsroom: Runtime) -> None:
    for role in Role:
        client = app.test_client()
        staff_client(client, newsroom, role, role.value)
        for table in TABLES:
            answer = client.post(f"/staff/revenue/export/{table.name}")
            assert answer.status_code == (200 if role.covers(table.role) else 403), table.name
            assert answer.data
    assert {table.name for table in TABLES if table.role is Role.VIEWER} == FOR_VIEWERS
    with_people = {"supporter", "charge", "pledge"}
    for table in TABLES:
        assert table.role is Role.ADMIN or not with_people & set(table.columns), table.name


def test_viewers_are_told_rounded_months_and_nothing_narrower(
    app: Flask, newsroom: Runtime
) -> None:
    path, seen = "/staff/revenue/export/gross-to-net", {}
    for role in (Role.VIEWER, Role.ADMIN):
        client = app.test_client()
        staff_client(client, newsroom, role, role.value)
        seen[role] = rows_of(client.post(f"{path}?{YEAR}").data)
        for narrow in (
            "by=day&period=last-90-days",
            "country=LV",
            "from=2026-01-02&to=2026-01-30",
        ):
            expected = 200 if role is Role.ADMIN else 403
            answer = client.post(f"{path}?{narrow}")
            assert answer.status_code == expected
            assert answer.data, "taken to its end"
    whole = {each["first_day"]: each for each in seen[Role.ADMIN]}
    running = f"{newsroom.clock.now().astimezone(RIGA):%Y-%m}-01"
    assert running in whole
    assert running not in {each["first_day"] for each in seen[Role.VIEWER]}
    whole |= {each["first_day"]: each for each in rows_of(
        client.post(f"{path}?period=last-year").data)}  # fmt: skip
    seen[Role.VIEWER] = [each for each in seen[Role.VIEWER] if each["first_day"] in whole]
    step = Decimal(rounding_step(newsroom.settings.newsroom.goal)) / 100
    told = 0
    for viewed in seen[Role.VIEWER]:
        exact = whole[viewed["first_day"]]
        assert viewed["refunds"] == viewed["disputes"] == ""
        assert (viewed["gross"] == "") == (viewed["net"] == "") == (viewed["fees"] == "")
        if viewed["gross"]:
            told += 1
            assert Decimal(viewed["gross"]) % step == 0
            assert abs(Decimal(viewed["gross"]) - Decimal(exact["gross"])) <= step / 2
    assert told


def test_no_file_of_viewers_holds_an_exact_sum_or_the_running_month(
    client: FlaskClient, newsroom: Runtime
) -> None:
    staff_client(client, newsroom, Role.VIEWER, "Vic")
    step, told = Decimal(rounding_step(newsroom.settings.newsroom.goal)) / 100, 0
    today = newsroom.clock.now().astimezone(RIGA).date()
    for name in FOR_VIEWERS:
        assert client.post(f"/staff/revenue/export/{name}?country=LV").status_code == 403
        for row in rows_of(client.post(f"/staff/revenue/export/{name}?{YEAR}").data):
            assert row.get("last_day", "") < f"{today:%Y-%m}-01", name
            for column, cell in row.items():
                if SUMS.fullmatch(cell):
                    unit = step * 12 if column.endswith("_times_12") else step
                    assert Decimal(cell) % unit == 0, (name, column)
                    told += 1
    assert told > 20


def test_the_passkey_is_asked_for_again_and_the_filters_come_back(
    staff: FlaskClient, newsroom: Runtime, advance: Callable[[timedelta], datetime]
) -> None:
    advance(STEP_UP_LASTS)
    address = "/staff/revenue/export/ledger-lines?period=last-year&figure=gross"
    for answer in (staff.get(address), staff.post(address)):
        assert answer.status_code == 303
        assert answer.location.startswith("/staff/verify?next=/staff/revenue/export/ledger-lines?")
        assert "period%3Dlast-year" in answer.location
    assert told(newsroom) == []


def test_who_took_what_is_written_down(staff: FlaskClient, newsroom: Runtime) -> None:
    address = f"/staff/revenue/export/ledger-lines?{YEAR}&figure=gross&campaign=x@example.com"
    rows = rows_of(staff.post(address).data)
    begun, ended = told(newsroom)
    assert begun["outcome"] == "begun"
    assert ended["outcome"] == "complete"
    assert ended["rows"] == len(rows)
    for each in (begun, ended):
        assert each["table"] == "ledger-lines"
        assert each["figure"] == "gross"
        assert each["campaign"] == "(holds an address)"
    assert trail(newsroom)[-1] == "exported"


def counted(count: int) -> Make:
    """What makes a download of so many rows, from the server's cursor."""

    def make(session: Session) -> Generator[tuple[bytes, int], None, None]:
        session.execute(text("SET TRANSACTION READ ONLY"))
        bound(session)
        rows = text("SELECT i, repeat('x', 80) FROM generate_series(1, :count) AS i")
        found = each_of(session, rows.bindparams(count=count))
        while some := list(islice(found, ROWS_AT_ONCE)):
            yield b"".join(f"{row[0]},{row[1]}\r\n".encode() for row in some), len(some)

    return make


def begin(runtime: Runtime, count: int, **how: timedelta) -> Download:
    who = member_id(runtime)
    return Download(runtime, counted(count), staff_member_id=who, detail={"table": "x"}, **how)


@pytest.fixture
def ada(client: FlaskClient, runtime: Runtime) -> Runtime:
    client.post(local_link(runtime))
    return runtime


def test_a_download_that_is_cancelled_stops_its_query_and_says_so(ada: Runtime) -> None:
    download = begin(ada, 5_000_000)
    next(download)
    next(download)
    assert ada.database.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
    download.close()
    download.close()
    assert ada.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with ada.database.transaction() as session:
        busy = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%'"
                    " AND state <> 'idle' AND pid <> pg_backend_pid()")  # fmt: skip
        assert session.scalar(busy) == 0
    assert [each["outcome"] for each in told(ada)] == ["begun", "cancelled"]
    assert told(ada)[-1]["rows"] == 2 * ROWS_AT_ONCE
    assert list(download) == []


def test_a_download_that_takes_too_long_ends_and_its_last_line_says_so(ada: Runtime) -> None:
    download = begin(ada, 1_000_000, longest=timedelta(0))
    assert b"".join(download).startswith(b"INCOMPLETE")
    assert told(ada)[-1] == {"table": "x", "outcome": "cut off", "rows": 0}


def test_a_download_that_nobody_takes_is_ended_by_the_database(ada: Runtime) -> None:
    download = begin(ada, 1_000_000)
    next(download)
    with ada.database.transaction() as session:
        [limit] = session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE state = 'idle in transaction'")
        ).one()  # fmt: skip
    assert limit
    assert b"".join(download).startswith(b"INCOMPLETE")
    assert told(ada)[-1]["outcome"] == "cut off"
    assert ada.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_the_database_is_told_for_how_long_to_wait(ada: Runtime) -> None:
    with ada.database.transaction() as session:
        bound(session, step=timedelta(seconds=7))
        assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
        assert session.scalar(text("SHOW statement_timeout")) == "7s"
    with ada.database.transaction() as session:
        assert session.scalar(text("SHOW statement_timeout")) == "0"


def test_only_so_many_run_at_once_and_each_gives_its_place_back(ada: Runtime) -> None:
    running = [begin(ada, 10_000) for _ in range(PLACES)]
    with pytest.raises(NoPlaceError):
        begin(ada, 1)
    assert len(told(ada)) == PLACES
    for each in running:
        each.close()
    assert b"".join(begin(ada, 3)).count(b"\r\n") == 3


def test_where_there_is_no_place_it_says_so(staff: FlaskClient, newsroom: Runtime) -> None:
    running = [begin(newsroom, 10_000) for _ in range(PLACES)]
    answer = staff.post("/staff/revenue/export/overview")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert "try again in a minute" in answer.text
    for each in running:
        each.close()


def test_a_fault_amid_a_download_does_not_make_it_look_whole(ada: Runtime) -> None:
    def make(session: Session) -> Generator[tuple[bytes, int], None, None]:
        yield b"1\r\n", 1
        raise ZeroDivisionError

    who = member_id(ada)
    download = Download(ada, make, staff_member_id=who, detail={"table": "x"})
    assert b"".join(download).endswith(b"1\r\nINCOMPLETE: this file was cut off here. "
                                       b"Please download it again.\r\n")  # fmt: skip
    assert told(ada)[-1]["outcome"] == "failed"


def test_what_cannot_begin_holds_nothing(ada: Runtime) -> None:
    def make(session: Session) -> Generator[tuple[bytes, int], None, None]:
        session.scalar(text("SELECT 1"))
        raise ZeroDivisionError

    for _ in range(PLACES + 1):
        with pytest.raises(ZeroDivisionError):
            Download(ada, make, staff_member_id=member_id(ada), detail={"table": "x"})
    assert told(ada) == []
    assert ada.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_memory_does_not_grow_with_the_rows(ada: Runtime) -> None:
    most = {}
    for count in (10_000, 10_000, 100_000):  # the first one warms up
        tracemalloc.start()
        assert sum(piece.count(b"\n") for piece in begin(ada, count)) == count
        most[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most[100_000] < most[10_000] * 1.3
