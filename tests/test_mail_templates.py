"""Every email, in every language, in both its forms."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, UndefinedError

from billing.charges.reasons import Reason
from billing.emails import Email, write_email
from billing.settings import Settings
from billing.templating import EMAILS, STAFF_EMAILS

ROOT = Path(__file__).parents[1]
CANCEL = "http://localhost/pledges/token/cancel"
RECEIPT: dict[str, Any] = {
    "charge_id": 17,
    "amount_minor": 530,
    "fee_cover_minor": 30,
    "currency": "usd",
    "paid_at": "2026-11-23T22:30:00+00:00",
    "renewal": False,
}
PLEDGE = {**RECEIPT, "next_charge_at": "2026-12-23T22:30:00+00:00", "cancel_url": CANCEL}
SUM: dict[str, Any] = {"amount_minor": 500, "currency": "usd", "cadence": "monthly"}
MANAGE = "http://localhost/pledges/token"
PAY = "http://localhost/pledges/token/pay"
FAILED = {
    **SUM,
    "reason": "money",
    "due_at": "2026-11-23T22:30:00+00:00",
    "next_attempt_at": "2026-11-24T11:30:00+00:00",
    "pay_url": PAY,
    "cancel_url": CANCEL,
}
CARD = {
    **SUM,
    "next_charge_at": "2026-12-23T22:30:00+00:00",
    "card_url": "http://localhost/pledges/token/card",
    "cancel_url": CANCEL,
}
CONTEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a gift": ("receipt", {**RECEIPT, "cadence": "once", "fee_cover_minor": 0}),
    "the first of a monthly pledge": ("receipt", {**PLEDGE, "cadence": "monthly"}),
    "a renewal": ("receipt", {**PLEDGE, "cadence": "monthly", "renewal": True}),
    "an annual renewal": ("receipt", {**PLEDGE, "cadence": "annual", "renewal": True}),
    "paid while cancelling": (
        "receipt",
        {**PLEDGE, "cadence": "monthly", "renewal": True, "next_charge_at": None},
    ),
    "cancelled": (
        "cancelled",
        {
            "amount_minor": 2400,
            "currency": "eur",
            "cadence": "annual",
            "cancelled_at": "2026-11-23T22:30:00+00:00",
        },
    ),
    **{
        f"payment failed, {remedy}": ("payment_failed", {**FAILED, "remedy": remedy})
        for remedy in ("retry_later", "needs_payer", "never_again")
    },
    "to be tried again, nobody knows when": (
        "payment_failed",
        {**FAILED, "remedy": "retry_later", "next_attempt_at": None},
    ),
    "to be confirmed": ("confirm_payment", {**FAILED, "remedy": "confirm", "reason": "confirm"}),
    "lapsed": ("lapsed", {**SUM, "since": "2025-11-23T22:30:00+00:00", "pay_url": PAY}),
    "a card that expires": (
        "card_expiring",
        {**CARD, "card_last4": "4242", "expires_month": 2, "expires_year": 2027},
    ),
    "a card that expires, its number unknown": (
        "card_expiring",
        {**CARD, "card_last4": None, "expires_month": 12, "expires_year": 2026},
    ),
    "a card that is gone": ("card_needed", CARD),
    "an annual charge ahead": (
        "renewal_notice",
        {
            **CARD,
            "cadence": "annual",
            "since": "2025-12-07T22:30:00+00:00",
            "charge_at": "2026-12-07T22:30:00+00:00",
        },
    ),
    **{
        f"a pledge that is {change}": (
            "pledge_changed",
            {**CARD, "manage_url": MANAGE, "change": change, "paused_until": until},
        )
        for change, until in (
            ("paused", "2027-01-31T22:30:00+00:00"),
            ("resumed", None),
            ("skipped", None),
        )
    },
    **{
        f"months paid ahead, {what}": (
            "prepaid",
            {
                **PLEDGE,
                "cadence": "monthly",
                "amount_minor": 3000,
                "months": 6,
                "next_amount_minor": 500,
                "manage_url": MANAGE,
                "next_charge_at": following,
            },
        )
        for what, following in (("going on", PLEDGE["next_charge_at"]), ("cancelled", None))
    },
    "the last of an old sum": (
        "receipt",
        {
            **PLEDGE,
            "cadence": "annual",
            "next_amount_minor": 6000,
            "months": 1,
            "manage_url": MANAGE,
        },
    ),
    "another amount": (
        "amount_changed",
        {**CARD, "manage_url": MANAGE, "old_amount_minor": 2400, "old_cadence": "annual"},
    ),
    **{
        f"given back, {how}": (
            "refunded",
            {**SUM, "full": full, "charge_amount_minor": 1000, "refunded_at": "unused"},
        )
        for how, full in (("whole", True), ("in part", False))
    },
    **{
        f"a link that was asked for, {about}": (
            "link_asked",
            {**SUM, "about": about, "url": MANAGE, "cancel_url": CANCEL},
        )
        for about in ("card", "pay", "pledge")
    },
    "reminder": (
        "reminder",
        {
            "asked_at": "2026-10-23T22:30:00+00:00",
            "support_url": "http://localhost/support?lang=en",
            "unsubscribe_url": "http://localhost/remind/unsubscribe/token?lang=en",
        },
    ),
    "the weekly digest": (
        "digest",
        {
            "first_day": "16 Nov 2026",
            "last_day": "22 Nov 2026",
            "net": "$1,250",
            "most": "What changed most: $350 more came from gifts than in the week before.",
            "rows": [["Paid in all", "$1,300", "$950", "too few to show"]],
            "promised": [["At the end of the week", "$4,200"]],
            "goal": [["Received, after fees", "$2,100"], ["Goal", "$5,000"]],
            "goal_percent": 42,
            "chart": [["9 Nov", 0, "too few"], ["16 Nov", 100, "$1,300"]],
            "needed": 2,
            "rounded_to": "$50",
            "staff_url": "http://localhost/staff/",
            "unsubscribe_url": "http://localhost/digest/unsubscribe/token",
        },
    ),
    "the address for the digest": (
        "digest_confirm",
        {"confirm_url": "http://localhost/staff/digest/confirm/token"},
    ),
}
everything = pytest.mark.parametrize("what", CONTEXTS)
to_readers = pytest.mark.parametrize(
    "what", [what for what, (template, _) in CONTEXTS.items() if template not in STAFF_EMAILS]
)
languages = pytest.mark.parametrize("language", ["en", "ru"])


def write(settings: Settings, what: str, language: str = "en", **changes: Any) -> Email:
    template, context = CONTEXTS[what]
    return write_email(template, language, {**context, **changes}, settings.newsroom)


class _Words(HTMLParser):
    """The words of a page, its links, and whatever it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self._silent = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in {"style", "title"}
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "srcset", "background", "href"}:
                self.loads.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


