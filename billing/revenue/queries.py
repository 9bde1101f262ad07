"""What the revenue pages ask the database. Each function is one query; none changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from billing.charges.domain import ChargeKind, ChargeStatus
from billing.charges.tables import Charge
from billing.ledger.domain import Account
from billing.ledger.tables import LedgerEntry
from billing.money import Money
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.tables import Pledge, PledgeMovement
from billing.reminders.domain import ReminderStatus
from billing.reminders.tables import Reminder
from billing.revenue.domain import Flow
from billing.revenue.months import Month
from billing.revenue.mrr import MovementSum

_REPORTED = (
    Account.GIFTS,
    Account.PLEDGES,
    Account.REFUNDS,
    Account.DISPUTES,
    Account.FEES,
    Account.OTHER,
)
_UNPAID = (ChargeStatus.DUE, ChargeStatus.SUBMITTED, ChargeStatus.PROCESSING)


@dataclass(frozen=True, kw_only=True)
class PledgeCounts:
    """Pledges by where they stand."""

    monthly: int
    annual: int
    past_due: int
    paused: int
    """Not among the others: nothing is taken for them, and they do not count in MRR."""


@dataclass(frozen=True, kw_only=True)
class RecentCharge:
    """A line in the list of charges. No name: supporters have numbers here."""

    id: int
    supporter_id: int
    kind: ChargeKind
    cadence: Cadence
    renewal: bool
    status: ChargeStatus
    amount: Money
    refunded: Money
    decline_code: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class PastDuePledge:
    """A pledge whose last charge was refused."""

    id: int
    supporter_id: int
    cadence: Cadence
    amount: Money
    since: datetime
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What is going to happen by itself."""

    reminders: int
    next_reminder_at: datetime | None


def flows(session: Session, months: list[Month]) -> list[Flow]:
    """The ledger of consecutive `months`, summed by month, account and currencies.

    A line in a currency that Stripe converted is joined with the line of CONVERSION beside it,
    which holds the same sum as it was settled. Fees of what is not ours count with it as OTHER.
    """
    line, rate, foreign = (aliased(LedgerEntry) for _ in range(3))
    begins = bindparam("begins", [m.begins for m in months], type_=ARRAY(DateTime(timezone=True)))
    month = func.width_bucket(line.occurred_at, begins)
    not_ours = exists().where(
        foreign.transaction_id == line.transaction_id, foreign.account == Account.OTHER
    )
    account = case(
        (and_(line.account == Account.FEES, not_ours), literal(Account.OTHER.value)),
        else_=line.account,
    )
    settled_currency = func.coalesce(rate.currency, line.currency)
    converted = and_(
        rate.transaction_id == line.transaction_id,
        rate.account == Account.CONVERSION,
        rate.currency != line.currency,
        line.account != Account.FEES,
    )
    query = (
        select(
            month.label("month"),
            account.label("counted_as"),
            line.currency.label("paid_currency"),
            settled_currency.label("settled_currency"),
            func.sum(line.amount_minor).label("paid"),
            func.sum(func.coalesce(rate.amount_minor, line.amount_minor)).label("settled"),
        )
        .select_from(line)
        .outerjoin(rate, converted)
        .where(
            line.account.in_(_REPORTED),
            line.occurred_at >= months[0].begins,
            line.occurred_at < months[-1].ends,
        )
        .group_by("month", "counted_as", "paid_currency", "settled_currency")
    )
    return [
        Flow(
            month=months[row.month - 1].first,
            account=Account(row.counted_as),
            paid_currency=row.paid_currency,
            settled_currency=row.settled_currency,
            paid_minor=int(row.paid),
            settled_minor=int(row.settled),
        )
        for row in session.execute(query)
    ]


