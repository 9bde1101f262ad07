"""Pictures of pages, for somebody to look at: they land in `screenshots/`.

Those of the journey are taken whenever it is travelled. Those of every page in every state take
longer than all else that is looked at there, and are taken when asked for: `make pictures`.
"""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

FOLDER = Path(__file__).parents[2] / "screenshots"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
_ASKED_FOR = os.environ.get("PICTURES") == "1"


def take(page: Page, name: str) -> None:
    """The whole page, as it is."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.jpg"
    page.screenshot(path=path, type="jpeg", quality=80, full_page=True)


def take_if_asked(page: Page, name: str) -> None:
    """The same, where pictures of everything were asked for."""
    if _ASKED_FOR:
        take(page, name)


def take_small_and_large(page: Page, name: str) -> None:
    """On a phone and on a desk; the page is left as wide as it was."""
    before = page.viewport_size
    for size in (PHONE, DESK):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        take(page, f"{name}-{size['width']}")
    if before:
        page.set_viewport_size(before)