@everything
@languages
def test_it_says_something_in_every_part(settings: Settings, what: str, language: str) -> None:
    email = write(settings, what, language)
    assert email.subject
    assert "\n" not in email.subject
    assert len(email.subject) < 70
    assert f'<html lang="{language}">' in email.html
    assert settings.newsroom.name in email.text
    for part in (email.subject, email.text, email.html):
        assert not re.search(r"%\(|\{\{|\{%|None|Markup|\.\.", part)


@everything
@languages
def test_nothing_is_loaded_from_anywhere(settings: Settings, what: str, language: str) -> None:
    page = _Words(write(settings, what, language).html)
    assert page.loads == []
    assert not re.search(r"url\(|@import|<img|<script", write(settings, what, language).html)


@everything
@languages
def test_both_forms_hold_the_same_links(settings: Settings, what: str, language: str) -> None:
    email = write(settings, what, language)
    links = {link for link in _Words(email.html).links if not link.startswith("mailto:")}
    assert links == set(re.findall(r"https?://\S+", email.text))


@to_readers
def test_no_word_is_left_in_english(settings: Settings, what: str) -> None:
    newsroom = replace(settings.newsroom, name="Курьер", contact_email="", statement_descriptor="")
    template, context = CONTEXTS[what]
    email = write_email(template, "ru", context, newsroom)
    words = " ".join([email.subject, email.text, *_Words(email.html).words])
    words = re.sub(r"https?://\S+", "", words)
    assert re.findall(r"[A-Za-z]{2,}", words) == []


