"""`python -m billing.local.mail`: an SMTP server that keeps everything, and a page to read it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from aiohttp import web

from billing.clock import Clock, FileClock, SystemClock
from billing.local.mail.pages import mail_pages
from billing.local.mail.receiver import smtp_protocol
from billing.local.mail.store import MailStore


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8002, show_default=True, help="Where the pages are.")
@click.option("--smtp-port", default=8025, show_default=True, help="Where mail is handed over.")
@click.option("--store", type=click.Path(path_type=Path), required=True, help="A SQLite file.")
@click.option("--clock-file", type=click.Path(path_type=Path), help="The clock that can be moved.")
@click.option("--timezone", default="UTC", show_default=True, envvar="NEWSROOM_TIMEZONE")
def main(  # noqa: D103 - its help is the module's docstring
    *, host: str, port: int, smtp_port: int, store: Path, clock_file: Path | None, timezone: str
) -> None:
    clock = FileClock(clock_file) if clock_file else SystemClock()
    mails = MailStore(store)
    try:
        asyncio.run(_serve(mails, clock, ZoneInfo(timezone), host, port, smtp_port))
    finally:
        mails.close()


async def _serve(
    mails: MailStore, clock: Clock, zone: ZoneInfo, host: str, port: int, smtp_port: int
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    smtp = await loop.create_server(lambda: smtp_protocol(mails, clock), host, smtp_port)
    runner = web.AppRunner(mail_pages(mails, zone), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    print(f"ready: pages on http://{host}:{port}/, SMTP on {host}:{smtp_port}", flush=True)
    await stop.wait()
    smtp.close()
    await runner.cleanup()


if __name__ == "__main__":
    main()
