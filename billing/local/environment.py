"""What a local Tuppence is configured with: ports, secrets, services and a demo newsroom."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from billing.local.home import CannotRunError, Home, Secrets
from billing.local.postgres import PostgresServer
from billing.local.valkey import ValkeyServer

HOST = "127.0.0.1"

_DEMO_NEWSROOM = {
    "NEWSROOM_NAME": "The Northern Courier",
    "NEWSROOM_TIMEZONE": "Europe/Riga",
    "CONTACT_EMAIL": "support@northern-courier.example",
    "MAIL_FROM": "The Northern Courier <support@northern-courier.example>",
    "STATEMENT_DESCRIPTOR": "NORTHERN COURIER",
    "MONTHLY_GOAL": "10000",
    "TUPPENCE_TICK_SECONDS": "2",
}


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the parts that a browser visits listen, each to be moved by a setting."""

    web: int
    stripe: int | None
    """None where Stripe itself is used."""
    mail: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Ports:
        """Read the ports and see that they are free.

        Raises:
            CannotRunError: naming the port and the setting that changes it.
        """
        wanted = {
            "TUPPENCE_WEB_PORT": 8000,
            "TUPPENCE_STRIPE_PORT": 8001,
            "TUPPENCE_MAIL_PORT": 8002,
        }
        if uses_real_stripe(environ):
            del wanted["TUPPENCE_STRIPE_PORT"]
        ports = {name: _port(environ, name, default) for name, default in wanted.items()}
        with ExitStack() as stack:
            for name, port in ports.items():
                _claim(stack, name, port)
        return cls(
            web=ports["TUPPENCE_WEB_PORT"],
            stripe=ports.get("TUPPENCE_STRIPE_PORT"),
            mail=ports["TUPPENCE_MAIL_PORT"],
        )


def uses_real_stripe(environ: Mapping[str, str]) -> bool:
    """Whether a key was given, so that Stripe's own test mode takes the place of the stand-in."""
    return bool(environ.get("STRIPE_API_KEY", "").strip())


def refuse_live_key(environ: Mapping[str, str]) -> None:
    """Real cards and stand-ins never meet.

    Raises:
        CannotRunError: if STRIPE_API_KEY is a live one.
    """
    if environ.get("STRIPE_API_KEY", "").strip().startswith(("sk_live_", "rk_live_")):
        raise CannotRunError(
            "STRIPE_API_KEY is a live key, and `tuppence run` is for trying things out: its "
            "mailbox and database are stand-ins. Use a key that begins with sk_test_."
        )


def parts_environment(
    environ: Mapping[str, str],
    *,
    home: Home,
    ports: Ports,
    smtp_port: int,
    postgres: PostgresServer,
    valkey: ValkeyServer,
) -> dict[str, str]:
    """The environment of every part: what the caller set, over it what belongs to this machine."""
    secrets = home.secrets()
    return {
        **_DEMO_NEWSROOM,
        **environ,
        **_stripe(home, secrets, ports),
        "STANDIN_ACCOUNT_NAME": environ.get("NEWSROOM_NAME") or _DEMO_NEWSROOM["NEWSROOM_NAME"],
        "TUPPENCE_LOCAL": "1",
        "DATABASE_URL": postgres.url(database_name(environ)),
        "REDIS_URL": valkey.url(),
        "BASE_URL": f"http://{HOST}:{ports.web}",
        "SECRET_KEY": secrets.secret_key,
        "ENCRYPTION_KEYS": secrets.encryption_key,
        "DIGEST_KEY": secrets.digest_key,
        "SMTP_URL": f"smtp://{HOST}:{smtp_port}",
        "PYTHONUNBUFFERED": "1",
    }


def database_name(environ: Mapping[str, str]) -> str:
    """One database for the stand-in and one for Stripe: neither knows the other's customers."""
    return "tuppence_stripe" if uses_real_stripe(environ) else "tuppence"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _stripe(home: Home, secrets: Secrets, ports: Ports) -> dict[str, str]:
    if ports.stripe is None:
        return {"TUPPENCE_CLOCK_FILE": ""}  # Stripe's clock cannot be moved, so ours is not either
    return {
        "STRIPE_API_KEY": secrets.stripe_api_key,
        "STRIPE_API_BASE": f"http://{HOST}:{ports.stripe}",
        "STRIPE_WEBHOOK_SECRET": secrets.webhook_secret,
        "TUPPENCE_CLOCK_FILE": str(home.clock_file),
    }


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CannotRunError(f"{name} is “{text}”; a port is a number from 1 to 65535.")
    return int(text)


def _claim(stack: ExitStack, name: str, port: int) -> None:
    probe = stack.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, port))
        probe.listen()
    except OSError as error:
        raise CannotRunError(
            f"Port {port} cannot be used ({error.strerror}); set {name} to another one."
        ) from error
