"""Delivers events: signed, several at a time, again with growing pauses until a 2xx.

The signature is Stripe's: `t=<seconds>,v1=<hex HMAC-SHA256 of "t.payload">`
(https://docs.stripe.com/webhooks#verify-manually). What is waiting is in the store, so a restart
goes on where it stopped; a delivery whose result was not written yet is made again.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
from dataclasses import dataclass

import aiohttp

from billing.local.stripe.clockface import Clockface
from billing.local.stripe.faults import Faults
from billing.local.stripe.store import Store

log = logging.getLogger("standin")
AT_ONCE = 16
TIMEOUT_SECONDS = 20
PATIENCE_SECONDS = 3 * 86_400
PAUSES = (1, 3, 10, 30, 120, 600, 1800, 3600, 7200, 14_400)
FLUSH_SECONDS = 0.05


@dataclass(frozen=True)
class Parcel:
    """One delivery to make."""

    seq: int
    event: str
    endpoint: str
    url: str
    attempts: int
    created: int


@dataclass(frozen=True)
class Outcome:
    """How it went: an HTTP status, or an error in words."""

    parcel: Parcel
    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        """Whether the receiver said 2xx."""
        return self.status is not None and 200 <= self.status < 300


def sign(payload: str, secret: str, at: int) -> str:
    """The `Stripe-Signature` header."""
    digest = hmac.new(secret.encode(), f"{at}.{payload}".encode(), hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


class Courier:
    """Background delivery from the `deliveries` table."""

    def __init__(self, store: Store, clock: Clockface, faults: Faults) -> None:
        self._store, self._clock, self._faults = store, clock, faults
        self._bell = asyncio.Event()
        self._busy: set[int] = set()
        self._done: list[Outcome] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    def wake(self) -> None:
        """There may be something to deliver."""
        self._bell.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            try:
                while True:
                    await self._round(session)
            finally:
                await self._stop()

    async def _round(self, session: aiohttp.ClientSession) -> None:
        self._bell.clear()
        for parcel in self._waiting():
            await self._room.acquire()
            self._busy.add(parcel.seq)
            task = asyncio.create_task(self._carry(session, parcel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.record()
        pause = FLUSH_SECONDS if self._tasks else 0.5
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), pause)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.record()

    def _waiting(self) -> list[Parcel]:
        rows = self._store.db.execute(
            "SELECT seq, event, endpoint, url, attempts, created FROM deliveries "
            "WHERE state = 'waiting' AND next_at <= ? ORDER BY next_at, seq LIMIT ?",
            (self._clock.now(), AT_ONCE * 4 + len(self._busy)),
        ).fetchall()
        return [Parcel(*row) for row in rows if row[0] not in self._busy]

    async def _carry(self, session: aiohttp.ClientSession, parcel: Parcel) -> None:
        try:
            outcome = await self._with_faults(session, parcel)
            self._done.append(outcome)
            log.info("webhook %s → %s", parcel.event, outcome.status or outcome.error)
        except asyncio.CancelledError:
            self._busy.discard(parcel.seq)
            raise
        finally:
            self._room.release()
            self.wake()

    async def _with_faults(self, session: aiohttp.ClientSession, parcel: Parcel) -> Outcome:
        row = self._store.db.execute(
            "SELECT body FROM objects WHERE id = ?", (parcel.event,)
        ).fetchone()
        receiver = next((r for r in self._store.receivers if r.id == parcel.endpoint), None)
        if row is None or receiver is None:
            return Outcome(parcel, 200, "nobody to tell")
        rule = self._faults.webhook(json.loads(row[0])["type"]) if self._faults.rules else None
        kind = rule.kind if rule else None
        if kind == "lose":
            return Outcome(parcel, 200, "lost on purpose")
        if rule and kind in ("delay", "reorder"):
            await self._step_aside(rule.seconds)
        if kind == "duplicate":
            await self._post(session, parcel, row[0], receiver.secret)
        return await self._post(session, parcel, row[0], receiver.secret)

    async def _step_aside(self, seconds: float) -> None:
        """Wait without keeping others from their turn."""
        self._room.release()
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._room.acquire()

    async def _post(
        self, session: aiohttp.ClientSession, parcel: Parcel, payload: str, secret: str
    ) -> Outcome:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(payload, secret, self._clock.now()),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            async with session.post(
                parcel.url, data=payload.encode(), headers=headers, allow_redirects=False
            ) as answer:
                return Outcome(parcel, answer.status, None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Outcome(parcel, None, f"{type(error).__name__}: {error}"[:200])

    def record(self) -> None:
        """Write the results gathered so far, in one transaction."""
        done, self._done = self._done, []
        if not done:
            return
        now = self._clock.now()
        for outcome in done:
            self._write(outcome, now)
            self._busy.discard(outcome.parcel.seq)
        self._store.commit()

    def _write(self, outcome: Outcome, now: int) -> None:
        """Three days count from the first try, and a clock moved far ends no one's patience."""
        parcel = outcome.parcel
        first = parcel.created if parcel.attempts else now
        state, pause = "delivered", 0
        if not outcome.delivered:
            pause = PAUSES[min(parcel.attempts, len(PAUSES) - 1)]
            late = now + pause > first + PATIENCE_SECONDS
            state = "given_up" if late and parcel.attempts >= len(PAUSES) else "waiting"
        self._store.write(
            "UPDATE deliveries SET state = ?, attempts = attempts + 1, created = ?, next_at = ?, "
            "status = ?, error = ? WHERE seq = ?",
            (state, first, now + pause, outcome.status, outcome.error, parcel.seq),
        )
