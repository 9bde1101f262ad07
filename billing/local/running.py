"""The settings of the local Tuppence that is running, for commands typed in another window."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_NAME = "environment.json"


@contextmanager
def announced(home: Path, environ: Mapping[str, str], base: Mapping[str, str]) -> Iterator[None]:
    """Leave what the parts are given, beyond `base`, for this user to read while it runs."""
    file = home / _NAME
    draft = home / f"{_NAME}.new"
    own = {name: value for name, value in environ.items() if base.get(name) != value}
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(own, out, indent=2)
    draft.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ`, and the settings of the Tuppence that runs here, unless a database is named."""
    home = Path(environ.get("TUPPENCE_HOME") or ".tuppence")
    file = home / _NAME
    if environ.get("DATABASE_URL") or not file.exists() or not _runs(home):
        return dict(environ)
    return {**environ, **json.loads(file.read_text(encoding="utf-8"))}


def _runs(home: Path) -> bool:
    """Whether somebody holds the home's lock: a file left by a killed run means nothing."""
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
