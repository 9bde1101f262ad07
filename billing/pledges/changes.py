"""What a supporter changes about a pledge: pause, resume, skip, another sum or rhythm, prepay.

Each change is one transaction under the pledge's row lock, with a row in its history
(`pledge_changes`, append-only) and the movement of revenue it makes. If the process dies before
the commit, nothing was changed. `seen` is the version of the pledge that the supporter was shown:
a button pressed twice changes things once, and nobody agrees to what they did not see. `turn` is
the period that they were told would be charged next: a renewal changes that, not the version.

No change touches what has been asked of Stripe: a payment under way keeps its sum (docs/adr/0044).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.money import Money
from billing.outbox import OutboxMessage, drop
from billing.pledges.domain import (
    CHARGEABLE,
    Cadence,
    ChangeKind,
    PledgeStatus,
    after_pause,
    in_rhythm,
    may_become,
)
from billing.pledges.errors import ChangedMeanwhileError, DoneAlreadyError, NotPossibleError
from billing.pledges.service import end_of_pause, get_pledge, move, move_by, paid_until, worth
from billing.pledges.tables import MovementKind, Pledge, PledgeChange

LONGEST_PAUSE = timedelta(days=366)


def pause(
    session: Session,
    pledge_id: int,
    *,
    until: datetime,
    seen: int,
    turn: int,
    zone: ZoneInfo,
    now: datetime,
) -> Pledge:
    """Take nothing until `until`; what falls due before it is never asked for.

    Returns:
        The pledge, locked.

    Raises:
        PledgeNotFoundError: when there is none.
        NotPossibleError: when it is paused or has ended, or `until` is not within a year from now.
        DoneAlreadyError, ChangedMeanwhileError: see this module.
    """
    pledge = get_pledge(session, pledge_id, lock=True)
    _compare(session, pledge, ChangeKind.PAUSED, seen, done=pledge.paused_until == until)
    if not may_become(pledge.status, PledgeStatus.PAUSED) or not now < until < now + LONGEST_PAUSE:
        raise NotPossibleError
    compare_turn(pledge, turn, zone, now)
    ends = paid_until(pledge, zone, now)
    calendar, period = after_pause(pledge.calendar(zone), pledge.next_period, until)
    pledge.status = PledgeStatus.PAUSED
    pledge.paused_until = until
    pledge.next_charge_at = calendar.due_at(period)
    pledge.past_due_since = pledge.past_due_reason = None
    move(session, pledge, MovementKind.PAUSED, -1, at=now, effective_on=ends)
    _record(session, pledge, ChangeKind.PAUSED, now)
    return pledge


def resume(
    session: Session, pledge_id: int, *, seen: int | None, zone: ZoneInfo, now: datetime
) -> Pledge:
    """End a pause, by the supporter or (`seen` is None) because its day has come.

    What fell due in the pause is left out. After an outage the pause ended when it was to end, so
    what has fallen due since is due, and of that only the current period (invariant 7).

    Returns:
        The pledge, locked.

    Raises:
        PledgeNotFoundError: when there is none.
        NotPossibleError: when it is not paused, or its day has not come.
        DoneAlreadyError, ChangedMeanwhileError: see this module.
    """
    pledge = get_pledge(session, pledge_id, lock=True)
    _compare(session, pledge, ChangeKind.RESUMED, seen)
    until = pledge.paused_until
    if pledge.status is not PledgeStatus.PAUSED or until is None:
        raise NotPossibleError
    if seen is None and until > now:
        raise NotPossibleError
    end_of_pause(session, pledge, zone=zone, now=now)
    left_out = pledge.next_period
    calendar, period = after_pause(pledge.calendar(zone), left_out, min(now, until))
    pledge.status = PledgeStatus.ACTIVE
    pledge.paused_until = None
    pledge.next_period = period
    pledge.from_period, pledge.from_month = calendar.from_period, calendar.from_month
    pledge.next_charge_at = calendar.due_at(period)
    _record(session, pledge, ChangeKind.RESUMED, now, spared=(left_out, period))
    return pledge


def find_paused(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Ids of pledges whose pause is over."""
    query = (
        select(Pledge.id)
        .where(Pledge.status == PledgeStatus.PAUSED, Pledge.paused_until <= now)
        .order_by(Pledge.paused_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query).all())


