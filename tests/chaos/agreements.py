"""When each pledge should have been charged, by the harness's own calendar. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from tests.chaos import dues
from tests.chaos.facts import Agreed, Cancelled, Changed, Due, Prepaid
from tests.chaos.people import ZONE
from tests.chaos.wishes import ROUND_ABOUT, changed_dues, notice_owed


@dataclass(frozen=True, kw_only=True)
class Account:
    """A pledge, first paid at `anchor`."""

    amount: int
    anchor: datetime
    cadence: str
    email: str
    changes: Sequence[Changed] = ()
    prepaid: Prepaid | None = None


def agreed(
    account: Account, end: Cancelled | None, told: Sequence[datetime], settled_at: datetime
) -> Agreed:
    """What should have come of it by `settled_at`, given when its notices arrived."""
    moments = dues.until(account.anchor, account.cadence, ZONE, settled_at + dues.WRITTEN_AHEAD)
    if account.changes:
        return _agreed_anew(account, moments, told, settled_at)
    annual = account.cadence == "annual"
    return Agreed(
        amount=account.amount,
        email=account.email,
        dues=list(_dues(moments, end, told if annual else None, settled_at)),
        cancelled_at=end.confirmed_at if end else None,
        notice_owed=annual and _notice_owed(moments, end, settled_at),
    )


def with_chances(agreed: Agreed, calm: Sequence[datetime]) -> Agreed:
    """The same, where the clock may have leapt over whole periods.

    A period is owed if, at a moment of its own (`calm`), nothing of its pledge was left to do: then
    it had been charged, or never would be. One that was over before there was such a moment may
    have been taken in its time or not, as after an outage of more than a month.
    """
    dues = list(agreed.dues)
    for place, (due, following) in enumerate(pairwise(dues)):
        had_it = any(due.earliest <= at < following.earliest - ROUND_ABOUT for at in calm)
        if not (had_it or due.left_out or due.ahead or following.ahead):
            dues[place] = replace(due, owed=False, let_go=True)
    return replace(agreed, dues=dues)


def _agreed_anew(
    account: Account, moments: Sequence[datetime], told: Sequence[datetime], settled_at: datetime
) -> Agreed:
    """What should have come of a pledge that its reader has changed."""
    return Agreed(
        amount=account.amount,
        email=account.email,
        dues=changed_dues(
            moments, account.amount, account.changes, account.prepaid, told, settled_at
        ),
        notice_owed=notice_owed(moments, account.changes, settled_at),
    )


def _dues(
    moments: Sequence[datetime],
    end: Cancelled | None,
    told: Sequence[datetime] | None,
    settled_at: datetime,
) -> Iterator[Due]:
    """Up to the first that is not due at all.

    The last before a pledge was ended may have been taken by then or not.
    """
    for period, moment in enumerate(moments, start=1):
        earliest = moment if told is None else dues.announced(moment, told)
        if earliest is None or earliest > settled_at + ROUND_ABOUT:
            return
        # A mail that came twice counts from when it came last: we may not know of the first.
        latest = moment if told is None else dues.announced(moment, [max(told)])
        owed = latest is not None and latest <= settled_at - ROUND_ABOUT
        if end is not None:
            if earliest > end.confirmed_at + ROUND_ABOUT:
                return
            following = next(iter(moments[period:]), settled_at)
            owed = owed and following < end.asked_at - ROUND_ABOUT
        yield Due(earliest=earliest, owed=owed)


def _notice_owed(moments: Sequence[datetime], end: Cancelled | None, settled_at: datetime) -> bool:
    """Whether the day on which a notice is written has passed for a pledge that goes on."""
    return bool(moments) and end is None and moments[0] - dues.WRITTEN_AHEAD < settled_at
