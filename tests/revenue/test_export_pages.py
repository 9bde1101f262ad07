"""Every page with a table offers it as a file, and what stands on the page is in the file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing.revenue.exports.catalogue import TABLES, tables_on
from billing.revenue.rebuild import keep_up
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.staff.domain import Role
from tests.support.staff import staff_client
from tests.support.standin import StandIn

NOT_OFFERED = {
    "/staff/": "what it shows stands on the revenue pages, which offer it",
    "/staff/audit-trail": "the trail is read where reading it is written down",
    "/staff/members": "a few members of staff",
}
QUERIES = ("", "cadence=monthly", "cadence=annual&country=LV", "currency=eur", "appeal=banner")
_CENT = Decimal("0.01")
_NUMBER = r"[+−-]?[$€£¥]?\d[\d,]*(?:\.\d+)?%?"


@pytest.fixture
def staff(client: FlaskClient, runtime: Runtime, stripe: StandIn) -> FlaskClient:
    """A browser in which Ada, an admin, is signed in, at the demo newsroom."""
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    staff_client(client, runtime)
    return client


def pages(app: Flask) -> Iterator[tuple[str, str]]:
    """Paths and endpoints of all staff pages that are not about one person or thing."""
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments and rule.rule.startswith("/staff"):
            yield rule.rule, rule.endpoint


def downloads(page: str) -> list[str]:
    links = (unescape(each) for each in re.findall(r'href="([^"]+)"', page))
    return [each for each in links if "/revenue/export/" in each]


def test_every_page_with_a_table_offers_it(app: Flask, staff: FlaskClient) -> None:
    offered: set[str] = set()
    for path, endpoint in pages(app):
        page = staff.get(path)
        names = {re.split(r"[/?]", link)[4] for link in downloads(page.text)}
        assert names == {each.name for each in tables_on(endpoint, Role.ADMIN)}, path
        assert (path in NOT_OFFERED) == ("<table" in page.text and not names), path
        offered |= names
    assert offered == {each.name for each in TABLES}


def numbers(cell: str) -> list[str]:
    """The numbers that a cell consists of; none where it is of words."""
    cell = re.sub(r'<span class="means">.*?</span>', "", cell, flags=re.DOTALL)
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
    return re.findall(_NUMBER, text) if re.fullmatch(rf"(?:{_NUMBER}|of|[() ])+", text) else []


def shown(page: str) -> Iterator[str]:
    """The numbers in a page's tables, but for the shares in a line of sums."""
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        for line in re.findall(r"<tr.*?</tr>", table, re.DOTALL):
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", line, re.DOTALL):
                shares = 'class="sum' not in line[:20]
                yield from (each for each in numbers(cell) if shares or not each.endswith("%"))


def rows_of(written: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline="")))


def amounts(rows: Iterable[dict[str, str]], name: str) -> list[Decimal]:
    found = []
    for row in rows:
        try:
            found.append(Decimal(row[name]))
        except InvalidOperation:
            found.append(Decimal(0))
    return found


def as_shown(value: Decimal, column: str) -> set[str]:
    """How a page may write a number of a file."""
    if column.endswith("_times_12"):
        value = round(value / 12, 2)
    if column.startswith(("share", "gross_churn", "net_churn")):
        return {f"{value:.0%}", f"{value:.1%}"}
    return {f"{abs(value):,.2f}", f"{abs(value):,f}", f"{abs(value):,.1f}"}


def told(rows: list[dict[str, str]]) -> set[str]:
    """The numbers of a file, and the sums of its columns, also by its first one.

    What pages say is rounded month by month may differ by a cent from its sum.
    """
    found: set[str] = set()
    for column in rows[0] if rows else ():
        values = amounts(rows, column)
        for value in values:
            found |= as_shown(value, column)
        [first, *_] = rows[0]
        for group in {"", *(row[first] for row in rows)}:
            of = [v for v, row in zip(values, rows, strict=True) if group in ("", row[first])]
            for rounding in (-_CENT, 0, _CENT):
                found |= as_shown(sum(of, Decimal(rounding)), column)
    return found


def test_what_stands_on_a_page_is_in_its_files(app: Flask, staff: FlaskClient) -> None:
    endpoints = {endpoint: path for path, endpoint in pages(app)}
    seen = dict.fromkeys((each.page for each in TABLES), 0)
    missing = []
    for endpoint in seen:
        for query in QUERIES:
            page = staff.get(f"{endpoints[endpoint]}?{query}")
            if "There is no such payout" in page.text:
                continue
            assert page.status_code == 200, (endpoint, query)
            known = {"0", "0.00"}
            for link in downloads(page.text):
                assert query in link
                known |= told(rows_of(staff.post(link).data))
            for number in shown(page.text):
                if number.lstrip("+−-$€£¥") not in known:
                    missing.append((endpoint, query, number))
                seen[endpoint] += 1
    assert missing == []
    assert {each for each, count in seen.items() if not count} == {"income.reminder_list"}
