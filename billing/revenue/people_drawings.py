"""The charts of the pages about people, as `charts.py` draws them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from billing.money import Money
from billing.revenue.bridge import CHURN
from billing.revenue.charts import Band, Chart, Series
from billing.revenue.churn_reading import Churn
from billing.revenue.drawings import in_currency
from billing.revenue.forecast_reading import Outlook
from billing.revenue.periods import Period
from billing.revenue.recovery_reading import Failures
from billing.revenue.tables import MoveKind
from billing.staff.formats import Formats


def churn_chart(seen: Churn, formats: Formats) -> Chart:
    """What was lost in each month, with those who left and with those who were lost."""
    bridges = [each.bridge for each in seen.months]
    currency = seen.whole.currency

    def lost(kind: MoveKind) -> list[int]:
        return [round(Fraction(-each.moves[kind], 12)) for each in bridges]

    return Chart(
        key="churn",
        title=_churn_says(seen, formats),
        description=f"Monthly revenue lost in each month of {formats.zone.key}, in"
        f" {currency.upper()}. A pledge ends when what is paid for is over.",
        **_months([each.period for each in seen.months], formats),
        bars=[
            Series(name="cancelled", css="one", values=lost(MoveKind.CHURN_VOLUNTARY)),
            Series(name="lost to failed payments or the bank", css="two",
                   values=lost(MoveKind.CHURN_INVOLUNTARY)),
        ],
        unfinished=frozenset(i for i, each in enumerate(seen.months) if not each.complete),
        hidden=frozenset(i for i, each in enumerate(bridges) if each.hides(*CHURN)),
        **in_currency(formats, currency),
    )  # fmt: skip


def _churn_says(seen: Churn, formats: Formats) -> str:
    if seen.whole.hides(*CHURN):
        return "Monthly revenue that left with those who ended their pledge"
    lost = formats.money(seen.whole.month(seen.whole.churned))
    return f"{lost} a month left with those who ended their pledge"


def recovery_chart(seen: Failures, currency: str, formats: Formats) -> Chart:
    """What failed in each month, told apart by whether it was recovered."""
    months = [each.seen for each in seen.months]
    recovered = [round(each.recovered_value) for each in months]
    rest = [round(each.failed_value) - part for each, part in zip(months, recovered, strict=True)]
    whole = [
        formats.money(Money(round(minor), currency))
        for minor in (seen.whole.recovered_value, seen.whole.failed_value)
    ]
    return Chart(
        key="recovery",
        title="Failed at first, and paid after all"
        if seen.hidden
        else f"{whole[0]} of {whole[1]} that failed at first was paid after all",
        description=f"Renewals by the month (in {formats.zone.key}) in which they failed first, in"
        f" {currency.upper()}, before fees. Failures are tried again for 14 days: until then a"
        " month may still change.",
        **_months([each.period for each in seen.months], formats),
        bars=[
            Series(name="recovered", css="one", values=recovered),
            Series(name="not paid", css="two", values=rest),
        ],
        unfinished=frozenset(i for i, each in enumerate(seen.months) if not each.final),
        hidden=frozenset(i for i, each in enumerate(seen.months) if each.hidden),
        **in_currency(formats, currency),
    )


def forecast_chart(seen: Outlook, currency: str, formats: Formats) -> Chart:
    """Each month's likely sum within its range."""
    ahead = [each.seen for each in seen.months]
    first, last = (formats.whole(Money(ahead[i].likely, currency)) for i in (0, -1))
    return Chart(
        key="forecast",
        title=f"From {first} in the next month to {last} in the last, as is likely",
        description=f"All that supporters will pay by month ({formats.zone.key}), before fees, in"
        f" {currency.upper()}, if nobody new comes.",
        **_months([each.period for each in seen.months], formats),
        lines=[Series(name="likely", css="middle", values=[each.likely for each in ahead])],
        band=Band(
            name="at least to at most",
            css="middle",
            low=[each.low for each in ahead],
            high=[each.high for each in ahead],
        ),
        **in_currency(formats, currency),
    )


def _months(periods: list[Period], formats: Formats) -> dict[str, Any]:
    return {
        "columns": [formats.short_month(each.first) for each in periods],
        "full_columns": [formats.month(each.first) for each in periods],
    }
