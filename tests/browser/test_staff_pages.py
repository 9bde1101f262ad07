"""Every staff page that there is, found by its route: on a desk and a phone, light, dark, on paper.

Served by the web server alone over the demo newsroom's books. `make pictures` takes one of each;
somebody should look at them now and then.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect
from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from billing.charges.domain import ChargeStatus
from billing.charges.tables import Charge
from billing.charges.tables_after import FraudWarning
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge
from billing.reminders.tables import Reminder
from billing.revenue.exports.catalogue import TABLES
from billing.revenue.rebuild import keep_up
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.staff.domain import Role
from billing.staff.guard import PREFIX, is_open, required_role
from billing.staff.tables import StaffMember
from billing.supporters.tables import Supporter
from tests.browser.axe import contrast_in_the_dark, violations, violations_of_words
from tests.browser.pictures import take_if_asked
from tests.support.browser import Person, WebAlone, person
from tests.support.ports import free_port
from tests.support.staff import local_link, member_id
from tests.support.standin import StandIn

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 800}
_TOO_WIDE = "document.scrollingElement.scrollWidth - window.innerWidth"
_BROKEN_OUT = """
    () => [...document.querySelectorAll("main *")].filter(each => {
      const box = each.getBoundingClientRect();
      return box.width && box.right > innerWidth + 1 && !each.closest(".scroll, .hidden, svg, pre");
    }).map(each => each.outerHTML.slice(0, 120))
"""
LOOKED_AT_TOO = (
    "/staff/revenue/?period=last-12-months&campaign=spring&country=LV",
    "/staff/revenue/money?period=last-90-days&by=day",
    "/staff/revenue/monthly?period=last-30-days&cadence=annual",
    "/staff/revenue/lines?period=last-12-months&figure=refunds",
    "/staff/revenue/?from=2026-02-30&to=2026-03-01",
)
"""Addresses of pages in further states."""
EXAMPLES: dict[str, str | Select[tuple[int]]] = {
    "member_id": select(StaffMember.id),
    "supporter_id": select(Supporter.id).order_by(Supporter.id),
    "charge_id": select(Charge.id)
    .where(Charge.status == ChargeStatus.SUCCEEDED)
    .order_by(Charge.id),
    "pledge_id": select(Pledge.id).where(Pledge.status == PledgeStatus.ACTIVE).order_by(Pledge.id),
    "warning_id": select(FraudWarning.id),
    "reminder_id": select(Reminder.id).where(Reminder.erased_at.is_(None)).order_by(Reminder.id),
    "about": "pledge",
    "name": TABLES[0].name,
    "token": "broken",
}
"""What stands for an argument of an address: itself, or the first of its kind."""


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "BASE_URL": f"http://localhost:{free_port()}"}


@pytest.fixture
def served(environment: dict[str, str], guarded_app: Flask) -> Iterator[WebAlone]:
    """The web server by itself."""
    origin = environment["BASE_URL"]
    server = make_server("127.0.0.1", int(origin.rpartition(":")[2]), guarded_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield WebAlone(web=origin, staff_web=origin)
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def staff(chromium: Browser, served: WebAlone, runtime: Runtime, role: Role) -> Iterator[Person]:
    """Somebody on staff at their browser."""
    link, name = local_link(runtime), "Ada"
    with person(chromium, served, scripts=True) as somebody:
        somebody.open_staff(link)
        somebody.send()
        with runtime.database.transaction() as session:
            session.get_one(StaffMember, member_id(runtime, name)).role = role
        yield somebody


def addresses(app: Flask, session: Session, role: Role) -> list[str]:
    """Every page that somebody with a role may open."""
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if not rule.rule.startswith(PREFIX) or "GET" not in (rule.methods or ()) or is_open(view):
            continue
        needed = required_role(view)
        if needed is not None and role.covers(needed) and (path := _path(app, session, rule)):
            found.append(path)
    return sorted(set(found))


def _path(app: Flask, session: Session, rule: Rule) -> str | None:
    """An address of a rule; None where nothing that it is about is there yet.

    A new argument fails here: name what stands for it in EXAMPLES.
    """
    values: dict[str, str | int | None] = {}
    for name in rule.arguments:
        example = EXAMPLES[name]
        values[name] = example if isinstance(example, str) else session.scalar(example.limit(1))
    if None in values.values():
        return None
    with app.test_request_context():
        built = rule.build(values)
    assert built is not None
    return built[1]


def is_page(visitor: Person, path: str) -> bool:
    """Whether there is a page at an address, and not something to keep or only data."""
    answer = visitor.context.request.get(f"{visitor.newsroom.staff_web}{path}", max_redirects=0)
    return answer.headers.get("content-type", "").startswith("text/html") and answer.status < 300


def name_of(path: str) -> str:
    letters = (letter if letter.isalnum() else "-" for letter in path.removeprefix("/staff"))
    return "-".join(filter(None, "".join(letters).split("-"))) or "today"


def faults_of(visitor: Person) -> list[str]:
    """What may not be on any page, at the size that it has."""
    page = visitor.page
    faults = [*visitor.watch.errors, *visitor.watch.strangers]
    if page.locator("h1").count() != 1:
        faults.append("no single first heading")
    if (beyond := page.evaluate(_TOO_WIDE)) > 0:
        faults += [f"{beyond} px too wide", *page.evaluate(_BROKEN_OUT)]
    visitor.watch.forget()
    return faults


def look_at(visitor: Person, path: str) -> list[str]:
    """A page at both sizes, light and dark."""
    page, name = visitor.page, f"staff-{name_of(path)}"
    page.set_viewport_size(DESK)
    visitor.open_staff(path)
    take_if_asked(page, f"{name}-1440")
    faults = faults_of(visitor) + violations(page) + contrast_in_the_dark(page)
    page.emulate_media(color_scheme="dark")
    take_if_asked(page, f"{name}-1440-dark")
    page.set_viewport_size(PHONE)
    take_if_asked(page, f"{name}-390-dark")
    page.emulate_media(color_scheme="light")
    take_if_asked(page, f"{name}-390")
    return faults + faults_of(visitor)


def glance_at(visitor: Person, path: str, name: str) -> list[str]:
    """A page whose layout and colours are seen elsewhere, in another state."""
    visitor.page.set_viewport_size(PHONE)
    visitor.open_staff(path)
    take_if_asked(visitor.page, f"{name}-390")
    return faults_of(visitor) + violations_of_words(visitor.page)


def doubt(runtime: Runtime) -> None:
    """Have the card's network warn of a payment, whose pledge waits for a decision."""
    with runtime.database.transaction() as session:
        running = EXAMPLES["pledge_id"]
        assert not isinstance(running, str)
        pledge = session.get_one(Pledge, session.scalar(running.limit(1)))
        pledge.held_since = warned_at = runtime.clock.now()
        charge_id = session.scalar(select(Charge.id).where(Charge.pledge_id == pledge.id).limit(1))
        session.add(
            FraudWarning(
                stripe_warning_id="issfr_1",
                charge_id=charge_id,
                fraud_type="made_with_stolen_card",
                warned_at=warned_at,
            )
        )


