"""The lists behind gifts, sources, reminders and payouts, whole: a person or a payment a row."""

from __future__ import annotations

from collections.abc import Iterator

from billing.money import Money
from billing.revenue.bridge import month_of
from billing.revenue.choices import givers_of, payout_of, reminders_of, starts_of
from billing.revenue.exports.tables import Table, Wanted, count_of, each_of
from billing.revenue.exports.writing import Row
from billing.revenue.listing import (
    Statement,
    giver_statement,
    paid_out_statement,
    start_statement,
)
from billing.revenue.money_words import gave
from billing.revenue.periods import Preset
from billing.revenue.reminded import ReminderLine, reminder_statement


def _giver_statement(wanted: Wanted) -> Statement:
    filters = wanted.asked.filters
    return giver_statement(wanted.session, filters, givers_of(filters))


def _givers(wanted: Wanted) -> Iterator[Row]:
    return (
        (
            each.day,
            each.supporter_id,
            each.charge_id,
            Money(each.amount_minor, each.currency),
            each.currency.upper(),
            each.again_on,
            each.pledged_on,
        )
        for each in each_of(wanted.session, _giver_statement(wanted))
    )


def _start_statement(wanted: Wanted) -> Statement:
    filters = wanted.asked.filters
    return start_statement(wanted.session, filters, starts_of(filters))


def _starts(wanted: Wanted) -> Iterator[Row]:
    return (
        (
            each.day,
            each.pledge_id,
            each.supporter_id,
            each.cadence,
            Money(each.yearly_minor, each.currency),
            month_of(each.yearly_minor, each.currency),
            each.currency.upper(),
            "yes" if each.stayed else "no",
        )
        for each in each_of(wanted.session, _start_statement(wanted))
    )


def _reminder_statement(wanted: Wanted) -> Statement:
    filters = wanted.asked.filters
    return reminder_statement(filters, reminders_of(filters), wanted.newsroom.timezone)


def _reminders(wanted: Wanted) -> Iterator[Row]:
    for row in each_of(wanted.session, _reminder_statement(wanted)):
        each = ReminderLine(**row._mapping)  # noqa: SLF001 - a row as a mapping
        yield each.id, each.asked_at, each.status.value, each.finished_at, gave(each)


def _line_statement(wanted: Wanted) -> Statement:
    row = payout_of(wanted.session, wanted.asked.filters, wanted.newsroom.timezone)
    return paid_out_statement(row.id)


def _lines(wanted: Wanted) -> Iterator[Row]:
    row = payout_of(wanted.session, wanted.asked.filters, wanted.newsroom.timezone)
    return (
        (
            row.id,
            each.id,
            each.stripe_balance_transaction_id,
            each.category,
            each.occurred_at,
            each.charge_id,
            Money(each.minor, row.currency),
            Money(each.fee, row.currency),
            row.currency.upper(),
        )
        for each in each_of(wanted.session, _line_statement(wanted))
    )


TABLES = (
    Table(
        name="givers",
        title="Those who gave for the first time",
        page="income.givers",
        columns=(
            "day", "supporter", "charge", "paid", "currency", "gave_again_on", "pledged_on",
        ),
        rows=_givers,
        count=lambda wanted: count_of(wanted.session, _giver_statement(wanted)),
        default=Preset.LAST_12_MONTHS,
        extra=("step",),
    ),
    Table(
        name="pledges-begun",
        title="The pledges that began",
        page="income.started",
        columns=(
            "day", "pledge", "supporter", "rhythm", "a_year", "a_month_rounded", "currency",
            "stood_three_months_later",
        ),
        rows=_starts,
        count=lambda wanted: count_of(wanted.session, _start_statement(wanted)),
        default=Preset.LAST_90_DAYS,
        extra=("step",),
    ),
    Table(
        name="reminders",
        title="The reminders asked for",
        page="income.reminder_list",
        columns=("reminder", "asked_at", "status", "finished_at", "afterwards"),
        rows=_reminders,
        count=lambda wanted: count_of(wanted.session, _reminder_statement(wanted)),
        default=Preset.LAST_12_MONTHS,
        extra=("step",),
    ),
    Table(
        name="payout-movements",
        title="The movements of a payout",
        page="income.payout",
        columns=(
            "payout", "movement", "stripe_balance_transaction", "category", "moment", "charge",
            "paid_out", "fee", "currency",
        ),
        rows=_lines,
        count=lambda wanted: count_of(wanted.session, _line_statement(wanted)),
        default=Preset.LAST_12_MONTHS,
        extra=("id",),
    ),
)  # fmt: skip
