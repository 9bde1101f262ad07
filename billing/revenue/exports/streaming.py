"""A download as it is made: in pieces, within limits, written down at its beginning and end.

A server-side cursor reads as fast as the other end takes, so memory stays the same however long the
table. What it may hold is bounded (ADR 0067): `PLACES` threads of a process, a connection for
`LONGEST` at most, and for `STALLED` where nothing is taken: PostgreSQL itself ends it then.

What if the process dies: the audit trail has the beginning and no end, and the browser says that
the connection broke. Where only the transfer must end, the file says so in its last line: the web
server would end it as if it were whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from billing.runtime import Runtime
from billing.staff.audit_trail import AuditAction, Detail, record

PLACES = 2
"""Downloads at once in a process: of its 8 threads the others go on serving pages."""
LONGEST = timedelta(minutes=15)
STALLED = timedelta(seconds=60)
SLOWEST_STEP = timedelta(minutes=5)
"""How long the database may take for a piece; the first one includes sorting."""

INCOMPLETE = "INCOMPLETE"
_LAST_LINE = f"{INCOMPLETE}: this file was cut off here. Please download it again.\r\n".encode()

Piece = tuple[bytes, int]
"""Some bytes, and how many rows are in them."""

log = structlog.get_logger()
Make = Callable[[Session], Generator[Piece, None, None]]

_places = threading.BoundedSemaphore(PLACES)


class NoPlaceError(Exception):
    """As many downloads are under way as may be."""


class _TooLongError(Exception):
    pass


class Download(Iterator[bytes]):
    """The bytes of a download. `close` ends it, wherever it is; a web server calls it always."""

    def __init__(
        self,
        runtime: Runtime,
        make: Make,
        *,
        staff_member_id: int | None,
        detail: Detail,
        longest: timedelta = LONGEST,
    ) -> None:
        """Begin: ask the database, and write down who takes what before the first byte leaves.

        Raises:
            NoPlaceError: when `PLACES` are under way in this process.
            Exception: what `make` raises; nothing is begun then.
        """
        self._runtime, self._who, self._detail = runtime, staff_member_id, dict(detail)
        self._rows = 0
        self._over = False
        self.whole = False
        """Whether all of it was taken."""
        self._ends = time.monotonic() + longest.total_seconds()
        if not _places.acquire(blocking=False):
            raise NoPlaceError
        self._held = ExitStack()
        self._held.callback(_places.release)
        try:
            self._pieces = self._held.enter_context(closing(make(self._opened())))
            self._note("begun")
        except BaseException:
            self._let_go()
            raise

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        try:
            piece, rows = self._next_in_time()
        except StopIteration:
            self.whole = True
            self._end("complete")
            raise
        except (SQLAlchemyError, _TooLongError):
            self._end("cut off")
            return _LAST_LINE
        except Exception:
            log.exception("a download failed")
            self._end("failed")
            return _LAST_LINE
        self._rows += rows
        return piece

    def _next_in_time(self) -> Piece:
        if time.monotonic() > self._ends:
            raise _TooLongError
        return next(self._pieces)

    def close(self) -> None:
        """End it; what was not taken by now is not wanted any more, and its query stops."""
        if not self._over:
            self._end("cancelled")

    def _opened(self) -> Session:
        session = Session(self._runtime.database.engine)
        self._held.callback(_discard, session)
        return session

    def _end(self, outcome: str) -> None:
        self._let_go()
        self._note(outcome)

    def _let_go(self) -> None:
        self._over = True
        self._held.close()

    def _note(self, outcome: str) -> None:
        detail = {**self._detail, "outcome": outcome}
        if outcome != "begun":
            detail["rows"] = self._rows
        with self._runtime.database.transaction() as session:
            now = self._runtime.clock.now()
            record(session, self._who, AuditAction.EXPORTED, now, detail=detail)


def bound(session: Session, *, step: timedelta = SLOWEST_STEP) -> None:
    """Have PostgreSQL end a query that takes too long, and a transaction that nobody reads."""
    milliseconds = {"statement_timeout": step, "idle_in_transaction_session_timeout": STALLED}
    for name, longest in milliseconds.items():
        value = str(int(longest / timedelta(milliseconds=1)))
        session.execute(
            text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value}
        )


def _discard(session: Session) -> None:
    """Undo what was only read; the connection may be gone already."""
    with suppress(SQLAlchemyError):
        session.close()
