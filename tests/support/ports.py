"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket

_BELOW_OUTGOING = range(10_000, 32_000)
"""Linux gives ports above these to outgoing connections, at any moment."""


def free_port() -> int:
    """A port of this machine that nobody listens on at this moment.

    Drawn by lot, so that two test processes at once rarely think of the same.
    """
    while True:
        port = random.SystemRandom().choice(_BELOW_OUTGOING)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
