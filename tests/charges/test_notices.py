"""An annual charge is announced 7 to 30 days before it is made, or it is not made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, given, settings as effort, strategies as st
from sqlalchemy import update

from billing.audit.database import nothing_forgotten
from billing.charges.attention import attention
from billing.charges.due import create_due_charges
from billing.charges.notices import (
    AT_LEAST,
    AT_MOST,
    WRITTEN_AHEAD,
    put_notices,
)
from billing.outbox import OutboxMessage, OutboxStatus
from billing.pledges.domain import Cadence
from billing.pledges.service import cancel
from billing.runtime import Runtime
from tests.conftest import empty
from tests.support.letters import deliver_all, letters, written
from tests.support.people import charges_of, get_pledge, pledge_of

DAY = timedelta(days=1)


def announce(runtime: Runtime, now: datetime) -> int:
    with runtime.database.transaction() as session:
        return put_notices(session, runtime, now=now, limit=100)


def create(runtime: Runtime, now: datetime) -> int:
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        return create_due_charges(session, zone=zone, now=now, limit=100).pledges


def annual(runtime: Runtime, now: datetime) -> tuple[int, datetime]:
    """An annual pledge made now: its id and when it is due."""
    pledge_id = pledge_of(runtime, anchor=now, cadence=Cadence.ANNUAL)
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    return pledge_id, due


def change_letter(runtime: Runtime, **values: object) -> None:
    with runtime.database.transaction() as session:
        session.execute(update(OutboxMessage).values(**values))


@contextmanager
def at(runtime: Runtime, moment: datetime) -> Iterator[None]:
    """The application's clock stands at this moment."""
    runtime.clock.advance(moment - runtime.clock.now())  # type: ignore[attr-defined]
    yield


def forgotten(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return nothing_forgotten(runtime, session).offenders


def test_the_notice_is_written_two_weeks_ahead_and_once(runtime: Runtime, now: datetime) -> None:
    _, due = annual(runtime, now)
    assert announce(runtime, due - WRITTEN_AHEAD - DAY) == 0
    assert announce(runtime, due - WRITTEN_AHEAD) == 1
    assert announce(runtime, due - WRITTEN_AHEAD) == 0
    [letter] = letters(runtime)
    assert datetime.fromisoformat(letter.context["charge_at"]) == due
    assert "/cancel" in written(runtime, letter).text
    assert "/cancel" in written(runtime, letter, "ru").html


def test_a_monthly_pledge_needs_none(runtime: Runtime, now: datetime) -> None:
    pledge_of(runtime, anchor=now)
    assert announce(runtime, now + timedelta(days=30)) == 0
    assert create(runtime, now + timedelta(days=32)) == 1


def test_with_its_notice_the_charge_is_made_on_its_day(runtime: Runtime, now: datetime) -> None:
    pledge_id, due = annual(runtime, now)
    announce(runtime, due - WRITTEN_AHEAD)
    deliver_all(runtime, due - WRITTEN_AHEAD)
    assert create(runtime, due - timedelta(seconds=1)) == 0
    assert create(runtime, due) == 1
    [charge] = charges_of(runtime, pledge_id)
    assert charge.due_at == due
    assert get_pledge(runtime, pledge_id).renewal_notice_id is None


@pytest.mark.parametrize("status", [OutboxStatus.WAITING, OutboxStatus.FAILED])
def test_a_notice_that_nobody_took_is_none(
    runtime: Runtime, now: datetime, status: OutboxStatus
) -> None:
    _, due = annual(runtime, now)
    announce(runtime, due - WRITTEN_AHEAD)
    change_letter(runtime, status=status, last_error="550")
    assert create(runtime, due + timedelta(days=10)) == 0


def lines_about(runtime: Runtime, pledge_id: int, now: datetime) -> list[str]:
    with runtime.database.transaction() as session:
        found = attention(session, now=now - WRITTEN_AHEAD)
    return [line for line in found if line.startswith(f"Pledge {pledge_id} is not charged")]


def test_one_that_cannot_be_delivered_is_a_line_for_staff(runtime: Runtime, now: datetime) -> None:
    pledge_id, due = annual(runtime, now)
    announce(runtime, due - WRITTEN_AHEAD)
    assert lines_about(runtime, pledge_id, due) == []
    change_letter(runtime, status=OutboxStatus.FAILED, last_error="550")
    [line] = lines_about(runtime, pledge_id, due)
    assert "could not be delivered (550)" in line


def test_pledges_without_a_notice_hold_nobody_up(runtime: Runtime, now: datetime) -> None:
    for number in range(5):
        pledge_of(
            runtime, anchor=now, cadence=Cadence.ANNUAL, address=f"silent{number}@example.org"
        )
    monthly = pledge_of(runtime, anchor=now + relativedelta(years=1), address="m@example.org")
    with runtime.database.transaction() as session:
        zone, later = runtime.settings.newsroom.timezone, now + relativedelta(years=1, months=2)
        assert create_due_charges(session, zone=zone, now=later, limit=2).pledges == 1
    assert len(charges_of(runtime, monthly)) == 1


def test_after_an_outage_the_notice_comes_first_and_the_charge_a_week_later(
    runtime: Runtime, now: datetime
) -> None:
    pledge_id, due = annual(runtime, now)
    back = due + timedelta(days=3)
    assert create(runtime, back) == 0
    assert announce(runtime, back) == 1
    [letter] = letters(runtime)
    assert datetime.fromisoformat(letter.context["charge_at"]) == back + AT_LEAST
    deliver_all(runtime, back)
    assert create(runtime, back + AT_LEAST - timedelta(seconds=1)) == 0
    assert create(runtime, back + AT_LEAST) == 1
    assert [charge.due_at for charge in charges_of(runtime, pledge_id)] == [due]


def test_a_notice_that_grew_too_old_is_followed_by_another(runtime: Runtime, now: datetime) -> None:
    _, due = annual(runtime, now)
    told = due - WRITTEN_AHEAD
    announce(runtime, told)
    deliver_all(runtime, told)
    back = told + AT_MOST + DAY
    assert create(runtime, back) == 0
    assert announce(runtime, back) == 1
    deliver_all(runtime, back)
    assert create(runtime, back + AT_LEAST) == 1
    assert len(letters(runtime)) == 2


def test_each_notice_is_good_for_one_charge(runtime: Runtime, now: datetime) -> None:
    pledge_id, due = annual(runtime, now)
    anniversary = due + relativedelta(years=1)
    told = anniversary - timedelta(days=10)
    announce(runtime, told)
    deliver_all(runtime, told)
    assert create(runtime, told + AT_LEAST) == 1, "for the year that is almost over"
    assert create(runtime, anniversary + DAY) == 0
    announce(runtime, anniversary + DAY)
    deliver_all(runtime, anniversary + DAY)
    assert create(runtime, anniversary + DAY + AT_LEAST) == 1
    assert [charge.period for charge in charges_of(runtime, pledge_id)] == [1, 2]


def test_a_cancelled_pledge_is_not_announced(runtime: Runtime, now: datetime) -> None:
    pledge_id, due = annual(runtime, now)
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=now)
    assert announce(runtime, due) == 0


