"""The charts of the revenue pages, as `charts.py` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing.money import Money, scale
from billing.revenue.bridge import Bridge
from billing.revenue.charts import Chart, Series
from billing.revenue.filters import Filters
from billing.revenue.periods import Period, Step
from billing.revenue.reading import Part
from billing.revenue.tables import MoveKind
from billing.revenue.words import MOVES
from billing.staff.formats import Formats

_SHORT = {
    MoveKind.NEW: "New",
    MoveKind.REACTIVATION: "Back",
    MoveKind.EXPANSION: "Raised",
    MoveKind.CONTRACTION: "Lowered",
    MoveKind.CHURN_VOLUNTARY: "Cancelled",
    MoveKind.CHURN_INVOLUNTARY: "Failed",
    MoveKind.PAUSED: "Paused",
    MoveKind.RHYTHM: "Rhythm",
}
_MOST_LABELS = 13


def money_chart(parts: Sequence[Part], filters: Filters, formats: Formats, currency: str) -> Chart:
    """Gross by kind as stacked bars, net as a line."""
    takings = [each.takings for each in parts]
    names = [part_name(each.period, filters.step, formats) for each in parts]
    return Chart(
        key="money",
        title=f"Gross and net by {filters.step}",
        description=f"{names[0]} to {names[-1]}. The numbers are in the table below the chart.",
        columns=_thinned([_short(each.period, filters.step, formats) for each in parts]),
        full_columns=[
            name + ("" if each.complete else " so far")
            for name, each in zip(names, parts, strict=True)
        ],
        bars=[
            Series(name="pledges", css="pledges", values=[each.pledges for each in takings]),
            Series(name="gifts", css="gifts", values=[each.gifts for each in takings]),
        ],
        lines=[Series(name="net", css="net", values=[each.net for each in takings])],
        unfinished=frozenset(i for i, each in enumerate(parts) if not each.complete),
        **_in(formats, currency),
    )


def bridge_chart(seen: Bridge, formats: Formats) -> Chart:
    """A waterfall: from the start, over every movement, to the end."""
    names, fulls, base, level, up, down = ["Start"], ["Start"], [0], [seen.start], [0], [0]
    stands = seen.start
    steps = [(_SHORT[kind], MOVES[kind], minor) for kind, minor in seen.moves.items()]
    for short, full, minor in [*steps, ("Rates", "Exchange rates", seen.currency_effect)]:
        if not minor:
            continue
        names.append(short)
        fulls.append(full)
        base.append(min(stands, stands + minor))
        level.append(0)
        up.append(max(0, minor))
        down.append(max(0, -minor))
        stands += minor
    bars = [*base, 0], [*level, seen.end], [*up, 0], [*down, 0]
    base, level, up, down = ([round(each / 12) for each in values] for values in bars)
    return Chart(
        key="bridge",
        title="Monthly recurring revenue, from start to end",
        description="Each step begins where the one before ended. The numbers are in the table.",
        columns=[*names, "End"],
        full_columns=[*fulls, "End"],
        bars=[
            Series(name="before", css="ghost", values=base),
            Series(name="level", css="pledges", values=level),
            Series(name="gained", css="gained", values=up),
            Series(name="lost", css="lost", values=down),
        ],
        lines=[],
        **_in(formats, seen.currency),
    )


def part_name(period: Period, step: Step, formats: Formats) -> str:
    """A day, week or month in full."""
    if step is Step.MONTH:
        return formats.month(period.first)
    if step is Step.WEEK and period.days > 1:
        return f"{formats.day(period.first)} to {formats.day(period.last)}"
    return formats.day(period.first)


def _short(period: Period, step: Step, formats: Formats) -> str:
    if step is Step.MONTH:
        return formats.short_month(period.first)
    return f"{period.first.day} {formats.short_month(period.first)}"


def _thinned(names: list[str]) -> list[str]:
    """So few labels that they can be read."""
    every = -(-len(names) // _MOST_LABELS)
    return [name if place % every == 0 else "" for place, name in enumerate(names)]


def _in(formats: Formats, currency: str) -> dict[str, Any]:
    return {
        "write": lambda minor: formats.money(Money(minor, currency)),
        "write_axis": lambda minor: formats.axis(Money(minor, currency)),
        "unit": scale(currency),
    }
