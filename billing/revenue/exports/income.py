"""The tables of gifts, sources, reminders, fees and payouts, but for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction

from billing.money import Money
from billing.revenue import money_reading
from billing.revenue.choices import dimension_of
from billing.revenue.exports.tables import Table, Wanted, count_of, each_of
from billing.revenue.exports.writing import Cell, Row
from billing.revenue.fees import Fees
from billing.revenue.gifts import WINDOWS, Givers, is_closed
from billing.revenue.listing import PayoutRow, payout_statement
from billing.revenue.money_words import name_of, reconciled
from billing.revenue.periods import Preset
from billing.revenue.reminded import Reminded
from billing.staff.domain import Role


def _gifts(wanted: Wanted) -> Iterator[Row]:
    seen, currency = money_reading.read_gifts(wanted.session, wanted.asked), wanted.asked.currency
    named = {"this": seen.now, "before": seen.previous, "year before": seen.year_before}
    for name, each in named.items():
        cells = (None, None) if each.hidden else (each.gifts, Money(each.gross, currency))
        yield name, each.period.first, each.period.last, *cells, currency.upper()


def _givers(wanted: Wanted) -> Iterator[Row]:
    seen, today = money_reading.read_gifts(wanted.session, wanted.asked), wanted.asked.today
    for period, each in seen.months:
        closed = ("yes" if is_closed(period.last, days, today) else "no" for days in WINDOWS)
        yield period.first, period.last, *_counts(each), *closed


def _counts(seen: Givers) -> tuple[Cell, ...]:
    counts = {
        "givers": seen.givers,
        "again": seen.again,
        "had_pledged": seen.had_pledged,
        **{f"{days}": seen.within[days] for days in WINDOWS},
    }
    told = (None if name in seen.hidden else count for name, count in counts.items())
    return *told, *(seen.share(days) for days in WINDOWS)


def _sources(wanted: Wanted) -> Iterator[Row]:
    return _sources_by(dimension_of(wanted.asked.filters), wanted)


def _sources_by(by: str, wanted: Wanted) -> Iterator[Row]:
    asked = wanted.asked
    for each in money_reading.read_sources(wanted.session, asked, by):
        steps = (each.shown, each.opened, each.began)
        yield (
            by,
            name_of(by, each.name),
            *((None,) * 3 if money_reading.leaves_out_readers(asked.filters) else steps),
            each.gifts,
            each.pledges,
            Money(each.gross, asked.currency),
            Money(each.net, asked.currency),
            Money(each.yearly, asked.currency),
            asked.currency.upper(),
            each.old_enough,
            each.stayed,
            each.share_stayed,
        )


def _funnel(wanted: Wanted) -> Iterator[Row]:
    seen = money_reading.read_reminders(wanted.session, wanted.asked)
    hidden = seen.whole.hidden
    return (
        (step, None if step in hidden else count, None if hidden else share)
        for step, count, share in seen.funnel.shares()
    )


def _lift(wanted: Wanted) -> Iterator[Row]:
    seen = money_reading.read_reminders(wanted.session, wanted.asked)
    groups = {
        "reminders sent": (seen.whole.sent, seen.whole.gave),
        "appeals shown, no reminder asked for": (seen.others, seen.others_gave),
    }
    for name, (count, gave) in groups.items():
        yield name, count, gave, Fraction(gave, count) if count else None


_REMINDED = tuple(each.name for each in fields(Reminded) if each.name != "hidden")


def _reminders(wanted: Wanted) -> Iterator[Row]:
    seen = money_reading.read_reminders(wanted.session, wanted.asked)
    for period, each in seen.months:
        counts = (None if name in each.hidden else getattr(each, name) for name in _REMINDED)
        yield period.first, period.last, *counts


def _fees(wanted: Wanted) -> Iterator[Row]:
    currency = wanted.asked.currency
    for period, each in money_reading.read_fees(wanted.session, wanted.asked).months:
        yield period.first, period.last, each.payments, *_cost(each, currency)


def _fee_kinds(wanted: Wanted) -> Iterator[Row]:
    currency = wanted.asked.currency
    for cadence, paid, each in money_reading.read_fees(wanted.session, wanted.asked).kinds:
        a_payment = Money(round(Fraction(each.fees, each.payments)), currency) \
            if each.payments > 0 else None  # fmt: skip
        yield cadence, paid.upper(), each.payments, *_cost(each, currency), a_payment


def _cost(seen: Fees, currency: str) -> tuple[Cell, ...]:
    sums = (Money(minor, currency) for minor in (seen.gross, seen.fees, seen.covered))
    return *sums, currency.upper(), seen.share, seen.share_left


def _saved(wanted: Wanted) -> Iterator[Row]:
    whole = money_reading.read_fees(wanted.session, wanted.asked).whole
    ways = {
        "months paid ahead": (whole.prepaid_avoided, whole.prepaid_saved),
        "annual pledges": (whole.annual_avoided, whole.annual_saved),
    }
    currency = wanted.asked.currency
    for name, (avoided, minor) in ways.items():
        yield name, avoided, Money(minor, currency), currency.upper()


def _payouts(wanted: Wanted) -> Iterator[Row]:
    statement = payout_statement(wanted.asked.filters, wanted.newsroom.timezone)
    for row in each_of(wanted.session, statement):
        each = PayoutRow(**row._mapping)  # noqa: SLF001 - a row as a mapping
        yield (
            each.id,
            each.stripe_payout_id,
            each.arrives_at,
            each.status.value,
            Money(each.amount_minor, each.currency),
            None if each.in_ledger is None else Money(each.in_ledger, each.currency),
            None if each.difference_minor is None else Money(each.difference_minor, each.currency),
            each.currency.upper(),
            each.movements,
            reconciled(each),
        )


_SHARES = tuple(f"share_{days}" for days in WINDOWS)
_WITHIN = tuple(f"pledged_within_{days}_days" for days in WINDOWS)
_CLOSED = tuple(f"{days}_days_are_over" for days in WINDOWS)
_COST = ("paid", "fees", "covered", "currency", "share_of_paid", "share_left_to_us")

TABLES = (
    Table(
        name="gifts",
        title="Gifts: this period, the one before, and a year before",
        page="income.gifts",
        columns=("period", "first_day", "last_day", "gifts", "paid", "currency"),
        rows=_gifts,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="givers-who-pledge",
        title="Givers who pledge afterwards, month by month",
        page="income.gifts",
        columns=(
            "first_day", "last_day", "people", "gave_again", "had_a_pledge", *_WITHIN, *_SHARES,
            *_CLOSED,
        ),
        rows=_givers,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="sources",
        title="Sources, from an appeal shown to money",
        page="income.sources",
        columns=(
            "part", "name", "appeal_shown", "page_opened", "payment_begun", "gifts",
            "pledges_begun", "paid", "after_fees_and_refunds", "new_pledges_times_12", "currency",
            "three_months_old", "stood_three_months_later", "share_stood",
        ),
        rows=_sources,
        role=Role.DESK,
        default=Preset.LAST_90_DAYS,
        extra=("of",),
    ),
    Table(
        name="reminder-funnel",
        title="Reminders, from the appeal to the gift",
        page="income.reminders",
        columns=("step", "how_many", "share_of_step_before"),
        rows=_funnel,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="reminder-lift",
        title="Reminders beside appeals alone",
        page="income.reminders",
        columns=("group", "how_many", "gave", "share"),
        rows=_lift,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="reminders-by-month",
        title="Reminders, month by month",
        page="income.reminders",
        columns=("first_day", "last_day", *_REMINDED),
        rows=_reminders,
        role=Role.VIEWER,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="fees",
        title="What payments cost, month by month",
        page="income.fees",
        columns=("first_day", "last_day", "payments", *_COST),
        rows=_fees,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="fees-by-kind",
        title="What payments cost, by rhythm and currency",
        page="income.fees",
        columns=("rhythm", "paid_in", "payments", *_COST, "fee_of_a_payment"),
        rows=_fee_kinds,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="fees-saved",
        title="What fewer payments saved",
        page="income.fees",
        columns=("way", "payments_not_needed", "fees_not_paid", "currency"),
        rows=_saved,
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
    Table(
        name="payouts",
        title="Payouts",
        page="income.payouts",
        columns=(
            "payout", "stripe_payout", "at_the_bank", "status", "paid_out", "in_the_ledger",
            "difference", "currency", "movements", "reconciled",
        ),
        rows=_payouts,
        count=lambda wanted: count_of(
            wanted.session, payout_statement(wanted.asked.filters, wanted.newsroom.timezone)
        ),
        role=Role.DESK,
        default=Preset.LAST_12_MONTHS,
    ),
)  # fmt: skip
