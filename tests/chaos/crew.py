"""The newsroom's own processes: workers, two beats, the web. Whoever dies is started again."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from billing.local.launch import tied_to_parent
from tests.chaos.points import PER_CHARGE, task_of
from tests.chaos.services import HOST

_AT_A_TIME = 3
"""Steps that one process waits for; the first it comes by ends it. One of them is a tick's at most,
or nobody would live long enough to do anything else."""


@dataclass
class Deck:
    """The steps at which processes of one kind are to be killed, in the order of the plan."""

    stream: Iterator[tuple[str, int]]
    at_a_time: int = _AT_A_TIME
    back: deque[tuple[str, int]] = field(default_factory=deque)

    def draw(self) -> dict[str, int]:
        """The next few. One of those given back comes first: some steps are rarely come by, and
        must not keep the others from their turn."""
        drawn: dict[str, int] = {}
        passed: list[tuple[str, int]] = []
        ticks = 0
        while len(drawn) < self.at_a_time:
            point, nth = self.back.popleft() if self.back and not drawn else next(self.stream)
            tick = task_of(point) not in PER_CHARGE
            if point in drawn or (tick and ticks):
                passed.append((point, nth))
            else:
                drawn[point] = nth
                ticks += tick
        self._keep(passed)
        return drawn

    def give_back(self, drawn: Mapping[str, int], fired: Collection[str]) -> None:
        """What did not come true is for another process."""
        self._keep((point, nth) for point, nth in drawn.items() if point not in fired)

    def _keep(self, cards: Iterable[tuple[str, int]]) -> None:
        kept = {point for point, _ in self.back}
        self.back.extend(card for card in cards if card[0] not in kept)


class Process:
    """A process that need not be a child of ours, at the head of a session."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._handle = os.pidfd_open(pid)

    @property
    def ended(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        return bool(select.select([self._handle], [], [], seconds)[0])

    def send(self, how: signal.Signals) -> None:
        """To it and its children, which must not outlive it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, how)

    def forget(self) -> None:
        """Give the handle back."""
        os.close(self._handle)


@dataclass
class Member:
    """One process, and what it is to be killed by."""

    name: str
    command: Sequence[str]
    deck: Deck | None = None
    program: str = "celery"
    process: Process | None = None
    kills: dict[str, int] = field(default_factory=dict)
    starts: int = 0


class Crew:
    """All of them. `watch` is called often, and starts again who died."""

    def __init__(
        self,
        home: Path,
        environ: Mapping[str, str],
        *,
        workers: int,
        web_port: int,
        worker_kills: Iterator[tuple[str, int]],
        web_kills: Iterator[tuple[str, int]],
    ) -> None:
        self._home, self._environ = home, dict(environ)
        self.deadly = True
        """Whether new processes are to be killed at planned steps."""
        self.restarts = 0
        deck = Deck(worker_kills)
        self._members = [
            *(Member(f"worker-{number}", _worker(number), deck) for number in range(workers)),
            *(Member(f"beat-{number}", _beat()) for number in (1, 2)),
            Member("web", _web(web_port), Deck(web_kills, at_a_time=1), program="granian"),
        ]
        with (home / "nursery.log").open("ab") as log:
            self._nursery = subprocess.Popen(
                tied_to_parent([sys.executable, "-W", "ignore", "-m", "tests.chaos.nursery"]),
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def start(self) -> None:
        """Start everybody."""
        for member in self._members:
            self._start(member)

    def watch(self) -> None:
        """Start again who died."""
        for member in self._members:
            if member.process is not None and member.process.ended:
                self._bury(member)
                self.restarts += 1
                self._start(member)

    def kill(self, kind: str) -> None:
        """Kill everybody whose name begins with `kind`; `watch` starts them again."""
        for member in self._members:
            if member.name.startswith(kind) and member.process is not None:
                member.process.send(signal.SIGKILL)

    def signal_workers(self, how: signal.Signals) -> None:
        """SIGSTOP freezes them as a suspended machine would, SIGCONT lets them go on."""
        for member in self._members:
            if member.name.startswith("worker") and member.process is not None:
                member.process.send(how)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End everybody and start nobody."""
        for member in self._members:
            if member.process is not None:
                member.process.send(how)
        for member in self._members:
            self._bury(member)

    def close(self) -> None:
        """End everybody, and where they came from."""
        self.stop()
        self._nursery.stdin.close()  # type: ignore[union-attr]
        self._nursery.wait(30)
        self._nursery.stdout.close()  # type: ignore[union-attr]

    def killed(self) -> Counter[str]:
        """At which planned steps processes died, and how often."""
        files = self._home.glob("killed-*")
        return Counter(line for file in files for line in file.read_text("ascii").splitlines())

    def _start(self, member: Member) -> None:
        member.starts += 1
        environ = dict(self._environ)
        if member.deck is not None and self.deadly:
            member.kills = member.deck.draw()
            environ["CHAOS_KILLS"] = json.dumps(member.kills)
            environ["CHAOS_KILLED"] = str(self._record(member))
        log = self._home / f"{member.name}.log"
        member.process = self._fork(member, environ, log)

    def _fork(self, member: Member, environ: Mapping[str, str], log: Path) -> Process:
        nursery = self._nursery
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        wanted = {
            "program": member.program,
            "argv": list(member.command),
            "environ": environ,
            "log": str(log),
        }
        nursery.stdin.write(f"{json.dumps(wanted)}\n".encode())
        nursery.stdin.flush()
        return Process(int(nursery.stdout.readline()))

    def _bury(self, member: Member) -> None:
        """See to it that all of it is gone, and take back what it was not killed by."""
        if member.process is None:
            return
        member.process.wait(30)
        member.process.send(signal.SIGKILL)
        member.process.wait(10)
        member.process.forget()
        member.process = None
        self._recall(member)

    def _recall(self, member: Member) -> None:
        if member.deck is not None and member.kills:
            record = self._record(member)
            fired = record.read_text("ascii").splitlines() if record.exists() else []
            member.deck.give_back(member.kills, fired)
        member.kills = {}

    def _record(self, member: Member) -> Path:
        return self._home / f"killed-{member.name}-{member.starts}"


def _worker(number: int) -> list[str]:
    return [
        "--quiet", "worker", f"--hostname=chaos-{number}", "--pool=threads", "--concurrency=12",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=warning",
    ]  # fmt: skip


def _beat() -> list[str]:
    return ["--quiet", "beat", "--pidfile=", "--loglevel=warning"]


def _web(port: int) -> list[str]:
    return [
        "--interface=wsgi", f"--host={HOST}", f"--port={port}", "--blocking-threads=4", "--no-ws",
        "--log-level=error", "--workers-kill-timeout=3", "tests.chaos.web:app",
    ]  # fmt: skip
