"""Real services for the tests: PostgreSQL, Valkey and the Stripe stand-in over HTTP.

By default PostgreSQL and Valkey come from the wheels. With TUPPENCE_TEST_DATABASE_URL and
TUPPENCE_TEST_REDIS_URL set, the same tests run against those services instead.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import psycopg
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import text

from billing.app import create_app
from billing.appeals.asking import BOARD
from billing.appeals.service import ProgressBoard
from billing.clock import FileClock
from billing.db import Database
from billing.local.postgres import PostgresServer
from billing.local.valkey import ValkeyServer
from billing.migrate import migrate
from billing.runtime import Runtime, build_runtime
from billing.settings import Settings, read_settings
from billing.tables import METADATA
from billing.web import EXTENSION
from tests.support.ports import free_port
from tests.support.standin import StandIn

LONGEST_FIRST = (
    "tests/browser/test_pages.py",
    "tests/journeys/test_story.py",
    "tests/browser/test_story.py",
    "tests/chaos/test_chaos.py",
    "tests/local/test_run.py",
    "tests/workers/test_taking.py",
    "tests/workers/test_lanes.py",
    "tests/charges/test_bad_luck.py",
    "tests/browser/test_staff_pages.py",
    "tests/revenue/test_two_ways.py",
    "tests/desk/test_deeds.py",
    "tests/revenue/test_exports.py",
    "tests/digest/test_digest.py",
)
"""Files that take long, begun before the others: of processes side by side none is left alone with
one of them in the end."""

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {path: number for number, path in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Poll until `ready` says so."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def services_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services")


@pytest.fixture(scope="session")
def database_server_url(services_directory: Path) -> Iterator[str]:
    """The address of a PostgreSQL server whose maintenance database we may use."""
    given = os.environ.get("TUPPENCE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    server = PostgresServer(services_directory / "postgres", services_directory / "s")
    server.data.mkdir()
    server.sockets.mkdir()
    server.initialise()
    with (services_directory / "postgres.log").open("w") as log:
        process = subprocess.Popen(
            [*server.command(), "--fsync=off", "--full_page_writes=off"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(server.is_ready, "PostgreSQL's start")
        yield server.url("postgres")
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def database_url(database_server_url: str) -> Iterator[str]:
    """A database of this run's own, with every table, dropped at the end."""
    name = f"tuppence_test_{secrets.token_hex(4)}"
    with psycopg.connect(database_server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    head, separator, query = database_server_url.partition("?")
    url = f"{head.rpartition('/')[0]}/{name}{separator}{query}"
    try:
        yield url
    finally:
        with psycopg.connect(database_server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_url(services_directory: Path) -> Iterator[str]:
    """The address of a Valkey (or Redis) that may be flushed."""
    given = os.environ.get("TUPPENCE_TEST_REDIS_URL")
    if given:
        server, _, number = given.rpartition("/")
        of_several = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        yield f"{server}/{int(number) + of_several}"
        return
    directory = services_directory / "valkey"
    directory.mkdir()
    server = ValkeyServer(directory=directory, port=free_port(), password="test")
    process = subprocess.Popen(
        server.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )

    def answers() -> bool:
        with redis.Redis.from_url(server.url()) as connection:
            try:
                return bool(connection.ping())
            except redis.ConnectionError:
                return False

    try:
        wait_until(answers, "Valkey's start")
        yield server.url()
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def clock_file(services_directory: Path) -> Path:
    return services_directory / "clock"


@pytest.fixture
def clock(clock_file: Path) -> FileClock:
    """The clock of the application and the stand-in; it begins at the system's time."""
    clock_file.unlink(missing_ok=True)
    return FileClock(clock_file)


@pytest.fixture(scope="session")
def stripe_process(services_directory: Path, clock_file: Path) -> Iterator[StandIn]:
    """One stand-in for the whole run; `stripe` empties it for each test."""
    standin = StandIn(services_directory / "stripe.sqlite", clock_file, port=free_port())
    standin.start(services_directory / "stripe.log")
    try:
        wait_until(standin.answers, "the stand-in's start")
        yield standin
    finally:
        standin.stop()


@pytest.fixture
def stripe(stripe_process: StandIn, clock: FileClock) -> StandIn:
    """An empty stand-in for Stripe, over HTTP."""
    stripe_process.reset()
    return stripe_process


@pytest.fixture
def environment(
    database_url: str, redis_url: str, clock_file: Path, request: pytest.FixtureRequest
) -> dict[str, str]:
    """The environment of a newsroom in Riga; Stripe is out of reach without `stripe`."""
    standin: StandIn | None = (
        request.getfixturevalue("stripe") if "stripe" in request.fixturenames else None
    )
    return {
        "TUPPENCE_LOCAL": "1",
        "TUPPENCE_CLOCK_FILE": str(clock_file),
        "TUPPENCE_TICK_SECONDS": "1",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BASE_URL": "http://localhost",
        "SECRET_KEY": "a-secret-key-that-is-only-used-in-tests",
        "ENCRYPTION_KEYS": "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy4uLi4=",
        "DIGEST_KEY": "a-digest-key-that-is-only-used-in-tests",
        "STRIPE_API_KEY": "sk_test_tuppence",
        "STRIPE_API_BASE": standin.url if standin else "http://127.0.0.1:9",
        "STRIPE_WEBHOOK_SECRET": "whsec_tuppence",
        "NEWSROOM_NAME": "The Northern Courier",
        "NEWSROOM_TIMEZONE": "Europe/Riga",
        "CONTACT_EMAIL": "support@northern-courier.example",
        "STATEMENT_DESCRIPTOR": "NORTHERN COURIER",
        "SMTP_URL": "smtp://127.0.0.1:9",
    }


@pytest.fixture
def settings(environment: dict[str, str], clock: FileClock) -> Settings:
    return read_settings(environment)


@pytest.fixture(scope="session")
def database(database_url: str) -> Iterator[Database]:
    """The database with its tables. One for all tests: its statements are compiled once."""
    made = Database(f"postgresql+psycopg://{database_url.partition('://')[2]}")
    migrate(made.engine)
    yield made
    made.dispose()


@pytest.fixture
def runtime(settings: Settings, database: Database) -> Runtime:
    """The working parts over an empty database."""
    empty(database)
    return replace(build_runtime(settings), database=database)


def empty(database: Database) -> None:
    """Empty every table, the append-only ones too, and count ids from 1 again."""
    names = [table.name for table in METADATA.sorted_tables]
    emptied = "; ".join(f"DELETE FROM {name}" for name in names)  # noqa: S608 - our own names
    with database.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(f"DO $$ BEGIN {emptied}; END $$"))
        session.execute(
            text(
                "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)"
                " FROM pg_sequences WHERE last_value IS NOT NULL"
            )
        )


@pytest.fixture(scope="session")
def compiled_templates(services_directory: Path) -> FileSystemBytecodeCache:
    """Templates compiled once for all the applications of a run."""
    folder = services_directory / "templates"
    folder.mkdir()
    return FileSystemBytecodeCache(str(folder))


@pytest.fixture(scope="session")
def applications() -> dict[object, tuple[Flask, dict[str, object]]]:
    """The web applications made so far in this run and how each was configured when it was new."""
    return {}


@pytest.fixture
def app(
    runtime: Runtime,
    settings: Settings,
    compiled_templates: FileSystemBytecodeCache,
    applications: dict[object, tuple[Flask, dict[str, object]]],
) -> Flask:
    """The web application; forms need no CSRF token here (see `guarded_app` for those that do).

    One for all tests of a process, as in production: its routes and templates are compiled once.
    What a test may have changed (working parts, what is remembered, configuration) is made anew.
    """
    kind = (settings.secret_key, settings.base_url, settings.newsroom.languages)
    if kind not in applications:
        made = create_app(settings, runtime)
        made.jinja_env.bytecode_cache = compiled_templates
        made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
        applications[kind] = made, dict(made.config)
    made, configured = applications[kind]
    made.config.clear()
    made.config.update(configured)
    made.extensions[EXTENSION] = runtime
    made.extensions[BOARD] = ProgressBoard()
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def guarded_app(
    runtime: Runtime, settings: Settings, compiled_templates: FileSystemBytecodeCache
) -> Flask:
    """The web application as readers meet it: every form proves where it came from."""
    made = create_app(settings, runtime)
    made.jinja_env.bytecode_cache = compiled_templates
    made.config.update(TESTING=True)
    return made


@pytest.fixture
def now(clock: FileClock) -> datetime:
    """The time at which the test begins."""
    return clock.now().astimezone(UTC)


@pytest.fixture
def advance(clock: FileClock, request: pytest.FixtureRequest) -> Callable[[timedelta], datetime]:
    """Move the clock of the application and, where it runs, of the stand-in."""

    def move(by: timedelta) -> datetime:
        moved = clock.advance(by)
        if "stripe" in request.fixturenames:
            request.getfixturevalue("stripe").tick()
        return moved

    return move
