"""Every page in every state, on a phone and on a desk: whole, quiet, by itself, and for everybody.

`make pictures` takes one of each; somebody should look at them now and then.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import states
from tests.browser.axe import contrast_in_the_dark, violations, violations_of_words
from tests.browser.pictures import DESK, PHONE, take_if_asked
from tests.browser.states import State
from tests.browser.traces import Traces, leave_traces
from tests.support.browser import Person, person
from tests.support.keys import Keys
from tests.support.newsroom import Newsroom

pytestmark = [pytest.mark.browser, pytest.mark.alone]

_HEIGHT = "document.scrollingElement.scrollHeight"
_TOO_WIDE = "document.scrollingElement.scrollWidth - window.innerWidth"


@pytest.fixture(scope="module")
def english(chromium: Browser, newsroom: Newsroom) -> Iterator[Person]:
    with person(chromium, newsroom, scripts=True) as somebody:
        yield somebody


@pytest.fixture(scope="module")
def russian(chromium: Browser, newsroom: Newsroom) -> Iterator[Person]:
    with person(chromium, newsroom, "ru", scripts=True) as somebody:
        yield somebody


@pytest.fixture(scope="module")
def traces(english: Person) -> Traces:
    return leave_traces(english)


@pytest.fixture(scope="module")
def staff(chromium: Browser, newsroom: Newsroom) -> Iterator[Person]:
    with person(chromium, newsroom, scripts=True) as somebody:
        yield somebody


def bring(visitor: Person, traces: Traces, state: State) -> None:
    """To the page meant, and no other."""
    visitor.watch.forget()
    state.way(visitor, traces)
    expect(visitor.page.locator(state.shows).first).to_be_visible()
    assert visitor.status == state.status
    assert visitor.page.locator("h1").count() == 1


def look_at(visitor: Person, name: str) -> None:
    """Take the pictures, and hold the page to what every page keeps to.

    Colours and the wide layout know no language: Russian, with its longer words, is for the phone.
    """
    page, faults = visitor.page, []
    for size in (DESK, PHONE) if visitor.language == "en" else (PHONE,):
        if page.viewport_size != size:
            page.set_viewport_size(size)
        if page.locator("iframe").count():  # Chromium draws a frame only as far as the window goes
            page.set_viewport_size({**size, "height": page.evaluate(_HEIGHT)})
        take_if_asked(page, f"{name}-{visitor.language}-{size['width']}")
        if (beyond := page.evaluate(_TOO_WIDE)) > 0:
            faults.append(f"{beyond} px wider than {size['width']} px")
    if visitor.language == "en":
        faults += violations(page) + contrast_in_the_dark(page)
    else:
        faults += violations_of_words(page)
    faults += visitor.watch.errors + visitor.watch.strangers
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_mail_is_whole_in_its_frame(
    english: Person, traces: Traces, size: dict[str, int]
) -> None:
    """No script may measure it: see the mailbox's style sheet."""
    page = english.page
    page.set_viewport_size(size)
    page.goto(traces.receipt)
    frame = page.locator("iframe").bounding_box()
    assert frame
    page.goto("about:blank")
    page.set_viewport_size({"width": int(frame["width"]) - 2, "height": 700})
    page.set_content(english.context.request.get(f"{traces.receipt}/html").text())
    height = page.locator("body > table").evaluate("table => table.offsetHeight")
    assert height < frame["height"] < height + 250


@pytest.mark.parametrize("state", states.READER + states.HOUSE, ids=str)
def test_in_english(english: Person, traces: Traces, state: State) -> None:
    bring(english, traces, state)
    look_at(english, state.name)


@pytest.mark.parametrize("state", states.READER, ids=str)
def test_in_russian(russian: Person, traces: Traces, state: State) -> None:
    bring(russian, traces, state)
    look_at(russian, state.name)


