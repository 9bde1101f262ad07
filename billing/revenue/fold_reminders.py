"""The statements that carry reminders into their rollup, and what is counted of them.

What becomes of a reminder is known weeks after it was asked for, so a day is counted as a whole
whenever one of its reminders was written.
"""

from __future__ import annotations

from enum import StrEnum

from billing.reminders.domain import ReminderStatus
from billing.revenue.fold_sql import SOURCE_OF, day_of, put_right, sums_of

_SENT = f"status = '{ReminderStatus.SENT}'"


class ReminderStep(StrEnum):
    """Which of the reminders asked for are counted, or listed; see `Reminded`."""

    ASKED = "asked"
    UNDER_WAY = "under_way"
    SENT = "sent"
    GAVE_BEFORE = "gave_before"
    NOT_WANTED = "not_wanted"
    GAVE = "gave"
    STILL_OPEN = "still_open"


WHICH = {
    ReminderStep.ASKED: "true",
    ReminderStep.UNDER_WAY: f"status IN ('{ReminderStatus.WAITING}', '{ReminderStatus.QUEUED}')",
    ReminderStep.SENT: _SENT,
    ReminderStep.GAVE_BEFORE: f"status = '{ReminderStatus.SKIPPED}'",
    ReminderStep.NOT_WANTED: (
        f"status IN ('{ReminderStatus.UNSUBSCRIBED}', '{ReminderStatus.UNDELIVERED}')"
    ),
    ReminderStep.GAVE: f"{_SENT} AND gave",
    ReminderStep.STILL_OPEN: f"{_SENT} AND gave IS NULL AND erased_at IS NULL",
}
"""The condition on a reminder."""


def reminder_sums(new: str) -> str:
    """What became of reminders `m`, by source and the day on which they were asked for.

    Nobody's country is known then.
    """
    sums = ", ".join(
        f"count(*) FILTER (WHERE {WHICH[ReminderStep(name)]}) AS {name}"
        for name in sums_of("revenue_reminders")
    )
    return f"""
    SELECT coalesce(s.id, 0) AS source_id, '' AS country, {day_of("m.asked_at")} AS day, {sums}
    FROM reminders m {SOURCE_OF.format(row="m")}
    WHERE {new} GROUP BY 1, 3"""


def fold_reminders(new: str) -> str:
    """Make what is kept of the days from `day` to `last_day` what reminders `m` say by now."""
    return f"WITH {put_right('revenue_reminders', reminder_sums(new))}"
