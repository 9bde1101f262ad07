"""The actions of a plan, done to the services and processes of a run."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psycopg
import redis
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from tests.chaos.crew import Crew
from tests.chaos.plan import Action
from tests.chaos.services import Services, wait_until

_CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_VICTIM = """
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY query_start DESC LIMIT 1
"""
_TASKS = {
    ("workers.charges.resolve_attempt", "charges"): """
        SELECT id FROM attempts WHERE kind = 'off_session' ORDER BY id DESC LIMIT 10""",
    ("workers.events.process_event", "events"): """
        SELECT id FROM webhook_events ORDER BY id DESC LIMIT 20""",
    ("workers.mail.send_message", "mail"): """
        SELECT id FROM outbox WHERE status <> 'sent' ORDER BY id DESC LIMIT 20""",
}


_TICKS = {"workers.charges.take": "charges"}


class Faults:
    """Does what the plan says, and counts what was really done."""

    def __init__(self, services: Services, crew: Crew) -> None:
        self._services, self._crew = services, crew
        self.done: Counter[str] = Counter()
        self._mail_up_at = 0.0
        self._celery = Celery(broker=services.redis_url)
        self._actions: dict[str, Callable[[int], None]] = {
            "valkey flushed": lambda _: services.flush_valkey(),
            "valkey restarted": lambda _: services.restart_valkey(),
            "postgres restarted": lambda _: services.restart_postgres(signal.SIGINT),
            "postgres stopped at once": lambda _: services.restart_postgres(signal.SIGQUIT),
            "postgres backend killed": lambda _: self._kill_backend(),
            "postgres connections cut": lambda _: self._cut(),
            "tasks sent twice": self._send_twice,
            "mail server down": self._close_mail,
            "mail server refuses": lambda size: self._spoil_mail("refuse", size),
            "mail server cut off after taking": lambda size: self._spoil_mail("cut after", size),
            "mail server cut off before taking": lambda size: self._spoil_mail("cut before", size),
            "web killed": lambda _: crew.kill("web"),
            "beats killed": lambda _: crew.kill("beat"),
            "clock moved on": self.move_clock,
            "clock moved back": lambda seconds: self.move_clock(-seconds),
        }

    def do(self, action: Action) -> None:
        """Do it now."""
        with suppress(psycopg.OperationalError, redis.RedisError, BrokerError):
            self._actions[action.name](action.size)
            self.done[action.name] += 1

    def tend(self) -> None:
        """End what has lasted long enough."""
        if self._mail_up_at and time.monotonic() > self._mail_up_at:
            self._services.post.down, self._mail_up_at = False, 0.0

    def ask_for(self, *tasks: str) -> None:
        """Send a tick that the beat would send in its own time."""
        with suppress(BrokerError):
            for task in tasks:
                self._celery.send_task(task, queue="sweeps", ignore_result=True)

    def move_clock(self, seconds: int) -> None:
        """Move everybody's clock, on or back; the stand-in does what falls due on the way."""
        self._services.ask("POST", "/_standin/clock", {"advance_seconds": seconds})

    def begin_rules(self, rules: tuple[dict[str, object], ...], seed: int) -> None:
        """Stripe begins to go wrong in these ways."""
        self._services.ask("POST", "/_standin/faults", {"rules": list(rules), "seed": seed})

    def end_rules(self) -> None:
        """Stripe is well again; what it did wrong is counted."""
        for rule in self._services.ask("GET", "/_standin/faults")["rules"]:
            self.done[f"Stripe: {rule['kind']}"] += rule["hits"]
        self._services.ask("DELETE", "/_standin/faults")

    def calm(self) -> None:
        """No more faults of any kind."""
        self.end_rules()
        self._services.post.calm()
        for fault, times in self._services.post.struck.items():
            self.done[f"mail: {fault}"] += times

    def _kill_backend(self) -> None:
        """One backend killed takes all of PostgreSQL through a crash and its recovery."""
        with self._services.database() as database:
            row = database.execute(_VICTIM).fetchone()
        if row is None:
            return
        try:
            os.kill(row[0], signal.SIGKILL)
        except ProcessLookupError:  # its worker was killed meanwhile, and closed it
            return
        wait_until(self._database_answers, "PostgreSQL's recovery")

    def _database_answers(self) -> bool:
        try:
            self._services.database().close()
        except psycopg.OperationalError:
            return False
        return True

    def _cut(self) -> None:
        with self._services.database() as database:
            database.execute(_CUT)

    def _send_twice(self, size: int) -> None:
        """What the workers are sent anyway, once more and again, and what is long done."""
        for task, queue in _TICKS.items():
            for _ in range(1 + size):
                self._celery.send_task(task, queue=queue, ignore_result=True)
        with self._services.database() as database:
            for (task, queue), query in _TASKS.items():
                for (row_id,) in database.execute(query).fetchall():
                    for _ in range(1 + size // 2):
                        self._celery.send_task(task, [row_id], queue=queue, ignore_result=True)

    def _close_mail(self, seconds: int) -> None:
        self._services.post.down = True
        self._mail_up_at = time.monotonic() + seconds

    def _spoil_mail(self, fault: str, times: int) -> None:
        self._services.post.pending[fault] += times