def test_strangers_at_the_staff_door(staff: Person, reader: Person, traces: Traces) -> None:
    staff.open_staff()
    look_at(staff, "staff-stranger")
    staff.page.goto(traces.old_staff_link)
    look_at(staff, "staff-link-too-old")
    staff.open("/staff/sign-in")
    expect(staff.page.get_by_role("alert")).to_contain_text(f"at {staff.newsroom.staff_web} only")
    reader.open_staff("/staff/sign-in")
    expect(reader.page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(reader.page.get_by_role("button", name="Sign in with a passkey")).to_be_disabled()


def test_staff_with_passkeys(staff: Person) -> None:
    """From the invitation to the next sign-in, asked again in between, to a passkey revoked."""
    page, keys = staff.page, Keys(staff)
    link = staff.newsroom.tuppence("staff", "invite", "Marta Lind", "--role=admin").stdout.strip()
    keys.plug_in()
    page.goto(link)
    look_at(staff, "staff-join")
    staff.send("form.passkey")
    expect(page.get_by_role("heading", name="One more passkey, please")).to_be_visible()
    staff.send_expecting("form.passkey", "has a passkey for you already")
    look_at(staff, "staff-passkeys")
    keys.plug_in()
    staff.send("form.passkey")
    expect(page.get_by_role("button", name="Revoke")).to_have_count(2)
    page.goto(link)
    expect(page).to_have_url(f"{staff.newsroom.staff_web}/staff/passkeys")

    staff.send("form.desk__out")
    look_at(staff, "staff-signed-out")
    staff.open_staff("/staff/members")
    page.get_by_role("link", name="Sign in").click()
    look_at(staff, "staff-sign-in")
    staff.send("form.passkey")
    expect(page.get_by_role("heading", level=1)).to_have_text("Staff")
    look_at(staff, "staff-members")

    staff.newsroom.sql("UPDATE staff_sessions SET verified_at = now() - interval '1 year'")
    page.get_by_label("Name").fill("Dan Orr")
    staff.send("form.fields")
    look_at(staff, "staff-verify")
    staff.send("form.passkey")
    expect(page).to_have_url(f"{staff.newsroom.staff_web}/staff/members")
    page.get_by_label("Name").fill("Dan Orr")
    staff.send("form.fields")
    look_at(staff, "staff-link-made")
    link = page.locator("pre").inner_text()

    staff.open_staff("/staff/passkeys")
    with page.expect_navigation():
        page.get_by_role("button", name="Revoke").last.click()  # the one at hand
    assert staff.status == 401  # what it had opened is shut at once
    staff.open_staff("/staff/sign-in")
    staff.send("form.passkey")
    expect(page.get_by_role("alert").first).to_contain_text("Perhaps it was revoked")
    staff.open_staff("/staff/members")
    assert staff.status == 401

    keys.unplug()
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, Dan Orr")


def take_a_table_away(staff: Person) -> None:
    """The script counts what comes and keeps the file; without it the form is a download."""
    page = staff.page
    staff.open_staff("/staff/revenue/export/ledger-lines?period=last-12-months&figure=gross")
    staff.send("main form")
    look_at(staff, "staff-export")
    rows = int(page.locator("form[data-rows]").get_attribute("data-rows") or 0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    expect(page.get_by_role("status")).to_have_text(
        f"Done: {rows:,} rows are in {download.value.suggested_filename}."
    )
    assert download.value.path().read_bytes().count(b"\r\n") == rows + 1
    look_at(staff, "staff-export-done")


def test_what_staff_see(staff: Person, traces: Traces) -> None:
    """The pages that have no address of their own: the others are in `test_staff_pages.py`."""
    staff.open("/demo/staff")
    look_at(staff, "staff-sign-in-locally")
    staff.send()
    expect(staff.page.get_by_role("heading", level=2).first).to_be_visible()
    take_a_table_away(staff)
    look_at_the_desk(staff)
    staff.newsroom.sql("UPDATE staff_members SET role = 'viewer' WHERE name = 'Demo editor'")
    staff.open_staff("/staff/audit-trail")
    look_at(staff, "staff-role-refused")
    staff.newsroom.sql("UPDATE staff_members SET role = 'admin' WHERE name = 'Demo editor'")
    staff.newsroom.sql("UPDATE staff_sessions SET browser = 'Another one'")
    staff.open_staff()
    look_at(staff, "staff-stolen")


def look_at_the_desk(staff: Person) -> None:
    """A supporter is found and seen, and what can't be undone is asked about first."""
    staff.open_staff("/staff/supporters")
    staff.page.get_by_label("Email address").fill("nobody@example.org")
    staff.send("form.fields")
    look_at(staff, "desk-nobody")
    staff.page.get_by_label("Email address").fill("supporter 1")
    staff.send("form.fields")
    expect(staff.page.get_by_role("heading", name="What happened")).to_be_visible()
    staff.page.get_by_role("link", name="Give back").first.click()
    if "/staff/verify" in staff.page.url:
        staff.send("main form")  # a button stands in for the passkey here
    staff.send("form.fields")
    look_at(staff, "desk-refund")


def test_a_label_that_is_gone_is_found(reader_with_scripts: Person) -> None:
    page = reader_with_scripts.page
    reader_with_scripts.open("/remind")
    assert violations(page) == []
    page.locator("label[for=remind-email]").evaluate("label => label.remove()")
    assert any(line.startswith("label:") for line in violations(page))


def test_grey_on_grey_is_found_in_the_dark(reader_with_scripts: Person) -> None:
    page = reader_with_scripts.page
    reader_with_scripts.open("/remind")
    page.locator("h1").evaluate("heading => { heading.style.color = '#444' }")
    assert violations(page) == []
    assert [line[:27] for line in contrast_in_the_dark(page)] == ["in the dark: color-contrast"]
