"""The web side of the mailbox: a list, a page a mail, and a small JSON interface for tests.

A mail is somebody else's HTML: it is shown in a frame of its own without scripts, forms or
anything loaded from elsewhere. Its links open in a new tab.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from billing.local.mail.store import Mail, MailStore

_WEB_ADDRESS = re.compile(r"https?://\S+")
_ROOT = Path(__file__).parents[3]
_STORE = web.AppKey("store", MailStore)
_TEMPLATES = web.AppKey("templates", Environment)

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'self'"
)


def mail_pages(store: MailStore, zone: ZoneInfo) -> web.Application:
    """The web application; times are shown in `zone`."""
    app = web.Application(middlewares=[_careful])
    templates = Environment(
        loader=FileSystemLoader(_ROOT / "templates"), autoescape=True, undefined=StrictUndefined
    )
    templates.filters["moment"] = lambda moment: _moment(moment, zone)
    templates.filters["measure"] = _measure
    app[_STORE] = store
    app[_TEMPLATES] = templates
    app.router.add_get("/", _list)
    app.router.add_get(r"/messages/{number:\d+}", _message)
    app.router.add_get(r"/messages/{number:\d+}/html", _html)
    app.router.add_get(r"/messages/{number:\d+}/raw", _raw)
    app.router.add_post("/clear", _clear_by_hand)
    app.router.add_get("/api/messages", _api_list)
    app.router.add_delete("/api/messages", _api_clear)
    app.router.add_static("/static", Path(__file__).parents[1] / "static")
    return app


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%-d %B %Y, %H:%M}"


def _measure(text: str) -> str:
    """The words of a mail with a button's height for each address, as its HTML part has them."""
    return _WEB_ADDRESS.sub("\N{NO-BREAK SPACE}\n\N{NO-BREAK SPACE}", text)


@web.middleware
async def _careful(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nothing from elsewhere, no framing, no guessing; and no other site may change anything."""
    if request.method not in {"GET", "HEAD"} and request.headers.get("Sec-Fetch-Site") in {
        "cross-site",
        "same-site",
    }:
        raise web.HTTPForbidden(text="This can only be done from the mailbox itself.\n")
    response: web.StreamResponse = await handler(request)
    response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _page(request: web.Request, name: str, **values: object) -> web.Response:
    text = request.app[_TEMPLATES].get_template(f"local/mail/{name}").render(**values)
    return web.Response(text=text, content_type="text/html")


def _asked_for(request: web.Request) -> Mail:
    mail = request.app[_STORE].find(int(request.match_info["number"]))
    if mail is None:
        raise web.HTTPNotFound(text="There is no such mail.\n")
    return mail


async def _list(request: web.Request) -> web.Response:
    return _page(request, "list.html", mails=request.app[_STORE].newest_first())


async def _message(request: web.Request) -> web.Response:
    return _page(request, "message.html", mail=_asked_for(request))


async def _html(request: web.Request) -> web.Response:
    return web.Response(
        text=f'<!doctype html><base target="_blank">{_asked_for(request).html or ""}',
        content_type="text/html",
        headers={"Content-Security-Policy": _MAIL_POLICY},
    )


async def _raw(request: web.Request) -> web.Response:
    return web.Response(body=_asked_for(request).raw, content_type="text/plain", charset="utf-8")


async def _clear_by_hand(request: web.Request) -> web.Response:
    request.app[_STORE].clear()
    raise web.HTTPSeeOther("/")


async def _api_list(request: web.Request) -> web.Response:
    return web.json_response([mail.as_json() for mail in request.app[_STORE].newest_first()])


async def _api_clear(request: web.Request) -> web.Response:
    request.app[_STORE].clear()
    return web.Response(status=204)
