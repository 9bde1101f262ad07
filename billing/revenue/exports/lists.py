"""The lists behind the figures, whole: ledger transactions and movements. People stand in them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import TextClause

from billing.money import Money
from billing.revenue import drilldown
from billing.revenue.bridge import month_of
from billing.revenue.days import day_of
from billing.revenue.drilldown import MoneyFigure
from billing.revenue.exports.tables import Table, Wanted, count_of, each_of
from billing.revenue.exports.writing import Row
from billing.revenue.filters import chosen
from billing.revenue.tables import MoveKind


def _money_statement(wanted: Wanted) -> TextClause:
    asked = wanted.asked
    return drilldown.money_statement(
        wanted.session,
        asked.filters,
        chosen(MoneyFigure, asked.filters.extra.get("figure", "net"), "figure"),
        settled_currency=asked.currency,
        zone=wanted.newsroom.timezone,
    )


def _lines(wanted: Wanted) -> Iterator[Row]:
    zone = wanted.newsroom.timezone
    return (
        (
            day_of(each.occurred_at, zone),
            each.occurred_at,
            each.id,
            each.category,
            Money(each.minor, each.settled_currency),
            each.settled_currency.upper(),
            Money(each.paid_minor, each.paid_currency) if each.paid_currency else None,
            (each.paid_currency or "").upper(),
            each.cadence,
            each.charge_id,
            each.supporter_id,
        )
        for each in each_of(wanted.session, _money_statement(wanted))
    )


def _move_statement(wanted: Wanted) -> TextClause:
    filters = wanted.asked.filters
    kind = filters.extra.get("kind")
    return drilldown.move_statement(
        wanted.session, filters, chosen(MoveKind, kind, "kind") if kind else None
    )


def _moves(wanted: Wanted) -> Iterator[Row]:
    return (
        (
            each.day,
            each.kind,
            Money(each.yearly_minor, each.currency),
            month_of(each.yearly_minor, each.currency),
            each.currency.upper(),
            each.cadence,
            each.pledge_id,
            each.supporter_id,
        )
        for each in each_of(wanted.session, _move_statement(wanted))
    )


TABLES = (
    Table(
        name="ledger-lines",
        title="The payments and movements behind a figure",
        page="figures.lines",
        columns=(
            "day", "moment", "movement", "category", "counts_as", "currency", "paid",
            "paid_currency", "rhythm", "charge", "supporter",
        ),
        rows=_lines,
        count=lambda wanted: count_of(wanted.session, _money_statement(wanted)),
        extra=("figure",),
    ),
    Table(
        name="movements",
        title="The movements behind monthly revenue",
        page="figures.moves",
        columns=(
            "day", "kind", "a_year", "a_month_rounded", "currency", "rhythm", "pledge",
            "supporter",
        ),
        rows=_moves,
        count=lambda wanted: count_of(wanted.session, _move_statement(wanted)),
        extra=("kind",),
    ),
)  # fmt: skip
