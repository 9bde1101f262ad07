"""The tables of the overview, the bridge and gross to net, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from billing.money import Money
from billing.revenue import reading
from billing.revenue.bridge import Bridge, month_of
from billing.revenue.exports.tables import Table, Wanted
from billing.revenue.exports.writing import Cell, Row
from billing.revenue.periods import Period, Preset
from billing.revenue.reading import Part, Standing
from billing.revenue.reminded import read_reminded
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import PAID
from billing.staff.domain import Role


def _standing(seen: Standing, currency: str) -> dict[str, Cell]:
    takings, bridge = seen.takings, seen.bridge
    lost = bridge.churned + bridge.contracted
    return {
        "gross": Money(takings.gross, currency),
        "pledges": Money(takings.pledges, currency),
        "gifts": Money(takings.gifts, currency),
        "refunds": Money(takings.refunds, currency),
        "disputes": Money(takings.disputes, currency),
        "fees": Money(takings.fees, currency),
        "net": Money(takings.net, currency),
        "currency": currency.upper(),
        "payments": seen.payments,
        "number_of_gifts": seen.gifts,
        "mrr_at_end": month_of(bridge.end, currency),
        "mrr_gained": month_of(bridge.gained, currency),
        "mrr_lost": month_of(lost, currency),
        "supporters_at_end": seen.supporters,
        "share_of_renewals_failed": seen.recovery.failed_rate,
        "share_of_failed_recovered": seen.recovery.recovery_rate,
    }


_STANDING = (
    "gross", "pledges", "gifts", "refunds", "disputes", "fees", "net", "currency", "payments",
    "number_of_gifts", "mrr_at_end", "mrr_gained", "mrr_lost", "supporters_at_end",
    "share_of_renewals_failed", "share_of_failed_recovered",
)  # fmt: skip


def _overview(wanted: Wanted) -> Iterator[Row]:
    seen = reading.read_overview(wanted.session, wanted.asked)
    named = {"this": seen.now, "before": seen.previous, "year before": seen.year_before}
    periods = [each.period for each in named.values()]
    reminders = read_reminded(wanted.session, wanted.asked.cells, periods)
    for (name, standing), reminded in zip(named.items(), reminders, strict=True):
        cells = _standing(standing, wanted.asked.currency)
        yield (
            name,
            *_days(standing.period),
            *(cells[each] for each in _STANDING),
            reminded.asked,
            reminded.gave,
        )


def _bridges(wanted: Wanted) -> Iterator[Row]:
    _, months = reading.read_bridges(wanted.session, wanted.asked)
    for period, each in months:
        yield (*_days(period), *_bridge(each), each.currency.upper())


def _bridge(seen: Bridge) -> Iterable[Cell]:
    """Exact, as a year's worth: rounded to months the movements would not add up."""
    sums = [seen.start, *(seen.moves[kind] for kind in MoveKind), seen.currency_effect, seen.end]
    return (Money(each, seen.currency) for each in sums)


def _money(wanted: Wanted) -> Iterator[Row]:
    currency = wanted.asked.currency
    _, parts, _ = reading.read_parts(wanted.session, wanted.asked)
    for part in parts:
        sums = (_sum(part, name, currency, wanted) for name in _SUMS)
        yield (*_days(part.period), *sums, currency.upper())


_SUMS = ("gifts", "pledges", "gross", "refunds", "disputes", "fees", "net")
_AMONG_FEES = ("refunds", "disputes")
"""What viewers are told in one sum with the fees."""


def _sum(part: Part, name: str, currency: str, wanted: Wanted) -> Money | None:
    """A sum, unless it is not shown to whoever asks."""
    if {PAID, name} & part.hidden or (name in _AMONG_FEES and not wanted.asked.sees_people):
        return None
    return Money(getattr(part.takings, name), currency)


def _days(period: Period) -> tuple[Cell, Cell]:
    return period.first, period.last


TABLES = (
    Table(
        name="overview",
        title="The overview: this period, the one before, and a year before",
        page="figures.overview",
        columns=(
            "period", "first_day", "last_day", *_STANDING, "reminders_asked_for",
            "gave_after_a_reminder",
        ),
        rows=_overview,
        role=Role.DESK,
    ),
    Table(
        name="monthly-revenue",
        title="Monthly revenue, month by month, with its movements",
        page="figures.bridges",
        columns=(
            "first_day", "last_day", "start_times_12",
            *(f"{kind.value}_times_12" for kind in MoveKind),
            "exchange_rates_times_12", "end_times_12", "currency",
        ),
        rows=_bridges,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="gross-to-net",
        title="Gross to net, by day, week or month",
        page="figures.money",
        columns=(
            "first_day", "last_day", *_SUMS, "currency",
        ),
        rows=_money,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
)  # fmt: skip
