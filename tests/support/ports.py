"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket

_BELOW_OUTGOING = range(10_000, 32_000)
"""Linux gives ports above these to outgoing connections, at any moment."""

_given: set[int] = set()


def free_port() -> int:
    """A port of this machine that nobody listens on at this moment.

    Drawn by lot, so that two test processes at once rarely think of the same, and by one process
    only once: whoever it was given to may not listen yet.
    """
    while True:
        port = random.SystemRandom().choice(_BELOW_OUTGOING)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
