"""A whole Tuppence, started the way a newcomer starts it, on ports and in a home of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import requests

from billing.local.running import environment
from tests.support.ports import free_port

PATIENCE_SECONDS = 90
"""Long enough for a busy machine; nothing is ever asserted about how quick it was."""


class Newsroom:
    """`tuppence run` in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        ports = [free_port() for _ in range(3)]
        self.web, self.stripe, self.mail = (f"http://127.0.0.1:{port}" for port in ports)
        names = ("TUPPENCE_WEB_PORT", "TUPPENCE_STRIPE_PORT", "TUPPENCE_MAIL_PORT")
        self.environ = {**os.environ, "TUPPENCE_HOME": str(home)}
        self.environ |= {name: str(port) for name, port in zip(names, ports, strict=True)}
        self._process: subprocess.Popen[str] | None = None
        self._said: list[str] = []
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start everything and wait until it says that it is ready."""
        self._said.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "billing.cli", "run"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        wait_for(lambda: "Mailbox" in self.said(), "the start")

    def stop(self) -> int:
        """Ask it to stop, as a supervisor would, and wait: its exit code."""
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def said(self) -> str:
        """Everything in its log so far."""
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

    def tuppence(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours against the running newsroom's own database and stand-in."""
        return subprocess.run(
            [sys.executable, "-m", "billing.cli", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

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
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)


def wait_for(ready: Callable[[], Any], what: str) -> Any:
    """Poll until there is something, and return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := ready()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.1)
    return found
