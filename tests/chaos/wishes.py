"""What readers change about their pledges during a run, and what should come of it. Pure.

Only what can be said surely is expected. A period that fell due while the reader was at it, as far
as the harness knows the moment, may have been charged or not, at the old sum or the new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tests.chaos import dues
from tests.chaos.facts import Changed, Due, Prepaid
from tests.chaos.people import MONTHS_AHEAD, Kind

ROUND_ABOUT = timedelta(minutes=40)
"""How exactly the harness knows a moment: the clock goes back by a quarter of an hour at times."""


def changed_dues(
    moments: Sequence[datetime],
    amount: int,
    changes: Sequence[Changed],
    prepaid: Prepaid | None,
    told: Sequence[datetime],
    settled_at: datetime,
) -> list[Due]:
    """The dues of a monthly pledge of `amount` that its reader has changed."""
    plain = [
        Due(earliest=moment, owed=moment <= settled_at - ROUND_ABOUT)
        for moment in moments
        if moment <= settled_at + ROUND_ABOUT
    ]
    done = [change for change in changes if not change.refused]
    if not done:
        return plain
    first, *later = done
    resumed = next((change for change in later if change.kind is Kind.RESUME), None)
    if first.kind is Kind.AHEAD:
        return plain if prepaid is None else _ahead(plain, first, prepaid)
    if first.confirmed_at is None:
        return [_unsure(due, amount, first.amount) for due in plain]
    if first.kind is Kind.ANNUAL:
        return _annual(plain, moments, amount, first, told, settled_at)
    if first.kind in (Kind.SKIP, Kind.PAUSE):
        return list(_without(plain, first, resumed))
    return list(_other_sum(plain, amount, first))


def notice_owed(
    moments: Sequence[datetime], changes: Sequence[Changed], settled_at: datetime
) -> bool:
    """Whether a notice should have come by now, for a monthly pledge that became annual."""
    return any(
        change.kind is Kind.ANNUAL
        and change.confirmed_at is not None
        and change.turn <= len(moments)
        and _surely_next(moments, change)
        and max(change.confirmed_at, moments[change.turn - 1] - dues.WRITTEN_AHEAD)
        < settled_at - timedelta(days=1)
        for change in changes
    )


def _around(change: Changed) -> tuple[datetime, datetime]:
    """The change was made between these."""
    assert change.confirmed_at is not None
    return change.asked_at - ROUND_ABOUT, change.confirmed_at + ROUND_ABOUT


def _after(plain: Sequence[Due], place: int) -> datetime | None:
    return plain[place + 1].earliest if place + 1 < len(plain) else None


def _long_before(plain: Sequence[Due], place: int, moment: datetime) -> bool:
    """Whether even the period after this one was due by then: it had been charged for long."""
    following = _after(plain, place)
    return following is not None and following < moment


def _left_out(due: Due) -> Due:
    return Due(earliest=due.earliest, owed=False, left_out=True)


def _unsure(due: Due, *amounts: int) -> Due:
    """Charged or not, and the pledge goes on either way."""
    return Due(earliest=due.earliest, owed=False, optional=True, amounts=frozenset(amounts) or None)


def _without(plain: Sequence[Due], change: Changed, resumed: Changed | None) -> Iterator[Due]:
    if change.kind is Kind.PAUSE:
        yield from _paused(plain, change, resumed)
        return
    for period, due in enumerate(plain, start=1):
        yield _left_out(due) if period == change.turn else due


def _paused(plain: Sequence[Due], pause: Changed, resumed: Changed | None) -> Iterator[Due]:
    begins, begun = _around(pause)
    assert pause.until is not None
    ends, ended = pause.until - ROUND_ABOUT, pause.until + ROUND_ABOUT
    if resumed is not None:
        ends = min(ends, resumed.asked_at - ROUND_ABOUT)
        if resumed.confirmed_at is not None:
            ended = min(ended, resumed.confirmed_at + ROUND_ABOUT)
    for place, due in enumerate(plain):
        if due.earliest > ended or _long_before(plain, place, begins):
            yield due
        elif begun < due.earliest < ends:
            yield _left_out(due)
        else:
            yield _unsure(due)


def _other_sum(plain: Sequence[Due], amount: int, change: Changed) -> Iterator[Due]:
    begins, begun = _around(change)
    for place, due in enumerate(plain):
        if due.earliest > begun:
            amounts = {change.amount}
        elif _long_before(plain, place, begins):
            amounts = {amount}
        else:
            amounts = {amount, change.amount}
        yield Due(earliest=due.earliest, owed=due.owed, amounts=frozenset(amounts))


def _surely_next(moments: Sequence[datetime], change: Changed) -> bool:
    """Whether the period that the page showed was still ahead when the change was made."""
    _, begun = _around(change)
    return moments[change.turn - 1] > begun


def _annual(
    plain: Sequence[Due],
    moments: Sequence[datetime],
    amount: int,
    change: Changed,
    told: Sequence[datetime],
    settled_at: datetime,
) -> list[Due]:
    """A year begins with the period that was next, a week after its notice; then none is due."""
    if change.turn > len(moments) or not _surely_next(moments, change):
        return [_unsure(due, amount, change.amount) for due in plain]
    before = list(plain[: change.turn - 1])
    moment = moments[change.turn - 1]
    earliest = dues.announced(moment, told)
    if earliest is None or earliest > settled_at + ROUND_ABOUT:
        return before
    latest = dues.announced(moment, [max(told)])
    owed = latest is not None and latest <= settled_at - ROUND_ABOUT
    return [*before, Due(earliest=earliest, owed=owed, amounts=frozenset({change.amount}))]


def _ahead(plain: Sequence[Due], change: Changed, prepaid: Prepaid) -> list[Due]:
    """Which months are paid for is decided when the money is heard of: none that is long over.

    One payment at one sum for all of them, and none of the others is charged.
    """
    covered = prepaid.period
    if covered is None or _long_before(plain, covered - 1, change.asked_at - ROUND_ABOUT):
        return list(plain)
    paid = Due(earliest=change.asked_at, amounts=frozenset({change.amount}), ahead=True)
    left_out = [_left_out(due) for due in plain[covered : covered + MONTHS_AHEAD - 1]]
    return [*plain[: covered - 1], paid, *left_out, *plain[covered + MONTHS_AHEAD - 1 :]]
