"""`tuppence run` as somebody types it: ready in one go, faults in one line, nothing left over."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.ports import free_port

pytestmark = pytest.mark.alone

_COMMAND = [sys.executable, "-m", "billing.cli", "run"]
_PARTS = {"postgres", "valkey", "stripe", "mail", "web", "worker", "charges", "beat"}


class Run:
    """A run that was started, with what it has said so far."""

    def __init__(self, home: Path, ports: dict[str, str]) -> None:
        self.environ = {**os.environ, **ports, "TUPPENCE_HOME": str(home)}
        self.home = home
        self.process = subprocess.Popen(
            _COMMAND,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def said(self) -> str:
        return "".join(self.lines)

    def wait_for(self, words: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def end(self, number: signal.Signals | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def part(self, name: str) -> psutil.Process:
        record = (self.home / "run" / f"{name}.json").read_text()
        found = re.search(r'"pid": (\d+)', record)
        assert found
        return psutil.Process(int(found[1]))

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def ports() -> dict[str, str]:
    names = ("TUPPENCE_WEB_PORT", "TUPPENCE_STRIPE_PORT", "TUPPENCE_MAIL_PORT")
    return {name: str(free_port()) for name in names}


@pytest.fixture
def run(home: Path, ports: dict[str, str]) -> Iterator[Run]:
    """A run that is ready. The home stays from test to test, as it does from day to day."""
    started = Run(home, ports)
    try:
        started.wait_for("is ready")
        started.wait_for("Mailbox")
        yield started
    finally:
        if started.process.poll() is None:
            started.end(signal.SIGTERM)


def _gone(family: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + 10
    while any(map(_lives, family)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(_lives, family))


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _try(environ: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        _COMMAND,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_it_runs_until_it_is_told_to_stop_and_leaves_nothing(
    run: Run, ports: dict[str, str]
) -> None:
    family = run.family()
    assert len(family) >= len(_PARTS)
    for port in ports.values():
        assert f"http://127.0.0.1:{port}" in run.said()
    with urllib.request.urlopen(
        f"http://127.0.0.1:{ports['TUPPENCE_WEB_PORT']}/local/clock", timeout=10
    ) as page:
        assert page.status == 200
    code, said = _try(run.environ)
    assert code == 1
    assert said.count("\n") == 1
    assert "already running" in said
    assert run.end(signal.SIGTERM) == 0
    assert _gone(family)
    assert list((run.home / "run").iterdir()) == []


def test_ctrl_c_stops_it_even_when_parts_hang(run: Run) -> None:
    family = run.family()
    for name in ("worker", "mail"):
        run.part(name).suspend()
    run.process.send_signal(signal.SIGINT)
    run.wait_for("Stopping")
    assert run.end(signal.SIGINT) == 0
    assert _gone(family)


def test_when_a_part_dies_it_says_which_and_stops_the_others(run: Run) -> None:
    family = run.family()
    run.part("mail").kill()
    assert run.end() == 1
    assert "mail ended unexpectedly (killed by SIGKILL). Stopping everything." in run.said()
    assert _gone(family)


def test_after_a_killed_run_the_next_one_finds_everything_in_order(
    home: Path, ports: dict[str, str]
) -> None:
    secrets = (home / "secrets.json").read_text()
    killed = Run(home, ports)
    killed.wait_for("Mailbox")
    family = killed.family()
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    second = Run(home, ports)
    try:
        second.wait_for("Mailbox")
        assert _gone(family)
        assert (home / "secrets.json").read_text() == secrets
    finally:
        assert second.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    "setting", ["TUPPENCE_WEB_PORT", "TUPPENCE_STRIPE_PORT", "TUPPENCE_MAIL_PORT"]
)
def test_a_taken_port_is_one_line_that_names_its_setting(
    tmp_path: Path, ports: dict[str, str], setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = _try({**ports, setting: port, "TUPPENCE_HOME": str(tmp_path)})
    assert code == 1
    assert said.count("\n") == 1
    assert port in said
    assert setting in said


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc"])
def test_a_live_key_is_refused(tmp_path: Path, key: str) -> None:
    code, said = _try({"STRIPE_API_KEY": key, "TUPPENCE_HOME": str(tmp_path)})
    assert code == 1
    assert said.count("\n") == 1
    assert "live key" in said
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_no_number_is_refused(tmp_path: Path) -> None:
    code, said = _try({"TUPPENCE_WEB_PORT": "http", "TUPPENCE_HOME": str(tmp_path)})
    assert code == 1
    assert said == "TUPPENCE_WEB_PORT is “http”; a port is a number from 1 to 65535.\n"