def skip(
    session: Session, pledge_id: int, *, seen: int, turn: int, zone: ZoneInfo, now: datetime
) -> Pledge:
    """Leave out the next period, and only that.

    Returns:
        The pledge, locked.

    Raises:
        PledgeNotFoundError: when there is none.
        NotPossibleError: when it is not active.
        DoneAlreadyError, ChangedMeanwhileError: see this module.
    """
    pledge = get_pledge(session, pledge_id, lock=True)
    _compare(session, pledge, ChangeKind.SKIPPED, seen)
    if pledge.status is not PledgeStatus.ACTIVE:
        raise NotPossibleError
    compare_turn(pledge, turn, zone, now)
    _go_to(pledge, turn + 1, zone)
    _record(session, pledge, ChangeKind.SKIPPED, now, spared=(turn, turn + 1))
    return pledge


def change_terms(
    session: Session,
    pledge_id: int,
    *,
    amount: Money,
    fee_cover: Money,
    cadence: Cadence,
    seen: int,
    zone: ZoneInfo,
    now: datetime,
) -> Pledge:
    """Another sum (`amount`, the covered fee included) or rhythm, from the next payment on.

    A higher sum, or another rhythm, is agreed to by the supporter who presses the button, and only
    while nothing is past due.

    Returns:
        The pledge, locked.

    Raises:
        PledgeNotFoundError: when there is none.
        NotPossibleError: when nothing would change, or the pledge's state does not allow it.
        DoneAlreadyError, ChangedMeanwhileError: see this module.
    """
    pledge = get_pledge(session, pledge_id, lock=True)
    wanted = (amount.minor, fee_cover.minor, cadence)
    done = wanted == (pledge.amount_minor, pledge.fee_cover_minor, pledge.cadence)
    _compare(session, pledge, ChangeKind.TERMS, seen, done=done)
    if not _may_be_agreed(pledge, amount, fee_cover, cadence):
        raise NotPossibleError
    old_amount, old_cadence, old_worth = pledge.amount_minor, pledge.cadence, worth(pledge)
    if cadence is not old_cadence:
        pledge.next_period = pledge.turn(zone, now)
        calendar = in_rhythm(pledge.calendar(zone), cadence, pledge.next_period)
        pledge.next_charge_at = calendar.due_at(pledge.next_period)
        pledge.cadence = cadence
        pledge.from_period, pledge.from_month = calendar.from_period, calendar.from_month
    pledge.amount_minor, pledge.fee_cover_minor = amount.minor, fee_cover.minor
    _move_by_difference(session, pledge, worth(pledge) - old_worth, zone, now)
    _record(session, pledge, ChangeKind.TERMS, now, old=(old_amount, old_cadence))
    return pledge


def prepay(session: Session, pledge: Pledge, *, months: int, zone: ZoneInfo, now: datetime) -> int:
    """Several months of a locked pledge were paid at once: they are not charged again.

    The money has come, so no state refuses it; a pledge that has ended stays so.

    Returns:
        The first of the periods paid for.
    """
    first = pledge.turn(zone, now)
    after = first + months
    if pledge.cadence is not Cadence.MONTHLY:
        # It became annual while the page was open: the year begins when these months are over. They
        # keep a number each, as a charge for so many months has them all.
        pledge.from_month = pledge.calendar(zone).months(first) + months
        pledge.from_period = after
    pledge.next_period, spared = after, (first + 1, after)
    if pledge.status is PledgeStatus.PAUSED and pledge.paused_until is not None:
        calendar, period = after_pause(
            pledge.calendar(zone), pledge.next_period, pledge.paused_until
        )
        pledge.next_charge_at = calendar.due_at(period)
    elif pledge.status in CHARGEABLE:
        pledge.next_charge_at = pledge.calendar(zone).due_at(pledge.next_period)
    _record(session, pledge, ChangeKind.PREPAID, now, spared=spared)
    return first


