"""Step 1 of a renewal: which charges are created, and when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from dateutil.relativedelta import relativedelta
from sqlalchemy import text

from billing.charges.domain import ChargeStatus
from billing.charges.due import REQUEUE_AFTER, claim_due_charges, create_due_charges
from billing.pledges.service import cancel
from billing.runtime import Runtime
from tests.support.people import charges_of, get_pledge, pledge_of


def create(runtime: Runtime, now: datetime, limit: int = 100) -> int:
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        return create_due_charges(session, zone=zone, now=now, limit=limit).pledges


def claim(runtime: Runtime, now: datetime) -> list[int]:
    with runtime.database.transaction() as session:
        return claim_due_charges(session, now=now, limit=100)


def test_a_charge_is_created_when_its_moment_has_come_and_not_before(
    runtime: Runtime, now: datetime
) -> None:
    pledge_id = pledge_of(runtime, anchor=now)
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    assert create(runtime, due - timedelta(seconds=1)) == 0
    assert create(runtime, due) == 1
    [charge] = charges_of(runtime, pledge_id)
    assert (charge.period, charge.status, charge.due_at) == (1, ChargeStatus.DUE, due)
    assert create(runtime, due) == 0


def test_after_an_outage_only_the_current_period_is_charged(
    runtime: Runtime, now: datetime
) -> None:
    pledge_id = pledge_of(runtime, anchor=now)
    later = now + relativedelta(months=4, days=3)
    assert create(runtime, later) == 1
    assert create(runtime, later) == 0
    assert [charge.period for charge in charges_of(runtime, pledge_id)] == [4]
    assert get_pledge(runtime, pledge_id).next_period == 5


def test_a_late_charge_still_falls_on_its_own_day(runtime: Runtime, now: datetime) -> None:
    pledge_id = pledge_of(runtime, anchor=now)
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    create(runtime, due + timedelta(days=3))
    [charge] = charges_of(runtime, pledge_id)
    assert charge.due_at == due


def test_a_cancelled_pledge_is_never_due(runtime: Runtime, now: datetime) -> None:
    pledge_id = pledge_of(runtime, anchor=now)
    with runtime.database.transaction() as session:
        assert cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=now)
        assert not cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=now)
    assert create(runtime, now + timedelta(days=400)) == 0


def test_two_beats_at_once_create_each_charge_once(runtime: Runtime, now: datetime) -> None:
    pledges = [pledge_of(runtime, anchor=now, address=f"r{n}@example.org") for n in range(20)]
    later = now + timedelta(days=35)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: create(runtime, later, limit=7), range(16)))
    for pledge_id in pledges:
        assert [charge.period for charge in charges_of(runtime, pledge_id)] == [1]


def test_a_lost_task_is_queued_again_later(runtime: Runtime, now: datetime) -> None:
    pledge_of(runtime, anchor=now)
    later = now + timedelta(days=35)
    create(runtime, later)
    assert len(claim(runtime, later)) == 1
    assert claim(runtime, later + REQUEUE_AFTER / 2) == []
    assert len(claim(runtime, later + REQUEUE_AFTER * 2)) == 1


def test_the_database_refuses_a_second_charge_for_a_period(runtime: Runtime, now: datetime) -> None:
    pledge_id = pledge_of(runtime, anchor=now)
    create(runtime, now + timedelta(days=35))
    with runtime.database.transaction() as session:
        again = session.execute(
            text(
                "INSERT INTO charges (kind, status, supporter_id, pledge_id, period, currency,"
                " amount_minor, fee_cover_minor, refunded_minor, due_at, created_at, source)"
                " SELECT kind, status, supporter_id, pledge_id, period, currency, amount_minor,"
                " fee_cover_minor, refunded_minor, due_at, created_at, source FROM charges"
                " ON CONFLICT (pledge_id, period) DO NOTHING"
            )
        )
        assert again.rowcount == 0  # type: ignore[attr-defined]
    assert len(charges_of(runtime, pledge_id)) == 1
