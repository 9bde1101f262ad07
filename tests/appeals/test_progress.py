"""How far a month has come is read from the ledger, on the newsroom's days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.appeals.domain import GoalState, Progress, month_of
from billing.appeals.service import ProgressBoard, month_progress
from billing.clock import FixedClock
from billing.ledger.domain import Account, Movement
from billing.ledger.service import post
from billing.money import Money
from billing.runtime import Runtime

RIGA = ZoneInfo("Europe/Riga")
NOON = datetime(2026, 5, 15, 12, tzinfo=UTC)


def move(
    runtime: Runtime,
    name: str,
    amount: int,
    *,
    fee: int = 0,
    category: str = "charge",
    at: datetime = NOON,
    charge_id: int | None = 1,
) -> None:
    with runtime.database.transaction() as session:
        post(
            session,
            Movement(
                category=category,
                amount=amount,
                fee=fee,
                net=amount - fee,
                currency="usd",
                original_amount=amount,
                original_currency="usd",
            ),
            stripe_balance_transaction_id=name,
            stripe_charge_id=None,
            charge_id=charge_id,
            income=Account.GIFTS if charge_id else None,
            occurred_at=at,
            available_at=None,
            now=at,
        )


def net(runtime: Runtime, at: datetime = NOON) -> int:
    with runtime.database.transaction() as session:
        return month_progress(session, runtime.settings.newsroom, now=at).net.minor


def test_before_the_first_gift_all_is_missing(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        progress = month_progress(session, runtime.settings.newsroom, now=NOON)
    assert progress.state is GoalState.NONE_YET
    assert progress.gap == progress.goal
    assert progress.percent == 0


def test_counted_is_what_is_left_after_fees_refunds_and_disputes(runtime: Runtime) -> None:
    move(runtime, "txn_1", 10_000, fee=320)
    move(runtime, "txn_2", -2_000, category="refund")
    move(runtime, "txn_3", -1_000, fee=1_500, category="dispute")
    assert net(runtime) == 10_000 - 320 - 2_000 - 1_000 - 1_500


def test_payouts_and_what_is_not_ours_do_not_count(runtime: Runtime) -> None:
    move(runtime, "txn_1", 10_000, fee=320)
    move(runtime, "po_1", -9_000, category="payout", charge_id=None)
    move(runtime, "txn_shop", 7_000, fee=200, charge_id=None)
    assert net(runtime) == 9_680


def test_a_month_begins_at_the_newsrooms_midnight(runtime: Runtime) -> None:
    start = datetime(2026, 5, 1, tzinfo=RIGA)
    move(runtime, "txn_1", 500, at=start - timedelta(seconds=1))
    move(runtime, "txn_2", 700, at=start)
    assert net(runtime) == 700
    assert net(runtime, start - timedelta(hours=1)) == 500


def test_a_month_with_a_change_of_clocks_has_its_own_length() -> None:
    start, end = month_of(datetime(2026, 3, 31, 12, tzinfo=UTC), RIGA)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(days=31, hours=-1)


@pytest.mark.parametrize(
    ("minor", "percent", "gap", "state"),
    [
        (-500, 0, 1_000_500, GoalState.NONE_YET),
        (0, 0, 1_000_000, GoalState.NONE_YET),
        (1, 0, 999_999, GoalState.UNDER),
        (999_999, 99, 1, GoalState.UNDER),
        (1_000_000, 100, 0, GoalState.MET),
        (1_500_000, 100, 0, GoalState.MET),
    ],
)
def test_the_goal_is_met_only_when_nothing_is_missing(
    minor: int, percent: int, gap: int, state: GoalState
) -> None:
    progress = Progress(Money(1_000_000, "usd"), Money(minor, "usd"))
    assert (progress.percent, progress.gap.minor, progress.state) == (percent, gap, state)


def test_the_board_asks_the_ledger_once_a_minute_and_anew_each_month(runtime: Runtime) -> None:
    clock = FixedClock(datetime(2026, 5, 31, 20, 59, 30, tzinfo=UTC))
    parts = Runtime(**{**vars(runtime), "clock": clock})
    board = ProgressBoard()
    assert board.look(parts).net.minor == 0
    move(runtime, "txn_1", 500, at=clock.now())
    assert board.look(parts).net.minor == 0
    clock.advance(timedelta(seconds=29))
    assert board.look(parts).net.minor == 0
    clock.advance(timedelta(seconds=1))
    assert board.look(parts).net.minor == 0
    move(runtime, "txn_2", 900, at=clock.now())
    clock.advance(timedelta(minutes=1))
    assert board.look(parts).net.minor == 900
