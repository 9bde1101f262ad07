"""How far the day's renewals have come, in words: for the staff page and for the command line."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from billing.charges.domain import MEASURED_OVER, Run
from billing.staff.formats import Formats

_WORDS = (
    ("due", "due so far"),
    ("done", "paid"),
    ("declined", "declined"),
    ("unknown", "without an answer: being found out"),
    ("with_bank", "with the bank: settled in a few days"),
    ("under_way", "being asked for"),
    ("waiting", "waiting for their turn"),
    ("later_today", "due later today"),
)
_ALWAYS = frozenset({"due", "done", "declined", "unknown"})


def counts_in_words(run: Run) -> list[tuple[int, str]]:
    """What there is to count; what is zero and usually so is left out."""
    counts = [(int(getattr(run, name)), name, words) for name, words in _WORDS]
    return [(count, words) for count, name, words in counts if count or name in _ALWAYS]


def rate_in_words(run: Run) -> str:
    """The measured pace beside the limit; the limit alone when there is no measure."""
    limit = f"{run.limit:g} a second"
    if run.rate is None:
        return f"not measured yet; at most {limit}"
    return f"{run.rate:.1f} a second over the last {_time(run.measured)}; at most {limit}"


def time_left_in_words(run: Run, now: datetime) -> str | None:
    """When all that is due now will have been asked for, and by which reckoning."""
    if run.stands_still(now):
        minutes = f"{MEASURED_OVER.total_seconds() / 60:g}"
        return (
            f"unknown: nothing was answered in the last {minutes} minutes. Is the worker running?"
        )
    if run.time_left is None:
        return None
    basis = "at the limit that is set" if run.rate is None else "at the measured rate"
    return f"about {_time(run.time_left)}, {basis}"


def nothing_in_words(run: Run) -> str:
    """What is said on a day on which nothing has fallen due so far."""
    if not run.later_today:
        return "No renewal has fallen due today, and none will."
    what = "renewal falls" if run.later_today == 1 else "renewals fall"
    return f"No renewal has fallen due so far today; {run.later_today:,} {what} due later."


def lines(run: Run, formats: Formats, now: datetime) -> list[str]:
    """The whole as plain text."""
    head = f"Renewals of {formats.day_of(now)}, as of {formats.moment(now)} ({formats.zone.key})"
    if not run.due:
        return [head, nothing_in_words(run)]
    found = [f"{count:>9,}  {words}" for count, words in counts_in_words(run)]
    left = time_left_in_words(run, now)
    return [
        head,
        *found,
        f"Rate: {rate_in_words(run)}",
        *([f"Time left: {left}"] if left else ["Nothing is waiting."]),
    ]


def _time(span: timedelta) -> str:
    """A span rounded up to what matters: 40 seconds, 7 minutes, 2 h 5 min."""
    seconds = math.ceil(span.total_seconds())
    if seconds < 60:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    minutes = math.ceil(seconds / 60)
    if minutes < 60:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min"
