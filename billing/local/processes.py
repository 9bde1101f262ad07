"""Starts, watches and stops the processes of one local Tuppence, and leaves none behind.

Every part is the head of a session of its own, so that Ctrl-C in a terminal reaches the supervisor
alone and the parts are stopped in their order. What each one is (process id and moment of birth)
is written down, so that a run after a killed supervisor ends what that one left: nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from billing.local.logs import LogStream

_PATIENCE = 5.0
"""Seconds between one signal to stop and the next, sterner one."""
_PROBE_EVERY = 0.05


class PartError(Exception):
    """A part did not start, or ended by itself; the message says so in words."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process to run. `stop` are the signals that ask it to end, gentle first."""

    name: str
    command: Sequence[str]
    stop: Sequence[signal.Signals] = (signal.SIGTERM,)
    service: bool = False
    """Whether others lean on it: stopped after all those that are not."""


class Running:
    """A part that was started."""

    def __init__(
        self, part: Part, process: asyncio.subprocess.Process, output: asyncio.Task[None]
    ) -> None:
        self.part = part
        self._process = process
        self._output = output

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        """Wait for its end and its last words; returns the exit code."""
        code = await self._process.wait()
        await asyncio.wait([self._output], timeout=1)
        return code

    async def stop(self, hurry: asyncio.Event) -> None:
        """End it and all of its group, within a few seconds and whatever it does."""
        for step in self.part.stop:
            if self.exit_code is not None or hurry.is_set():
                break
            self._signal(step)
            await _first_of(self._process.wait(), hurry.wait(), seconds=_PATIENCE)
        self._signal(signal.SIGKILL)
        await self._process.wait()
        await asyncio.wait([self._output], timeout=1)
        self._output.cancel()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class Processes:
    """All processes of one local Tuppence."""

    def __init__(self, records: Path, logs: LogStream, marker: tuple[str, str]) -> None:
        """`marker` is a variable and its value that every part finds in its environment."""
        self._records = records
        self._marker = marker
        self._logs = logs
        self._running: list[Running] = []
        self.hurry = asyncio.Event()
        """Set to stop without any further patience."""

    async def start(self, part: Part, environ: Mapping[str, str]) -> Running:
        """Start `part` and copy what it says to the logs.

        Raises:
            PartError: if its program cannot be started.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                env={**environ, self._marker[0]: self._marker[1]},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise PartError(f"{part.name} could not be started: {error.strerror}.") from error
        assert process.stdout is not None  # noqa: S101 - it was asked for above
        output = asyncio.create_task(self._logs.copy(part.name, process.stdout))
        running = Running(part, process, output)
        self._running.append(running)
        self._record(part.name, process.pid)
        return running

    async def run(self, part: Part, environ: Mapping[str, str]) -> None:
        """Run a part that ends by itself.

        Raises:
            PartError: if it fails.
        """
        running = await self.start(part, environ)
        code = await running.ended()
        self._forget(running)
        if code:
            raise PartError(f"{part.name} failed ({_manner(code)}).")

    async def ready(
        self, running: Running, probe: Callable[[], Awaitable[bool]], *, seconds: float = 30
    ) -> None:
        """Wait until `probe` says that `running` does its work.

        Raises:
            PartError: if it ends first, or takes more than `seconds`.
        """
        name = running.part.name
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while running.exit_code is None:
                    if await probe():
                        return
                    await asyncio.sleep(_PROBE_EVERY)
                raise await _sudden_end(running)
        raise PartError(f"{name} did not answer within {seconds:g} seconds.")

    async def watch(self) -> PartError:
        """Wait until any part ends by itself, and say which."""
        watched = {asyncio.ensure_future(running.ended()): running for running in self._running}
        try:
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in watched:
                waiting.cancel()
        return await _sudden_end(watched[done.pop()])

    async def stop(self) -> None:
        """End every part: those that lean on others first. Returns when none is left."""
        for services in (False, True):
            wave = [running for running in self._running if running.part.service is services]
            await asyncio.gather(*(running.stop(self.hurry) for running in wave))
            for running in wave:
                self._forget(running)

    def end_leftovers(self) -> int:
        """End what a killed supervisor left behind; returns how many processes there were."""
        heads = [head for head in map(_recorded_head, self._records.glob("*.json")) if head]
        family = [process for head in heads for process in _session_of(head, self._marker)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                database = process.name().startswith("postgres")
                process.send_signal(signal.SIGINT if database else signal.SIGTERM)
        for process in _still_alive(family):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _still_alive(family)
        for record in self._records.glob("*.json"):
            record.unlink(missing_ok=True)
        return len(family)

    def _record(self, name: str, pid: int) -> None:
        with suppress(psutil.NoSuchProcess):
            born = psutil.Process(pid).create_time()
            (self._records / f"{name}.json").write_text(
                json.dumps({"pid": pid, "born": born}), encoding="ascii"
            )

    def _forget(self, running: Running) -> None:
        self._running.remove(running)
        (self._records / f"{running.part.name}.json").unlink(missing_ok=True)


async def _first_of(*waits: Awaitable[object], seconds: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _sudden_end(running: Running) -> PartError:
    code = await running.ended()
    return PartError(f"{running.part.name} ended unexpectedly ({_manner(code)}).")


def _manner(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _recorded_head(record: Path) -> tuple[int, float] | None:
    """The process id and the birth that were written down, or None if the file is damaged."""
    try:
        entry = json.loads(record.read_text(encoding="ascii"))
        return int(entry["pid"]), float(entry["born"])
    except (ValueError, KeyError, TypeError):
        return None


def _session_of(head: tuple[int, float], marker: tuple[str, str]) -> list[psutil.Process]:
    """What still lives of a session that one of our processes headed.

    Process ids are used again, births are not: a stranger at the head is left alone. Members
    without their head must carry our marker in their environment.
    """
    pid, born = head
    members = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ours = (
                process.create_time() == born
                if process.pid == pid
                else os.getsid(process.pid) == pid and process.environ().get(marker[0]) == marker[1]
            )
            if ours and _lives(process):
                members.append(process)
    return members


def _lives(process: psutil.Process) -> bool:
    """Whether it runs; one that ended and was not waited for by its parent does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _still_alive(family: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Wait until all have ended; returns those that have not when patience is at its end."""
    deadline = time.monotonic() + _PATIENCE
    while any(map(_lives, family)) and time.monotonic() < deadline:
        time.sleep(_PROBE_EVERY)
    return [process for process in family if _lives(process)]
