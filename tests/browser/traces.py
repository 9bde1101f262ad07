"""What earlier visits left behind: links from mails, and payments in every state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from tests.support.browser import DECLINED_CARD, Person
from tests.support.newsroom import Newsroom

NO_SUCH_ACCOUNT = "000111111116"
SLOW_ACCOUNT = ""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Paths and addresses that pages of one person lie at. `thanks` is by outcome."""

    thanks: dict[str, str]
    form_key: dict[str, str]
    """Of a form whose payment page has closed, for each language."""
    cancel: dict[str, str]
    """A pledge to be ended for each language."""
    manage: dict[str, str]
    """The page of a pledge for each language; made for what is to be changed and left running."""
    receipt: str
    unsubscribe: str
    paid_checkout: str
    expired_checkout: str
    old_staff_link: str


def leave_traces(visitor: Person) -> Traces:
    """Live through all of it; a month goes by."""
    page, thanks = visitor.page, {}
    old_staff_link = visitor.newsroom.tuppence(
        "staff", "invite", "Too late", "--role=desk"
    ).stdout.strip()
    form_key = {language: _to_checkout(visitor, language=language) for language in ("ru", "en")}
    expired_checkout = page.url
    thanks["expired"] = visitor.checkout_token()
    visitor.open("/remind")
    page.locator("#remind-email").fill("waverer@example.org")
    visitor.send()
    visitor.move_clock("month")

    _to_checkout(visitor, cover_fee=True)
    thanks["paid"], paid_checkout = visitor.checkout_token(), page.url
    visitor.pay(email="english@example.org")
    _to_checkout(visitor, "annual")
    visitor.pay(email="russian@example.org")
    for language in ("ru", "en"):
        _to_checkout(visitor, language=language)
        visitor.pay(email=f"changes-{language}@example.org")
    _to_checkout(visitor)
    thanks["declined"] = visitor.checkout_token()
    visitor.pay(DECLINED_CARD)
    for outcome, account in {"processing": SLOW_ACCOUNT, "failed": NO_SUCH_ACCOUNT}.items():
        _to_checkout(visitor, "once")
        thanks[outcome] = visitor.checkout_token()
        visitor.debit(account)
    _to_checkout(visitor, "annual")
    thanks["not_paid"] = visitor.checkout_token()
    return Traces(
        thanks=thanks,
        form_key=form_key,
        unsubscribe=_link(visitor, "waverer@example.org", "/remind/unsubscribe/"),
        manage={
            language: _link(visitor, f"changes-{language}@example.org", "/pledges/", "cancel")
            for language in ("en", "ru")
        },
        cancel={
            "ru": _link(visitor, "russian@example.org", "/cancel"),
            "en": _link(visitor, "english@example.org", "/cancel"),
        },
        receipt=page.url,
        paid_checkout=paid_checkout,
        expired_checkout=expired_checkout,
        old_staff_link=old_staff_link,
    )


def strike(newsroom: Newsroom, **rule: Any) -> None:
    """Have the stand-in fail requests that match, until `heal`."""
    fault = {"rules": [{"times": None, "kind": "error_500", **rule}]}
    requests.post(f"{newsroom.stripe}/_standin/faults", json=fault, timeout=10).raise_for_status()


def heal(newsroom: Newsroom) -> None:
    """No more faults."""
    requests.delete(f"{newsroom.stripe}/_standin/faults", timeout=10).raise_for_status()


def _to_checkout(
    visitor: Person, cadence: str = "monthly", *, cover_fee: bool = False, language: str = "en"
) -> str:
    visitor.open(f"/support?lang={language}")
    key = visitor.page.locator("[name=form_key]").get_attribute("value") or ""
    if cover_fee:
        visitor.page.locator("[name=cover_fee]").check()
    visitor.give("7.50", cadence)
    return key


def _link(visitor: Person, to: str, part: str, but_not: str = "nothing") -> str:
    visitor.mail(to)
    link = visitor.page.locator(f"pre a[href*='{part}']:not([href*='{but_not}'])")
    return link.first.get_attribute("href") or ""
