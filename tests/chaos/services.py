"""The services of one run, each a process of its own: PostgreSQL, Valkey, Stripe and mail."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import redis

from billing.charges.events import SUBSCRIBED
from billing.local.launch import tied_to_parent
from billing.local.postgres import PostgresServer
from billing.local.valkey import ValkeyServer
from tests.chaos.post import PostOffice
from tests.support.ports import free_port

HOST = "127.0.0.1"
DATABASE = "tuppence_chaos"
API_KEY = "sk_test_tuppence"
PATIENCE_SECONDS = 60
_SHUTDOWN_SECONDS = 20
"""A shutdown asked for in the middle of a recovery may not be heard: then it is asked for again."""


class Services:
    """What the newsroom's processes lean on, in the directory `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock_file = home / "clock"
        self.web_port = free_port()
        self.stripe_url = f"http://{HOST}:{free_port()}"
        self.webhook_secret = ""
        self._mail_port, self._smtp_port = free_port(), free_port()
        self.post = PostOffice(self._smtp_port)
        self._postgres = PostgresServer(home / "postgres", home / "s")
        valkey = home / "valkey"
        valkey.mkdir()
        self._valkey = ValkeyServer(
            directory=valkey, port=free_port(), password=secrets.token_hex(8)
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything; returns when everything answers."""
        self._postgres.data.mkdir()
        self._postgres.sockets.mkdir()
        self._postgres.initialise()
        self._start_postgres()
        self._start_valkey()
        port = self.stripe_url.rpartition(":")[2]
        self._spawn("stripe", self._python(
            "billing.local.stripe", "--port", port, "--clock-file", str(self.clock_file),
            "--state", str(self.home / "stripe.sqlite"),
        ))  # fmt: skip
        self._spawn("mail", self._python(
            "billing.local.mail", "--port", str(self._mail_port), "--smtp-port",
            str(self._smtp_port), "--store", str(self.mails), "--clock-file", str(self.clock_file),
        ))  # fmt: skip
        self.post.start()
        self._postgres.create_database(DATABASE)
        wait_until(self._stripe_answers, "the stand-in")
        wait_until(lambda: _listens(self._smtp_port), "the mailbox")
        self._subscribe()

    def stop(self) -> None:
        """End everything, at once: what they wrote lasts, and nobody waits for their answers."""
        self.post.stop()
        for name, process in self._running.items():
            process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGKILL)
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait(10)

    @property
    def mails(self) -> Path:
        """Where the mailbox keeps what it took."""
        return self.home / "mail.sqlite"

    @property
    def web_url(self) -> str:
        """Where the newsroom's pages are."""
        return f"http://{HOST}:{self.web_port}"

    @property
    def redis_url(self) -> str:
        return self._valkey.url()

    @property
    def database_url(self) -> str:
        return self._postgres.url(DATABASE)

    def database(self) -> psycopg.Connection[Any]:
        """A connection of the harness's own."""
        return psycopg.connect(self.database_url, autocommit=True, connect_timeout=5)

    def restart_postgres(self, how: signal.Signals) -> None:
        """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, which is a crash."""
        process = self._running["postgres"]
        for step in (how, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(step)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SHUTDOWN_SECONDS)
                break
        self._start_postgres()

    def restart_valkey(self) -> None:
        """Kill it, and start one that knows nothing."""
        process = self._running["valkey"]
        process.kill()
        process.wait(PATIENCE_SECONDS)
        self._start_valkey()

    def flush_valkey(self) -> None:
        """Empty it."""
        with redis.Redis.from_url(self.redis_url) as connection:
            connection.flushall()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the stand-in: one of its own controls, or its API."""
        request = urllib.request.Request(  # noqa: S310 - always our own loopback address
            f"{self.stripe_url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {API_KEY}"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            return json.load(answer)

    def _start_postgres(self) -> None:
        self._spawn("postgres", [*self._postgres.command(), "--fsync=off"])
        wait_until(self._postgres.is_ready, "PostgreSQL")

    def _start_valkey(self) -> None:
        self._spawn("valkey", tied_to_parent(self._valkey.command()))
        wait_until(self._valkey_answers, "Valkey")

    def _valkey_answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.redis_url) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def _stripe_answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/_standin/health")["ok"])
        except OSError:
            return False

    def _subscribe(self) -> None:
        """Ask Stripe for the events that Tuppence asks for, as a newsroom does."""
        form = [("url", f"{self.web_url}/stripe/webhook")]
        form += [("enabled_events[]", name) for name in SUBSCRIBED]
        request = urllib.request.Request(  # noqa: S310 - always our own loopback address
            f"{self.stripe_url}/v1/webhook_endpoints",
            data=urllib.parse.urlencode(form).encode(),
            headers={"Authorization": f"Bearer {API_KEY}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            self.webhook_secret = json.load(answer)["secret"]

    def _python(self, module: str, *arguments: str) -> list[str]:
        return tied_to_parent([sys.executable, "-m", module, "--host", HOST, *arguments])

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        self._running[name] = spawn(command, dict(os.environ), self.home / f"{name}.log")


def spawn(command: Sequence[str], environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process at the head of a session of its own; what it says goes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_until(ready: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until `ready` says so.

    Raises:
        TimeoutError: when it never does.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
