"""The processes that make up a local Tuppence, and how each of them is started and stopped."""

from __future__ import annotations

import signal
import sys

from billing.local.environment import HOST
from billing.local.home import Home
from billing.local.launch import tied_to_parent
from billing.local.postgres import PostgresServer
from billing.local.processes import Part
from billing.local.valkey import ValkeyServer


def postgres_part(server: PostgresServer) -> Part:
    """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one (pg_ctl's manual)."""
    return Part(
        name="postgres",
        command=server.command(),
        stop=(signal.SIGINT, signal.SIGQUIT),
        service=True,
    )


def valkey_part(server: ValkeyServer) -> Part:
    """The queue and the rate limiter."""
    return Part(name="valkey", command=tied_to_parent(server.command()), service=True)


def stripe_part(home: Home, *, port: int, web_port: int, webhook_secret: str) -> Part:
    """The stand-in for Stripe; its books lie in the home directory."""
    return _python(
        "stripe",
        "billing.local.stripe",
        f"--host={HOST}",
        f"--port={port}",
        f"--state={home.path / 'stripe.sqlite'}",
        f"--webhook-url=http://{HOST}:{web_port}/stripe/webhook",
        f"--webhook-secret={webhook_secret}",
        f"--clock-file={home.clock_file}",
        service=True,
    )


def mail_part(home: Home, *, port: int, smtp_port: int) -> Part:
    """The mailbox that everything is delivered to, with a page to read it."""
    return _python(
        "mail",
        "billing.local.mail",
        f"--host={HOST}",
        f"--port={port}",
        f"--smtp-port={smtp_port}",
        f"--store={home.path / 'mail.sqlite'}",
        f"--clock-file={home.clock_file}",
        service=True,
    )


def web_part(*, port: int) -> Part:
    """The web server, as in production, with the pages of local mode added."""
    return _python(
        "web",
        "granian",
        "--interface=wsgi",
        f"--host={HOST}",
        f"--port={port}",
        "--blocking-threads=8",
        "--no-ws",
        "--log-level=error",
        "--workers-kill-timeout=3",
        "billing.local.web:app",
    )


def charges_part() -> Part:
    """The Celery worker that takes money, and does nothing else."""
    return _worker("charges", "charges")


def worker_part() -> Part:
    """The Celery worker for everything but charges: no renewal night holds it up."""
    return _worker("worker", "events,mail,sweeps")


def beat_part() -> Part:
    """The clockwork that looks for due work."""
    return _celery("beat", "beat_app", "beat", "--pidfile=", "--loglevel=warning")


def _worker(name: str, queues: str) -> Part:
    """Two workers on one machine need two names in front of the host's."""
    return _celery(
        name,
        "celery_app",
        "worker",
        f"--queues={queues}",
        f"--hostname={name}@%h",
        "--pool=threads",
        "--concurrency=16",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=warning",
    )


def _celery(name: str, app: str, role: str, *arguments: str) -> Part:
    options = ["-W", "ignore:You're running the worker with superuser"]  # no harm on one machine
    command = [sys.executable, *options, "-m", "celery", "--quiet", f"--app=workers.{app}", role]
    return Part(name=name, command=tied_to_parent([*command, *arguments]))


def _python(name: str, module: str, *arguments: str, service: bool = False) -> Part:
    command = [sys.executable, "-m", module, *arguments]
    return Part(name=name, command=tied_to_parent(command), service=service)
