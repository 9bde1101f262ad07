"""How a process is launched: it ends with whoever started it, and PostgreSQL never as root.

Both are the work of `setpriv` from util-linux, which every common Linux has. Elsewhere a process
left over by a killed supervisor is ended by the next run (see `processes`).
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from billing.local.home import CannotRunError


def tied_to_parent(command: Sequence[str], death_signal: str = "TERM") -> list[str]:
    """`command`, to be sent `death_signal` when the process that starts it is gone."""
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={death_signal}", "--", *command] if setpriv else [*command]


def unprivileged(command: Sequence[str], death_signal: str) -> list[str]:
    """The same, as `nobody` where this is root.

    One capability is kept, so that a checkout under /root can be read without opening /root.

    Raises:
        CannotRunError: as root, where there is no `setpriv`.
    """
    if os.geteuid() != 0:
        return tied_to_parent(command, death_signal)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotRunError(
            "As root, `setpriv` (package util-linux) is needed to run PostgreSQL; "
            "install it, or run Tuppence as an ordinary user."
        )
    nobody = pwd.getpwnam("nobody")
    return [
        setpriv,
        f"--pdeathsig={death_signal}",
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        "--",
        *command,
    ]


def hand_over(directory: Path) -> None:
    """Make `directory` belong to whom `unprivileged` runs as."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
