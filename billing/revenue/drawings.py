"""The charts of the revenue pages, as `charts.py` draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from billing.money import Money, scale
from billing.revenue.bridge import SUPPORTERS, Bridge, month_of
from billing.revenue.charts import Chart, Series
from billing.revenue.periods import Period, Step
from billing.revenue.reading import Asked, Part
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import PAID
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
_MOST_MARKS = 12
"""With more columns than this, none has its value written above it."""


def money_chart(parts: Sequence[Part], asked: Asked, formats: Formats, zone: str) -> Chart:
    """Gross by kind as stacked bars, net as a line; for viewers gross as a whole."""
    takings, currency, step = [each.takings for each in parts], asked.currency, asked.filters.step
    names = [part_name(each.period, step, formats) for each in parts]
    pledges = Series(name="pledges", css="pledges", values=[each.pledges for each in takings])
    gifts = Series(name="gifts", css="gifts", values=[each.gifts for each in takings])
    gross = Series(name="gross", css="pledges", values=[each.gross for each in takings])
    return Chart(
        key="money",
        title=_money_says(parts, names, formats, currency),
        description=f"Paid (gross) and left after fees, refunds and disputes (net), in "
        f"{currency.upper()}, by {step}; days of {zone}.",
        columns=[_short(each.period, step, formats) for each in parts],
        full_columns=[
            name + ("" if each.complete else " so far")
            for name, each in zip(names, parts, strict=True)
        ],
        bars=[pledges, gifts] if asked.sees_people else [gross],
        lines=[Series(name="net", css="net", values=[each.net for each in takings])],
        unfinished=frozenset(i for i, each in enumerate(parts) if not each.complete),
        hidden=frozenset(i for i, each in enumerate(parts) if PAID in each.hidden),
        **in_currency(formats, currency),
    )


def _money_says(
    parts: Sequence[Part], names: Sequence[str], formats: Formats, currency: str
) -> str:
    """What the chart of money says, in a sentence."""
    shown = [place for place, each in enumerate(parts) if PAID not in each.hidden]
    if not shown or all(each.takings.is_empty for each in parts):
        return "Nothing came in" if shown else "Too few people paid for this to be shown"
    net = formats.money(Money(sum(parts[place].takings.net for place in shown), currency))
    when = [
        f"{'on' if each.period.days == 1 else 'in'} {name}"
        for each, name in zip(parts, names, strict=True)
    ]
    if len(parts) == 1:
        return f"{net} net {when[0]}"
    best = max(shown, key=lambda place: parts[place].takings.net)
    where = "altogether" if len(shown) == len(parts) else f"in what is shown of these {len(parts)}"
    most = formats.money(Money(parts[best].takings.net, currency))
    return f"{net} net {where}, the most {when[best]}: {most}"


def bridge_chart(seen: Bridge, formats: Formats, zone: str, *, rounded: bool) -> Chart:
    """A waterfall: from the start, over every movement, to the end; `rounded` as viewers see it."""
    moved = [(_SHORT[kind], MOVES[kind], minor) for kind, minor in seen.moves.items()]
    rest = ("Rest", "All else, rates and rounding") if rounded else ("Rates", "Exchange rates")
    moved.append((*rest, seen.currency_effect))

    def month(twelfths: int) -> str:
        return formats.money(month_of(twelfths, seen.currency))

    def signed(twelfths: int) -> str:
        return formats.signed(month_of(twelfths, seen.currency))

    return waterfall(
        "bridge",
        _bridge_says(seen, month),
        f"Monthly pledges and a twelfth of each annual one, before fees, in "
        f"{seen.currency.upper()}; days of {zone}. Each step begins where the one before ended.",
        start=("Start", month(seen.start), seen.start),
        steps=[(short, full, signed(minor), minor) for short, full, minor in moved if minor],
        end=("End", month(seen.end), seen.end),
        divide=12,
        **in_currency(formats, seen.currency),
    )


def waterfall(
    key: str,
    title: str,
    description: str,
    *,
    start: tuple[str, str, int],
    steps: Sequence[tuple[str, str, str, int]],
    end: tuple[str, str, int],
    divide: int = 1,
    **scale_: Any,
) -> Chart:
    """A chart of steps from one level to another.

    `start` and `end` are a name, its value in words and the value; `steps` a short name, a full
    one, the change in words, and the change. Values are divided by `divide` when they are drawn.
    """
    changes = [change for *_, change in steps]
    stands = list(accumulate(changes, initial=start[2]))
    levels, floats = [start[2], *([0] * len(steps)), end[2]], [0, *stands[:-1], 0]
    gains, losses = ([0, *(sign * max(0, sign * each) for each in changes), 0] for sign in (1, -1))
    rows: tuple[tuple[str, str, list[int], list[int]], ...] = (
        ("level", "pledges", levels, []),
        ("gained", "gained", gains, floats),
        ("lost", "lost", losses, floats),
    )
    words = [start[1], *(said for _, _, said, _ in steps), end[1]]
    fulls = [start[0], *(full for _, full, _, _ in steps), end[0]]
    return Chart(
        key=key,
        title=title,
        description=description,
        columns=[start[0], *(short for short, *_ in steps), end[0]],
        full_columns=fulls,
        bars=[
            Series(
                name=name, css=css, values=_divided(values, divide), starts=_divided(from_, divide)
            )
            for name, css, values, from_ in rows
        ],
        marks=words if len(words) <= _MOST_MARKS else (),
        readings=[f"{full}: {said}" for full, said in zip(fulls, words, strict=True)],
        every_column=True,
        **scale_,
    )


def _divided(values: Sequence[int], by: int) -> list[int]:
    return [round(each / by) for each in values]


def _bridge_says(seen: Bridge, month: Callable[[int], str]) -> str:
    """What the bridge says, in a sentence."""
    if SUPPORTERS in seen.hidden:
        return "Too few people stand behind this to be shown"
    if seen.end == seen.start:
        return f"Monthly recurring revenue stands at {month(seen.end)}, as at the start"
    grew = "grew" if seen.end > seen.start else "fell"
    ways = [(abs(minor), MOVES[kind]) for kind, minor in seen.moves.items() if minor]
    most = f"; what moved it most: {max(ways)[1].lower()}" if ways else ""
    change = month(abs(seen.end - seen.start))
    return f"Monthly recurring revenue {grew} by {change} to {month(seen.end)}{most}"


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


def in_currency(formats: Formats, currency: str) -> dict[str, Any]:
    """How sums are written in a chart and on its axis, to be given to a `Chart`."""
    return {
        "write": lambda minor: formats.money(Money(minor, currency)),
        "write_axis": lambda minor: formats.axis(Money(minor, currency)),
        "unit": scale(currency),
    }
