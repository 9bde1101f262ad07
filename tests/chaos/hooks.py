"""Kills its own process at the planned steps, by the libraries' public hooks alone.

SQLAlchemy tells of transactions, Celery of tasks and of messages sent, Flask of requests, and
Python's audit events of what `http.client` and `smtplib` are about to send. Nothing of ours is
patched: what dies is what runs in production.

`CHAOS_KILLS` is a JSON object of steps (see `points.py`) with the how-manieth time at which to die;
the first to come true is appended to the file `CHAOS_KILLED`, and SIGKILL follows at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from celery import signals
from flask import request, request_finished, request_started
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from billing.charges.taking import RECORDER, SENDERS
from tests.chaos.points import RECORD, SEND

MID_CALL_SECONDS = 0.03
"""So long after a request has left, Stripe has carried it out and we do not know it yet."""

_SMTP_VERBS = frozenset({"MAIL", "RCPT", "DATA", "QUIT"})
_GREETINGS = frozenset({"EHLO", "HELO"})


_THREADS = {SENDERS: SEND, RECORDER: RECORD}
"""Threads that do one thing all their lives, by what their names begin with."""


class _Where(threading.local):
    """What this thread is doing."""

    posting = False
    transactions = 0

    def __init__(self) -> None:
        """Called in each thread, by the thread itself."""
        self.task = _THREADS.get(threading.current_thread().name.partition("_")[0])
        self.again_and_again = self.task is not None


class Reaper:
    """Counts the steps that are passed and ends the process at the planned one."""

    def __init__(self, kills: dict[str, int], record: str) -> None:
        self._left = kills
        self._record = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self._where = _Where()

    def enter(self, task: str) -> None:
        """This thread begins with a task."""
        self._where.task, self._where.transactions = task, 0

    def leave(self) -> None:
        """This thread has done its task."""
        self._where.task = None

    def transaction_begins(self) -> None:
        """A transaction of the task begins."""
        self._where.transactions = (
            1 if self._where.again_and_again else self._where.transactions + 1
        )
        self.numbered("after begin")

    def numbered(self, step: str) -> None:
        """A step of the transaction that this thread is in."""
        self.step(f"{step} {self._where.transactions}")

    def step(self, step: str) -> None:
        """This thread has come to a step: die, if it is its time."""
        if self._struck(step):
            self._die(step)

    def sending(self, data: Any) -> None:
        """An HTTP request is about to leave: first its head, then its body, if it has one."""
        start = bytes(data[:5]) if isinstance(data, bytes | bytearray) else b""
        if start.startswith(b"GET "):
            self.step("before GET")
        elif start == b"POST ":
            self._where.posting = True
            self.step("before POST")
        elif self._where.posting:
            self._where.posting = False
            if self._struck("during POST"):
                name = self._name("during POST")
                threading.Timer(MID_CALL_SECONDS, lambda: self._die_as(name)).start()

    def saying(self, data: Any) -> None:
        """A line of an SMTP dialogue, or the message itself, is about to leave."""
        text = data if isinstance(data, str) else bytes(data[:4]).decode("ascii", "replace")
        verb = text[:4].upper()
        if verb not in _GREETINGS:
            self.step(f"before {verb if verb in _SMTP_VERBS else 'message'}")

    def _name(self, step: str) -> str:
        return f"{self._where.task}: {step}"

    def _struck(self, step: str) -> bool:
        if self._where.task is None:
            return False
        name = self._name(step)
        with self._lock:
            left = self._left.get(name)
            if left is None:
                return False
            self._left[name] = left - 1
            return left == 1

    def _die(self, step: str) -> None:
        self._die_as(self._name(step))

    def _die_as(self, name: str) -> None:
        os.write(self._record, f"{name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


def arm() -> None:
    """Listen to everything, if this process is to be killed at all."""
    kills = json.loads(os.environ.get("CHAOS_KILLS", "{}"))
    if not kills:
        return
    reaper = Reaper(kills, os.environ["CHAOS_KILLED"])
    _follow_tasks(reaper)
    _follow_requests(reaper)
    event.listen(Session, "after_begin", lambda *_: reaper.transaction_begins())
    event.listen(Engine, "commit", lambda _: reaper.numbered("before commit"))
    event.listen(Session, "after_commit", lambda _: reaper.numbered("after commit"))
    event.listen(Engine, "before_cursor_execute", lambda *_: reaper.step("before statement"))
    event.listen(Engine, "after_cursor_execute", lambda *_: reaper.step("after statement"))
    sys.addaudithook(_listener(reaper))


def _follow_tasks(reaper: Reaper) -> None:
    def begins(task: Any = None, **_: Any) -> None:
        reaper.enter(str(task.name).rpartition(".")[2])

    def ends(**_: Any) -> None:
        reaper.leave()

    def publishes(**_: Any) -> None:
        reaper.step("before publishing")

    signals.task_prerun.connect(begins, weak=False)
    signals.task_postrun.connect(ends, weak=False)
    signals.before_task_publish.connect(publishes, weak=False)


def _follow_requests(reaper: Reaper) -> None:
    def begins(_: Any, **__: Any) -> None:
        if request.path == "/stripe/webhook":
            reaper.enter("webhook")

    def ends(_: Any, **__: Any) -> None:
        reaper.leave()

    request_started.connect(begins, weak=False)
    request_finished.connect(ends, weak=False)


def _listener(reaper: Reaper) -> Any:
    def hear(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "http.client.send":
            reaper.sending(arguments[1])
        elif name == "smtplib.send":
            reaper.saying(arguments[1])

    return hear
