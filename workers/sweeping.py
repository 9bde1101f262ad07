"""What sweeps have in common: batch after batch, and one bad row holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from billing.db import Database
from billing.gateway import BusyError, OutcomeUnknownError

T = TypeVar("T", int, str)
log = structlog.get_logger()

SILENT_IN_A_ROW = 10
"""After so many requests without an answer Stripe is away: the rest waits for the next tick."""


BATCH = 500
"""How many rows a sweep takes on in one transaction."""


class SweepIncompleteError(Exception):
    """So many rows could not be closed; each is in the log, and the next tick tries them again."""


def in_batches(database: Database, event: str, step: Callable[[Session], int]) -> None:
    """Repeat a step, a transaction each time, until it finds less than a full `BATCH`.

    What was found is logged as `event` with its count.
    """
    while True:
        with database.transaction() as session:
            count = step(session)
        if count:
            log.info(event, count=count)
        if count < BATCH:
            return


def all_of(find: Callable[[int], list[int]]) -> Iterator[int]:
    """The ids of all rows that wait, batch by batch, given what finds those beyond an id.

    Those that cannot be closed are passed by, so that however many they are the others are seen.
    """
    after = 0
    while batch := find(after):
        yield from batch
        after = batch[-1]


def close_each(waiting: Iterable[T], close: Callable[[T], object]) -> None:
    """Close every row that waits, whatever becomes of the others.

    Raises:
        SweepIncompleteError: at the end, when any of them raised.
    """
    failed = silent = 0
    for which in waiting:
        try:
            close(which)
        except Exception as error:
            log.exception("not closed", which=which)
            failed += 1
            silent = silent + 1 if isinstance(error, BusyError | OutcomeUnknownError) else 0
            if silent == SILENT_IN_A_ROW:
                break
        else:
            silent = 0
    if failed:
        raise SweepIncompleteError(failed)
