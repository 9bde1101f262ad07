"""The services of a benchmark, each a real process: PostgreSQL, Valkey, the stand-in, ours."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis
from sqlalchemy import create_engine

from billing.local.launch import tied_to_parent
from billing.local.postgres import PostgresServer
from billing.local.valkey import ValkeyServer
from billing.migrate import migrate
from billing.runtime import Runtime, build_runtime
from billing.settings import read_settings

HOST = "127.0.0.1"
DATABASE = "tuppence_bench"
WEBHOOK_SECRET = "whsec_tuppence"
WORKER = [
    "-m", "celery", "--app=workers.celery_app", "worker", "--pool=threads", "--concurrency=150",
    "--without-gossip", "--without-mingle", "--loglevel=warning",
]  # fmt: skip
"""The command of docker-compose.yml."""

_ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 120
_STOP_SECONDS = 30
_ANOTHER_MACHINE = -10
"""The stand-in's priority, where we may set it: Stripe counts on time however busy we are."""


class House:
    """One benchmark's newsroom in the directory `home`; nothing in it is shared with another."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.web_url = f"http://{HOST}:{free_port()}"
        self.stripe_url = f"http://{HOST}:{free_port()}"
        self._postgres = PostgresServer(home / "postgres", home / "s")
        (home / "valkey").mkdir(exist_ok=True)
        self._valkey = ValkeyServer(
            directory=home / "valkey", port=free_port(), password=secrets.token_hex(8)
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start PostgreSQL as it is shipped (every commit reaches the disk), and Valkey."""
        is_new = not self._postgres.data.exists()
        if is_new:
            self._postgres.data.mkdir()
            self._postgres.sockets.mkdir()
            self._postgres.initialise()
        self.spawn("postgres", self._postgres.command())
        wait_until(self._postgres.is_ready, "PostgreSQL")
        if is_new:
            self._postgres.create_database(DATABASE)
        engine = create_engine(self.database_url.replace("postgresql:", "postgresql+psycopg:", 1))
        migrate(engine)
        engine.dispose()
        self.spawn("valkey", self._valkey.command())
        wait_until(self._valkey_answers, "Valkey")

    def start_standin(self, *, webhooks: bool = False) -> None:
        """Start the stand-in; `webhooks` sends every event to our web process."""
        self.spawn("stripe", [
            sys.executable, "-m", "billing.local.stripe", "--host", HOST,
            "--port", self.stripe_url.rpartition(":")[2],
            "--state", str(self.home / "stripe.sqlite"), "--webhook-secret", WEBHOOK_SECRET,
            *(["--webhook-url", f"{self.web_url}/stripe/webhook"] if webhooks else []),
        ])  # fmt: skip
        wait_until(self._stripe_answers, "the stand-in")
        with suppress(psutil.AccessDenied):
            psutil.Process(self._running["stripe"].pid).nice(_ANOTHER_MACHINE)

    def start_worker(self, requests_per_second: float) -> None:
        """Start one worker process, by the command that production uses."""
        self.spawn(
            "worker",
            [sys.executable, *WORKER],
            {"STRIPE_REQUESTS_PER_SECOND": str(requests_per_second)},
        )
        wait_until(lambda: self._valkey.consumers() > 0, "the worker")

    def start_web(self, app: str = "billing.wsgi:app") -> None:
        """Start one web process in front of `app`."""
        self.spawn("web", [
            sys.executable, "-m", "granian", "--interface=wsgi", f"--host={HOST}",
            f"--port={self.web_url.rpartition(':')[2]}", "--workers=1", "--blocking-threads=8",
            "--backpressure=64", "--no-ws", "--log-level=warning", app,
        ])  # fmt: skip
        wait_until(lambda: _listens(self.web_url), "the web process")

    def spawn(self, name: str, command: Sequence[str], more: dict[str, str] | None = None) -> None:
        """Start a process; what it says goes to a log in the home directory."""
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                tied_to_parent(command, "KILL"),
                cwd=_ROOT,
                env={**os.environ, **self.environment(), **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, name: str) -> None:
        """End one process and wait until it is gone."""
        process = self._running.pop(name)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        process.kill()
        process.wait(_STOP_SECONDS)

    def stop(self) -> None:
        """End everything, what was started last first."""
        for name in reversed(list(self._running)):
            self.end(name)

    def runtime(self, *, pool_size: int = 10) -> Runtime:
        """The working parts, for what a benchmark does in its own process."""
        return build_runtime(read_settings(self.environment()), pool_size=pool_size)

    def database(self) -> psycopg.Connection[Any]:
        """A connection of the benchmark's own."""
        return psycopg.connect(self.database_url, autocommit=True)

    def scalar(self, query: str) -> Any:
        """One value out of the database."""
        with self.database() as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def redis(self) -> redis.Redis:
        """A connection to Valkey."""
        return redis.Redis.from_url(self.redis_url)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call one of the stand-in's own `/_standin` addresses."""
        request = urllib.request.Request(  # noqa: S310 - always our own loopback address
            f"{self.stripe_url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            return json.load(answer)

    def memory_mb(self, name: str) -> float:
        """Resident memory of a process with its children, in MB (10^6 bytes)."""
        return sum(each.memory_info().rss for each in self._family(name)) / 1e6

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time used so far by each process, its children included, those that ended too."""
        found = {}
        for name in self._running:
            family = self._family(name)
            found[name] = sum(sum(each.cpu_times()[:2]) for each in family)
            if family:
                found[name] += sum(family[0].cpu_times()[2:4])
        return found

    @property
    def redis_url(self) -> str:
        return self._valkey.url()

    @property
    def database_url(self) -> str:
        return self._postgres.url(DATABASE)

    def environment(self) -> dict[str, str]:
        """The settings of a newsroom in Riga whose Stripe is the stand-in."""
        return {
            "PYTHONPATH": str(_ROOT),
            "TUPPENCE_LOCAL": "1",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "BASE_URL": self.web_url,
            "SECRET_KEY": "a-secret-key-that-is-only-used-in-benchmarks",
            "ENCRYPTION_KEYS": "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy4uLi4=",
            "DIGEST_KEY": "a-digest-key-that-is-only-used-in-benchmarks",
            "STRIPE_API_KEY": "sk_test_tuppence",
            "STRIPE_API_BASE": self.stripe_url,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "NEWSROOM_NAME": "The Northern Courier",
            "NEWSROOM_TIMEZONE": "Europe/Riga",
            "CONTACT_EMAIL": "support@northern-courier.example",
            "STATEMENT_DESCRIPTOR": "NORTHERN COURIER",
            "SMTP_URL": f"smtp://{HOST}:9",
        }

    def _family(self, name: str) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._running[name].pid)
            return [process, *process.children(recursive=True)]
        return []

    def _valkey_answers(self) -> bool:
        try:
            with closing(self.redis()) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def _stripe_answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/_standin/health")["ok"])
        except OSError:
            return False


@contextmanager
def opened(home: Path | None = None) -> Iterator[House]:
    """A house with PostgreSQL and Valkey running.

    All of it is gone afterwards, unless it has a `home`: that stays, and is found again.
    """
    with ExitStack() as stack:
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tuppence-bench-")))
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o755)
        house = House(home)
        stack.callback(house.stop)
        house.start()
        yield house


def wait_until(
    ready: Callable[[], bool],
    what: str,
    seconds: float = _PATIENCE_SECONDS,
    every: float = 0.05,
) -> None:
    """Poll until `ready` says so.

    Raises:
        TimeoutError: when it never does.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(every)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, int(url.rpartition(":")[2]))) == 0
