"""One run, from the first pledge to the comparison."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from billing.audit.report import audit
from billing.clock import FileClock
from billing.migrate import migrate
from billing.runtime import Runtime, build_runtime
from billing.settings import read_settings
from tests.chaos import books
from tests.chaos.compare import Verdict, compare
from tests.chaos.crew import Crew
from tests.chaos.faults import Faults
from tests.chaos.history import bring
from tests.chaos.plan import Leg, Plan
from tests.chaos.points import WEB_POINTS, WORKER_POINTS
from tests.chaos.rest import busy, swept, unfinished
from tests.chaos.services import HOST, Services

STEPS = (180, 180, 240, 660, 1800, 3600, 7200, 21_600, 21_600, 21_600, 7200, 600, 180, 180, 21_600)
"""Seconds by which the clock moves when the faults are over: beyond every pause and window."""

_ROOT = Path(__file__).parents[2]
_NUDGES = 2
_NUDGE_SECONDS = 660
"""How often, and how far, the clock moves on when a leg's work was claimed and lost."""

_FROZEN_ABOVE_SECONDS = 1200
_ON_THE_WAY_SECONDS = 0.05
_UNKNOWN = -1
_POLL_SECONDS = 0.2
_STILL_SECONDS = 1.5
_NO_PROGRESS_SECONDS = 20.0
_PATIENCE_SECONDS = 90.0
_SAY_EVERY = 3.0


@dataclass
class Outcome:
    """What came of a run."""

    verdict: Verdict
    fired: Mapping[str, int]
    findings: list[str] = field(default_factory=list)
    """Lines of the audit that found something."""

    @property
    def good(self) -> bool:
        return self.verdict.good and not self.findings


