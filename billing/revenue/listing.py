"""Lists behind the figures of givers, of pledges that began, and of payouts, page by page.

As in `drilldown.py`, a page begins behind the last line of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    false,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session

from billing.charges.domain import PayoutStatus
from billing.charges.tables_after import Payout, PayoutLine
from billing.ledger.domain import Account
from billing.ledger.tables import LedgerEntry, LedgerTransaction
from billing.pledges.domain import Cadence
from billing.revenue.cells import Cells, find_sources
from billing.revenue.days import Days
from billing.revenue.drilldown import Place
from billing.revenue.filters import Filters
from billing.revenue.newest import Counted, day_batches, read_pages
from billing.revenue.tables_giving import (
    RevenueBegun,
    RevenueConversions,
    RevenueGiver,
    RevenueStart,
)

Statement = Select[*tuple[Any, ...]]


class GiverStep(StrEnum):
    """Which givers of a period are listed."""

    ALL = "all"
    AGAIN = "again"
    HAD_PLEDGED = "had-pledged"
    WITHIN_30 = "30"
    WITHIN_90 = "90"
    WITHIN_365 = "365"


class StartStep(StrEnum):
    """Which of the pledges that began are listed."""

    ALL = "all"
    STAYED = "stayed"


@dataclass(frozen=True, kw_only=True)
class GiverLine:
    """Somebody's first gift, and what came after it."""

    supporter_id: int
    charge_id: int
    day: date
    currency: str
    amount_minor: int
    again_on: date | None
    pledged_on: date | None


@dataclass(frozen=True, kw_only=True)
class StartLine:
    """A pledge that began."""

    pledge_id: int
    supporter_id: int
    day: date
    currency: str
    yearly_minor: int
    cadence: str
    stayed: bool


@dataclass(frozen=True, kw_only=True)
class PayoutRow:
    """A payout; sums in minor units of `currency`."""

    id: int
    stripe_payout_id: str
    status: PayoutStatus
    automatic: bool
    amount_minor: int
    currency: str
    arrives_at: datetime
    movements: int | None
    difference_minor: int | None
    unposted: int | None
    reconciled_at: datetime | None
    failure_code: str | None

    @property
    def in_ledger(self) -> int | None:
        """What the ledger's movements in it come to; None until they were looked at."""
        return None if self.difference_minor is None else self.amount_minor + self.difference_minor


@dataclass(frozen=True, kw_only=True)
class PayoutTotal:
    """The payouts of a period in one currency."""

    currency: str
    payouts: int
    amount_minor: int
    difference_minor: int
    open: int
    """Not reconciled, of those that Stripe lists and that did not fail."""


@dataclass(frozen=True, kw_only=True)
class PaidOut:
    """A movement that a payout pays out; `minor` is what it left on Stripe's balance."""

    id: int
    stripe_balance_transaction_id: str
    category: str
    charge_id: int | None
    occurred_at: datetime
    minor: int
    fee: int


def giver_lines(
    session: Session,
    filters: Filters,
    cells: Cells,
    step: GiverStep,
    *,
    after: Place | None,
    limit: int,
) -> list[GiverLine]:
    """Givers whose first gift was in the period, the latest first. Four queries."""
    if filters.cadence not in (None, Cadence.ONCE):
        return []
    table, sums = RevenueGiver, RevenueConversions
    query, counted = _givers_of(session, filters, step)
    if after is not None:
        query = query.where(tuple_(table.day, table.supporter_id) < (after.day, after.id))

    def read(days: list[date], limit: int) -> list[GiverLine]:
        found = session.execute(query.where(table.day.in_(days)).limit(limit))
        return [GiverLine(**row) for row in found.mappings()]

    of = Counted(
        table=sums,
        cells=cells,
        of=lambda level: and_(cells.of_gifts(sums, level=level), counted > 0),
        lines=counted,
    )
    begun = None if after is None else after.day
    return read_pages(
        day_batches(session, of, filters.period, after=begun, wanted=limit), read, limit
    )


def giver_statement(session: Session, filters: Filters, step: GiverStep) -> Statement:
    """What finds all of them."""
    query, _ = _givers_of(session, filters, step)
    if filters.cadence not in (None, Cadence.ONCE):
        return query.where(false())
    return query.where(*_within(filters, RevenueGiver))


def _givers_of(session: Session, filters: Filters, step: GiverStep) -> tuple[Statement, Any]:
    """Givers of any day, and what counts them."""
    table, sums = RevenueGiver, RevenueConversions
    days = {GiverStep.WITHIN_30: 30, GiverStep.WITHIN_90: 90, GiverStep.WITHIN_365: 365}
    which: ColumnElement[bool] = true()
    counted: Any = sums.givers
    if step is GiverStep.AGAIN:
        which, counted = table.again_on.is_not(None), sums.again
    elif step is GiverStep.HAD_PLEDGED:
        which, counted = table.pledged_on < table.day, sums.had_pledged
    elif step in days:
        which = and_(table.pledged_on >= table.day, table.pledged_on <= table.day + days[step])
        counted = getattr(sums, f"within_{days[step]}")
    columns = [getattr(table, name) for name in GiverLine.__dataclass_fields__]
    query = select(*columns).where(*_chosen(session, filters, table), which)
    return query.order_by(table.day.desc(), table.supporter_id.desc()), counted


