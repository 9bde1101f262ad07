"""`/_standin/…`: JSON controls for tests and demonstrations. They need no key."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from billing.local.stripe import api, books, hosted, importing, provoke, schedule
from billing.local.stripe.errors import ApiError
from billing.local.stripe.house import House
from billing.local.stripe.ids import new_id

Control = Callable[[House, dict[str, Any], str], Any]


def add_routes(app: web.Application, house: House) -> None:
    """The controls and the page for people."""
    for (method, path), control in CONTROLS.items():
        app.router.add_route(method, path, _handler(house, control))

    async def home(request: web.Request) -> web.StreamResponse:
        return hosted.render("home.html", **books.overview(house))

    app.router.add_get("/", home)


def _handler(house: House, control: Control) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            given = await _json(request)
            answer = control(house, given, request.match_info.get("id", ""))
            house.commit()
        except ApiError as error:
            house.store.rollback()
            return api.failure(error, new_id("req")).response()
        except (ValueError, TypeError, KeyError) as error:
            house.store.rollback()
            return web.json_response({"error": {"message": str(error)}}, status=400)
        return web.json_response(answer)

    return handle


async def _json(request: web.Request) -> dict[str, Any]:
    given = dict(request.query) if request.method == "GET" else {}
    text = await request.text()
    if text.strip():
        body = json.loads(text)
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        given.update(body)
    return given


def reset(house: House, given: dict[str, Any], _: str) -> Any:
    """POST /_standin/reset: forget every object, event and key, as if new. Receivers stay."""
    house.store.clear()
    return {"reset": True}


def read_clock(house: House, given: dict[str, Any], _: str) -> Any:
    """GET /_standin/clock."""
    return {"offset_seconds": house.clock.offset(), "now": house.clock.now()}


def move_clock(house: House, given: dict[str, Any], _: str) -> Any:
    """POST /_standin/clock {offset_seconds} or {advance_seconds}; then everything due is done."""
    if "offset_seconds" in given:
        house.clock.move_to(int(given["offset_seconds"]))
    elif "advance_seconds" in given:
        house.clock.move_to(house.clock.offset() + int(given["advance_seconds"]))
    else:
        raise ValueError("give offset_seconds or advance_seconds")
    done = schedule.catch_up(house)
    return {**read_clock(house, {}, ""), "done": done}


def set_faults(house: House, given: dict[str, Any], _: str) -> Any:
    """POST /_standin/faults."""
    house.faults.configure(given)
    return house.faults.described()


def read_faults(house: House, given: dict[str, Any], _: str) -> Any:
    """GET /_standin/faults."""
    return house.faults.described()


def clear_faults(house: House, given: dict[str, Any], _: str) -> Any:
    """DELETE /_standin/faults."""
    house.faults.clear()
    return house.faults.described()


def read_rate(house: House, given: dict[str, Any], _: str) -> Any:
    """GET /_standin/rate."""
    return house.faults.rate()


def reset_rate(house: House, given: dict[str, Any], _: str) -> Any:
    """DELETE /_standin/rate."""
    house.faults.reset_rate()
    return house.faults.rate()


def health(house: House, given: dict[str, Any], _: str) -> Any:
    """GET /_standin/health."""
    return {"ok": True}


CONTROLS: dict[tuple[str, str], Control] = {
    ("POST", "/_standin/reset"): reset,
    ("POST", "/_standin/import"): importing.run,
    ("GET", "/_standin/health"): health,
    ("GET", "/_standin/clock"): read_clock,
    ("POST", "/_standin/clock"): move_clock,
    ("GET", "/_standin/faults"): read_faults,
    ("POST", "/_standin/faults"): set_faults,
    ("DELETE", "/_standin/faults"): clear_faults,
    ("GET", "/_standin/rate"): read_rate,
    ("DELETE", "/_standin/rate"): reset_rate,
    ("GET", "/_standin/books"): books.summary,
    ("GET", "/_standin/deliveries"): books.deliveries,
    **provoke.CONTROLS,
}
