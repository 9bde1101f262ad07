"""What axe-core has to say about a page, by the success criteria of WCAG 2.2 AA."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_WCAG: dict[str, Any] = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    },
    "rules": {"target-size": {"enabled": True}},  # axe leaves it out unless asked
    "resultTypes": ["violations"],
    "iframes": False,  # the mailbox shows mails in frames without scripts, where axe can't work
}
_CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"], "iframes": False}
_AXE = Axe()


def violations(page: Page) -> list[str]:
    """Every violation, one line each."""
    return _said(_AXE.run(page, options=_WCAG).response)


def violations_of_words(page: Page) -> list[str]:
    """The same without contrast, which takes longest: for a page whose colours were seen before."""
    rules = {**_WCAG["rules"], "color-contrast": {"enabled": False}}
    return _said(_AXE.run(page, options={**_WCAG, "rules": rules}).response)


def contrast_in_the_dark(page: Page) -> list[str]:
    """Every violation of contrast when the reader prefers a dark scheme; after `violations`."""
    page.emulate_media(color_scheme="dark")
    found = page.evaluate("options => axe.run(options)", _CONTRAST)
    page.emulate_media(color_scheme="light")
    return [f"in the dark: {line}" for line in _said(found)]


def _said(response: dict[str, Any]) -> list[str]:
    return [
        f"{violation['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in response["violations"]
        for node in violation["nodes"]
    ]
