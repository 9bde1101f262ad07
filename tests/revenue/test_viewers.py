"""Viewers: what they are shown, and that all of it together leads to nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from html import unescape
from itertools import combinations_with_replacement
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing.revenue import figures, reading
from billing.revenue.bridge import Bridge
from billing.revenue.churn_reading import read_churn
from billing.revenue.cohort_reading import Measure, read_retention
from billing.revenue.filters import Filters
from billing.revenue.money_reading import read_gifts, read_reminders
from billing.revenue.periods import Period, Step, steps
from billing.revenue.rebuild import keep_up
from billing.revenue.recovery_reading import read_failures
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import (
    narrowed,
    rounding_step,
)
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.staff.domain import Role
from billing.staff.guard import required_role
from billing.staff.suppression import is_small
from tests.support.staff import staff_client
from tests.support.standin import StandIn


@pytest.fixture
def demo(runtime: Runtime, stripe: StandIn) -> Runtime:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    return runtime


@pytest.fixture
def viewer(demo: Runtime, client: FlaskClient) -> FlaskClient:
    staff_client(client, demo, Role.VIEWER, "Vic")
    return client


def pages(app: Flask) -> Iterator[str]:
    """Every page under /staff/revenue/ that viewers may open."""
    for rule in app.url_map.iter_rules():
        is_page = "GET" in (rule.methods or ()) and not rule.arguments
        role = required_role(app.view_functions[rule.endpoint])
        if is_page and rule.rule.startswith("/staff/revenue/") and role is Role.VIEWER:
            yield rule.rule


def addresses_in(page: str) -> set[str]:
    return {unescape(each) for each in re.findall(r'(?:href|action)="([^"]+)"', page)}


def may_open(app: Flask, address: str, role: Role) -> bool:
    path = urlsplit(address).path
    if not path.startswith("/staff/"):
        return True
    adapter = app.url_map.bind("localhost")
    method = "GET" if "GET" in adapter.allowed_methods(path) else "POST"
    needed = required_role(app.view_functions[adapter.match(path, method)[0]])
    return needed is not None and role.covers(needed)


def test_every_page_of_viewers_leads_nowhere_they_may_not_go(
    app: Flask, viewer: FlaskClient
) -> None:
    found = list(pages(app))
    assert {"/staff/revenue/", "/staff/revenue/monthly", "/staff/revenue/money"} <= set(found)
    for path in found:
        page = viewer.get(path)
        assert page.status_code == 200, path
        shut = [each for each in addresses_in(page.text) if not may_open(app, each, Role.VIEWER)]
        assert not shut, path
        assert not re.search(r"supporter \d|charge \d|pledge \d", page.text), path
        assert "Your role sees months that are over" in page.text, path


def test_every_page_of_viewers_refuses_filters_and_parts_of_months(
    app: Flask, viewer: FlaskClient
) -> None:
    for path in pages(app):
        for query in (
            "country=LV",
            "campaign=spring",
            "period=last-month&by=day",
            "period=last-30-days",
        ):
            page = viewer.get(f"{path}?{query}")
            assert page.status_code == 403, (path, query)
            assert "role" in page.text
            assert "$" not in page.text
        assert viewer.get(f"{path}?country=latvia").status_code == 400


def test_lists_are_not_for_viewers(viewer: FlaskClient) -> None:
    for path in ("/staff/revenue/lines?period=last-month", "/staff/revenue/moves"):
        assert viewer.get(path).status_code == 403


def months_of(today: date, count: int) -> list[Period]:
    first = date(today.year - (today.month <= count), (today.month - count - 1) % 12 + 1, 1)
    return [
        each for each in steps(Period(first, today), Step.MONTH) if each.last < today.replace(day=1)
    ]


def test_a_payment_alone_in_its_month_is_in_no_period(demo: Runtime) -> None:
    """Every run of months is asked for, on every page's figures."""
    newsroom = demo.settings.newsroom
    today = demo.clock.now().astimezone(newsroom.timezone).date()
    months = months_of(today, 8)
    step, few_seen, shown = rounding_step(newsroom.goal), 0, 0
    for first, last in combinations_with_replacement(range(len(months)), 2):
        period = Period(months[first].first, months[last].last)
        with demo.database.transaction() as session:
            filters = narrowed(Filters(period=period), today, set())
            asked_ = reading.ask(session, newsroom, filters, today)
            whole, parts, elsewhere = reading.read_parts(session, asked_)
            now = reading.read_overview(session, asked_).now
            bridge, _ = reading.read_bridges(session, asked_)
            exact = figures.money(session, asked_.cells, months[first : last + 1])
            [people] = figures.supporters(session, asked_.cells, [period.last])
        gifts = [sum(row.payments for row in rows if row.is_gift) for rows in exact]
        few = any(map(is_small, gifts))
        few_seen += few
        assert elsewhere == []
        assert now.hidden & {"gifts", "pledges"} == ({"gifts", "pledges"} if few else set())
        for each in (whole, now.takings, *(part.takings for part in parts)):
            assert all(getattr(each, name) % step == 0 for name in ("gross", "net", "gifts"))
            assert each.refunds == each.disputes == 0
        assert whole.gifts == now.takings.gifts
        assert now.supporters % 5 == 0
        assert abs(now.supporters - people) < 3
        if few:
            assert whole.gifts == 0
        assert bridge.end % (12 * step) == bridge.start % (12 * step) == 0
        counts = _hidden_kinds(bridge)
        assert all(bridge.moves[kind] == 0 for kind in counts)
        shown += not few
    assert few_seen
    assert shown


