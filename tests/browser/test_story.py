"""The whole story in a browser that runs no scripts: appeal, pledge, renewal, reminder, goodbye."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pictures import take_small_and_large
from tests.support.browser import CARD, DECLINED_CARD, SECURE_CARD, Person, person
from tests.support.newsroom import Newsroom

pytestmark = [pytest.mark.browser, pytest.mark.alone]


def pay_at_the_second_try(reader: Person, giver: str) -> None:
    """The first card is declined; the second one is taken."""
    page, at_stripe = reader.page, re.compile(re.escape(reader.newsroom.stripe))
    expect(page).to_have_url(at_stripe)
    expect(page.locator(".sum")).to_contain_text("7.50")
    take_small_and_large(page, "story-checkout")
    reader.pay(DECLINED_CARD, giver)
    expect(page).to_have_url(at_stripe)
    expect(page.get_by_role("alert")).to_contain_text("declined")
    reader.pay(CARD, giver)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Thank you. Your support has arrived."
    )
    expect(page.get_by_role("main")).to_contain_text("$7.50")
    take_small_and_large(page, "story-thanks")


def test_from_the_article_to_the_revenue_page(
    chromium: Browser, newsroom: Newsroom, reader: Person
) -> None:
    page, giver, waverer = reader.page, "vera@example.org", "paul@example.org"

    # An article asks. The reader chooses Monthly there, and a sum of their own on the next page.
    reader.open("/demo/article")
    expect(page.get_by_text("Thank you for reading without ads.")).to_be_visible()
    take_small_and_large(page, "story-article")
    appeal = page.locator(".tup-appeal")
    appeal.get_by_label("Monthly").check()
    appeal.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(r"/support\?.*article=articles"))
    expect(page.get_by_label("Monthly")).to_be_checked()
    take_small_and_large(page, "story-support")
    page.locator("#amount").fill("7,50")
    page.get_by_role("button", name="Continue to payment").click()

    pay_at_the_second_try(reader, giver)

    # The receipt is in the mailbox, with the way out.
    receipt = reader.mail(giver)
    expect(receipt).to_contain_text("$7.50")
    take_small_and_large(page, "story-receipt")
    cancel = page.locator("pre a[href$='/cancel']").get_attribute("href")
    assert cancel

    # Somebody else is not ready, and leaves an address under the article.
    with person(chromium, newsroom) as other:
        other.open("/demo/article")
        other.page.get_by_text("Remind me later").click()
        other.page.get_by_label("Your email address").fill(waverer)
        other.page.get_by_role("button", name="Remind me in a month").click()
        expect(other.page.get_by_role("heading", level=1)).to_have_text(
            "Thank you. See you in a month."
        )
        take_small_and_large(other.page, "story-reminder")

    # A month goes by: the pledge is charged again, and the reminder goes out.
    reader.move_clock("month")
    expect(reader.mail(giver, 2)).to_contain_text("$7.50")
    expect(reader.mail(waverer)).to_contain_text("/support")

    # Staff read it on the revenue page.
    with person(chromium, newsroom) as staff:
        staff.open("/demo/staff")
        staff.page.get_by_role("button", name="Sign in").click()
        recent = staff.page.get_by_role("region", name="Latest charges")
        expect(recent.get_by_role("row", name=re.compile("renewal")).first).to_be_visible()
        expect(recent).to_contain_text("$7.50")
        take_small_and_large(staff.page, "story-revenue")

    # The reader leaves by the receipt's link, which asks first.
    page.goto(cancel)
    take_small_and_large(page, "story-cancel")
    page.get_by_role("button", name="End my pledge").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your pledge has ended")
    reader.mail(giver, 3)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Cancelled: nothing more will be taken"
    )
    newsroom.wait_for_books_in_order()
    assert reader.watch.strangers == []


def test_a_bank_that_asks_whether_it_is_you(reader: Person) -> None:
    reader.open("/support")
    reader.give("12")
    reader.pay(SECURE_CARD, "secure@example.org")
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Your bank asks: is this you?")
    reader.page.get_by_role("button", name="Complete authentication").click()
    expect(reader.page.get_by_role("main")).to_contain_text("You give $12 each month.")


def test_in_russian_from_the_article_to_the_receipt(russian_reader: Person) -> None:
    page, giver = russian_reader.page, "nina@example.org"
    russian_reader.open("/demo/article")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(page.get_by_role("heading", level=1)).to_have_text("Паром, который ждёт")
    page.locator(".tup-appeal").get_by_label("Один раз").check()
    page.locator(".tup-appeal button[type=submit]").first.click()
    expect(page.get_by_label("Один раз")).to_be_checked()
    russian_reader.give("15", "once")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(page.get_by_label("Номер карты")).to_be_visible()
    russian_reader.pay(CARD, giver)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Спасибо")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(russian_reader.mail(giver)).to_contain_text("Спасибо")


def test_by_the_keyboard_alone(reader: Person) -> None:
    page = reader.page
    keys = page.keyboard

    def tab_to(field: str) -> None:
        for _ in range(40):
            keys.press("Tab")
            if page.locator(f"{field}:focus").count():
                return
        pytest.fail(f"Tab never reaches {field}")

    reader.open("/support")
    keys.press("Tab")
    expect(page.locator(".skip:focus")).to_be_in_viewport()
    keys.press("Enter")
    tab_to("[name=cadence]")
    keys.press("ArrowRight")
    expect(page.locator("[name=cadence][value=annual]")).to_be_checked()
    tab_to("[name=pick_annual]")
    keys.press("ArrowRight")
    expect(page.locator("[name=pick_annual]").nth(1)).to_be_checked()
    tab_to("#amount")
    keys.type("48")
    tab_to("[name=cover_fee]")
    keys.press("Space")
    expect(page.locator("[name=cover_fee]")).to_be_checked()
    tab_to("form.support button:not([name])")
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator(".items")).to_contain_text("49.")
    assert reader.checkout_token()


def test_enter_in_the_amount_sends_the_form(reader: Person) -> None:
    reader.open("/support?cadence=once")
    reader.page.locator("#amount").fill("20")
    with reader.page.expect_navigation():
        reader.page.keyboard.press("Enter")
    expect(reader.page.locator(".sum")).to_contain_text("20.00")