def test_every_text_of_emails_and_reminder_pages_is_in_russian() -> None:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
    )
    russian = Translations.load(ROOT / "billing" / "translations", ["ru"])
    names = environment.list_templates(
        filter_func=lambda name: name.startswith(("emails/", "reminders/"))
    )
    assert len(names) > 15
    missing = []
    for name in names:
        source = (ROOT / "templates" / name).read_text(encoding="utf-8")
        for _, _, found in environment.extract_translations(source):  # type: ignore[attr-defined]
            text = found[0] if isinstance(found, tuple) else found
            if russian.gettext(text) == text:
                missing.append((name, text))
    assert missing == []


def test_the_compiled_translations_are_those_that_were_written() -> None:
    folder = ROOT / "billing" / "translations" / "ru" / "LC_MESSAGES"
    with (folder / "messages.po").open("rb") as file:
        written = read_po(file, locale="ru")
    compiled = Translations.load(ROOT / "billing" / "translations", ["ru"])
    for message in written:
        if isinstance(message.id, str) and message.id and message.string:
            assert compiled.gettext(message.id) == message.string


def test_money_and_days_are_the_readers(settings: Settings) -> None:
    english, russian = (write(settings, "a renewal", language) for language in ("en", "ru"))
    assert "Amount: $5.30" in english.text
    assert "for the card fee: $0.30" in english.text
    assert "Date: 24 November 2026" in english.text, "the newsroom's day, not UTC's"
    assert "On 24 December 2026 we will take the same sum" in english.text
    assert "Сумма: 5,30\xa0$" in russian.text
    assert "Дата: 24 ноября 2026\u202fг." in russian.text.replace("\xa0г", "\u202fг")


def test_a_currency_without_cents_has_none(settings: Settings) -> None:
    email = write(settings, "a gift", amount_minor=1500, currency="jpy")
    assert "¥1,500" in email.text


def test_a_gift_promises_nothing_and_asks_for_nothing_more(settings: Settings) -> None:
    email = write(settings, "a gift")
    assert "nothing more will be taken" in email.text
    assert "cancel" not in email.text
    assert "card fee" not in email.text


def test_a_cancelled_pledges_last_receipt_offers_no_cancelling(settings: Settings) -> None:
    assert CANCEL not in write(settings, "paid while cancelling").text


def test_what_a_newsroom_is_called_is_text_and_not_markup(settings: Settings) -> None:
    newsroom = replace(settings.newsroom, name='<b>"R&D"</b>')
    for template, context in CONTEXTS.values():
        email = write_email(template, "en", context, newsroom)
        assert "<b>" not in email.html
        assert "&lt;b&gt;&#34;R&amp;D&#34;&lt;/b&gt;" in email.html
        assert "&amp;" not in email.text


def test_an_address_in_a_link_cannot_leave_it(settings: Settings) -> None:
    url = 'http://localhost/"><script>alert(1)</script>'
    assert "<script>" not in write(settings, "reminder", support_url=url).html


def test_a_context_that_lacks_something_is_an_error_and_not_a_gap(settings: Settings) -> None:
    with pytest.raises(UndefinedError):
        write_email("reminder", "en", {}, settings.newsroom)


def test_every_email_is_looked_at() -> None:
    assert {template for template, _ in CONTEXTS.values()} == set(EMAILS)


@languages
def test_every_reason_has_a_sentence_of_its_own(settings: Settings, language: str) -> None:
    texts = {
        reason: write(settings, "payment failed, retry_later", language, reason=reason.value).text
        for reason in Reason
    }
    assert len(set(texts.values())) == len(Reason)
    assert (
        write(settings, "payment failed, retry_later", language, reason="new").text
        == (texts[Reason.REFUSED])
    )


def test_a_failed_payment_says_what_happens_next(settings: Settings) -> None:
    later = write(settings, "payment failed, retry_later").text
    assert "not enough money" in later
    assert "No money was taken." in later
    assert "next on 24 November 2026" in later
    assert "We will not ask this card again" in write(settings, "payment failed, never_again").text
    assert "Only you can put it right" in write(settings, "payment failed, needs_payer").text


def test_a_notice_names_the_day_the_sum_and_the_way_out(settings: Settings) -> None:
    email = write(settings, "an annual charge ahead")
    assert email.subject == "On 8 December 2026: your yearly payment of $5"
    assert "Date: 8 December 2026" in email.text
    assert CANCEL in email.text