def _hidden_kinds(bridge: Bridge) -> Sequence[MoveKind]:
    return [kind for kind in MoveKind if kind in bridge.hidden]


def test_no_count_of_few_is_told_on_the_pages_about_people(demo: Runtime) -> None:
    """What the reading functions give viewers, of every month by itself and of all together."""
    newsroom, told, left_out = demo.settings.newsroom, 0, 0
    today = demo.clock.now().astimezone(newsroom.timezone).date()
    months = months_of(today, 11)
    for period in (*months, Period(months[0].first, months[-1].last)):
        with demo.database.transaction() as session:
            filters = narrowed(Filters(period=period), today, set())
            asked_ = reading.ask(session, newsroom, filters, today)
            churn = read_churn(session, asked_)
            cohorts = read_retention(session, asked_, Measure.SUPPORTERS).cohorts
            gifts = read_gifts(session, asked_)
            failures = read_failures(session, asked_)
            reminders = read_reminders(session, asked_)
        assert (churn.annual, churn.lifetime, churn.scheduled) == (None, None, 0)
        assert (gifts.spread, failures.risk, failures.tries) == (None, None, [])
        givers = [gifts.whole, *(each for _, each in gifts.months)]
        outcomes = [reminders.whole, *(each for _, each in reminders.months)]
        counts = [
            *churn.ended.values(),
            *(count for each in churn.months for count in each.ended.values()),
            *(each.ended for each in churn.reasons),
            *(kept for each in cohorts for kept in each.kept),
            *(each.gifts for each in (gifts.now, gifts.previous, gifts.year_before)),
            *(count for each in givers for count in (each.givers, *each.within.values())),
            *(count for each in failures.months for count in (
                each.seen.due, each.seen.failed, each.seen.recovered)),
            *(each.failed for each in failures.reasons),
            *(count for each in outcomes for count in (each.asked, each.sent, each.gave)),
        ]  # fmt: skip
        assert not [count for count in counts if is_small(count)], period
        told += sum(count > 0 for count in counts)
        hides = (*(each.bridge for each in churn.months), *cohorts, *givers, failures, *outcomes)
        left_out += sum(bool(each.hidden) for each in hides)
    assert told > 50
    assert left_out > 20


def test_what_a_viewer_reads_has_no_exact_sum(viewer: FlaskClient, app: Flask) -> None:
    for path in (*pages(app), "/staff/"):
        assert re.findall(r"[$€£][\d,]+\.\d\d", viewer.get(path).text) == [], path


def test_whoever_may_see_people_sees_all(app: Flask, demo: Runtime) -> None:
    desk = app.test_client()
    staff_client(desk, demo, Role.DESK, "Dan")
    page = desk.get("/staff/revenue/money?period=last-12-months").text
    assert "/staff/revenue/lines?" in page
    assert "Your role sees" not in page
    assert re.search(r"\$[\d,]+\.\d\d", page)
