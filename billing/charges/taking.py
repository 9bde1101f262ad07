"""A night's charges, many at once in one process: the same steps as `submit.py` for one.

One thread claims charges that are due and opens attempts for a batch of them in one transaction.
A pool of threads sends them, each waiting for the pace, and records whatever is no plain success by
itself. One more thread records the successes, a batch in one transaction. A batch that fails is
done again one by one, so a bad charge holds up no other.

What if the process dies …
- between claim and attempt: the charges are due, and claimed again after `due.REQUEUE_AFTER`.
- at any moment after that: as in `submit.py`; the sweep takes up each attempt (`resolve.py`).

Few attempts wait to be sent: what is open in memory was looked at for the last time a moment ago.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

import structlog

from billing.charges.due import claim_due_charges
from billing.charges.opening import Ready, open_attempt, open_attempts
from billing.charges.settle import record_successes
from billing.charges.submit import Outcome, RateLimiter, ask, record
from billing.gateway import Payment, PaymentStatus
from billing.runtime import Runtime

BATCH = 50
"""The most charges in one transaction: its locks are held for a tenth of a second at most."""

AHEAD_SECONDS = 1.0
"""How much work at the pace of Stripe's limit may be open and not yet sent."""

GATHER_SECONDS = 0.03
"""How long the first outcome waits for others to be recorded with it."""

SENDERS, RECORDER = "charges-send", "charges-record"
"""What the threads are called."""

_AHEAD_LEAST, _AHEAD_MOST = 2, 2 * BATCH
_LOOK_SECONDS = 0.02
_LOOK_AGAIN_SECONDS = 0.5
_Success = tuple[int, Payment]

log = structlog.get_logger()


def ahead(calls_per_second: float) -> int:
    """How many attempts may be open and not yet sent, given the pace at which Stripe is called."""
    return int(min(_AHEAD_MOST, max(_AHEAD_LEAST, calls_per_second * AHEAD_SECONDS)))


