"""A whole Tuppence, started the way a newcomer starts it, on ports and in a home of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
from click.testing import CliRunner, Result

from billing.cli import main
from billing.local.running import environment
from tests.support.ports import free_port

PATIENCE_SECONDS = 90
"""Long enough for a busy machine; nothing is ever asserted about how quick it was."""

PARTS = ("postgres", "valkey", "stripe", "mail", "web", "worker", "charges", "beat")
COMMAND = [sys.executable, "-m", "billing.cli", "run"]


class Newsroom:
    """`tuppence run` in a process of its own. It can be started again when it has ended."""

    def __init__(self, home: Path) -> None:
        self.home = home
        ports = [free_port() for _ in range(3)]
        self.web, self.stripe, self.mail = (f"http://127.0.0.1:{port}" for port in ports)
        self.staff_web = self.web.replace("127.0.0.1", "localhost")
        """Where passkeys work: they belong to a name."""
        names = ("TUPPENCE_WEB_PORT", "TUPPENCE_STRIPE_PORT", "TUPPENCE_MAIL_PORT")
        self.environ = {**os.environ, "TUPPENCE_HOME": str(home)}
        self.environ |= {name: str(port) for name, port in zip(names, ports, strict=True)}
        self.process: subprocess.Popen[str]
        self.runs = False
        self._said: list[str] = []
        self._reader: threading.Thread

    def start(self) -> None:
        """Start everything and wait until it says that it is ready."""
        self._said.clear()
        self.process = subprocess.Popen(
            COMMAND,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.runs = True
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        self.hear("Mailbox")

    def hear(self, words: str) -> None:
        """Wait until it has said something."""

        def heard() -> bool:
            told = words in self.said()
            assert told or self.process.poll() is None, self.said()
            return told

        wait_for(heard, f"“{words}”")

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and wait for the end: its exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.runs = False
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def stop(self) -> int:
        """Ask it to stop, as a supervisor would, and wait: its exit code."""
        return self.end(signal.SIGTERM)

    def family(self) -> list[psutil.Process]:
        """Every process of it but the first."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, name: str) -> psutil.Process:
        """One of its parts, by its name in the log."""
        record = (self.home / "run" / f"{name}.json").read_text()
        found = re.search(r'"pid": (\d+)', record)
        assert found
        return psutil.Process(int(found[1]))

    def said(self) -> str:
        """Everything in its log since it was started."""
        return "".join(self._said)

    def staff_link(self) -> str:
        """The one-time address that it printed."""
        found = re.search(r"http://\S+/staff/sign-in/\S+", self.said())
        assert found, self.said()
        return found[0]

    def mails(self, to: str) -> list[dict[str, Any]]:
        """What the mailbox holds for one reader, oldest first."""
        messages = requests.get(f"{self.mail}/api/messages", timeout=10).json()
        found = [message for message in messages if to in str(message["to"])]
        return sorted(found, key=lambda message: str(message["received_at"]))

    def tuppence(self, *arguments: str) -> Result:
        """Run a command of ours against the running newsroom's own database and stand-in."""
        return CliRunner().invoke(main, arguments, env=self.environ, catch_exceptions=False)

    def wait_for_books_in_order(self) -> None:
        """Wait until an audit finds nothing. It reads everything, so it is not run too often."""
        in_order = "an audit without a fault"
        wait_for(lambda: self.tuppence("audit").exit_code == 0, in_order, every=1)

    def sql(self, statement: str) -> None:
        """Change something in the running newsroom's own database, behind its back."""
        url = environment(self.environ)["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def forgive(self, fault: str) -> None:
        """Wait for a fault that was meant to stand in the log, and forget the log up to it."""
        wait_for(lambda: fault in self.said(), f"{fault} in the log")
        time.sleep(0.5)  # the rest of its lines
        self._said.clear()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.append(line)


@contextmanager
def running(home: Path) -> Iterator[Newsroom]:
    """A newsroom that was started, and is stopped in the end without having failed at anything."""
    newsroom = Newsroom(home)
    try:
        newsroom.start()
        yield newsroom
        assert not newsroom.runs or newsroom.stop() == 0
        assert "Traceback" not in newsroom.said()
    finally:
        if newsroom.runs:
            newsroom.stop()


def gone(family: list[psutil.Process]) -> bool:
    """Whether all of these end within a while."""
    _, alive = psutil.wait_procs([process for process in family if _lives(process)], timeout=10)
    return not any(map(_lives, alive))


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for(ready: Callable[[], Any], what: str, *, every: float = 0.1) -> Any:
    """Poll until there is something, and return it; `every` is in seconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := ready()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(every)
    return found
