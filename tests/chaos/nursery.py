"""`python -m tests.chaos.nursery`: makes workers, beats and web servers quickly, by forking.

Importing Celery, the web server and everything of ours takes two seconds; a run kills hundreds of
processes. Here all is imported once, nothing is connected, and each process is a fork that becomes
one of its own, as real as any: it has a session and a log of its own and dies alone.

One line of JSON comes in for each (`argv`, `environ`, `log`), one line with its process id goes
out. When nobody writes any more, everybody still alive is killed.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

import celery.apps.beat
import celery.apps.worker
import celery.bin.celery
import celery.concurrency.thread
import celery.worker.components
import celery.worker.consumer
import celery.worker.strategy
import granian.cli
import kombu.transport.redis
from sqlalchemy.orm import configure_mappers

import billing.app
import workers.beat_app
import workers.cards
import workers.charges
import workers.events
import workers.mail
import workers.pledges
import workers.refunds
import workers.reminders
from billing.emails import write_email
from billing.runtime import build_runtime
from tests.chaos.hooks import arm
from workers.celery_app import app, settings

IMPORTED = (
    celery.apps.beat,
    celery.apps.worker,
    celery.bin.celery,
    celery.concurrency.thread,
    celery.worker.components,
    celery.worker.consumer,
    celery.worker.strategy,
    kombu.transport.redis,
    billing.app,
    workers.cards,
    workers.charges,
    workers.events,
    workers.mail,
    workers.pledges,
    workers.refunds,
    workers.reminders,
)
"""Imported here so that no worker has to: most of what a start takes."""

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def main() -> None:
    """Make processes until the end of the input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _warm()
    made = []
    try:
        for line in sys.stdin:
            wanted = json.loads(line)
            pid = os.fork()
            if pid == 0:
                _become(wanted)
            made.append(pid)
            sys.stdout.write(f"{pid}\n")
            sys.stdout.flush()
    finally:
        for pid in made:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _warm() -> None:
    """Have everything imported and compiled that a first task would. Opens no connection."""
    parts = build_runtime(settings)
    configure_mappers()
    now = parts.clock.now().isoformat()
    facts = {
        "charge_id": 1,
        "amount_minor": 500,
        "fee_cover_minor": 0,
        "currency": "usd",
        "paid_at": now,
        "cadence": "monthly",
        "renewal": True,
        "next_charge_at": now,
        "cancel_url": "https://newsroom.example/cancel",
    }
    write_email("receipt", "en", facts, settings.newsroom)
    parts.database.dispose()
    gc.collect()
    gc.freeze()  # or each collection in a fork would copy all of it


def _become(wanted: dict[str, Any]) -> NoReturn:
    """Leave the nursery, be what was wanted, and never come back."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(wanted["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(ours, theirs)
        os.environ.update(wanted["environ"])
        _start(wanted["program"], wanted["argv"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        os._exit(code)


def _start(program: str, argv: list[str]) -> None:
    """Run as Celery's or the web server's own command would."""
    if program == "celery":
        arm()
        (workers.beat_app.app if "beat" in argv else app).start(argv)
    else:
        sys.argv = [program, *argv]
        granian.cli.entrypoint()  # what it serves is armed when it is loaded: `web.py`


if __name__ == "__main__":
    main()