class Taking:
    """Takes the money for charges that are due; one run at a time, however often it is asked."""

    def __init__(
        self,
        runtime: Runtime,
        limiter: RateLimiter,
        *,
        threads: int,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`threads` is how many calls may wait for Stripe at once.

        Once `stopping` says so nothing more is opened; what is open is sent and recorded.
        """
        self._parts = runtime, limiter, threads, stopping
        self._running = threading.Lock()

    def run(self) -> int:
        """Work off everything that is due, or return at once while another run is at it.

        Returns:
            How many attempts were made.
        """
        if not self._running.acquire(blocking=False):
            return 0
        try:
            return _Run(*self._parts).go()
        finally:
            self._running.release()


class _Run:
    """One run, from the first claim to the last outcome that is recorded."""

    def __init__(
        self, runtime: Runtime, limiter: RateLimiter, threads: int, stopping: Callable[[], bool]
    ) -> None:
        self._runtime, self._limiter = runtime, limiter
        self._threads, self._stopping = threads, stopping
        self._ahead = ahead(runtime.settings.stripe.requests_per_second)
        self._count = threading.Lock()
        self._opened = self._left = self._done = 0
        self._paid: SimpleQueue[_Success | None] = SimpleQueue()
        self._recorder = threading.Thread(target=self._record, name=RECORDER)

    def go(self) -> int:
        """Claim, open, send and record until nothing is due."""
        self._recorder.start()
        try:
            with ThreadPoolExecutor(self._threads, SENDERS) as senders:
                self._feed(senders)
        finally:
            self._paid.put(None)
            self._recorder.join()
        return self._opened

    def _feed(self, senders: ThreadPoolExecutor) -> None:
        """Keep the senders in work, with little ahead of them."""
        while not self._stopping():
            room = min(BATCH, self._room())
            if room < max(1, min(BATCH, self._ahead) // 2):
                time.sleep(_LOOK_SECONDS)
                continue
            claimed = self._claim(room)
            for ready in self._open(claimed):
                senders.submit(self._send, ready)
            if not claimed and not self._rest():
                return

    def _room(self) -> int:
        """How many attempts more may be opened.

        Raises:
            RuntimeError: when nobody records outcomes any more.
        """
        if not self._recorder.is_alive():
            raise RuntimeError("outcomes are not recorded any more")
        with self._count:
            unsent, in_hand = self._opened - self._left, self._opened - self._done
        return min(self._ahead - unsent, self._threads + BATCH - in_hand)

    def _rest(self) -> bool:
        """Nothing is due: wait a little, while something is still under way.

        Returns:
            Whether to look again.
        """
        until = time.monotonic() + _LOOK_AGAIN_SECONDS
        while time.monotonic() < until:
            with self._count:
                if self._opened == self._done:
                    return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _claim(self, limit: int) -> list[int]:
        with self._runtime.database.transaction() as session:
            return claim_due_charges(session, now=self._runtime.clock.now(), limit=limit)

    def _open(self, charge_ids: list[int]) -> list[Ready]:
        """Attempts for those of the claimed charges that may be taken, committed."""
        if not charge_ids:
            return []
        try:
            with self._runtime.database.transaction() as session:
                opened = open_attempts(session, self._runtime, charge_ids)
        except Exception:
            log.exception("a batch of charges is opened one by one", count=len(charge_ids))
            opened = list(self._open_singly(charge_ids))
        with self._count:
            self._opened += len(opened)
        return opened

    def _open_singly(self, charge_ids: list[int]) -> Iterable[Ready]:
        for charge_id in charge_ids:
            try:
                with self._runtime.database.transaction() as session:
                    ready = open_attempt(session, self._runtime, charge_id)
            except Exception:
                log.exception("a charge could not be opened", charge=charge_id)
                continue
            if ready is not None:
                yield ready

    def _send(self, ready: Ready) -> None:
        """Runs in a sender: one call, and its outcome unless it is left to the recorder."""
        pace = _Noting(self._limiter, self._has_left)
        try:
            outcome = ask(self._runtime, pace, ready)
            if isinstance(outcome, Payment) and outcome.status is PaymentStatus.SUCCEEDED:
                self._paid.put((ready.attempt_id, outcome))
                return
            if outcome is not None:
                self._record_one(ready.attempt_id, outcome)
        except Exception:
            log.exception("an attempt could not be sent", attempt=ready.attempt_id)
        finally:
            pace.note()
        self._finish(1)

    def _has_left(self) -> None:
        with self._count:
            self._left += 1

    def _finish(self, count: int) -> None:
        with self._count:
            self._done += count

    def _record(self) -> None:
        """Runs in the recorder, until it is told that no outcome comes any more."""
        while (first := self._paid.get()) is not None:
            if self._paid.qsize() < BATCH:
                time.sleep(GATHER_SECONDS)
            gathered = [first]
            ended = False
            while len(gathered) < BATCH and not ended:
                try:
                    more = self._paid.get_nowait()
                except Empty:
                    break
                ended = more is None
                if more is not None:
                    gathered.append(more)
            self._record_many(dict(gathered))
            if ended:
                return

    def _record_many(self, paid: dict[int, Payment]) -> None:
        try:
            with self._runtime.database.transaction() as session:
                record_successes(session, self._runtime, paid)
        except Exception:
            log.exception("a batch of payments is recorded one by one", count=len(paid))
            for attempt_id, payment in paid.items():
                self._record_one(attempt_id, payment)
        finally:
            self._finish(len(paid))

    def _record_one(self, attempt_id: int, outcome: Outcome) -> None:
        """Record one outcome; what cannot be recorded now is found by the sweep."""
        try:
            record(self._runtime, attempt_id, outcome)
        except Exception:
            log.exception("an outcome could not be recorded", attempt=attempt_id)


class _Noting:
    """The common pace for one attempt, which notes when its turn has come."""

    def __init__(self, limiter: RateLimiter, note: Callable[[], None]) -> None:
        self._limiter, self._note = limiter, note
        self._noted = False
        self.leave = limiter.leave
        self.sent = limiter.sent
        self.slow_down = limiter.slow_down

    def acquire(self, *, ahead: float = 0.0) -> None:
        """Wait until a call may be made, or up to `ahead` seconds less."""
        self._limiter.acquire(ahead=ahead)
        self.note()

    def note(self) -> None:
        """Its turn has come, or never will; told once."""
        if not self._noted:
            self._noted = True
            self._note()
