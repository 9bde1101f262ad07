"""A member of staff who asks a web process for pages, over one connection."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from html import unescape
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from tests.bench.house import House
from tests.support.staff import local_link

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came, and how long it took in seconds."""

    status: int
    body: bytes
    kind: str
    seconds: float


class Visitor:
    """Signed in, as a browser is."""

    def __init__(self, house: House) -> None:
        self._connection = HTTPConnection(urlsplit(house.web_url).netloc, timeout=300)
        self._cookies: dict[str, str] = {}
        runtime = house.runtime(pool_size=1)
        link = local_link(runtime)
        runtime.database.dispose()
        found = _TOKEN.search(self.ask(link).body.decode())
        form = {"csrf_token": unescape(found[1])} if found else {}
        answer = self.ask(link, form)
        if answer.status not in (302, 303):
            raise RuntimeError(f"The link signed nobody in: {answer.status}.")

    def ask(self, path: str, form: dict[str, str] | None = None) -> Answer:
        """Open a page, or send a form."""
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self._cookies.items())}
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        began = time.monotonic()
        self._connection.request("GET" if form is None else "POST", path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took = time.monotonic() - began
        for value in answer.headers.get_all("Set-Cookie", []):
            self._cookies |= {k: m.value for k, m in SimpleCookie(value).items()}
        return Answer(status=answer.status, body=content, kind=answer.headers.get_content_type(),
                      seconds=took)  # fmt: skip
