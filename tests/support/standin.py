"""The Stripe stand-in as a process of its own, and a reader with a card in front of it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import requests


class StandIn:
    """A stand-in on a port of this machine."""

    def __init__(self, state: Path, clock_file: Path, *, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._state = state
        self._clock_file = clock_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, log: Path, *, webhook_url: str = "") -> None:
        """Start the process; `answers` tells when it is ready."""
        command = [sys.executable, "-m", "billing.local.stripe", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--state", str(self._state)]
        command += ["--clock-file", str(self._clock_file), "--webhook-secret", "whsec_tuppence"]
        if webhook_url:
            command += ["--webhook-url", webhook_url]
        with log.open("a") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def answers(self) -> bool:
        """Whether it takes requests by now."""
        assert self._process is not None
        assert self._process.poll() is None, "the stand-in ended"
        try:
            self.books()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call one of the stand-in's own `/_standin` addresses."""
        request = urllib.request.Request(  # noqa: S310 - always our own loopback address
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def books(self) -> Any:
        """What the stand-in's own books say."""
        return self.ask("GET", "/_standin/books")

    def reset(self) -> None:
        """Forget every object, event, key and fault: it answers at once again."""
        self.ask("POST", "/_standin/reset", {})
        self.ask("DELETE", "/_standin/faults")

    def tick(self) -> None:
        """Let everything that is due by now happen."""
        self.ask("POST", "/_standin/clock", {"advance_seconds": 0})

    def pay(self, checkout_url: str, **card: str) -> requests.Response:
        """Pay a hosted Checkout page as a reader would: post its form, follow the way back."""
        form = {
            "email": "reader@example.org",
            "number": "4242424242424242",
            "exp": "12/40",
            "cvc": "123",
            "name": "A Reader",
            **card,
        }
        return requests.post(checkout_url, data=form, timeout=30, allow_redirects=False)
