"""Periods of the newsroom's days, and what each is compared with. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from dateutil.relativedelta import relativedelta

LONGEST_YEARS = 5


class Preset(StrEnum):
    """Periods that have a name. Each ends today, or before."""

    THIS_MONTH = "this-month"
    LAST_MONTH = "last-month"
    LAST_30_DAYS = "last-30-days"
    LAST_90_DAYS = "last-90-days"
    LAST_12_MONTHS = "last-12-months"
    """The eleven months before this one, whole, and this one so far."""
    THIS_YEAR = "this-year"
    LAST_YEAR = "last-year"


class Step(StrEnum):
    """How finely a period is drawn."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, order=True)
class Period:
    """Days from `first` to `last`, both among them."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def is_whole_months(self) -> bool:
        """Whether it begins with the first day of a month and ends with the last of one."""
        return self.first.day == 1 and (self.last + timedelta(days=1)).day == 1

    def holds(self, day: date) -> bool:
        """Whether a day belongs to it."""
        return self.first <= day <= self.last


def period_of(preset: Preset, today: date) -> Period:
    """The period that a preset means today."""
    month, year = today.replace(day=1), today.replace(month=1, day=1)
    day = timedelta(days=1)
    return {
        Preset.THIS_MONTH: Period(month, today),
        Preset.LAST_MONTH: Period(month - relativedelta(months=1), month - day),
        Preset.LAST_30_DAYS: Period(today - 29 * day, today),
        Preset.LAST_90_DAYS: Period(today - 89 * day, today),
        Preset.LAST_12_MONTHS: Period(month - relativedelta(months=11), today),
        Preset.THIS_YEAR: Period(year, today),
        Preset.LAST_YEAR: Period(year - relativedelta(years=1), year - day),
    }[preset]


def previous(period: Period) -> Period:
    """The period before it: as many whole months or, as it is, the same days of the months before.

    A month that has only begun is compared with the same number of days of the month before, so
    that the first of a month does not look like ruin; any other period with as many days before it.
    """
    if period.first.day == 1:
        months = _months(period)
        first = period.first - relativedelta(months=months)
        last = period.last - relativedelta(months=months)
        whole = period.is_whole_months
        return Period(first, period.first - timedelta(days=1) if whole else last)
    return Period(period.first - timedelta(days=period.days), period.first - timedelta(days=1))


def a_year_before(period: Period) -> Period:
    """The same days a year before; 29 February is the 28th, and whole months stay whole."""
    first = period.first - relativedelta(years=1)
    if period.is_whole_months:
        return Period(first, first + relativedelta(months=_months(period)) - timedelta(days=1))
    return Period(first, period.last - relativedelta(years=1))


def steps(period: Period, step: Step) -> list[Period]:
    """The days, weeks (from Monday) or months of a period; the outer ones may be cut."""
    found, first = [], period.first
    while first <= period.last:
        if step is Step.DAY:
            following = first + timedelta(days=1)
        elif step is Step.WEEK:
            following = first + timedelta(days=7 - first.weekday())
        else:
            following = first.replace(day=1) + relativedelta(months=1)
        found.append(Period(first, min(following - timedelta(days=1), period.last)))
        first = following
    return found


def _months(period: Period) -> int:
    """How many months a period touches."""
    first, last = period.first, period.last
    return (last.year - first.year) * 12 + last.month - first.month + 1
