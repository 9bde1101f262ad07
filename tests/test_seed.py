"""The demo newsroom: believable, written once, and the same on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from billing.audit.report import audit
from billing.charges.books import reconcile
from billing.charges.domain import ChargeKind, ChargeStatus
from billing.charges.due import claim_due_charges, create_due_charges
from billing.charges.tables import Charge
from billing.ledger.tables import LedgerTransaction
from billing.local.prepare import prepare
from billing.pledges.domain import PledgeStatus
from billing.pledges.tables import Pledge
from billing.reminders.domain import ReminderStatus
from billing.reminders.tables import Reminder
from billing.revenue.rebuild import keep_up
from billing.revenue.today import read_month, read_past_due
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.seed.story import tell
from billing.settings import Settings
from billing.supporters.tables import Supporter
from tests.conftest import empty
from tests.support.standin import StandIn
from tests.support.taking import submit

RIGA = ZoneInfo("Europe/Riga")
OFFERED = ("usd", "eur", "gbp", "jpy")


class NoLimit:
    def acquire(self, *, ahead: float = 0.0) -> None: ...

    def leave(self) -> None: ...

    def sent(self, at: float) -> None: ...

    def slow_down(self) -> None: ...


@pytest.fixture
def seeded(runtime: Runtime, stripe: StandIn) -> Runtime:
    assert stripe.url
    assert seed_demo(runtime)
    return runtime


def offences(runtime: Runtime) -> list[str]:
    return [line for finding in audit(runtime) for line in finding.offenders]


def test_the_audit_finds_both_sides_in_agreement(seeded: Runtime) -> None:
    assert offences(seeded) == []


def test_there_is_something_of_everything_to_look_at(seeded: Runtime) -> None:
    now = seeded.clock.now()
    keep_up(seeded)
    with seeded.database.transaction() as session:
        seen = read_month(session, seeded.settings.newsroom, now)
        past_due = read_past_due(session)
    assert 15 <= seen.people.all <= 50
    assert all(not each.takings.is_empty for each in seen.chart[:-1])
    assert sum(each.takings.refunds for each in seen.chart) > 0
    assert sum(each.takings.disputes for each in seen.chart) > 0
    assert {each.promised.currency for each in seen.others} >= {"eur", "gbp"}
    assert len(past_due) >= 3
    assert len({each.reason for each in past_due}) >= 3
    assert seen.waiting.reminders >= 4
    assert seen.people.annual >= 2
    with seeded.database.transaction() as session:
        statuses = set(session.scalars(select(Pledge.status)))
        kinds = set(session.scalars(select(Charge.kind)))
        reminders = set(session.scalars(select(Reminder.status)))
    assert statuses == set(PledgeStatus)
    assert kinds == set(ChargeKind)
    assert reminders == {ReminderStatus.WAITING, ReminderStatus.SENT}


def test_a_second_call_does_nothing(seeded: Runtime) -> None:
    with seeded.database.transaction() as session:
        before = session.scalar(select(func.count(Charge.id)))
    assert not seed_demo(seeded)
    with seeded.database.transaction() as session:
        assert session.scalar(select(func.count(Charge.id))) == before


def test_addresses_are_encrypted_and_nobodys(seeded: Runtime) -> None:
    with seeded.database.transaction() as session:
        stored = list(session.scalars(select(Supporter.email_encrypted)))
    addresses = {seeded.vault.decrypt(each) for each in stored if each is not None}
    assert len(addresses) == len(stored)
    assert all(address.endswith("@example.org") for address in addresses)


def test_seeded_pledges_renew_when_the_clock_moves(
    seeded: Runtime, advance: Callable[[timedelta], datetime]
) -> None:
    now = advance(timedelta(days=32))
    zone = seeded.settings.newsroom.timezone
    with seeded.database.transaction() as session:
        batch = create_due_charges(session, zone=zone, now=now, limit=500)
        due = claim_due_charges(session, now=now, limit=500)
    assert len(due) == batch.pledges > 15
    for charge_id in due:
        submit(seeded, NoLimit(), charge_id)
    with seeded.database.transaction() as session:
        statuses = list(session.scalars(select(Charge.status).where(Charge.id.in_(due))))
    assert set(statuses) == {ChargeStatus.SUCCEEDED}


def test_a_new_database_beside_an_old_stand_in_is_given_the_same_history(
    seeded: Runtime, advance: Callable[[timedelta], datetime]
) -> None:
    with seeded.database.transaction() as session:
        before = set(session.scalars(select(Charge.stripe_charge_id)))
    empty(seeded.database)
    advance(timedelta(hours=5))
    assert seed_demo(seeded)
    with seeded.database.transaction() as session:
        assert set(session.scalars(select(Charge.stripe_charge_id))) == before


def test_beside_stripe_itself_nothing_is_made_up(settings: Settings, runtime: Runtime) -> None:
    real = replace(settings.stripe, api_base="https://api.stripe.com")
    parts = replace(runtime, settings=replace(settings, stripe=real))
    assert not seed_demo(parts)
    with runtime.database.transaction() as session:
        assert session.scalar(select(func.count(Supporter.id))) == 0


def test_make_run_prepares_the_newsroom_and_a_way_in(
    runtime: Runtime, settings: Settings, stripe: StandIn
) -> None:
    assert stripe.url
    link = prepare(settings)
    assert link is not None
    assert "/staff/sign-in/" in link
    with runtime.database.transaction() as session:
        assert session.scalar(select(func.count(Supporter.id)))


@pytest.mark.parametrize("day", range(1, 366, 13))
def test_the_story_holds_together_whatever_the_day(day: int) -> None:
    as_of = datetime(2026, 1, 1, 9, 30, 7, tzinfo=UTC) + timedelta(days=day)
    story = tell(as_of, RIGA, OFFERED)
    refs = [p.ref for promise in story.promises for due in promise.dues for p in due.payments]
    assert len(refs) == len(set(refs))
    for promise in story.promises:
        assert promise.dues[0].paid
        for due in promise.dues:
            for payment in due.payments:
                assert payment.at < as_of
                assert payment.refund is None or payment.at < payment.refund[0] < as_of
                assert payment.disputed_at is None or payment.at < payment.disputed_at < as_of
        for ended in (promise.cancelled_at, promise.lapsed_at):
            assert ended is None or promise.anchor < ended < as_of


def test_a_newsroom_that_offers_one_currency_is_given_in_it() -> None:
    story = tell(datetime(2026, 11, 23, tzinfo=UTC), RIGA, ("eur",))
    assert {due.amount.currency for p in story.promises for due in p.dues} == {"eur"}


def test_a_later_payout_belongs_to_no_charge_and_the_books_still_agree(
    seeded: Runtime, advance: Callable[[timedelta], datetime]
) -> None:
    """Neither payouts nor refused charges have a charge at Stripe: they are no pair."""
    advance(timedelta(days=6))
    assert reconcile(seeded) > 0
    with seeded.database.transaction() as session:
        paired = session.scalars(
            select(LedgerTransaction.charge_id).where(LedgerTransaction.category == "payout")
        ).all()
    assert set(paired) == {None}
    assert not [line for line in offences(seeded) if line.startswith("txn_")]
