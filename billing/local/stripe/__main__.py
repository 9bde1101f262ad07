"""`python -m billing.local.stripe`: run the stand-in until told to stop."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys

from aiohttp import web

from billing.local.stripe.app import build_app, build_house
from billing.local.stripe.settings import Settings, read_settings

SHUTDOWN_SECONDS = 0.5
BACKLOG = 2048


def main() -> int:
    """Exit status 0 after a clean stop, 1 when the port is taken or a live key is about."""
    settings = read_settings()
    if os.environ.get("STRIPE_API_KEY", "").startswith(("sk_live_", "rk_live_")):
        print("A live Stripe key is set: the stand-in does not start beside it.", file=sys.stderr)
        return 1
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(settings))
    except OSError as error:
        print(_reason(error, settings), file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    """Take the port before touching the state: another stand-in may be using both."""
    listening = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
    port = listening.getsockname()[1]
    house = build_house(settings, port)
    runner = web.AppRunner(build_app(house), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await web.SockSite(runner, listening, backlog=BACKLOG).start()
        print(f"Stripe stand-in listens on http://{settings.host}:{port}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _reason(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.port} on {settings.host} is in use: choose another with --port."
    return f"The stand-in could not start: {error}"


if __name__ == "__main__":
    sys.exit(main())
