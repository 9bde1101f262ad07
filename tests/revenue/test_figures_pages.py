"""The revenue pages: what staff read, what opens what, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from billing.revenue.rebuild import keep_up
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from tests.bench.plain_sql import LISTS, PLAIN
from tests.revenue.test_page import elements
from tests.support.addresses import address, revenue_pages
from tests.support.staff import local_link
from tests.support.standin import StandIn

PAGES = (
    "/staff/revenue/",
    "/staff/revenue/?period=last-12-months&campaign=spring&country=LV",
    "/staff/revenue/monthly",
    "/staff/revenue/money",
    "/staff/revenue/money?period=last-90-days&by=day&article=/articles/harbour",
    "/staff/revenue/lines?figure=net&period=last-12-months",
    "/staff/revenue/moves?period=last-12-months&cadence=monthly&currency=usd&appeal=banner",
    "/staff/revenue/cohorts",
    "/staff/revenue/cohorts?measure=money&campaign=spring&country=LV",
    "/staff/revenue/cohort?cohort=2026-01&month=2026-05&who=gone&article=/articles/harbour",
    "/staff/revenue/churn",
    "/staff/revenue/churn?period=last-month&campaign=spring&country=LV",
    "/staff/revenue/departed?kind=churn_voluntary&reason=supporter&campaign=spring",
    "/staff/revenue/recovery",
    "/staff/revenue/recovery?period=last-90-days&campaign=spring&country=LV",
    "/staff/revenue/renewals?outcome=due&campaign=spring&cadence=monthly",
    "/staff/revenue/at-risk?order=closing&campaign=spring",
    "/staff/revenue/forecast",
    "/staff/revenue/forecast?months=12&campaign=spring&country=LV",
    "/staff/revenue/gifts",
    "/staff/revenue/gifts?campaign=spring&period=last-30-days",
    "/staff/revenue/givers?step=30",
    "/staff/revenue/sources?period=last-12-months",
    "/staff/revenue/sources?of=article&period=last-12-months&campaign=spring&cadence=monthly",
    "/staff/revenue/sources?of=referrer&country=LV",
    "/staff/revenue/started?step=stayed",
    "/staff/revenue/reminders",
    "/staff/revenue/reminders?campaign=spring&country=LV",
    "/staff/revenue/reminders/list",
    "/staff/revenue/fees?currency=usd&article=/articles/harbour&appeal=banner&country=US",
    "/staff/revenue/payouts",
)


@pytest.fixture
def staff(client: FlaskClient, runtime: Runtime, stripe: StandIn) -> FlaskClient:
    """A browser in which Ada is signed in, at the demo newsroom."""
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    client.post(local_link(runtime))
    return client


@contextmanager
def counted(runtime: Runtime) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(runtime.database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", note)


def links(page: str, start: str) -> list[str]:
    return [
        unescape(each) for each in re.findall(r'href="([^"]+)"', page) if each.startswith(start)
    ]


def test_every_page_reads_little_changes_nothing_and_obeys_its_policy(
    staff: FlaskClient, runtime: Runtime
) -> None:
    every = [address(page, {}) for page in revenue_pages(staff.application)]
    assert set(PLAIN) | set(LISTS) == set(every) - {"/staff/revenue/journal"}
    for page in (*PAGES, *every):
        with counted(runtime) as asked:
            answer = staff.get(page)
        assert answer.status_code == 200, page
        if answer.mimetype != "text/html":
            continue
        assert len(asked) <= 12, page
        assert len(answer.data) <= 150_000, page
        changed = [each for each in asked if each.startswith(("INSERT", "UPDATE", "DELETE"))]
        assert not [each for each in changed if "staff_sessions" not in each], page
        ids = []
        for tag, attributes in elements(answer.text):
            assert tag not in {"script", "style", "iframe"}, page
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            ids += [attributes["id"]] if attributes.get("id") else []
            if tag == "th":
                assert attributes.get("scope") in {"col", "row"}, page
        assert len(ids) == len(set(ids)), page
        assert "@" not in answer.text


def test_every_figure_opens_the_list_that_makes_it(staff: FlaskClient) -> None:
    opened = 0
    for page in ("/staff/revenue/money", "/staff/revenue/monthly"):
        for link in links(staff.get(page).text, "/staff/revenue/")[::5]:
            if "figure=" not in link and "kind=" not in link:
                continue
            answer = staff.get(link)
            assert answer.status_code == 200, link
            heading = re.search(r"<h1>(.*?)</h1>", answer.text)
            assert heading is not None
            assert "There are none." not in answer.text, link
            opened += 1
    assert opened > 5


def test_a_list_goes_on_page_after_page_without_losing_a_line(staff: FlaskClient) -> None:
    page, seen = "/staff/revenue/lines?figure=gross&period=last-12-months", []
    while True:
        text = staff.get(page).text
        seen += re.findall(r"no\. (\d+), charge", text)
        following = links(text, "/staff/revenue/lines?")
        after = [each for each in following if "after=" in each]
        if not after:
            break
        [page] = after
        assert len(seen) < 1000
    assert len(seen) > 100
    assert len(seen) == len(set(seen))


EVERY_DAY = """
    INSERT INTO revenue_money
    SELECT 4 + level, s.id, 'US', day, cadence, 'usd', 'usd', 10, 10, 700000000, 0, 700000000,
           1000000, 1000000, 1000000, 0
    FROM revenue_sources s, generate_series(0, 20, 20) AS level,
         generate_series(current_date - 1825, current_date, '1 day') AS day,
         unnest(ARRAY['monthly', 'once']) AS cadence
    WHERE s.article = '/articles/harbour' AND s.appeal = 'banner'
      AND (level = 0 OR extract(day FROM day) = 1)
    ON CONFLICT DO NOTHING"""


def test_a_long_table_comes_in_pages_that_fit_the_wire(
    staff: FlaskClient, runtime: Runtime
) -> None:
    with runtime.database.engine.begin() as connection:
        connection.exec_driver_sql(EVERY_DAY)
    today = runtime.clock.now().date()
    names = "appeal=banner&article=/articles/harbour&country=US"
    for days, step, parts in ((92, "day", 93), (721, "week", 104), (1800, "month", 60)):
        period = f"from={today - timedelta(days=days)}&to={today}&by={step}"
        page, opened = f"/staff/revenue/money?{period}&{names}", []
        while page:
            answer = staff.get(page)
            assert answer.status_code == 200
            assert len(answer.data) <= 150_000
            listed = links(answer.text, "/staff/revenue/lines?")
            opened += [each for each in listed if each.endswith("figure=net")][:-1]
            others = links(answer.text, "/staff/revenue/money?")
            page = next((each for each in others if "after=" in each), "")
        assert len(opened) == len(set(opened)) >= parts - 1, step
    assert staff.get("/staff/revenue/money?after=1-0-0").status_code == 400
    long_names = "&".join(f"{name}={'%C4%81' * 200}" for name in ("campaign", "appeal"))
    answer = staff.get(f"/staff/revenue/money?period=last-year&{long_names}")
    assert "3 of 12 months" in " ".join(answer.text.split()), "filters make links long"
    assert len(answer.data) <= 150_000


def test_filters_live_in_the_address_and_go_along(staff: FlaskClient) -> None:
    text = staff.get("/staff/revenue/?period=last-year&cadence=monthly&country=US").text
    assert "only" in text
    assert "cadence monthly, country US" in re.sub(r"\s+", " ", text)
    for link in links(text, "/staff/revenue/m"):
        assert "cadence=monthly&country=US" in link


REFUSED = {
    "from=2026-02-30&to=2026-03-01": "There is no day 2026-02-30.",
    "from=2026-03-02&to=2026-03-01": "before it begins",
    "from=2001-01-01&to=2051-01-01": "5 years long at most",
    "colour=red": "There is no filter called “colour”.",
    "figure=profit": "“profit” is no figure",
    "after=1;drop": "is no place in the list",
    "campaign=a&campaign=b": "given twice",
}


def test_what_cannot_be_shown_is_refused_in_a_sentence(staff: FlaskClient) -> None:
    for query, said in REFUSED.items():
        answer = staff.get(f"/staff/revenue/lines?{query}")
        assert answer.status_code == 400, query
        assert said in answer.text, query


READ_BY_LISTS = r"FROM revenue_(lines|moves|givers|starts)|FROM attempts|ledger_transactions"


def test_what_nobody_has_is_an_empty_page(staff: FlaskClient, runtime: Runtime) -> None:
    """And is looked for in the rollups alone: through five years of lines it would take long."""
    today = runtime.clock.now().date()
    nobody = f"from={today - timedelta(days=1800)}&to={today}&campaign=spring&country=ZZ"
    lists = ("lines?", "moves?", "renewals?outcome=due&", "departed?", "givers?", "started?")
    for page in lists:
        with counted(runtime) as asked:
            answer = staff.get(f"/staff/revenue/{page}{nobody}")
        assert answer.status_code == 200
        assert not [each for each in asked if re.search(READ_BY_LISTS, each)], page
    assert "There are none." in staff.get("/staff/revenue/lines?campaign=never").text
    assert staff.get("/staff/revenue/?campaign=never").status_code == 200


def test_before_the_first_fold_it_says_so(client: FlaskClient, runtime: Runtime) -> None:
    client.post(local_link(runtime))
    assert "being made for the first time" in client.get("/staff/revenue/").text
    assert "being made for the first time" in client.get("/staff/revenue/monthly").text


def test_strangers_see_nothing(client: FlaskClient) -> None:
    for page in PAGES:
        assert client.get(page).status_code == 401
