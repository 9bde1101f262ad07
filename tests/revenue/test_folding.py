"""Keeping the rollups up to date: nothing is left out, nothing counts twice, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from billing.audit.figures import rollups_are_the_ledger
from billing.clock import FixedClock
from billing.ledger.domain import Account, Movement
from billing.ledger.service import post
from billing.money import Money
from billing.pledges.answers import answer, forget
from billing.pledges.domain import Cadence, EndAnswer
from billing.pledges.service import cancel, get_pledge, make_pledge
from billing.reminders.domain import ReminderStatus, asked_month
from billing.reminders.service import erase, finish
from billing.reminders.tables import Reminder
from billing.revenue.folding import LOCK, Folded, fold
from billing.revenue.rebuild import keep_up, rebuild
from billing.revenue.tables import ADDED, MONTHS, RevenueState
from billing.runtime import Runtime
from billing.supporters.service import get_or_create
from tests.revenue.lives import RIGA

pytestmark = pytest.mark.alone
"""What others write on the same server, in whatever database, holds a fold back."""

NOW = datetime(2026, 4, 20, 9, tzinfo=UTC)


@pytest.fixture
def runtime(runtime: Runtime) -> Runtime:
    """Folded once, at a fixed time."""
    fixed = replace(runtime, clock=FixedClock(NOW))
    keep_up(fixed)
    return fixed


def pay(session: Session, name: str, *, at: datetime = NOW, minor: int = 1000) -> None:
    movement = Movement(category="charge", amount=minor, fee=0, net=minor, currency="usd",
                        original_amount=minor, original_currency="usd")  # fmt: skip
    post(session, movement, stripe_balance_transaction_id=name, stripe_charge_id=None,
         charge_id=None, income=Account.GIFTS, occurred_at=at, available_at=None,
         now=at)  # fmt: skip


def told(runtime: Runtime, slice_: int = 0) -> int:
    with runtime.database.transaction() as session:
        query = text("SELECT coalesce(sum(gross), 0) FROM revenue_money WHERE slice = :slice")
        return int(session.scalar(query, {"slice": slice_}) or 0)


def promised(runtime: Runtime) -> dict[str, int]:
    query = text("SELECT kind, sum(yearly_minor) FROM revenue_promises WHERE slice = 0 GROUP BY 1")
    with runtime.database.transaction() as session:
        return {kind: int(minor) for kind, minor in session.execute(query) if minor}


def promise(runtime: Runtime, person: int, amount: int, at: datetime = NOW) -> int:
    with runtime.database.transaction() as session:
        supporter = get_or_create(session, runtime.vault, address=f"r{person}@example.org",
                                  name=None, language="en", now=at)  # fmt: skip
        return make_pledge(
            session,
            supporter_id=supporter.id,
            cadence=Cadence.MONTHLY,
            amount=Money(amount, "usd"),
            fee_cover=Money(0, "usd"),
            anchor=at,
            zone=RIGA,
            stripe_customer_id="cus",
            stripe_payment_method_id="pm",
            language="en",
            source={"campaign": "spring"},
            now=at,
        ).id


def test_a_payment_is_told_once(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        pay(session, "txn_1")
    for _ in range(3):
        assert fold(runtime) is Folded.DONE
        assert told(runtime) == 1000
    assert [told(runtime, slice_) for slice_ in ADDED] == [1000] * len(ADDED)


def test_who_commits_late_is_not_left_out(runtime: Runtime) -> None:
    """The late one took its number, and its rows' ids, before the others did."""
    with runtime.database.transaction() as late:
        pay(late, "txn_late", minor=7)
        with runtime.database.transaction() as session:
            pay(session, "txn_soon", minor=1000)
        fold(runtime)
        assert told(runtime) % 1000 == 0
    fold(runtime)
    assert told(runtime) == 1007


