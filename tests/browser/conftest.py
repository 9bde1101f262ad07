"""One Chromium and one running newsroom for every test in this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.browser import Person, person, start_chromium
from tests.support.newsroom import Newsroom, running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = start_chromium(playwright)
        expect.set_options(timeout=30_000)  # patience, for a busy machine
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def newsroom(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    """Everything, as `make run` starts it. It asks for Chromium first: no browser, no start."""
    with running(tmp_path_factory.mktemp("newsroom")) as started:
        yield started


@pytest.fixture
def reader(chromium: Browser, newsroom: Newsroom) -> Iterator[Person]:
    """A reader whose browser runs no scripts."""
    with person(chromium, newsroom) as somebody:
        yield somebody


@pytest.fixture
def russian_reader(chromium: Browser, newsroom: Newsroom) -> Iterator[Person]:
    with person(chromium, newsroom, "ru") as somebody:
        yield somebody


@pytest.fixture
def reader_with_scripts(chromium: Browser, newsroom: Newsroom) -> Iterator[Person]:
    with person(chromium, newsroom, scripts=True) as somebody:
        yield somebody