class Run:
    """Drives one plan in the directory `home`."""

    def __init__(self, plan: Plan, home: Path, *, workers: int, say: Callable[[str], None]) -> None:
        self._plan, self._workers, self._say = plan, workers, say
        self._services = Services(home)
        self._clock = FileClock(self._services.clock_file)
        self._clock.advance(plan.begin - self._clock.now())
        self._home = home
        self._began = time.monotonic()
        self._said_at = 0.0
        self._crew: Crew
        self._faults: Faults
        self._database: psycopg.Connection[Any]
        self._pending = (0, 0.0)

    def go(self) -> Outcome:
        """Start everything, go the whole way, let it come to rest, compare, stop everything."""
        try:
            self._services.start()
            runtime = build_runtime(read_settings(self._environment()))
            migrate(runtime.database.engine)
            ids = bring(self._services, runtime, self._plan)
            with self._services.database() as database:
                row = database.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
            self._say(f"{len(ids)} pledges made")
            self._start_crew()
            for leg in self._plan.legs:
                self._go(leg)
            self._come_to_rest()
            return self._outcome(runtime, ids, row[0] if row else 0)
        finally:
            if hasattr(self, "_crew"):
                self._crew.close()
            if hasattr(self, "_database"):
                self._database.close()
            self._services.stop()

    def _start_crew(self) -> None:
        self._crew = Crew(
            self._home,
            self._environment(),
            workers=self._workers,
            web_port=self._services.web_port,
            worker_kills=self._plan.kills(WORKER_POINTS, "workers"),
            web_kills=self._plan.kills(WEB_POINTS, "web"),
        )
        self._faults = Faults(self._services, self._crew)
        self._crew.start()

    def _go(self, leg: Leg) -> None:
        """The clock moves, faults strike, work is done."""
        self._faults.begin_rules(leg.rules, self._plan.seed + leg.number)
        if leg.outage:
            self._crew.stop()
            self._faults.done["three days' outage"] += 1
        self._move_clock(int(leg.advance.total_seconds()))
        if leg.outage:
            self._crew.start()
        if leg.hasty:
            self._faults.done["clock moved on in mid-work"] += 1
        began, actions, nudges = time.monotonic(), list(leg.actions), _NUDGES
        while actions or not (leg.hasty or self._still()):
            self._tend(f"leg {leg.number} of {len(self._plan.legs)}")
            while actions and actions[0].after <= time.monotonic() - began:
                self._faults.do(actions.pop(0))
            if not actions and nudges and self._pending[0] and self._still():
                nudges -= 1
                self._move_clock(_NUDGE_SECONDS)
            time.sleep(_POLL_SECONDS)
        self._faults.end_rules()

    def _come_to_rest(self) -> None:
        """Faults are over: everything is brought to its end, the clock moving in small steps."""
        self._crew.deadly = False
        self._crew.stop(signal.SIGTERM)
        self._faults.calm()
        self._crew.start()
        for step in (0, *STEPS):
            self._move_clock(step)
            if self._worked_off() and self._at_rest(self._clock.now()):
                return

    def _worked_off(self) -> bool:
        """Wait until nothing can be done at this hour; returns whether nothing is left at all."""
        while time.monotonic() - self._pending[1] < _NO_PROGRESS_SECONDS:
            self._tend("coming to rest")
            if self._still() and not self._left(only_now=True):
                return not self._left()
            time.sleep(_POLL_SECONDS)
        self._say(f"still to do at this hour: {self._left(only_now=True)}")
        return False

    def _at_rest(self, since: datetime) -> bool:
        """Wait for the sweeps over Stripe's lists; returns whether they have left nothing to do."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._swept(since) and time.monotonic() < deadline:
            self._tend("waiting for the sweeps")
            time.sleep(_POLL_SECONDS)
        return self._swept(since) and self._worked_off()

    def _swept(self, since: datetime) -> bool:
        with self._services.database() as database:
            return swept(database, since)

    def _left(self, *, only_now: bool = False) -> dict[str, int]:
        with self._services.database() as database:
            left = unfinished(database, self._clock.now(), only_now=only_now)
        waiting = self._services.ask("GET", "/_standin/deliveries?state=waiting&limit=100")
        now = self._clock.now().timestamp()
        due = [each for each in waiting["deliveries"] if not only_now or each["next_at"] <= now]
        return left | ({"deliveries": len(due)} if due else {})

    def _move_clock(self, seconds: int) -> None:
        """The clock moves, and there may be something to do.

        Over hours the workers stand still meanwhile, as on a machine that was suspended, and what
        they had sent is done before: no request is on its way for days.
        """
        frozen = seconds > _FROZEN_ABOVE_SECONDS
        if frozen:
            self._crew.signal_workers(signal.SIGSTOP)
            self._services.ask("GET", "/_standin/health")
            time.sleep(_ON_THE_WAY_SECONDS)
            self._services.ask("GET", "/_standin/health")
        self._faults.move_clock(seconds)
        if frozen:
            self._crew.signal_workers(signal.SIGCONT)
        self._pending = (_UNKNOWN, time.monotonic())

    def _still(self) -> bool:
        """Whether nothing is under way: nothing is left, or what is left has long not changed.

        What was claimed and lost on its way stays until the clock has moved.
        """
        pending = self._busy()
        if pending != self._pending[0]:
            self._pending = pending, time.monotonic()
        return not pending or time.monotonic() - self._pending[1] > _STILL_SECONDS

    def _busy(self) -> int:
        try:
            if not hasattr(self, "_database") or self._database.closed:
                self._database = self._services.database()
            return busy(self._database, self._clock.now())
        except psycopg.OperationalError:
            return _UNKNOWN

    def _tend(self, where: str) -> None:
        self._crew.watch()
        self._faults.tend()
        if time.monotonic() - self._said_at > _SAY_EVERY:
            self._said_at = time.monotonic()
            self._say(
                f"{time.monotonic() - self._began:4.0f} s  {self._clock.now():%Y-%m-%d %H:%M}  "
                f"{where}  to do {self._busy()}  "
                f"killed {self._crew.restarts}"
            )

    def _outcome(self, runtime: Runtime, ids: Mapping[int, int], outbox_from: int) -> Outcome:
        facts = books.read(self._services, runtime, self._plan, ids, outbox_from=outbox_from)
        verdict = compare(facts)
        verdict.resent = max(verdict.resent, self._services.post.again)
        findings = [finding.line() for finding in audit(runtime) if finding.offenders]
        runtime.database.dispose()
        killed = {f"killed in {point}": times for point, times in self._crew.killed().items()}
        return Outcome(verdict, {**self._faults.done, **killed}, findings)

    def _environment(self) -> dict[str, str]:
        services = self._services
        return {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "TUPPENCE_LOCAL": "1",
            "TUPPENCE_CLOCK_FILE": str(services.clock_file),
            "TUPPENCE_TICK_SECONDS": "0.4" if len(self._plan.promises) < 1000 else "2",
            "DATABASE_URL": services.database_url,
            "REDIS_URL": services.redis_url,
            "BASE_URL": f"http://{HOST}:{services.web_port}",
            "SECRET_KEY": "a-secret-key-that-is-only-used-in-chaos",
            "ENCRYPTION_KEYS": "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy4uLi4=",
            "DIGEST_KEY": "a-digest-key-that-is-only-used-in-chaos",
            "STRIPE_API_KEY": "sk_test_tuppence",
            "STRIPE_API_BASE": services.stripe_url,
            "STRIPE_WEBHOOK_SECRET": services.webhook_secret,
            "STRIPE_REQUESTS_PER_SECOND": "400",
            "NEWSROOM_NAME": "The Northern Courier",
            "NEWSROOM_TIMEZONE": "Europe/Riga",
            "CONTACT_EMAIL": "support@northern-courier.example",
            "STATEMENT_DESCRIPTOR": "NORTHERN COURIER",
            "SMTP_URL": f"smtp://{HOST}:{services.post.port}",
        }