def test_what_is_undone_never_counted(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        pay(session, "txn_undone")
        session.rollback()
    fold(runtime)
    assert told(runtime) == 0


@contextmanager
def broken(runtime: Runtime) -> Iterator[None]:
    """The last thing that a fold writes cannot be written."""
    rule = "ALTER TABLE revenue_promises {} CONSTRAINT broken {}"
    with runtime.database.transaction() as session:
        session.execute(text(rule.format("ADD", "CHECK (yearly_minor = 0) NOT VALID")))
    yield
    with runtime.database.transaction() as session:
        session.execute(text(rule.format("DROP", "")))


def test_a_fold_that_fails_half_way_has_done_nothing(runtime: Runtime) -> None:
    promise(runtime, 1, 500)
    with runtime.database.transaction() as session:
        pay(session, "txn_1")
    with broken(runtime), pytest.raises(Exception, match="broken"):
        fold(runtime)
    assert told(runtime) == 0
    fold(runtime)
    assert told(runtime) == 1000
    assert promised(runtime) == {"new": 6000}


def reasons(runtime: Runtime) -> dict[str, int]:
    query = text(
        "SELECT reason, sum(moves) FROM revenue_promises"
        " WHERE slice = 0 AND kind = 'churn_voluntary' GROUP BY 1"
    )
    with runtime.database.transaction() as session:
        return {reason: int(moves) for reason, moves in session.execute(query) if moves}


def test_an_answer_counts_when_it_comes_and_no_more_when_it_is_forgotten(runtime: Runtime) -> None:
    pledge_id = promise(runtime, 1, 500)
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=RIGA, now=NOW)
    fold(runtime)
    assert reasons(runtime) == {"supporter": 1}
    with runtime.database.transaction() as session:
        assert answer(session, pledge_id, EndAnswer.SAFETY, now=NOW + timedelta(days=3))
    fold(runtime)
    assert reasons(runtime) == {"worried_about_safety": 1}
    with runtime.database.transaction() as session:
        forget(session, get_pledge(session, pledge_id).supporter_id)
    fold(runtime)
    assert reasons(runtime) == {"supporter": 1}
    assert [each for each in rebuild(runtime) if each.wrong] == []


def remind(session: Session, at: datetime) -> Reminder:
    digest = at.isoformat().encode()
    reminder = Reminder(email_digest=digest, email_encrypted=digest, language="en", asked_at=at,
                        status=ReminderStatus.QUEUED, asked_month=asked_month(at, RIGA),
                        due_at=at, source={"article": "/never-paid"})  # fmt: skip
    session.add(reminder)
    session.flush()
    return reminder


def reminded(runtime: Runtime, slice_: int = 0) -> tuple[int, ...]:
    query = text(
        "SELECT coalesce(sum(asked), 0), coalesce(sum(sent), 0), coalesce(sum(gave), 0),"
        " coalesce(sum(still_open), 0) FROM revenue_reminders WHERE slice = :slice"
    )
    with runtime.database.transaction() as session:
        return tuple(int(each) for each in session.execute(query, {"slice": slice_}).one())


def test_a_reminder_counts_on_its_day_whenever_something_becomes_of_it(runtime: Runtime) -> None:
    """Its day is over, its month is, and the one who writes of it commits late."""
    with runtime.database.transaction() as session:
        remind(session, NOW - timedelta(days=50))
        first = remind(session, NOW - timedelta(days=49)).id
    fold(runtime)
    assert reminded(runtime) == reminded(runtime, MONTHS) == (2, 0, 0, 0)
    with runtime.database.transaction() as late:
        finish(late.get_one(Reminder, first), ReminderStatus.SENT, NOW)
        late.flush()
        with runtime.database.transaction() as session:
            remind(session, NOW)
        fold(runtime)
    fold(runtime)
    assert [reminded(runtime, slice_) for slice_ in ADDED] == [(3, 1, 0, 1)] * len(ADDED)
    with runtime.database.transaction() as session:
        session.execute(update(Reminder).where(Reminder.id == first).values(gave=True))
    fold(runtime)
    assert reminded(runtime, MONTHS) == (2, 1, 1, 0)
    with runtime.database.transaction() as session:
        erase(session.get_one(Reminder, first), NOW)
    fold(runtime)
    assert reminded(runtime) == (3, 1, 1, 0)
    with runtime.database.transaction() as session:
        assert rollups_are_the_ledger(runtime, session).offenders == []
        session.execute(text("UPDATE revenue_reminders SET sent = sent + 1 WHERE slice = 2"))
        [wrong] = rollups_are_the_ledger(runtime, session).offenders[:1]
        session.rollback()
    assert wrong == "slice 2 of the figures says 3 reminders, 4 of them sent; there are 3 and 1"
    assert [each for each in rebuild(runtime) if each.wrong] == []