def compare_turn(pledge: Pledge, turn: int, zone: ZoneInfo, now: datetime) -> None:
    """See that the period charged next for a locked pledge is still the one that was shown.

    Raises:
        ChangedMeanwhileError: when a renewal has taken it, or another one is due by now.
    """
    if turn != pledge.turn(zone, now):
        raise ChangedMeanwhileError


def _compare(
    session: Session, pledge: Pledge, kind: ChangeKind, seen: int | None, *, done: bool = True
) -> None:
    """See that a locked pledge is still what its supporter was shown.

    `done` tells whether it is by now as they want it: then this change may be the reason.
    """
    if seen is None or seen == pledge.version:
        return
    since = session.scalars(
        select(PledgeChange.kind)
        .where(PledgeChange.pledge_id == pledge.id, PledgeChange.version > seen)
        .order_by(PledgeChange.version)
    ).all()
    raise DoneAlreadyError if done and list(since) == [kind] else ChangedMeanwhileError


def _may_be_agreed(pledge: Pledge, amount: Money, fee_cover: Money, cadence: Cadence) -> bool:
    if cadence is Cadence.ONCE or amount.currency != pledge.currency:
        return False
    same = cadence is pledge.cadence
    if same and (amount.minor, fee_cover.minor) == (pledge.amount_minor, pledge.fee_cover_minor):
        return False
    if pledge.status is PledgeStatus.PAST_DUE:
        return same and amount.minor < pledge.amount_minor
    return pledge.status is PledgeStatus.ACTIVE


def _move_by_difference(
    session: Session, pledge: Pledge, difference: int, zone: ZoneInfo, now: datetime
) -> None:
    """A raise counts from today; what is lost counts until what has been paid for ends."""
    if difference > 0:
        day, kind = now.astimezone(zone).date(), MovementKind.EXPANSION
    else:
        day, kind = paid_until(pledge, zone, now), MovementKind.CONTRACTION
    if difference:
        move_by(session, pledge, kind, difference, at=now, effective_on=day)


def _go_to(pledge: Pledge, period: int, zone: ZoneInfo) -> None:
    pledge.next_period = period
    pledge.next_charge_at = pledge.calendar(zone).due_at(period)


def _record(
    session: Session,
    pledge: Pledge,
    kind: ChangeKind,
    now: datetime,
    *,
    old: tuple[int, Cadence] | None = None,
    spared: tuple[int, int] = (0, 0),
) -> None:
    """Write the history, and take back what announced the next charge as it was before."""
    _take_back_notice(session, pledge)
    pledge.version += 1
    old_amount, old_cadence = old or (pledge.amount_minor, pledge.cadence)
    first, end = spared
    session.add(
        PledgeChange(
            pledge_id=pledge.id,
            version=pledge.version,
            kind=kind,
            occurred_at=now,
            old_cadence=old_cadence,
            cadence=pledge.cadence,
            old_amount_minor=old_amount,
            amount_minor=pledge.amount_minor,
            fee_cover_minor=pledge.fee_cover_minor,
            next_period=pledge.next_period,
            from_period=pledge.from_period,
            from_month=pledge.from_month,
            spared_from=first if first < end else None,
            spared_until=end if first < end else None,
            paused_until=pledge.paused_until,
        )
    )
    session.flush()


def _take_back_notice(session: Session, pledge: Pledge) -> None:
    """An annual charge that was announced is announced again, as it is now."""
    if pledge.renewal_notice_id is None:
        return
    key = session.scalar(
        select(OutboxMessage.unique_key).where(OutboxMessage.id == pledge.renewal_notice_id)
    )
    pledge.renewal_notice_id = None
    if key is not None:
        drop(session, key)
