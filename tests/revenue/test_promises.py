"""MRR, what is expected, supporters and lists, against plain counting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from billing.charges.attention import attention
from billing.charges.domain import AttemptKind, AttemptStatus, ChargeKind, ChargeStatus
from billing.charges.progress import progress
from billing.charges.tables import Attempt, Charge, EventStatus, WebhookEvent
from billing.ledger.domain import Account, Movement
from billing.ledger.service import post
from billing.money import Money
from billing.outbox import OutboxMessage, OutboxStatus
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.service import cancel, make_pledge, mark_past_due
from billing.pledges.tables import Pledge
from billing.reminders.service import ask
from billing.revenue.bridge import Bridge
from billing.revenue.filters import Filters
from billing.revenue.periods import Period
from billing.revenue.reading import ask as ask_for, read_bridges, read_ending
from billing.revenue.reasons import REASONS, reason_in_words
from billing.revenue.tables import MoveKind
from billing.revenue.today import (
    MonthSoFar,
    People,
    read_month,
    read_past_due,
    read_recent,
)
from billing.runtime import Runtime
from billing.supporters.service import get_or_create
from tests.conftest import empty
from tests.support.revenue import fold_at, month_at

RIGA = ZoneInfo("Europe/Riga")
NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Promise:
    person: int
    cadence: Cadence
    amount: int
    cover: int
    currency: str
    made_at: datetime
    cancelled_after: timedelta | None


def make(runtime: Runtime, promise: Promise) -> int:
    with runtime.database.transaction() as session:
        supporter = get_or_create(
            session,
            runtime.vault,
            address=f"reader{promise.person}@example.org",
            name=None,
            language="en",
            now=promise.made_at,
        )
        pledge = make_pledge(
            session,
            supporter_id=supporter.id,
            cadence=promise.cadence,
            amount=Money(promise.amount + promise.cover, promise.currency),
            fee_cover=Money(promise.cover, promise.currency),
            anchor=promise.made_at,
            zone=RIGA,
            stripe_customer_id="cus_1",
            stripe_payment_method_id="pm_1",
            language="en",
            source={},
            now=promise.made_at,
        )
        pledge_id = pledge.id
    if promise.cancelled_after is not None:
        with runtime.database.transaction() as session:
            cancel(session, pledge_id, zone=RIGA, now=promise.made_at + promise.cancelled_after)
    return pledge_id


def seen(runtime: Runtime, now: datetime = NOW) -> MonthSoFar:
    return month_at(runtime, now)


def bridged(runtime: Runtime, now: datetime = NOW) -> tuple[Bridge, int]:
    """This month's bridge up to today, and what is known to end later."""
    fold_at(runtime, now)
    today = now.astimezone(RIGA).date()
    filters = Filters(period=Period(today.replace(day=1), today))
    with runtime.database.transaction() as session:
        asked = ask_for(session, runtime.settings.newsroom, filters, today, sees_people=True)
        return read_bridges(session, asked)[0], read_ending(session, asked)


def pay(
    runtime: Runtime, at: datetime, paid: int, currency: str, settled: int, *, fee: int = 0
) -> None:
    """A gift, so that the ledger knows a rate and a share of fees."""
    with runtime.database.transaction() as session:
        post(
            session,
            Movement(
                category="charge",
                amount=settled,
                fee=fee,
                net=settled - fee,
                currency="usd",
                original_amount=paid,
                original_currency=currency,
            ),
            stripe_balance_transaction_id=f"txn_{at.isoformat()}{currency}",
            stripe_charge_id=None,
            charge_id=None,
            income=Account.GIFTS,
            occurred_at=at,
            available_at=None,
            now=at,
        )