def test_two_do_not_fold_at_once(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        assert fold(runtime) is Folded.BUSY
    assert fold(runtime) is Folded.DONE


def test_numbers_of_another_server_and_days_of_another_zone_are_made_anew(
    runtime: Runtime,
) -> None:
    with runtime.database.transaction() as session:
        pay(session, "txn_1", at=datetime(2026, 3, 31, 22, tzinfo=UTC))
    keep_up(runtime)
    with runtime.database.transaction() as session:
        session.get_one(RevenueState, 1).database_system = 1
    assert fold(runtime) is Folded.UNUSABLE
    keep_up(runtime)
    assert fold(runtime) is Folded.DONE
    assert _days(runtime) == ["2026-04-01"]
    newsroom = replace(runtime.settings.newsroom, timezone=ZoneInfo("America/New_York"))
    moved = replace(runtime, settings=replace(runtime.settings, newsroom=newsroom))
    keep_up(moved)
    assert _days(moved) == ["2026-03-31"]


def _days(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return [
            f"{day}"
            for day in session.scalars(text("SELECT day FROM revenue_money WHERE slice = 0"))
        ]


def test_rows_older_than_the_rollups_are_taken_by_the_first_rebuild(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        pay(session, "txn_1")
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE ledger_transactions SET written_in = NULL"))
        session.execute(text("DELETE FROM revenue_state"))
    keep_up(runtime)
    assert told(runtime) == 1000


def test_a_rebuild_says_what_was_wrong_and_puts_it_right(runtime: Runtime) -> None:
    promise(runtime, 1, 500)
    with runtime.database.transaction() as session:
        pay(session, "txn_1")
    fold(runtime)
    with runtime.database.transaction() as session:
        assert rollups_are_the_ledger(runtime, session).offenders == []
        session.execute(text("UPDATE revenue_money SET gross = gross + 1 WHERE slice = 0"))
        session.execute(text("DELETE FROM revenue_moves"))
    with runtime.database.transaction() as session:
        wrong = rollups_are_the_ledger(runtime, session).offenders
    assert any("slice 0 of the figures says 1001 usd net, the ledger 1000" in w for w in wrong)
    assert any("movement 1 is not in the figures" in w for w in wrong)
    assert {each.table: each.wrong for each in rebuild(runtime) if each.wrong} == {
        "revenue_money": 2,
        "revenue_moves": 1,
    }
    assert told(runtime) == 1000
    assert [each for each in rebuild(runtime) if each.wrong] == []


def test_a_second_pledge_is_a_raise_and_its_end_is_not_churn(runtime: Runtime) -> None:
    """Whoever is there already is not new, and whoever stays has not left."""
    promise(runtime, 1, 500, NOW - timedelta(days=40))
    fold(runtime)
    second = promise(runtime, 1, 300, NOW - timedelta(days=10))
    fold(runtime)
    assert promised(runtime) == {"new": 6000, "expansion": 3600}
    with runtime.database.transaction() as session:
        cancel(session, second, zone=RIGA, now=NOW)
    fold(runtime)
    assert promised(runtime) == {"new": 6000, "expansion": 3600, "contraction": -3600}


def test_a_late_movement_changes_why_an_earlier_one_counted(runtime: Runtime) -> None:
    """The first of two pledges may become known after the second."""
    promise(runtime, 1, 500, NOW - timedelta(days=10))
    fold(runtime)
    promise(runtime, 1, 300, NOW - timedelta(days=60))
    fold(runtime)
    assert promised(runtime) == {"new": 3600, "expansion": 6000}
    assert [each for each in rebuild(runtime) if each.wrong] == []


def test_a_month_that_is_over_is_kept_as_one_sum_and_what_comes_late_is_added(
    runtime: Runtime,
) -> None:
    with runtime.database.transaction() as session:
        pay(session, "txn_1", minor=1000)
    promise(runtime, 1, 500)
    fold(runtime)
    assert told(runtime, MONTHS) == 0, "the month is not over"
    later = replace(runtime, clock=FixedClock(NOW + timedelta(days=40)))
    fold(later)
    assert told(later, MONTHS) == told(later) == 1000
    with runtime.database.transaction() as session:
        pay(session, "txn_late", minor=30)
        pay(session, "txn_new", minor=500, at=NOW + timedelta(days=40))
    promise(later, 2, 300)
    fold(later)
    assert told(later, MONTHS) == 1030
    assert told(later) == 1530
    with later.database.transaction() as session:
        assert rollups_are_the_ledger(later, session).offenders == []
        session.execute(text("UPDATE revenue_money SET gross = gross + 1 WHERE slice = 20"))
        wrong = rollups_are_the_ledger(later, session).offenders
        session.rollback()
    assert wrong == ["the months of slice 0 of the money come to 1031, their days to 1030"]
    assert [each for each in rebuild(later) if each.wrong] == []
