"""The aiohttp application: API, hosted pages, controls, and the background work."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from billing.local.stripe import api, controls, hosted, schedule
from billing.local.stripe.clockface import open_clock
from billing.local.stripe.faults import Faults
from billing.local.stripe.house import House
from billing.local.stripe.idempotency import Keys
from billing.local.stripe.resources.events import new_endpoint
from billing.local.stripe.router import Router
from billing.local.stripe.routes import ROUTES
from billing.local.stripe.settings import Settings
from billing.local.stripe.store import Store
from billing.local.stripe.webhooks import Courier
from billing.local.stripe.work import Account

log = logging.getLogger("standin")
TICK_SECONDS = 0.5
CONFIGURED_ENDPOINT = "we_000configured"


def build_house(settings: Settings, port: int) -> House:
    """Open the state and put the pieces together."""
    store = Store(settings.state)
    clock = open_clock(settings.clock_file)
    faults = Faults()
    account = Account(
        currency=settings.account_currency,
        name=settings.account_name,
        statement_descriptor=settings.statement_descriptor,
    )
    house = House(
        store=store,
        clock=clock,
        account=account,
        router=Router(ROUTES),
        keys=Keys(store),
        courier=Courier(store, clock, faults),
        faults=faults,
        base_url=settings.base_url(port),
    )
    _configure_endpoint(house, settings)
    return house


def _configure_endpoint(house: House, settings: Settings) -> None:
    """The receiver given on the command line, as a webhook endpoint like any other."""
    work = house.work()
    known = work.find("webhook_endpoint", CONFIGURED_ENDPOINT)
    if known is not None:
        work.change(
            known,
            url=settings.webhook_url or known["url"],
            status="enabled" if settings.webhook_url else "disabled",
            _={"secret": settings.webhook_secret},
        )
    elif settings.webhook_url:
        new_endpoint(
            work,
            settings.webhook_url,
            settings.webhook_secret,
            ["*"],
            {"description": "given at start"},
            CONFIGURED_ENDPOINT,
        )
    house.commit()
    house.store.reload_receivers()


def build_app(house: House) -> web.Application:
    """Routes and background tasks."""
    app = web.Application(middlewares=[_logged], client_max_size=20 * 1024 * 1024)

    async def handle_api(request: web.Request) -> web.StreamResponse:
        return await api.serve(house, request)

    hosted.add_routes(app, house)
    controls.add_routes(app, house)
    for version in ("v1", "v2"):
        app.router.add_route("*", f"/{version}/{{tail:.*}}", handle_api)
    app.cleanup_ctx.append(_background(house))
    return app


def _background(house: House) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(house.courier.run()), asyncio.create_task(_tick(house))]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        house.store.close()

    return run


async def _tick(house: House) -> None:
    while True:
        try:
            schedule.catch_up(house)
        except Exception:
            log.exception("what the clock brought could not be done")
            house.store.rollback()
        await asyncio.sleep(TICK_SECONDS)


@web.middleware
async def _logged(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    started = asyncio.get_running_loop().time()
    status = 0
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        took = (asyncio.get_running_loop().time() - started) * 1000
        log.info("%s %s %s %.0f ms", request.method, request.path, status or "cut off", took)