def test_every_page_of_a_newsroom_a_year_old(
    chromium: Browser,
    served: WebAlone,
    guarded_app: Flask,
    runtime: Runtime,
    stripe: StandIn,
) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    doubt(runtime)
    keep_up(runtime)
    faults: dict[str, list[str]] = {}
    with staff(chromium, served, runtime, Role.ADMIN) as admin:
        with runtime.database.transaction() as session:
            paths = addresses(guarded_app, session, Role.ADMIN)
        for path in [*paths, *LOOKED_AT_TOO]:
            if path in LOOKED_AT_TOO or is_page(admin, path):
                faults[path] = look_at(admin, path)
    with staff(chromium, served, runtime, Role.VIEWER) as viewer:
        with runtime.database.transaction() as session:
            paths = addresses(guarded_app, session, Role.VIEWER)
        for path in filter(lambda each: is_page(viewer, each), paths):
            name = f"staff-{name_of(path)}-viewer"
            faults[f"{path} (viewer)"] = glance_at(viewer, path, name)
    told = [f"{path}: {fault}" for path, found in faults.items() for fault in found]
    assert not told, "\n".join(told)


def test_every_page_on_the_first_day(
    chromium: Browser, served: WebAlone, guarded_app: Flask, runtime: Runtime
) -> None:
    keep_up(runtime)
    faults: dict[str, list[str]] = {}
    with staff(chromium, served, runtime, Role.ADMIN) as admin:
        with runtime.database.transaction() as session:
            paths = addresses(guarded_app, session, Role.ADMIN)
        for path in filter(lambda each: is_page(admin, each), paths):
            name = f"staff-{name_of(path)}-first-day"
            faults[path] = glance_at(admin, path, name)
            assert admin.status == 200, path
    told = [f"{path}: {fault}" for path, found in faults.items() for fault in found]
    assert not told, "\n".join(told)


def test_a_chart_by_mouse_keyboard_and_on_paper(
    chromium: Browser, served: WebAlone, runtime: Runtime, stripe: StandIn
) -> None:
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    with staff(chromium, served, runtime, Role.DESK) as desk:
        page = desk.page
        page.set_viewport_size(DESK)
        desk.open_staff("/staff/revenue/money")
        readings = page.locator(".wide-screen .reading:visible")
        expect(readings).to_have_count(1)  # the latest month's, unasked
        columns = page.locator(".wide-screen .column")
        columns.nth(2).hover()
        expect(readings).to_have_count(1)
        expect(columns.nth(2).locator(".reading")).to_be_visible()
        page.mouse.move(1, 1)
        columns.nth(0).focus()
        page.keyboard.press("Tab")
        expect(columns.nth(1)).to_be_focused()
        expect(readings).to_have_count(1)
        expect(columns.nth(1).locator(".reading")).to_be_visible()
        expect(columns.nth(1)).to_have_accessible_name(
            re.compile("gifts \\$.*pledges \\$|pledges \\$.*gifts \\$")
        )

        page.emulate_media(media="print")
        take_if_asked(page, "staff-revenue-money-on-paper")
        for gone in (".tabs", ".filters", ".desk__out", ".desk__nav", ".reading"):
            expect(page.locator(f"{gone}:visible")).to_have_count(0)
        expect(page.locator("table:visible").first).to_be_visible()
        expect(page.locator(".chart-drawing:visible").first).to_be_visible()
        assert page.pdf(format="A4").startswith(b"%PDF")
