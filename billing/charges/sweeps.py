"""Sweeps over Stripe's lists: what is there is compared with what we hold, a window at a time.

How far a sweep has come is kept in the database after each window, so that one that is killed goes
on where it was. Only one of a name runs at a time: another would do the same work over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.charges.tables import SweepMark
from billing.runtime import Runtime

OVERLAP = timedelta(hours=1)
"""How far a sweep looks back behind the last, as a rule: what Stripe lists late is found."""

FIRST_LOOK_BACK = timedelta(days=30)
"""How far the first sweep looks back. Later ones begin where the last ended, however long ago."""

SECOND_LOOK_EVERY, SECOND_LOOK_BACK = timedelta(days=1), timedelta(days=4)

NARROWEST, WIDEST = timedelta(minutes=15), timedelta(days=8)
"""How long a window is: it widens while little is in it and narrows when there is much."""

_FIRST_WINDOW = timedelta(hours=1)
_LITTLE, _MUCH = 200, 2000
_PAGE = 100
"""As many as Stripe lists at once."""

_Listed = TypeVar("_Listed")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of looking at one window."""

    listed: int
    """How many things Stripe lists in it."""
    new: int
    """How many of them we did not hold."""
    waits_since: datetime | None = None
    """When the oldest was made that can't be taken over yet: sweeps go on looking from there."""


Look = Callable[[datetime, datetime | None], Seen]
"""Looks at what was made at or after the first moment and before the second (None: up to now)."""


def sweep(runtime: Runtime, name: str, look: Look, *, kept: timedelta | None = None) -> int:
    """Look at everything since the last sweep, window by window, the oldest first.

    `kept` is for how long Stripe lists such things, where it is not for ever.

    Returns:
        How many things were new; 0 at once while another sweep of that name is at it.
    """
    now = runtime.clock.now()
    reach = _since_last(runtime, name, now)
    return _alone(runtime, name, look, reach, kept)


def sweep_twice(runtime: Runtime, name: str, look: Look, *, kept: timedelta | None = None) -> int:
    """Look at everything since the last sweep and, once a day, at the days before it again.

    So what Stripe lists late, or dates back, is found though the sweep has passed it.

    Returns:
        How many things were new.
    """
    now = runtime.clock.now()
    reach = _since_last(runtime, name, now)
    new = _alone(runtime, name, look, reach, kept)
    again = f"{name}, a second look"
    looked_at = seen_until(runtime, again)
    if looked_at is None or abs(now - looked_at) >= SECOND_LOOK_EVERY:
        seen = min(looked_at or now, now)
        before = _Reach(now=now, seen=seen, begin=seen - SECOND_LOOK_BACK, end=reach.begin)
        new += _alone(runtime, again, look, before, kept)
    return new


def seen_until(runtime: Runtime, name: str) -> datetime | None:
    """Until when the sweep has seen everything; None before its first window."""
    with runtime.database.transaction() as session:
        mark = session.get(SweepMark, name)
        return mark.seen_until if mark else None


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """What one sweep looks at: all that was made from `begin` to `end`."""

    now: datetime
    seen: datetime
    """Until when the sweeps before it had seen everything."""
    begin: datetime
    end: datetime | None = None
    """None: up to now, and what is made meanwhile."""


def _since_last(runtime: Runtime, name: str, now: datetime) -> _Reach:
    # The clock may have been ahead, and have been set right since.
    seen = min(seen_until(runtime, name) or now - FIRST_LOOK_BACK, now)
    return _Reach(now=now, seen=seen, begin=seen - OVERLAP)


def _alone(runtime: Runtime, name: str, look: Look, reach: _Reach, kept: timedelta | None) -> int:
    with runtime.database.alone(f"sweep of {name}") as alone:
        return _sweep(runtime, name, look, reach, kept) if alone else 0


def _sweep(runtime: Runtime, name: str, look: Look, reach: _Reach, kept: timedelta | None) -> int:
    begin, width, until = reach.begin, _FIRST_WINDOW, reach.end or reach.now
    if kept is not None:
        begin = max(begin, reach.now - kept)
    new, waits_since = 0, reach.now
    while begin < until:
        end = begin + width
        found = look(begin, end if end < until else reach.end)
        new += found.new
        waits_since = min(waits_since, found.waits_since or reach.now)
        _mark(runtime, name, until=min(max(end, reach.seen), waits_since))
        begin, width = end, _next_width(width, found.listed)
    _mark(runtime, name, until=waits_since)
    return new


def _mark(runtime: Runtime, name: str, *, until: datetime) -> None:
    with runtime.database.transaction() as session:
        mark_seen(session, name, until=until)


def _next_width(width: timedelta, listed: int) -> timedelta:
    if listed < _LITTLE:
        return min(WIDEST, 2 * width)
    return max(NARROWEST, width / 2) if listed > _MUCH else width


def pages(listed: Iterable[_Listed]) -> Iterator[list[_Listed]]:
    """What Stripe lists, a page at a time: what is long known is looked up for all of it at once.

    A sweep sees everything of the last hours again, and most of it is known.
    """
    rest = iter(listed)
    while page := list(islice(rest, _PAGE)):
        yield page


def mark_seen(session: Session, name: str, *, until: datetime) -> None:
    """The sweep has seen everything up to `until`."""
    row = insert(SweepMark).values(name=name, seen_until=until)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[SweepMark.name], set_={"seen_until": row.excluded.seen_until}
        )
    )
