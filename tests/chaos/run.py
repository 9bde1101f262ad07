"""One run, from the first pledge to the comparison."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from billing.audit.report import audit
from billing.charges.letters import CANCEL_LINK, MANAGE_LINK, pledge_url
from billing.clock import FileClock
from billing.migrate import migrate
from billing.runtime import Runtime, build_runtime
from billing.settings import read_settings
from tests.chaos import books
from tests.chaos.compare import compare
from tests.chaos.crew import Crew
from tests.chaos.environ import environment
from tests.chaos.facts import Look
from tests.chaos.faults import Faults
from tests.chaos.history import bring, remind
from tests.chaos.people import Kind
from tests.chaos.plan import TINY, Leg, Plan
from tests.chaos.points import WEB_POINTS, WORKER_POINTS
from tests.chaos.readers import Readers
from tests.chaos.rest import busy, pledges_left, swept, unfinished
from tests.chaos.services import Services
from tests.chaos.verdict import Verdict

STEPS = (660, 660, 1800, 3600, 7200, 21_600, 21_600, 21_600, 7200, 600, 180, 180, 21_600)
"""Seconds by which the clock moves when the faults are over: beyond every pause and window."""

_NUDGES = 2
_NUDGE_SECONDS = 660
"""How often, and how far, the clock moves on when a leg's work was claimed and lost."""

_FROZEN_ABOVE_SECONDS = 1200
_ON_THE_WAY_SECONDS = 0.05
_UNKNOWN = -1
_POLL_SECONDS = 0.2
_LOOK_SECONDS = 1.0
"""How often the database is asked what is left, where it holds much."""

_STILL_SECONDS, _TINY_STILL_SECONDS = 1.5, 0.8
_NO_PROGRESS_SECONDS = 20.0
_PATIENCE_SECONDS = 90.0
_ASK_AGAIN_SECONDS = 6.0
_SAY_EVERY = 3.0

_TICKS = (
    "workers.charges.renew",
    "workers.charges.resolve",
    "workers.events.process",
    "workers.mail.send",
    "workers.reminders.send_due",
)
"""What a beat would ask for in its own time. When the clock has moved there is something to do."""

