"""How the pages about people name things, and what the cells of a heat map say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from fractions import Fraction

from billing.charges.declines import Remedy
from billing.charges.reasons import Reason, reason_for
from billing.revenue.at_risk import AtRisk, Order
from billing.revenue.cohort_reading import Measure, Retention
from billing.revenue.cohorts import Cohort
from billing.revenue.heat import SHADES, HeatCell, HeatMap, HeatRow, shade_of
from billing.revenue.people_lists import Outcome
from billing.staff.formats import Formats

NOTHING = "—"
MEASURES = {Measure.SUPPORTERS: "By supporters", Measure.MONEY: "By money"}
ORDERS = {Order.VALUE: "Worth most first", Order.CLOSING: "Given up soonest first"}
OUTCOMES = {
    Outcome.DUE: "Renewals asked for",
    Outcome.FAILED: "Failed renewals",
    Outcome.RECOVERED: "Recovered renewals",
    Outcome.UNPAID: "Failed renewals not paid since",
}
_MUST = {
    Reason.EXPIRED: "give the new card",
    Reason.DETAILS: "enter the card again",
    Reason.CONFIRM: "confirm the payment with their bank",
    Reason.CALL: "ask their bank, or use another card",
    Reason.STOPPED: "allow the payments at their bank, or use another card",
    Reason.ACCOUNT: "give another way to pay",
    Reason.GONE: "give a card",
}
_ORDINALS = {2: "2nd", 3: "3rd"}


def share(formats: Formats, part: Fraction | None) -> str:
    """A part of 1 with one decimal; a dash where nothing can be said."""
    return NOTHING if part is None else formats.percent_fine(float(part))


def ratio(value: Fraction | None) -> str:
    """A ratio with one decimal; a dash where nothing can be said."""
    return NOTHING if value is None else f"{float(value):.1f}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 pledge", "1,200 pledges"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def by_try(name: str) -> str:
    """Which attempt paid, in words; `name` is its number, 0 where none has."""
    number = int(name)
    if number == 0:
        return "Not paid since"
    if number == 1:
        return "Found paid without another attempt"
    return f"By the {_ORDINALS.get(number, f'{number}th')} attempt"


def helps(line: AtRisk) -> str:
    """What has to happen for a pledge to be paid after all, in a sentence."""
    if line.held:
        return "Nothing is taken until staff decide about the fraud warning."
    if line.asking:
        return "It is being asked for right now."
    must = _MUST.get(reason_for(line.reason), "use another card")
    if line.remedy is Remedy.RETRY_LATER and line.next_try_at is not None:
        return "Nothing yet: it is tried again by itself."
    if line.next_try_at is not None:
        return f"The supporter has to {must}; it is tried again as well."
    return f"The supporter has to {must}. A letter with a link has asked them to."


def days_left(line: AtRisk, now: datetime) -> str:
    """How long until the pledge is given up."""
    days = (line.gives_up_at - now).days
    if days < 0:
        return "given up any moment"
    return "less than a day left" if days == 0 else f"{counted(days, 'day')} left"


def heat_map(
    seen: Retention, formats: Formats, zone: str, write: Callable[[int], str],
    address: Callable[[Cohort, int], str | None],
) -> HeatMap:  # fmt: skip
    """Shares that were kept, each opening who they are."""
    of_people = seen.measure is Measure.SUPPORTERS
    what = "many of the supporters were" if of_people else "much of what they had promised was"
    return HeatMap(
        key="cohorts",
        title=_news(seen),
        description=(
            f"How {what} still there at the end of each month, by the month ({zone}) of"
            " the first pledge. Whoever is paused is not counted until they go on."
        ),
        corner="First pledge in",
        columns=["Month 0", *(f"{place}" for place in range(1, seen.width))],
        rows=[
            HeatRow(
                name=f"{formats.short_month(each.month)} {each.month.year}",
                size=NOTHING if 0 in each.hidden else write(each.began),
                cells=_cells(each, seen, formats, address),
            )
            for each in seen.cohorts
        ],
    )


def month_after(month: date, later: int) -> date:
    """The first day of the month so many months after one."""
    months = month.year * 12 + month.month - 1 + later
    return date(months // 12, months % 12 + 1, 1)


def _cells(
    cohort: Cohort, seen: Retention, formats: Formats, address: Callable[[Cohort, int], str | None]
) -> list[HeatCell | None]:
    shares = cohort.shares()
    found: list[HeatCell | None] = []
    for place in range(seen.width):
        if place >= len(cohort.kept):
            found.append(None)
            continue
        part = shares[place]
        words = NOTHING if part is None else formats.percent(float(part))
        found.append(
            HeatCell(words=words, shade=_shade(part, seen.least), address=address(cohort, place))
        )
    return found


def _shade(part: Fraction | None, least: Fraction) -> int:
    """From the palest for the least of all cells to the darkest for all that there was."""
    if part is None or part <= 0:
        return 0
    return (
        1 + shade_of((part - least) / (1 - least) * Fraction(SHADES - 1, SHADES))
        if least < 1
        else SHADES
    )


def _news(seen: Retention) -> str:
    """What the map says, in a sentence: the average at the latest month that says anything."""
    together = seen.together()
    for place in (12, 6, 3, 1):
        if place < len(together) and (part := together[place]) is not None:
            after = counted(place, "month")
            if seen.measure is Measure.SUPPORTERS:
                return f"{float(part):.0%} of supporters are still there after {after}"
            return f"{float(part):.0%} of the money is still there after {after}"
    return "No cohort is a month old yet"
