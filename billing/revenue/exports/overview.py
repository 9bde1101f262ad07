"""The tables of the overview, the bridge and gross to net, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from billing.money import Money
from billing.revenue import figures, reading
from billing.revenue.bridge import Bridge, month_of
from billing.revenue.exports.tables import Table, Wanted
from billing.revenue.exports.writing import Cell, Row
from billing.revenue.figures import MoneyRow
from billing.revenue.periods import Period, Preset, steps
from billing.revenue.reading import Standing, takings_of
from billing.revenue.suppressed import Counted, rounded, rounding_step, suppressed
from billing.revenue.tables import MoveKind
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
    for name, standing in named.items():
        cells = _standing(standing, wanted.asked.currency)
        yield (name, *_days(standing.period), *(cells[each] for each in _STANDING))


def _bridges(wanted: Wanted) -> Iterator[Row]:
    _, months = reading.read_bridges(wanted.session, wanted.asked)
    for period, each in months:
        yield (*_days(period), *_bridge(each), each.currency.upper())


def _bridge(seen: Bridge) -> Iterable[Cell]:
    """Exact, as a year's worth: rounded to months the movements would not add up."""
    sums = [seen.start, *(seen.moves[kind] for kind in MoveKind), seen.currency_effect, seen.end]
    return (Money(each, seen.currency) for each in sums)


def _money(wanted: Wanted) -> Iterator[Row]:
    parts = steps(wanted.asked.filters.period, wanted.asked.filters.step)
    return _exactly(wanted, parts) if wanted.sees_people else _for_viewers(wanted, parts)


def _exactly(wanted: Wanted, parts: list[Period]) -> Iterator[Row]:
    currency = wanted.asked.currency
    for period, rows in zip(parts, _money_rows(wanted, parts), strict=True):
        takings = takings_of(rows, currency)
        sums = [takings.gifts, takings.pledges, takings.gross, takings.refunds, takings.disputes,
                takings.fees, takings.net]  # fmt: skip
        counted = Counted.of(rows, currency)
        yield (*_days(period), counted.payments, *_sums(sums, currency), currency.upper())


def _for_viewers(wanted: Wanted, parts: list[Period]) -> Iterator[Row]:
    """Whole months that are over, with rounded sums of five payments or more."""
    currency, step = wanted.asked.currency, rounding_step(wanted.newsroom.goal)
    this_month = wanted.asked.today.replace(day=1)
    over = [each for each in parts if each.is_whole_months and each.last < this_month]
    found = _money_rows(wanted, over)
    shown = suppressed([Counted.of(rows, currency) for rows in found])
    for period, rows, counts in zip(over, found, shown, strict=True):
        takings = takings_of(rows, currency)
        told = {"gifts": counts.gifts, "pledges": counts.pledges, "gross": counts.payments}
        sums = [
            None if count is None else rounded(getattr(takings, name), step)
            for name, count in told.items()
        ]
        one_by_one = [None] * 4
        cells = _sums([*sums, *one_by_one], currency)
        yield (*_days(period), counts.payments, *cells, currency.upper())


def _money_rows(wanted: Wanted, parts: list[Period]) -> list[list[MoneyRow]]:
    return figures.money(wanted.session, wanted.asked.cells, parts) if parts else []


def _sums(sums: Iterable[int | None], currency: str) -> Iterator[Cell]:
    return (None if each is None else Money(each, currency) for each in sums)


def _days(period: Period) -> tuple[Cell, Cell]:
    return period.first, period.last


TABLES = (
    Table(
        name="overview",
        title="The overview: this period, the one before, and a year before",
        page="figures.overview",
        columns=("period", "first_day", "last_day", *_STANDING),
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
            "first_day", "last_day", "payments", "gifts", "pledges", "gross", "refunds",
            "disputes", "fees", "net", "currency",
        ),
        rows=_money,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
)  # fmt: skip