_SWEEPS = ("workers.events.backfill_events", "workers.charges.reconcile_ledger")


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
        self._readers: Readers
        self._runtime: Runtime
        self._ids: Mapping[int, int] = {}
        self._settled_at = plan.end
        self._looks: list[Look] = []
        self._database: psycopg.Connection[Any]
        self._pending = self._looked = (0, 0.0)
        self._tiny = len(plan.promises) < TINY
        self._patience = _TINY_STILL_SECONDS if self._tiny else _STILL_SECONDS

    def go(self) -> Outcome:
        """Start everything, go the whole way, let it come to rest, compare, stop everything."""
        try:
            self._services.start()
            self._runtime = build_runtime(
                read_settings(environment(self._services, len(self._plan.promises)))
            )
            migrate(self._runtime.database.engine)
            self._ids = bring(self._services, self._runtime, self._plan)
            remind(self._runtime, self._plan)
            with self._services.database() as database:
                row = database.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
            self._say(f"{time.monotonic() - self._began:4.0f} s  {len(self._ids)} pledges made")
            self._start_crew()
            for leg in self._plan.legs:
                self._go(leg)
            self._come_to_rest()
            return self._outcome(row[0] if row else 0)
        finally:
            self._end()

    def _end(self) -> None:
        """Stop whatever was started."""
        for name in ("_readers", "_crew", "_database"):
            if hasattr(self, name):
                getattr(self, name).close()
        self._services.stop()

    def _start_crew(self) -> None:
        self._crew = Crew(
            self._home,
            environment(self._services, len(self._plan.promises)),
            workers=self._workers,
            web_port=self._services.web_port,
            worker_kills=self._plan.kills(WORKER_POINTS, "workers"),
            web_kills=self._plan.kills(WEB_POINTS, "web"),
        )
        self._faults = Faults(self._services, self._crew)
        self._readers = Readers(self._services.web_url, self._services.stripe_url, self._clock)
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
        self._let_cancel(leg)
        self._let_change(leg)
        visitors = sorted(
            (visitor for visitor in self._plan.visitors if visitor.leg == leg.number),
            key=lambda visitor: visitor.after,
        )
        while actions or visitors or not (leg.hasty or self._still()):
            self._tend(f"leg {leg.number} of {len(self._plan.legs)}")
            while actions and actions[0].after <= time.monotonic() - began:
                self._faults.do(actions.pop(0))
            while visitors and visitors[0].after <= time.monotonic() - began:
                self._readers.give(visitors.pop(0))
            if not actions and nudges and self._pending[0] and self._still():
                nudges -= 1
                self._move_clock(_NUDGE_SECONDS)
            time.sleep(_POLL_SECONDS)
        self._faults.end_rules()

    def _let_cancel(self, leg: Leg) -> None:
        """Readers who end their pledges in this leg follow the link in their mails."""
        for promise in self._plan.promises:
            if promise.cancelled_in == leg.number:
                pledge = self._ids[promise.number]
                self._readers.cancel(pledge, pledge_url(self._runtime, CANCEL_LINK, pledge))

    def _let_change(self, leg: Leg) -> None:
        """Readers who change their pledges in this leg follow the link to the pledge's page."""
        for wish in self._plan.wishes:
            if wish.leg == leg.number:
                pledge = self._ids[wish.number]
                self._readers.change(wish, pledge, pledge_url(self._runtime, MANAGE_LINK, pledge))

    def _come_to_rest(self) -> None:
        """Faults are over: everything is brought to its end, the clock moving in small steps."""
        self._crew.deadly = False
        self._crew.stop(signal.SIGKILL if self._tiny else signal.SIGTERM)  # which waits for Stripe
        self._faults.calm()
        self._crew.start()
        for step in (0, *STEPS):
            self._move_clock(step)
            self._settled_at = self._clock.now()
            if self._worked_off() and self._at_rest(self._settled_at):
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
        """Have Stripe's lists swept; returns whether that has left nothing to do."""
        deadline, asked_at = time.monotonic() + _PATIENCE_SECONDS, 0.0
        while not self._swept(since) and time.monotonic() < deadline:
            if time.monotonic() - asked_at > _ASK_AGAIN_SECONDS:
                asked_at = time.monotonic()
                self._faults.ask_for(*_SWEEPS)
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
        others = {"deliveries": len(due), "readers": self._readers.waiting}
        return left | {name: count for name, count in others.items() if count}

    def _move_clock(self, seconds: int) -> None:
        """The clock moves, and there may be something to do.

        Over hours the workers stand still meanwhile, as on a machine that was suspended, and what
        they had sent is done before: no request is on its way for days.
        """
        self._look_round()
        frozen = seconds > _FROZEN_ABOVE_SECONDS
        if frozen:
            self._crew.signal_workers(signal.SIGSTOP)
            self._services.ask("GET", "/_standin/health")
            time.sleep(_ON_THE_WAY_SECONDS)
            self._services.ask("GET", "/_standin/health")
        self._faults.move_clock(seconds)
        if frozen:
            self._crew.signal_workers(signal.SIGCONT)
        self._faults.ask_for(*_TICKS)
        self._pending, self._looked = (_UNKNOWN, time.monotonic()), (_UNKNOWN, 0.0)

    def _look_round(self) -> None:
        """Note for which pledges something is left, before time passes in which they may be missed.

        While the database is away nothing is noted.
        """
        now = self._clock.now()
        try:
            with self._services.database() as database:
                self._looks.append(Look(at=now, busy=pledges_left(database, now)))
        except psycopg.OperationalError:
            return

    def _still(self) -> bool:
        """Whether nothing is under way: nothing is left, or what is left has long not changed.

        What was claimed and lost on its way stays until the clock has moved.
        """
        pending = self._busy()
        if pending != self._pending[0]:
            self._pending = pending, time.monotonic()
        return not pending or time.monotonic() - self._pending[1] > self._patience

    def _busy(self) -> int:
        if self._tiny or time.monotonic() - self._looked[1] > _LOOK_SECONDS:
            self._looked = self._look(), time.monotonic()
        return self._looked[0]

    def _look(self) -> int:
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

    def _outcome(self, outbox_from: int) -> Outcome:
        self._say(f"{time.monotonic() - self._began:4.0f} s  comparing")
        paid, cancelled, changed = self._readers.saw()
        self._faults.done["first payments through the web"] = sum(each.paid for each in paid)
        self._faults.done["pledges cancelled by their readers"] = len(cancelled)
        for kind in Kind:
            done = sum(each.kind is kind and each.confirmed_at is not None for each in changed)
            self._faults.done[f"pledges changed by their readers: {kind}"] = done
        seen = books.Seen(
            ids=self._ids,
            outbox_from=outbox_from,
            paid=paid,
            cancelled=cancelled,
            changed=changed,
            looks=self._looks,
            settled_at=self._settled_at,
        )
        verdict = compare(books.read(self._services, self._runtime, self._plan, seen))
        verdict.resent = max(verdict.resent, self._services.post.again)
        findings = [finding.line() for finding in audit(self._runtime) if finding.offenders]
        self._runtime.database.dispose()
        times = self._crew.killed()
        killed = {f"killed in {point}": times[point] for point in (*WORKER_POINTS, *WEB_POINTS)}
        return Outcome(verdict, {**self._faults.done, **killed}, findings)
