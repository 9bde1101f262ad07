"""Starting, watching and stopping processes: none is left, whatever it does."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from billing.local.logs import LogStream, tidy
from billing.local.processes import Part, PartError, Processes, Running

pytestmark = pytest.mark.alone

_SLEEPS = ["sleep", "60"]
_DEAF_WITH_A_CHILD = ["sh", "-c", "trap '' TERM INT; sleep 61 & echo $!; sleep 62; sleep 63"]


def _run(tmp_path: Path, use: Callable[[Processes], Awaitable[None]]) -> str:
    """Run `use` with processes that are all stopped at the end; returns what they said."""
    out = io.StringIO()

    async def whole() -> None:
        processes = Processes(tmp_path, LogStream(out, colour=False), ("TUPPENCE_HOME", "here"))
        try:
            await use(processes)
        finally:
            await processes.stop()

    asyncio.run(whole())
    return out.getvalue()


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _recorded(tmp_path: Path, name: str) -> int:
    return int((tmp_path / f"{name}.json").read_text().split(":")[1].split(",")[0])


def test_every_line_is_named_after_its_part(tmp_path: Path) -> None:
    async def use(processes: Processes) -> None:
        await processes.run(Part(name="one", command=["printf", "first\nsecond"]), os.environ)

    assert _run(tmp_path, use) == "one      | first\none      | second\n"


def test_a_line_of_any_length_arrives_whole(tmp_path: Path) -> None:
    async def use(processes: Processes) -> None:
        command = [sys.executable, "-c", "print('x' * 300_000)"]
        await processes.run(Part(name="long", command=command), os.environ)

    assert _run(tmp_path, use).count("x") == 300_000


def test_stopping_leaves_no_process(tmp_path: Path) -> None:
    pids = []

    async def use(processes: Processes) -> None:
        await processes.start(Part(name="worker", command=_SLEEPS), os.environ)
        await processes.start(Part(name="db", command=_SLEEPS, service=True), os.environ)
        pids.extend([_recorded(tmp_path, "worker"), _recorded(tmp_path, "db")])
        assert all(map(_alive, pids))

    _run(tmp_path, use)
    assert not any(map(_alive, pids))
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_hears_no_signal_is_killed_with_its_children(tmp_path: Path) -> None:
    async def use(processes: Processes) -> None:
        await processes.start(Part(name="deaf", command=_DEAF_WITH_A_CHILD), os.environ)
        await asyncio.sleep(0.3)
        processes.hurry.set()  # as a second Ctrl-C does; without it the patience is 5 seconds

    child = int(_run(tmp_path, use).split("|")[1])
    deadline = time.monotonic() + 5  # a killed process takes a moment to be gone
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(child)


def test_a_sudden_end_is_told_in_words(tmp_path: Path) -> None:
    async def use(processes: Processes) -> None:
        await processes.start(Part(name="stays", command=_SLEEPS), os.environ)
        await processes.start(Part(name="goes", command=["sh", "-c", "exit 3"]), os.environ)
        assert str(await processes.watch()) == "goes ended unexpectedly (exit code 3)."

    _run(tmp_path, use)


def test_a_part_that_ends_before_it_is_ready_is_not_waited_for(tmp_path: Path) -> None:
    async def use(processes: Processes) -> None:
        running = await processes.start(
            Part(name="web", command=["sh", "-c", "kill -9 $$"]), os.environ
        )
        with pytest.raises(PartError, match=r"web ended unexpectedly \(killed by SIGKILL\)"):
            await processes.ready(running, _never)

    _run(tmp_path, use)


def test_a_part_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    async def use(processes: Processes) -> None:
        running: Running = await processes.start(Part(name="web", command=_SLEEPS), os.environ)
        with pytest.raises(PartError, match=r"web did not answer within 0\.2 seconds"):
            await processes.ready(running, _never, seconds=0.2)

    _run(tmp_path, use)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def use(processes: Processes) -> None:
        with pytest.raises(PartError, match=r"gone could not be started: No such file"):
            await processes.start(Part(name="gone", command=["/nowhere"]), os.environ)

    _run(tmp_path, use)


def test_what_a_killed_run_left_is_ended_and_strangers_are_not(tmp_path: Path) -> None:
    environ = {**os.environ, "TUPPENCE_HOME": "here"}
    left = subprocess.Popen(_SLEEPS, env=environ, start_new_session=True)
    stranger = subprocess.Popen(_SLEEPS, start_new_session=True)
    born = psutil.Process(left.pid).create_time()
    (tmp_path / "web.json").write_text(f'{{"pid": {left.pid}, "born": {born}}}')
    (tmp_path / "old.json").write_text(f'{{"pid": {stranger.pid}, "born": {born - 1000}}}')
    (tmp_path / "torn.json").write_text('{"pid"')
    try:
        processes = Processes(
            tmp_path, LogStream(io.StringIO(), colour=False), ("TUPPENCE_HOME", "here")
        )
        assert processes.end_leftovers() == 1
        assert not _alive(left.pid)
        assert stranger.poll() is None
        assert list(tmp_path.iterdir()) == []
    finally:
        left.kill()
        stranger.kill()
        left.wait()
        stranger.wait()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("[2026-11-23 12:00:00,123: WARNING/MainProcess] late", "WARNING: late"),
        ("[2026-11-23 12:00:00,123: INFO/MainProcess] celery@host ready.", "celery@host ready."),
        ("[INFO] Starting granian", "Starting granian"),
        ("12:M 23 Nov 2026 12:00:00.123 # WARNING low", "WARNING low"),
        ("LOG:  database system is ready", "database system is ready"),
        ("ERROR:  duplicate key", "ERROR:  duplicate key"),
        ("2026-11-23 12:00:00,123 delivered evt_1", "delivered evt_1"),
        ("charge settled id=3", "charge settled id=3"),
    ],
)
def test_a_line_loses_its_frills_and_keeps_what_matters(line: str, shown: str) -> None:
    assert tidy(line) == shown


async def _never() -> bool:
    return False
