"""The desk as staff use it: a page is opened, its form filled in, its button pressed."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

HOME = "/staff/supporters"
WHY = "She wrote to us"


def fields_of(page: str) -> dict[str, str]:
    """What the form with a key sends along."""
    forms = re.findall(r"<form class=\"fields\" method=\"post\".*?</form>", page, re.DOTALL)
    hidden = r'<input type="hidden" name="(\w+)" value="([^"]*)">'
    [found] = [fields for form in forms if "key" in (fields := dict(re.findall(hidden, form)))]
    return {name: unescape(value) for name, value in found.items()}


def press(client: FlaskClient, path: str, page: str | TestResponse, **more: Any) -> TestResponse:
    """Press the button of a page: what it answers, not followed."""
    shown = page if isinstance(page, str) else page.text
    fields = {**fields_of(shown), "reason": WHY, **more}
    return client.post(path, data={name: each for name, each in fields.items() if each is not None})


def told(client: FlaskClient, answer: TestResponse) -> str:
    """What the page to which an answer leads says was done."""
    assert answer.status_code == 303, answer.text
    page = client.get(answer.location).text
    [words] = re.findall(r'<p class="notice notice--good" role="status">(.*?)</p>', page)
    return unescape(words)


def problem(answer: TestResponse) -> str:
    """What a page says is in the way."""
    [words] = re.findall(r'<p class="notice notice--bad" role="alert">(.*?)</p>', answer.text)
    return unescape(words)
