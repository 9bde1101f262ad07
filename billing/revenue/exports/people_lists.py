"""The lists behind the pages about people, whole. People stand in them, by number."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import TextClause

from billing.money import Money
from billing.revenue.at_risk import line_of, queue_statement
from billing.revenue.bridge import month_of
from billing.revenue.choices import Who, departures_of, members_of, order_of, renewals_of
from billing.revenue.cohort_reading import end_of
from billing.revenue.exports.tables import Table, Wanted, count_of, each_of
from billing.revenue.exports.writing import Row
from billing.revenue.people_lists import departed_statement, members_statement, renewal_statement
from billing.revenue.periods import Period, Preset
from billing.revenue.reading import MonthlyRates
from billing.revenue.why import NAMES, family


def _member_statement(wanted: Wanted) -> TextClause:
    of = members_of(wanted.asked)
    return members_statement(
        wanted.session, wanted.asked.filters, of.began, end_of(of.on), gone=of.who is Who.GONE
    )


def _members(wanted: Wanted) -> Iterator[Row]:
    return (
        (
            each.supporter_id,
            each.pledge_id,
            Money(each.minor, each.currency) if each.currency else None,
            month_of(each.minor, each.currency) if each.currency else None,
            (each.currency or "").upper(),
            each.last_moved,
        )
        for each in each_of(wanted.session, _member_statement(wanted))
    )


def _departed_statement(wanted: Wanted) -> TextClause:
    of = departures_of(wanted.session, wanted.asked)
    return departed_statement(wanted.session, wanted.asked.filters, of.kind, of.codes)


def _departed(wanted: Wanted) -> Iterator[Row]:
    return (
        (
            each.day,
            each.pledge_id,
            each.supporter_id,
            Money(each.yearly_minor, each.currency),
            month_of(each.yearly_minor, each.currency),
            each.currency.upper(),
            each.cadence,
            each.kind,
            NAMES[family(each.reason)],
        )
        for each in each_of(wanted.session, _departed_statement(wanted))
    )


def _renewal_statement(wanted: Wanted) -> TextClause:
    of = renewals_of(wanted.session, wanted.asked)
    return renewal_statement(
        wanted.session, wanted.asked.filters, of.outcome, of.codes, tries=of.tries
    )


def _renewals(wanted: Wanted) -> Iterator[Row]:
    return (
        (
            each.started_at,
            each.charge_id,
            each.pledge_id,
            each.supporter_id,
            Money(each.amount_minor, each.currency),
            each.currency.upper(),
            each.cadence,
            each.tries or None,
            each.reason,
        )
        for each in each_of(wanted.session, _renewal_statement(wanted))
    )


def _queue_statement(wanted: Wanted) -> TextClause:
    asked = wanted.asked
    today = Period(asked.today, asked.today)
    rates = MonthlyRates(wanted.session, asked, [today]).of(asked.today)
    return queue_statement(wanted.session, asked.filters, order_of(asked.filters), rates)


def _queue(wanted: Wanted) -> Iterator[Row]:
    found = each_of(wanted.session, _queue_statement(wanted))
    return (
        (
            each.pledge_id,
            each.supporter_id,
            each.cadence,
            Money(each.owed_minor, each.currency),
            Money(each.yearly_minor, each.currency),
            month_of(each.yearly_minor, each.currency),
            each.currency.upper(),
            each.since,
            each.gives_up_at,
            each.reason or "",
            each.charge_id,
            each.tries,
            each.next_try_at,
        )
        for each in map(line_of, found)
    )


TABLES = (
    Table(
        name="cohort-members",
        title="The supporters of a cohort",
        page="behind.cohort",
        columns=("supporter", "pledge", "a_year", "a_month_rounded", "currency", "last_change"),
        rows=_members,
        count=lambda wanted: count_of(wanted.session, _member_statement(wanted)),
        default=Preset.LAST_12_MONTHS,
        extra=("cohort", "month", "who"),
    ),
    Table(
        name="ended-pledges",
        title="The pledges that ended",
        page="behind.departed_list",
        columns=(
            "day", "pledge", "supporter", "a_year", "a_month_rounded", "currency", "rhythm",
            "kind", "reason",
        ),
        rows=_departed,
        count=lambda wanted: count_of(wanted.session, _departed_statement(wanted)),
        default=Preset.LAST_12_MONTHS,
        extra=("kind", "reason"),
    ),
    Table(
        name="renewals",
        title="The renewals behind a figure",
        page="behind.renewals",
        columns=(
            "first_attempt", "charge", "pledge", "supporter", "amount", "currency", "rhythm",
            "paid_by_attempt", "refused_because",
        ),
        rows=_renewals,
        count=lambda wanted: count_of(wanted.session, _renewal_statement(wanted)),
        default=Preset.LAST_12_MONTHS,
        extra=("outcome", "reason", "tries"),
    ),
    Table(
        name="past-due",
        title="The pledges that are past due now",
        page="behind.at_risk",
        also_on=("people.recovery",),
        columns=(
            "pledge", "supporter", "rhythm", "not_paid", "a_year", "a_month_rounded", "currency",
            "since", "given_up_at", "refused_because", "charge", "attempts", "next_attempt",
        ),
        rows=_queue,
        count=lambda wanted: count_of(wanted.session, _queue_statement(wanted)),
        extra=("order",),
    ),
)  # fmt: skip