def test_the_audit_knows_who_waits_for_a_notice_and_who_is_forgotten(
    runtime: Runtime, now: datetime
) -> None:
    _, due = annual(runtime, now)
    back = due + timedelta(days=2)
    with at(runtime, back):
        [line] = forgotten(runtime)
        assert "not even announced" in line
    announce(runtime, back)
    assert forgotten(runtime) == []
    deliver_all(runtime, back)
    with at(runtime, back + AT_LEAST):
        assert forgotten(runtime) == []
    with at(runtime, back + AT_LEAST + 2 * DAY):
        [line] = forgotten(runtime)
        assert "should have been charged" in line
    change_letter(runtime, status=OutboxStatus.FAILED, recipient_encrypted=b"x", sent_at=None)
    assert forgotten(runtime) == [], "staff are told of it"


@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 40 * 24), st.booleans(), st.sampled_from([True, True, True, False])
        ),
        min_size=5,
        max_size=40,
    )
)
@effort(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_breaks_no_annual_charge_comes_unannounced(
    runtime: Runtime, steps: list[tuple[int, bool, bool]]
) -> None:
    """Hours to the next sign of life; whether the writer ran; whether a mail server took it."""
    empty(runtime.database)
    now = datetime(2027, 1, 31, 12, tzinfo=UTC)
    pledge_id, _ = annual(runtime, now)
    now += timedelta(days=330)
    seen = 0
    for hours, writer_runs, mail_runs in steps:
        now += timedelta(hours=hours)
        if writer_runs:
            announce(runtime, now)
        if mail_runs:
            deliver_all(runtime, now)
        create(runtime, now)
        charges = charges_of(runtime, pledge_id)
        if len(charges) > seen:
            assert len(charges) == seen + 1
            seen += 1
            told = [letter.sent_at for letter in letters(runtime) if letter.sent_at is not None]
            assert len(told) >= seen, "each notice is good for one charge"
            assert AT_LEAST <= now - max(told) <= AT_MOST
            assert charges[-1].due_at <= now
