"""`tuppence run`: everything on one machine, from an empty directory to a printed address.

Starts the services and stand-ins, then what needs their answers; waits; stops all in their order.
Exit code 0 when it was asked to stop, 1 when it could not start or a part ended by itself.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from billing.local import parts
from billing.local.environment import (
    HOST,
    Ports,
    database_name,
    free_port,
    parts_environment,
    refuse_live_key,
)
from billing.local.home import CannotRunError, Home
from billing.local.logs import LogStream
from billing.local.postgres import PostgresServer
from billing.local.prepare import prepare
from billing.local.processes import Part, PartError, Processes, Running
from billing.local.running import announced
from billing.local.valkey import ValkeyServer
from billing.settings import Settings, SettingsError, read_settings

_US = "tuppence"


def run_local(environ: Mapping[str, str]) -> int:
    """Run a local Tuppence until SIGINT or SIGTERM; returns the exit code."""
    logs = LogStream.on_standard_output(no_colour=bool(environ.get("NO_COLOR")))
    try:
        refuse_live_key(environ)
        home = Home.from_environment(environ)
        with home.held():
            return asyncio.run(_run(home, environ, logs))
    except CannotRunError as error:
        print(error, file=sys.stderr)
    except SettingsError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
    return 1


async def _run(home: Home, environ: Mapping[str, str], logs: LogStream) -> int:
    processes = Processes(home.directory("run"), logs, ("TUPPENCE_HOME", str(home.path)))
    if left := await asyncio.to_thread(processes.end_leftovers):
        logs.write(_US, f"Ended {left} processes that a killed run had left behind.")
    local = _plan(home, environ, processes, logs)
    with announced(home.path, local.environ, environ):
        return await _until_stopped(local, processes, logs)


async def _until_stopped(local: _Local, processes: Processes, logs: LogStream) -> int:
    """Work until asked to stop or a part ends by itself; the exit code."""
    asked_to_stop = _listen_for_signals(processes.hurry)
    work = asyncio.create_task(local.work())
    waiting = asyncio.create_task(asked_to_stop.wait())
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if asked_to_stop.is_set():
            logs.write(_US, "Stopping …")
            return 0
        logs.write(_US, f"{_problem(work)} Stopping everything.")
        return 1
    finally:
        waiting.cancel()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await processes.stop()
        logs.write(_US, "Everything has stopped.")


def _plan(home: Home, environ: Mapping[str, str], processes: Processes, logs: LogStream) -> _Local:
    ports = Ports.from_environment(environ)
    postgres = PostgresServer.of(home)
    valkey = ValkeyServer(
        directory=home.directory("valkey"),
        port=free_port(),
        password=home.secrets().valkey_password,
    )
    smtp_port = free_port()
    children = parts_environment(
        environ, home=home, ports=ports, smtp_port=smtp_port, postgres=postgres, valkey=valkey
    )
    return _Local(
        home=home,
        ports=ports,
        smtp_port=smtp_port,
        postgres=postgres,
        database=database_name(environ),
        valkey=valkey,
        environ=children,
        settings=read_settings(children),
        processes=processes,
        logs=logs,
    )


def _listen_for_signals(hurry: asyncio.Event) -> asyncio.Event:
    """The first signal asks to stop; a second one, not to be patient about it."""
    asked = asyncio.Event()

    def heard() -> None:
        (hurry if asked.is_set() else asked).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means: stay
        loop.add_signal_handler(signal.SIGHUP, heard)
    return asked


def _problem(work: asyncio.Task[PartError]) -> str:
    """What `work` came to, in words: a part that ended, or the first thing that went wrong."""
    error: BaseException | None = work.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None:
        return str(work.result())
    if isinstance(error, PartError | CannotRunError):
        return str(error)
    return f"The start failed: {type(error).__name__}: {error}"


@dataclass(frozen=True, kw_only=True)
class _Local:
    """All that one run consists of."""

    home: Home
    ports: Ports
    smtp_port: int
    postgres: PostgresServer
    database: str
    valkey: ValkeyServer
    environ: Mapping[str, str]
    settings: Settings
    processes: Processes
    logs: LogStream

    async def work(self) -> PartError:
        """Start everything, say where it is, and return when a part ends by itself."""
        async with asyncio.TaskGroup() as group:
            web = group.create_task(self._start(parts.web_part(port=self.ports.web)))
            group.create_task(self._start_postgres())
            group.create_task(self._start_valkey())
            group.create_task(self._start_stripe())
            group.create_task(self._start_mail())
        staff_link = await asyncio.to_thread(prepare, self.settings)
        workers = [await self._start(part) for part in (parts.worker_part(), parts.charges_part())]
        await self._start(parts.beat_part())
        await self._answering(web.result(), self.ports.web)
        for worker in workers:
            await self.processes.ready(worker, self._consumed_by(len(workers)))
        self._greet(staff_link)
        return await self.processes.watch()

    async def _start(self, part: Part) -> Running:
        return await self.processes.start(part, self.environ)

    async def _start_postgres(self) -> None:
        await asyncio.to_thread(self.postgres.initialise)
        running = await self._start(parts.postgres_part(self.postgres))
        await self.processes.ready(running, lambda: asyncio.to_thread(self.postgres.is_ready))
        await asyncio.to_thread(self.postgres.create_database, self.database)

    async def _start_valkey(self) -> None:
        await self._answering(await self._start(parts.valkey_part(self.valkey)), self.valkey.port)

    async def _start_stripe(self) -> None:
        if self.ports.stripe is None:
            return
        part = parts.stripe_part(
            self.home,
            port=self.ports.stripe,
            web_port=self.ports.web,
            webhook_secret=self.home.secrets().webhook_secret,
        )
        await self._answering(await self._start(part), self.ports.stripe)

    async def _start_mail(self) -> None:
        part = parts.mail_part(self.home, port=self.ports.mail, smtp_port=self.smtp_port)
        await self._answering(await self._start(part), self.ports.mail)

    async def _answering(self, running: Running, port: int) -> None:
        await self.processes.ready(running, _listening(port))

    def _consumed_by(self, workers: int) -> Callable[[], Awaitable[bool]]:
        """A probe: whether that many workers wait for work by now."""

        async def probe() -> bool:
            return await asyncio.to_thread(self.valkey.consumers) >= workers

        return probe

    def _greet(self, staff_link: str) -> None:
        web = f"http://{HOST}:{self.ports.web}"
        stripe = (
            f"http://{HOST}:{self.ports.stripe}"
            if self.ports.stripe
            else "Stripe itself, in test mode"
        )
        rows = [
            ("Demo article", f"{web}/"),
            ("Staff sign-in", staff_link),
            ("Mailbox", f"http://{HOST}:{self.ports.mail}/"),
            ("Clock", f"{web}/local/clock" if self.ports.stripe else None),
            ("Stripe", stripe),
        ]
        self.logs.write(_US, f"{self.settings.newsroom.name} is ready. Ctrl-C stops everything.")
        for name, address in rows:
            if address:
                self.logs.write(_US, f"  {name:<14} {address}")


def _listening(port: int) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            return True
        return False

    return probe