def start_lines(
    session: Session,
    filters: Filters,
    cells: Cells,
    step: StartStep,
    *,
    after: Place | None,
    limit: int,
) -> list[StartLine]:
    """Pledges that began in the period, the latest first. Four queries."""
    table, sums = RevenueStart, RevenueBegun
    query, counted = _starts_of(session, filters, step)
    if after is not None:
        query = query.where(tuple_(table.day, table.pledge_id) < (after.day, after.id))

    def read(days: list[date], limit: int) -> list[StartLine]:
        found = session.execute(query.where(table.day.in_(days)).limit(limit))
        return [StartLine(**row) for row in found.mappings()]

    of = Counted(
        table=sums,
        cells=cells,
        of=lambda level: and_(cells.of(sums, level=level), counted > 0),
        lines=counted,
    )
    begun = None if after is None else after.day
    return read_pages(
        day_batches(session, of, filters.period, after=begun, wanted=limit), read, limit
    )


def start_statement(session: Session, filters: Filters, step: StartStep) -> Statement:
    """What finds all of them."""
    query, _ = _starts_of(session, filters, step)
    return query.where(*_within(filters, RevenueStart))


def _starts_of(session: Session, filters: Filters, step: StartStep) -> tuple[Statement, Any]:
    """Pledges that began on any day, and what counts them."""
    table, counted = RevenueStart, RevenueBegun.pledges
    columns = [getattr(table, name) for name in StartLine.__dataclass_fields__]
    query = select(*columns).where(*_chosen(session, filters, table))
    if filters.cadence is not None:
        query = query.where(table.cadence == filters.cadence.value)
    if step is StartStep.STAYED:
        query, counted = query.where(table.stayed), RevenueBegun.stayed
    return query.order_by(table.day.desc(), table.pledge_id.desc()), counted


def payout_totals(session: Session, filters: Filters, zone: ZoneInfo) -> list[PayoutTotal]:
    """The payouts of a period, by currency. One query."""
    given_up = Payout.status.in_([PayoutStatus.FAILED, PayoutStatus.CANCELED])
    still_open = and_(Payout.reconciled_at.is_(None), Payout.automatic, ~given_up)
    query = (
        select(
            Payout.currency,
            func.count().label("payouts"),
            _whole(func.sum(Payout.amount_minor).filter(~given_up), "amount_minor"),
            _whole(func.sum(Payout.difference_minor), "difference_minor"),
            func.count().filter(still_open).label("open"),
        )
        .where(*_arriving(filters, zone))
        .group_by(Payout.currency)
        .order_by(Payout.currency)
    )
    return [PayoutTotal(**row) for row in session.execute(query).mappings()]


def payout_rows(
    session: Session, filters: Filters, zone: ZoneInfo, *, after: Place | None, limit: int
) -> list[PayoutRow]:
    """Payouts by the day on which they reach the bank, the latest first. One query."""
    query = payout_statement(filters, zone).limit(limit)
    if after is not None:
        query = query.where(tuple_(Payout.arrives_at, Payout.id) < (after.at, after.id))
    return [PayoutRow(**row) for row in session.execute(query).mappings()]


def payout_statement(filters: Filters, zone: ZoneInfo) -> Statement:
    """What finds all of them."""
    columns = [getattr(Payout, name) for name in PayoutRow.__dataclass_fields__]
    query = select(*columns).where(*_arriving(filters, zone))
    return query.order_by(Payout.arrives_at.desc(), Payout.id.desc())


def find_payout(session: Session, payout_id: int) -> PayoutRow | None:
    """One payout. One query."""
    columns = [getattr(Payout, name) for name in PayoutRow.__dataclass_fields__]
    row = session.execute(select(*columns).where(Payout.id == payout_id)).mappings().one_or_none()
    return None if row is None else PayoutRow(**row)


def paid_out(
    session: Session, payout_id: int, *, after: Place | None, limit: int
) -> Sequence[PaidOut]:
    """The movements that a payout pays out, the latest first. One query."""
    query = paid_out_statement(payout_id).limit(limit)
    if after is not None:
        query = query.where(PayoutLine.transaction_id < after.id)
    return [PaidOut(**row) for row in session.execute(query).mappings()]


def paid_out_statement(payout_id: int) -> Statement:
    """What finds all of them."""
    entry, line = LedgerEntry, LedgerTransaction

    def of(account: Account) -> Any:
        total = select(func.sum(entry.amount_minor)).where(
            entry.transaction_id == line.id, entry.account == account
        )
        return func.coalesce(total.scalar_subquery(), 0).cast(BigInteger)

    return (
        select(
            line.id,
            line.stripe_balance_transaction_id,
            line.category,
            line.charge_id,
            line.occurred_at,
            of(Account.STRIPE).label("minor"),
            of(Account.FEES).label("fee"),
        )
        .join(PayoutLine, PayoutLine.transaction_id == line.id)
        .where(PayoutLine.payout_id == payout_id)
        .order_by(PayoutLine.transaction_id.desc())
    )


def _within(filters: Filters, table: Any) -> list[ColumnElement[bool]]:
    return [table.day >= filters.period.first, table.day <= filters.period.last]


def _chosen(session: Session, filters: Filters, table: Any) -> list[ColumnElement[bool]]:
    """What filters ask of a line. At most one query."""
    found = []
    if filters.names:
        found.append(table.source_id.in_(find_sources(session, filters)))
    if filters.country is not None:
        found.append(table.country == filters.country)
    if filters.currency is not None:
        found.append(table.currency == filters.currency)
    return found


def _arriving(filters: Filters, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    days = Days(filters.period.first, filters.period.last, zone)
    found = [Payout.arrives_at >= days.starts_at, Payout.arrives_at < days.ends_at]
    if filters.currency is not None:
        found.append(Payout.currency == filters.currency)
    return found


def _whole(of: Any, name: str) -> Any:
    return func.coalesce(of, 0).cast(BigInteger).label(name)
