"""The directory in which one local Tuppence keeps its data, its secrets and its process records."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

_LONGEST_SOCKET_DIRECTORY = 85
"""Bytes. A Unix socket's whole path holds at most 107 (unix(7)); PostgreSQL adds `/.s.PGSQL.5432`
and, for a moment, `.lock`."""


class CannotRunError(Exception):
    """Tuppence cannot start here; the message says in one line why, and what to do."""


@dataclass(frozen=True)
class Home:
    """Where everything of one local Tuppence lies."""

    path: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Home:
        """The directory named by TUPPENCE_HOME, `.tuppence` by default; made when missing."""
        path = Path(environ.get("TUPPENCE_HOME") or ".tuppence").resolve()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRunError(
                f"{path} cannot be made ({error.strerror}); TUPPENCE_HOME names another place."
            ) from error
        return cls(path)

    @property
    def clock_file(self) -> Path:
        """Holds the offset of the clock that the application and the stand-in share."""
        return self.path / "clock"

    def directory(self, name: str) -> Path:
        """A directory of its own for one part; made when missing."""
        directory = self.path / name
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory

    def socket_directory(self) -> Path:
        """Where Unix sockets can lie: inside, or under the temporary directory if that is too long.

        Raises:
            CannotRunError: if somebody else owns the temporary one.
        """
        inside = self.path / "sockets"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_DIRECTORY:
            return self.directory("sockets")
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        outside = Path(tempfile.gettempdir()) / f"tuppence-{digest}"
        outside.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() not in {0, outside.stat().st_uid}:
            raise CannotRunError(f"{outside} belongs to somebody else; remove it, or set TMPDIR.")
        return outside

    def secrets(self) -> Secrets:
        """The secrets of this home, made at the first call and the same ever after."""
        file = self.path / "secrets.json"
        if not file.exists():
            draft = self.path / "secrets.new"
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as out:
                json.dump(_new_secrets(), out, indent=2)
            draft.replace(file)
        return Secrets(**json.loads(file.read_text(encoding="utf-8")))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold this home for one supervisor at a time; the lock goes when its process ends.

        Raises:
            CannotRunError: if another one holds it.
        """
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotRunError(
                    f"Tuppence is already running from {self.path}; "
                    "stop that one first, or set TUPPENCE_HOME to another directory."
                ) from None
            yield


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Keys of one local Tuppence. They open nothing outside this machine."""

    secret_key: str
    encryption_key: str
    digest_key: str
    stripe_api_key: str
    webhook_secret: str
    valkey_password: str


def _new_secrets() -> dict[str, str]:
    return {
        "secret_key": secrets.token_urlsafe(48),
        "encryption_key": Fernet.generate_key().decode("ascii"),
        "digest_key": secrets.token_urlsafe(48),
        "stripe_api_key": f"sk_test_{secrets.token_hex(24)}",
        "webhook_secret": f"whsec_{secrets.token_hex(24)}",
        "valkey_password": secrets.token_hex(24),
    }