PROMISES = st.lists(
    st.builds(
        Promise,
        person=st.integers(1, 5),
        cadence=st.sampled_from([Cadence.MONTHLY, Cadence.ANNUAL]),
        amount=st.integers(200, 50_000),
        cover=st.integers(0, 100),
        currency=st.just("usd"),
        made_at=st.datetimes(datetime(2025, 1, 1), datetime(2026, 4, 20), timezones=st.just(UTC)),
        cancelled_after=st.none() | st.timedeltas(timedelta(), timedelta(days=10)),
    ),
    max_size=8,
)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(PROMISES)
def test_mrr_is_what_stands_today_in_exact_twelfths(
    runtime: Runtime, promises: list[Promise]
) -> None:
    empty(runtime.database)
    for promise in sorted(promises, key=lambda each: each.made_at):
        make(runtime, promise)
    expected = 0
    today = NOW.astimezone(RIGA).date()
    for promise in promises:
        months = 1 if promise.cadence is Cadence.MONTHLY else 12
        if promise.cancelled_after is not None:
            local = promise.made_at.astimezone(RIGA)
            month = local.month - 1 + months
            year, month = local.year + month // 12, month % 12 + 1
            day = local.day
            while True:
                try:
                    end = local.replace(year=year, month=month, day=day).date()
                    break
                except ValueError:
                    day -= 1
            if end <= today:
                continue
        expected += promise.amount * 12 // months
    mrr, _ = bridged(runtime)
    assert mrr.end == expected == seen(runtime).mrr.end
    assert mrr.start + mrr.currency_effect + sum(mrr.moves.values()) == mrr.end
    assert mrr.currency_effect == 0
    assert mrr.month(mrr.end) == Money(round(Fraction(expected, 12)), "usd")


def test_the_bridge_names_why_it_moved(runtime: Runtime) -> None:
    march, april = datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 4, 5, tzinfo=UTC)
    make(runtime, Promise(1, Cadence.MONTHLY, 1000, 0, "usd", march, None))
    make(runtime, Promise(2, Cadence.MONTHLY, 2000, 0, "usd", march, timedelta(days=3)))
    make(runtime, Promise(2, Cadence.MONTHLY, 300, 0, "usd", april + timedelta(days=1), None))
    make(runtime, Promise(3, Cadence.ANNUAL, 12_000, 0, "usd", april, None))
    make(runtime, Promise(4, Cadence.MONTHLY, 700, 0, "usd", april, timedelta(days=2)))
    mrr, ending = bridged(runtime)
    assert mrr.start == 3000 * 12 == seen(runtime).mrr.start
    assert mrr.moves[MoveKind.NEW] == 12_000 + 700 * 12
    assert mrr.moves[MoveKind.REACTIVATION] == 300 * 12
    assert mrr.moves[MoveKind.CHURN_VOLUNTARY] == -2000 * 12
    assert ending == -700 * 12


@pytest.mark.parametrize(("hour", "counted"), [(20, True), (22, False)])
def test_a_movement_counts_on_the_newsrooms_day(runtime: Runtime, hour: int, counted: bool) -> None:
    late = datetime(2026, 3, 31, hour, tzinfo=UTC)
    make(runtime, Promise(1, Cadence.MONTHLY, 1000, 0, "usd", late, None))
    assert (seen(runtime).mrr.start == 12_000) is counted


def test_other_currencies_are_valued_at_one_rate_for_the_whole_month(runtime: Runtime) -> None:
    made = datetime(2026, 1, 5, tzinfo=UTC)
    make(runtime, Promise(1, Cadence.MONTHLY, 1000, 0, "eur", made, None))
    pay(runtime, datetime(2026, 2, 10, tzinfo=UTC), 1000, "eur", 1100)
    pay(runtime, datetime(2026, 3, 10, tzinfo=UTC), 1000, "eur", 1200)
    pay(runtime, datetime(2026, 4, 10, tzinfo=UTC), 1000, "eur", 9999)
    mrr, _ = bridged(runtime)
    assert mrr.start == 1100 * 12
    assert mrr.currency_effect == 100 * 12
    assert mrr.end == 1200 * 12
    page = seen(runtime)
    assert (page.mrr.start, page.mrr.end) == (mrr.start, mrr.end)
    [other] = page.others
    assert (other.promised, other.value) == (Money(1000, "eur"), Money(1200, "usd"))


def test_a_currency_without_a_rate_is_named_and_left_out(runtime: Runtime) -> None:
    made = datetime(2026, 3, 25, tzinfo=UTC)
    make(runtime, Promise(1, Cadence.MONTHLY, 1000, 0, "jpy", made, None))
    page = seen(runtime)
    assert page.mrr.end == 0
    [other] = page.others
    assert (other.promised, other.value) == (Money(1000, "jpy"), None)
    assert page.goal.unvalued == {"jpy": 1000}


