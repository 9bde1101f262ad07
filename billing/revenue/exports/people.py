"""The tables of the pages about people: churn, cohorts, failed payments, the forecast."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from billing.money import Money
from billing.revenue.bridge import CHURN
from billing.revenue.choices import reach_of
from billing.revenue.churn import gross_churn, net_churn, quick_ratio
from billing.revenue.churn_reading import read_churn
from billing.revenue.cohort_reading import Measure, read_retention
from billing.revenue.exports.tables import Table, Wanted
from billing.revenue.exports.writing import Cell, Row
from billing.revenue.forecast_reading import MonthAhead, read_outlook
from billing.revenue.people_words import by_try, month_after
from billing.revenue.periods import Preset
from billing.revenue.recovery_reading import read_failures
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import DUE, FAILED, RECOVERED
from billing.revenue.why import in_words
from billing.staff.domain import Role


def _churn(wanted: Wanted) -> Iterator[Row]:
    for each in read_churn(wanted.session, wanted.asked).months:
        seen = each.bridge
        cells: list[Cell] = []
        for kind in (*CHURN, MoveKind.EXPANSION, MoveKind.CONTRACTION):
            told = not seen.hides(kind)
            cells.append(Money(seen.moves[kind], seen.currency) if told else None)
            if kind in CHURN:
                cells.append(each.ended[kind] if told else None)
        yield (
            each.period.first,
            each.period.last,
            None if seen.hides() else Money(seen.start, seen.currency),
            *cells,
            seen.currency.upper(),
            gross_churn(seen),
            net_churn(seen),
            quick_ratio(seen),
        )


def _reasons(wanted: Wanted) -> Iterator[Row]:
    currency = wanted.asked.currency
    for each in read_churn(wanted.session, wanted.asked).reasons:
        lost = Money(each.twelfths, currency)
        yield each.kind.value, in_words(each.reason), each.ended, lost, currency.upper()


def _supporters(wanted: Wanted) -> Iterator[Row]:
    for *cells, kept, part in _kept(wanted, Measure.SUPPORTERS):
        yield *cells, kept, part


def _promised(wanted: Wanted) -> Iterator[Row]:
    currency = wanted.asked.currency
    for *cells, kept, part in _kept(wanted, Measure.MONEY):
        yield *cells, Money(kept or 0, currency), currency.upper(), part


def _kept(wanted: Wanted, measure: Measure) -> Iterator[tuple[Cell, Cell, Cell, int | None, Cell]]:
    """A row for each cohort and month that it has lived."""
    for each in read_retention(wanted.session, wanted.asked, measure).cohorts:
        for later, (kept, part) in enumerate(zip(each.kept, each.shares(), strict=True)):
            told = None if later in each.hidden else kept
            yield each.month, later, month_after(each.month, later), told, part


def _failures(wanted: Wanted) -> Iterator[Row]:
    currency = wanted.asked.currency
    for each in read_failures(wanted.session, wanted.asked).months:
        seen = each.seen
        failed: tuple[Cell, Cell] = (seen.failed, Money(round(seen.failed_value), currency))
        paid: tuple[Cell, Cell] = (seen.recovered, Money(round(seen.recovered_value), currency))
        if FAILED in each.hidden:
            failed = None, None
        if RECOVERED in each.hidden:
            paid = None, None
        yield (
            each.period.first,
            each.period.last,
            None if DUE in each.hidden else seen.due,
            failed[0],
            seen.failed_rate,
            failed[1],
            *paid,
            currency.upper(),
            seen.recovery_rate,
            "final" if each.final else "so far",
        )


def _failure_reasons(wanted: Wanted) -> Iterator[Row]:
    currency = wanted.asked.currency
    for each in read_failures(wanted.session, wanted.asked).reasons:
        failed, recovered = (Money(m, currency) for m in (each.failed_minor, each.recovered_minor))
        paid = (each.recovered, recovered) if wanted.asked.sees_people else (None, None)
        rate = each.rate if wanted.asked.sees_people else None
        yield in_words(each.name), each.failed, failed, *paid, currency.upper(), rate


def _tries(wanted: Wanted) -> Iterator[Row]:
    seen, currency = read_failures(wanted.session, wanted.asked), wanted.asked.currency
    whole = seen.whole.failed_value
    for each in sorted(seen.tries, key=lambda part: part.name):
        part = Fraction(each.failed_minor) / whole if whole else None
        value = Money(each.failed_minor, currency)
        yield by_try(each.name), each.failed, value, currency.upper(), part


def _forecast(wanted: Wanted) -> Iterator[Row]:
    seen = read_outlook(wanted.session, wanted.asked, reach_of(wanted.asked.filters))
    months = seen.months if seen.enough else []
    return (_month_ahead(each, wanted.asked.currency) for each in months)


def _month_ahead(seen: MonthAhead, currency: str) -> Row:
    sums = (seen.monthly, seen.annual, seen.seen.low, seen.seen.likely, seen.seen.high)
    money = (Money(minor, currency) for minor in sums)
    return seen.period.first, seen.period.last, *money, currency.upper()


TABLES = (
    Table(
        name="churn",
        title="Churn, month by month",
        page="people.churn",
        columns=(
            "first_day", "last_day", "start_times_12", "cancelled_times_12", "cancelled_pledges",
            "lost_times_12", "lost_pledges", "raised_times_12", "lowered_times_12", "currency",
            "gross_churn", "net_churn", "quick_ratio",
        ),
        rows=_churn,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="churn-reasons",
        title="Why pledges ended",
        page="people.churn",
        columns=("kind", "reason", "pledges", "lost_times_12", "currency"),
        rows=_reasons,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="cohorts-by-supporters",
        title="Cohorts by supporters",
        page="people.cohorts",
        columns=("cohort", "months_later", "month", "supporters", "share_of_month_0"),
        rows=_supporters,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="cohorts-by-money",
        title="Cohorts by money",
        page="people.cohorts",
        columns=(
            "cohort", "months_later", "month", "kept_times_12", "currency", "share_of_month_0",
        ),
        rows=_promised,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="failed-payments",
        title="Failed and recovered renewals, month by month",
        page="people.recovery",
        columns=(
            "first_day", "last_day", "renewals", "failed", "share_failed", "failed_value",
            "recovered", "recovered_value", "currency", "share_recovered", "final",
        ),
        rows=_failures,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="failure-reasons",
        title="Why renewals failed at first",
        page="people.recovery",
        columns=(
            "reason", "failed", "failed_value", "recovered", "recovered_value", "currency",
            "share_recovered",
        ),
        rows=_failure_reasons,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="attempts-needed",
        title="How many attempts it took",
        page="people.recovery",
        columns=("paid", "renewals", "value", "currency", "share_of_failed"),
        rows=_tries,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="forecast",
        title="The forecast, month by month",
        page="people.forecast",
        columns=(
            "first_day", "last_day", "due_from_monthly", "due_from_annual", "at_least", "likely",
            "at_most", "currency",
        ),
        rows=_forecast,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
        extra=("months",),
    ),
)  # fmt: skip
