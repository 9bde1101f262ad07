"""How the revenue pages name things, and the sentence that says what changed most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from billing.money import Money
from billing.revenue.bridge import GAINED, LOST, SUPPORTERS, month_of
from billing.revenue.drilldown import MoneyFigure
from billing.revenue.periods import Preset, Step
from billing.revenue.reading import Overview, Standing
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import FAILED, PAID, RECOVERED
from billing.staff.formats import Formats

MOVES = {
    MoveKind.NEW: "New supporters",
    MoveKind.REACTIVATION: "Returned",
    MoveKind.EXPANSION: "Raised",
    MoveKind.CONTRACTION: "Lowered",
    MoveKind.CHURN_VOLUNTARY: "Cancelled",
    MoveKind.CHURN_INVOLUNTARY: "Lost to failed cards",
    MoveKind.PAUSED: "Paused, and gone on after a pause",
    MoveKind.RHYTHM: "Changed between monthly and annual",
}
MONEY = {
    MoneyFigure.GIFTS: "Gifts",
    MoneyFigure.PLEDGES: "Pledges",
    MoneyFigure.GROSS: "Gross",
    MoneyFigure.REFUNDS: "Refunds",
    MoneyFigure.DISPUTES: "Disputes",
    MoneyFigure.FEES: "Fees",
    MoneyFigure.NET: "Net",
    MoneyFigure.OTHER: "Other movements",
}
PRESETS = {
    Preset.THIS_MONTH: "This month",
    Preset.LAST_MONTH: "Last month",
    Preset.LAST_30_DAYS: "Last 30 days",
    Preset.LAST_90_DAYS: "Last 90 days",
    Preset.LAST_12_MONTHS: "Last 12 months",
    Preset.THIS_YEAR: "This year",
    Preset.LAST_YEAR: "Last year",
}
STEPS = {Step.DAY: "By day", Step.WEEK: "By week", Step.MONTH: "By month"}
CADENCES = {"once": "Gift", "monthly": "Monthly", "annual": "Annual", "": "—"}
NOTHING = "—"
_TENFOLD = 10
"""From here on a percentage says less than the two figures beside it."""
_PAID, _GIFTS, _PLEDGES, _PEOPLE = (
    frozenset({name}) for name in (PAID, "gifts", "pledges", SUPPORTERS)
)
_GAINED = frozenset({SUPPORTERS, *GAINED})
_LOST = frozenset({SUPPORTERS, *LOST})


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of the overview: how it is read, and what it is opened with."""

    name: str
    means: str
    read: Callable[[Standing], Fraction | int | None]
    write: Callable[[Fraction | int], str]
    page: str
    """The endpoint that shows what it is made of."""
    of: str | None = None
    """Which figure or kind that page is asked for."""
    weighs: bool = False
    """Whether it may be what changed most: sums of money are comparable, rates are not."""
    needs: frozenset[str] | None = None
    """The cells it is made of: a viewer is shown it where none of them is hidden. None: never."""


def overview_figures(formats: Formats, currency: str) -> list[Figure]:
    """The figures of the overview in their order."""

    def money(minor: Fraction | int) -> str:
        return formats.money(Money(round(minor), currency))

    def a_month(twelfths: Fraction | int) -> str:
        return formats.money(month_of(round(twelfths), currency))

    def number(count: Fraction | int) -> str:
        return f"{int(count):,}"

    def percent(share: Fraction | int) -> str:
        return formats.percent_fine(float(share))

    return [
        Figure(name="Net", means="after fees, refunds and disputes", write=money,
               read=lambda s: s.takings.net, page="figures.lines", of="net", weighs=True,
               needs=_PAID),
        Figure(name="Gross", means="all that was paid", write=money,
               read=lambda s: s.takings.gross, page="figures.lines", of="gross", needs=_PAID),
        Figure(name="From pledges", means="part of gross", write=money, weighs=True,
               read=lambda s: s.takings.pledges, page="figures.lines", of="pledges",
               needs=_PLEDGES),
        Figure(name="From gifts", means="part of gross", write=money, weighs=True,
               read=lambda s: s.takings.gifts, page="figures.lines", of="gifts",
               needs=_GIFTS),
        Figure(name="Gifts", means="how many", write=number,
               read=lambda s: s.gifts, page="figures.lines", of="gifts", needs=_GIFTS),
        Figure(name="MRR", means="promised a month, at the end", write=a_month,
               read=lambda s: s.bridge.end, page="figures.bridges", needs=_PEOPLE),
        Figure(name="Gained", means="new, returned and raised, a month", write=a_month,
               read=lambda s: s.bridge.gained, page="figures.moves", needs=_GAINED),
        Figure(name="Lost", means="cancelled, lost and lowered, a month", write=a_month,
               read=lambda s: s.bridge.churned + s.bridge.contracted, page="figures.moves",
               needs=_LOST),
        Figure(name="Supporters", means="with a running pledge, at the end", write=number,
               read=lambda s: s.supporters, page="figures.moves", needs=_PEOPLE),
        Figure(name="Failed renewals", means="whose first attempt was refused", write=percent,
               read=lambda s: s.recovery.failed_rate, page="people.recovery",
               needs=frozenset({FAILED})),
        Figure(name="Recovered", means="of these, by value", write=percent,
               read=lambda s: s.recovery.recovery_rate, page="people.recovery",
               needs=frozenset({FAILED, RECOVERED})),
    ]  # fmt: skip


def for_viewers(figures: list[Figure]) -> list[Figure]:
    """The same figures, with nothing to read where a viewer is not shown what they are made of."""
    return [replace(each, read=partial(_read_for_viewers, each)) for each in figures]


def _read_for_viewers(figure: Figure, standing: Standing) -> Fraction | int | None:
    if figure.needs is None or figure.needs & standing.hidden:
        return None
    return figure.read(standing)


def what_changed_most(seen: Overview, figures: list[Figure]) -> str:
    """In plain words, which sum differs most from the period before."""
    weighed: list[tuple[Fraction, Figure, Fraction, Fraction]] = []
    for figure in figures:
        now, before = figure.read(seen.now), figure.read(seen.previous)
        if figure.weighs and figure.name != "Net" and now is not None and before is not None:
            difference = abs(Fraction(now) - Fraction(before))
            weighed.append((difference, figure, Fraction(now), Fraction(before)))
    if not weighed:
        return _how_net_changed(seen, figures[0])
    largest, most, is_, was = max(weighed, key=lambda each: each[0])
    if not largest:
        return "Nothing differs from the period before."
    which = "more" if is_ > was else "less"
    what = most.name.removeprefix("From ")
    words = f"What changed most: {most.write(largest)} {which} came from {what}"
    return f"{words} than in the period before ({most.write(is_)} instead of {most.write(was)})."


def _how_net_changed(seen: Overview, net: Figure) -> str:
    """What is left to say to viewers who can't be shown where it came from."""
    now, before = net.read(seen.now), net.read(seen.previous)
    if now is None or before is None:
        return "Too few people stand behind these figures to show how they changed."
    if now == before:
        return f"{net.write(now)} net, as in the period before."
    which = "more" if now > before else "less"
    difference = net.write(max(now, before) - min(now, before))
    return f"{net.write(now)} net, {difference} {which} than in the period before."


def change(now: Fraction | int | None, before: Fraction | int | None) -> Fraction | None:
    """By which part a figure grew; None where there is next to nothing to compare with."""
    if now is None or before is None or before <= 0 or now >= before * _TENFOLD:
        return None
    return Fraction(now) / Fraction(before) - 1
