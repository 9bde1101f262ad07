"""The charts of the pages about gifts, sources, reminders and fees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing.money import Money
from billing.revenue.charts import Chart, Series
from billing.revenue.drawings import in_currency
from billing.revenue.gifts import WINDOWS, is_closed
from billing.revenue.money_reading import FeePage, GiftPage, ReminderPage, Source
from billing.revenue.money_words import name_of
from billing.revenue.periods import Period
from billing.revenue.reading import Asked
from billing.staff.formats import Formats

_COUNTS: dict[str, Any] = {
    "write": lambda count: f"{count:,}",
    "write_axis": lambda count: f"{count:,}",
    "unit": 1,
}
_MOST_SOURCES = 8


def conversion_chart(seen: GiftPage, asked: Asked, formats: Formats) -> Chart:
    """Of those who gave first in each month, how many pledged how soon."""
    months = [period for period, _ in seen.months]
    found = [each for _, each in seen.months]
    rest = [each.to_be_won - each.within[365] for each in found]
    return Chart(
        key="conversions",
        title=_conversion_says(seen, formats),
        description="People by the month of their first gift, without those who had a pledge "
        f"before; days of {formats.zone.key}.",
        **_months(months, formats),
        bars=[
            Series(name="pledged within 30 days", css="one", values=[f.within[30] for f in found]),
            Series(
                name="within 90 days",
                css="two",
                values=[f.within[90] - f.within[30] for f in found],
            ),
            Series(
                name="within 365 days",
                css="three",
                values=[f.within[365] - f.within[90] for f in found],
            ),
            Series(name="not, or not yet", css="four", values=rest),
        ],
        unfinished=frozenset(
            place
            for place, month in enumerate(months)
            if not is_closed(month.last, WINDOWS[-1], asked.today)
        ),
        hidden=frozenset(p for p, each in enumerate(found) if "had_pledged" in each.hidden),
        **_COUNTS,
    )


def _conversion_says(seen: GiftPage, formats: Formats) -> str:
    whole = seen.whole
    share = whole.share(WINDOWS[-1])
    if whole.hidden:
        return "How soon those who gave for the first time have pledged"
    if share is None:
        return "Nobody gave for the first time"
    people = "person" if whole.to_be_won == 1 else "people"
    return (
        f"Of {whole.to_be_won:,} {people} who gave for the first time, {whole.within[365]:,} "
        f"({formats.percent(float(share))}) have pledged within a year so far"
    )


def sources_chart(sources: Sequence[Source], by: str, asked: Asked, formats: Formats) -> Chart:
    """Net by name, the largest few."""
    largest = [each for each in sources if each.net > 0][:_MOST_SOURCES]
    names = [name_of(by, each.name) for each in largest]
    return Chart(
        key="sources",
        title=_sources_say(largest, names, sources, asked, formats),
        description=f"Left after fees, refunds and disputes in the period, in "
        f"{asked.currency.upper()}; the {len(largest)} largest, days of {formats.zone.key}.",
        columns=[_short(name) for name in names],
        full_columns=names,
        bars=[Series(name="net", css="pledges", values=[each.net for each in largest])],
        every_column=True,
        **in_currency(formats, asked.currency),
    )


def _sources_say(
    largest: Sequence[Source],
    names: Sequence[str],
    sources: Sequence[Source],
    asked: Asked,
    formats: Formats,
) -> str:
    whole = sum(each.net for each in sources)
    if not largest or whole <= 0:
        return "No money came in"
    named = [(each, name) for each, name in zip(largest, names, strict=True) if each.name]
    if not named:
        return "None of it can be told apart"
    most, name = named[0]
    net = formats.money(Money(most.net, asked.currency))
    return (
        f"The most of what can be told came by “{name}”: {net}, {formats.percent(most.net / whole)}"
    )


def reminders_chart(seen: ReminderPage, asked: Asked, formats: Formats) -> Chart:
    """Reminders by the month of asking: sent, and how many gave."""
    months = [period for period, _ in seen.months]
    found = [each for _, each in seen.months]
    return Chart(
        key="reminders",
        title=_reminders_say(seen, formats),
        description=f"Reminders by the month in which they were asked for; {formats.zone.key}.",
        **_months(months, formats),
        bars=[
            Series(name="sent, and gave", css="one", values=[each.gave for each in found]),
            Series(
                name="sent, and has not given",
                css="two",
                values=[each.sent - each.gave for each in found],
            ),
            Series(name="waits", css="three", values=[each.under_way for each in found]),
            Series(
                name="not sent",
                css="four",
                values=[each.gave_before + each.not_wanted for each in found],
            ),
        ],
        unfinished=frozenset(
            place
            for place, (month, each) in enumerate(seen.months)
            if each.under_way or each.still_open or month.last >= asked.today
        ),
        hidden=frozenset(place for place, each in enumerate(found) if each.hidden),
        **_COUNTS,
    )


def _reminders_say(seen: ReminderPage, formats: Formats) -> str:
    whole = seen.whole
    if whole.hidden:
        return "What became of reminders, by the month in which they were asked for"
    if not whole.asked:
        return "Nobody asked for a reminder"
    if not whole.sent:
        return f"{whole.asked:,} asked for a reminder; none has gone out yet"
    part = formats.percent(whole.gave / whole.sent)
    return f"Of {whole.sent:,} reminders sent, {whole.gave:,} ({part}) led to a gift within 30 days"


def fees_chart(seen: FeePage, asked: Asked, formats: Formats) -> Chart:
    """Fees by month: what supporters covered of them, and what is left to the newsroom."""
    months = [period for period, _ in seen.months]
    found = [each for _, each in seen.months]
    covered = [min(each.covered, each.fees) for each in found]
    return Chart(
        key="fees",
        title=_fees_say(seen, asked, formats),
        description=f"What Stripe kept, in {asked.currency.upper()}, by the month in "
        f"{formats.zone.key}.",
        **_months(months, formats),
        bars=[
            Series(name="covered by supporters", css="gained", values=covered),
            Series(
                name="borne by the newsroom",
                css="lost",
                values=[each.fees - by for each, by in zip(found, covered, strict=True)],
            ),
        ],
        unfinished=frozenset(p for p, month in enumerate(months) if month.last >= asked.today),
        **in_currency(formats, asked.currency),
    )


def _fees_say(seen: FeePage, asked: Asked, formats: Formats) -> str:
    share = seen.whole.share
    if share is None:
        return "Nothing was paid"
    fees = formats.money(Money(seen.whole.fees, asked.currency))
    covered = formats.money(Money(seen.whole.covered, asked.currency))
    return (
        f"Stripe kept {fees}, {formats.percent_fine(float(share))} of what was paid; supporters "
        f"covered {covered}"
    )


def _months(months: Sequence[Period], formats: Formats) -> dict[str, Any]:
    return {
        "columns": [formats.short_month(month.first) for month in months],
        "full_columns": [formats.month(month.first) for month in months],
    }


def _short(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2] or name
    return last if len(last) <= 14 else f"{last[:13]}…"