def test_expected_is_what_is_still_to_be_charged_this_month(runtime: Runtime) -> None:
    pay(runtime, datetime(2026, 3, 10, tzinfo=UTC), 1000, "usd", 1000, fee=100)
    for day, amount in ((25, 1000), (10, 2000)):
        made = datetime(2026, 3, day, tzinfo=UTC)
        make(runtime, Promise(day, Cadence.MONTHLY, amount, 0, "usd", made, None))
    late = make(
        runtime,
        Promise(3, Cadence.MONTHLY, 4000, 0, "usd", datetime(2026, 3, 26, tzinfo=UTC), None),
    )
    with runtime.database.transaction() as session:
        passed = session.scalars(select(Pledge).where(Pledge.amount_minor == 2000)).one()
        passed.next_charge_at = datetime(2026, 5, 10, tzinfo=UTC)
        mark_past_due(session, session.get_one(Pledge, late), reason="expired_card", now=NOW)
        _add_charge(session, passed, ChargeStatus.PROCESSING, 300)
        _add_charge(session, passed, ChargeStatus.DUE, 200, next_attempt_at=NOW)
        _add_charge(session, passed, ChargeStatus.DUE, 7000, next_attempt_at=NOW, due_at=MAY)
        _add_charge(session, passed, ChargeStatus.DECLINED, 900)
    page = seen(runtime)
    assert page.fee_share == Fraction(1, 10)
    assert page.goal.expected == Money((1000 + 500) * 9 // 10, "usd")
    assert page.goal.committed == Money(7000 * 9 // 10, "usd")
    assert page.goal.foreseen == page.goal.received + page.goal.expected
    with runtime.database.transaction() as session:
        [due] = read_past_due(session)
    assert page.waiting.past_due == 1
    assert (due.id, due.reason) == (late, "expired_card")


def _add_charge(
    session: Session, pledge: Pledge, status: ChargeStatus, amount: int, **fields: object
) -> None:
    charge = Charge(
        **{
            "kind": ChargeKind.GIFT,
            "status": status,
            "supporter_id": pledge.supporter_id,
            "currency": "usd",
            "amount_minor": amount,
            "fee_cover_minor": 0,
            "due_at": NOW - timedelta(days=1),
            "created_at": NOW - timedelta(days=1),
            "source": {},
            **fields,
        }
    )
    session.add(charge)
    session.flush()
    if status is ChargeStatus.PROCESSING:
        session.add(
            Attempt(
                charge_id=charge.id,
                number=1,
                kind=AttemptKind.OFF_SESSION,
                status=AttemptStatus.PROCESSING,
                idempotency_key=f"key-{charge.id}",
                params={},
                started_at=charge.created_at,
                last_sent_at=charge.created_at,
                key_since=charge.created_at,
            )
        )


def test_a_supporter_counts_once_and_as_long_as_a_paid_period_runs(runtime: Runtime) -> None:
    made = datetime(2026, 4, 5, tzinfo=UTC)
    ended = datetime(2026, 3, 5, tzinfo=UTC)
    for person, cadence, at, cancelled in (
        (1, Cadence.MONTHLY, made, None),
        (1, Cadence.MONTHLY, made, None),
        (1, Cadence.ANNUAL, made, None),
        (2, Cadence.MONTHLY, made, timedelta(days=1)),
        (3, Cadence.MONTHLY, ended, timedelta(days=1)),
    ):
        make(runtime, Promise(person, cadence, 1000, 0, "usd", at, cancelled))
    assert seen(runtime).people == People(all=2, monthly=2, annual=1)
    in_a_month = datetime(2026, 5, 6, 12, tzinfo=UTC)
    assert seen(runtime, in_a_month).people == People(all=1, monthly=1, annual=1)


def test_the_latest_charges_come_first(runtime: Runtime) -> None:
    made = datetime(2025, 1, 5, tzinfo=UTC)
    make(runtime, Promise(1, Cadence.MONTHLY, 1000, 0, "usd", made, None))
    with runtime.database.transaction() as session:
        pledge = session.scalars(select(Pledge)).one()
        for amount in range(700, 725):
            _add_charge(session, pledge, ChargeStatus.SUCCEEDED, amount, settled_at=NOW)
        recent = read_recent(session)
    assert [each.amount.minor for each in recent] == list(range(724, 704, -1))


def test_pledges_are_counted_by_how_they_stand(runtime: Runtime) -> None:
    made = datetime(2026, 4, 5, tzinfo=UTC)
    make(runtime, Promise(1, Cadence.MONTHLY, 1000, 0, "usd", made, None))
    make(runtime, Promise(2, Cadence.ANNUAL, 1000, 0, "usd", made, None))
    make(runtime, Promise(3, Cadence.MONTHLY, 1000, 0, "usd", made, timedelta(days=1)))
    late = make(runtime, Promise(4, Cadence.MONTHLY, 1000, 0, "usd", made, None))
    with runtime.database.transaction() as session:
        mark_past_due(session, session.get_one(Pledge, late), reason="lost_card", now=NOW)
    assert seen(runtime).people == People(all=4, monthly=3, annual=1)
    assert seen(runtime).waiting.past_due == 1
    with runtime.database.transaction() as session:
        assert session.get_one(Pledge, late).status is PledgeStatus.PAST_DUE


def test_what_waits_and_what_needs_a_person(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        for person, ago in ((1, 20), (2, 3)):
            ask(
                session,
                runtime.vault,
                written=f"later{person}@example.org",
                language="en",
                source={},
                zone=RIGA,
                limit=600,
                now=NOW - timedelta(days=ago),
            )
        for key, status, turn in (
            ("a", OutboxStatus.FAILED, NOW),
            ("b", OutboxStatus.WAITING, NOW - timedelta(hours=1)),
            ("c", OutboxStatus.WAITING, NOW),
        ):
            session.add(
                OutboxMessage(
                    unique_key=key,
                    template="receipt",
                    language="en",
                    recipient_encrypted=b"x",
                    recipient_digest=None,
                    context={},
                    status=status,
                    created_at=turn,
                    next_try_at=turn,
                    tries=0,
                )
            )
        session.add(
            WebhookEvent(
                stripe_event_id="evt_1",
                type="refund.created",
                object_id="re_1",
                created_at=NOW,
                received_at=NOW,
                backfilled=False,
                status=EventStatus.FAILED,
                next_try_at=NOW,
                tries=20,
            )
        )
    waiting = seen(runtime).waiting
    assert waiting.reminders == 2
    assert waiting.next_reminder_at is not None
    assert waiting.next_reminder_at.astimezone(RIGA).date().isoformat() == "2026-04-30"
    with runtime.database.transaction() as session:
        mail, stuck, event = attention(session, now=NOW)
    assert mail.startswith("1 email has failed for good (receipt, no reason given")
    assert stuck.startswith("1 email has been waiting for more than 15 minutes")
    assert event.startswith("Event 1 (refund.created) could not be handled")


def test_the_page_asks_at_most_twelve_times_and_changes_nothing(runtime: Runtime) -> None:
    asked: list[str] = []
    event.listen(
        runtime.database.engine,
        "before_cursor_execute",
        lambda _c, _u, statement, *_: asked.append(statement),
    )
    with runtime.database.transaction() as session:
        read_month(session, runtime.settings.newsroom, NOW)
        attention(session, now=NOW)
        progress(session, zone=RIGA, limit=20, now=NOW)
        read_recent(session)
        read_past_due(session)
    assert len(asked) <= 11, "one more is for signing in"
    assert not [each for each in asked if each.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_every_reason_is_a_sentence_and_an_unknown_one_is_named() -> None:
    for code, sentence in REASONS.items():
        assert sentence.endswith("."), code
        assert code not in sentence
    assert "new_code" in reason_in_words("new_code")
    assert reason_in_words(None) == "No reason was given."


def test_a_pledge_made_today_counts_today_and_one_that_ends_tomorrow_still_does(
    runtime: Runtime,
) -> None:
    make(runtime, Promise(1, Cadence.MONTHLY, 1000, 0, "usd", NOW - timedelta(minutes=5), None))
    ends_tomorrow = datetime(2026, 3, 21, 9, tzinfo=UTC)
    make(runtime, Promise(2, Cadence.MONTHLY, 300, 0, "usd", ends_tomorrow, timedelta(days=2)))
    mrr, ending = bridged(runtime)
    assert mrr.moves[MoveKind.NEW] == 12_000
    assert mrr.end == 1300 * 12
    assert ending == -300 * 12
    assert seen(runtime, NOW + timedelta(days=1)).mrr.end == 1000 * 12