def movements(session: Session, month: Month, today: date) -> list[MovementSum]:
    """All movements of MRR, summed by kind and currency around a month and `today` in it."""
    day, yearly = PledgeMovement.effective_on, PledgeMovement.yearly_minor

    def part(condition: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.coalesce(func.sum(yearly).filter(condition), 0)

    query = select(
        PledgeMovement.kind,
        PledgeMovement.currency,
        part(day < month.first).label("before"),
        part(and_(day >= month.first, day <= today)).label("during"),
        part(day > today).label("later"),
    ).group_by(PledgeMovement.kind, PledgeMovement.currency)
    return [
        MovementSum(
            kind=row.kind,
            currency=row.currency,
            before=int(row.before),
            during=int(row.during),
            later=int(row.later),
        )
        for row in session.execute(query)
    ]


def expected(session: Session, month: Month) -> dict[str, int]:
    """What is still to be charged in a month, by currency, in minor units and before fees.

    These are the charges not paid yet that fell due by the month's end, and the next charge of
    every active pledge whose turn comes before it. Past-due pledges count when they have paid.
    """
    open_charges = select(Charge.currency, Charge.amount_minor).where(
        Charge.status.in_(_UNPAID), Charge.due_at < month.ends
    )
    promised = select(Pledge.currency, Pledge.amount_minor).where(
        Pledge.status == PledgeStatus.ACTIVE, Pledge.next_charge_at < month.ends
    )
    both = union_all(open_charges, promised).subquery()
    query = select(both.c.currency, func.sum(both.c.amount_minor)).group_by(both.c.currency)
    return {currency: int(total) for currency, total in session.execute(query)}


def supporters(session: Session, since: datetime, month: Month) -> tuple[int, int]:
    """People with a payment from `since` on, and in `month`; payments given back don't count."""
    query = select(
        func.count(Charge.supporter_id.distinct()),
        func.count(Charge.supporter_id.distinct()).filter(
            Charge.settled_at >= month.begins, Charge.settled_at < month.ends
        ),
    ).where(
        Charge.settled_at >= since,
        Charge.status == ChargeStatus.SUCCEEDED,
        Charge.refunded_minor < Charge.amount_minor,
    )
    of_year, of_month = session.execute(query).one()
    return int(of_year), int(of_month)


def pledge_counts(session: Session) -> PledgeCounts:
    """How many pledges there are now."""
    going = (PledgeStatus.ACTIVE, PledgeStatus.PAST_DUE)

    def of(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(condition)

    running = Pledge.status.in_(going)
    query = select(
        of(and_(running, Pledge.cadence == Cadence.MONTHLY)).label("monthly"),
        of(and_(running, Pledge.cadence == Cadence.ANNUAL)).label("annual"),
        of(Pledge.status == PledgeStatus.PAST_DUE).label("past_due"),
        of(Pledge.status == PledgeStatus.PAUSED).label("paused"),
    ).where(Pledge.status.in_((*going, PledgeStatus.PAUSED)))
    row = session.execute(query).one()
    return PledgeCounts(
        monthly=row.monthly, annual=row.annual, past_due=row.past_due, paused=row.paused
    )


def recent_charges(session: Session, limit: int) -> list[RecentCharge]:
    """The newest charges, newest first."""
    query = (
        select(Charge, Pledge.cadence)
        .outerjoin(Pledge, Pledge.id == Charge.pledge_id)
        .order_by(Charge.id.desc())
        .limit(limit)
    )
    return [
        RecentCharge(
            id=charge.id,
            supporter_id=charge.supporter_id,
            kind=charge.kind,
            cadence=cadence or Cadence.ONCE,
            renewal=bool(charge.period),
            status=charge.status,
            amount=Money(charge.amount_minor, charge.currency),
            refunded=Money(charge.refunded_minor, charge.currency),
            decline_code=charge.decline_code,
            at=charge.settled_at or charge.due_at,
        )
        for charge, cadence in session.execute(query)
    ]


def past_due(session: Session, limit: int) -> list[PastDuePledge]:
    """Pledges whose last charge was refused, the latest first."""
    query = (
        select(Pledge)
        .where(Pledge.status == PledgeStatus.PAST_DUE)
        .order_by(Pledge.past_due_since.desc(), Pledge.id.desc())
        .limit(limit)
    )
    return [
        PastDuePledge(
            id=pledge.id,
            supporter_id=pledge.supporter_id,
            cadence=pledge.cadence,
            amount=Money(pledge.amount_minor, pledge.currency),
            since=pledge.past_due_since or pledge.created_at,
            reason=pledge.past_due_reason,
        )
        for pledge in session.scalars(query)
    ]


def waiting(session: Session) -> Waiting:
    """Reminders not sent yet, and when the next of them is."""
    query = select(func.count(), func.min(Reminder.due_at)).where(
        Reminder.status == ReminderStatus.WAITING
    )
    count, first = session.execute(query).one()
    return Waiting(reminders=int(count), next_reminder_at=first)
