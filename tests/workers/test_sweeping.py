"""One row that cannot be closed holds up no other, however many such rows there are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from billing.charges.attention import attention
from billing.checkout.prepay import start_prepaying
from billing.gateway import OutcomeUnknownError
from billing.runtime import Runtime
from tests.support.after import rows, run_sql
from tests.support.people import card_of, pledge_of
from tests.support.standin import StandIn
from workers.sweeping import SILENT_IN_A_ROW, SweepIncompleteError, all_of, close_each

Advance = Callable[[timedelta], datetime]


def test_every_row_is_tried_and_the_failures_are_told_at_the_end() -> None:
    closed: list[int] = []

    def close(which: int) -> None:
        if which % 2:
            raise ValueError(which)
        closed.append(which)

    def find(after: int) -> list[int]:
        return [which for which in range(1, 26) if which > after][:4]

    with pytest.raises(SweepIncompleteError, match="13"):
        close_each(all_of(find), close)
    assert closed == list(range(2, 26, 2))


def test_while_stripe_is_away_it_is_not_asked_for_every_row() -> None:
    asked: list[int] = []

    def close(which: int) -> None:
        asked.append(which)
        raise OutcomeUnknownError(None)

    with pytest.raises(SweepIncompleteError):
        close_each(range(1, 100), close)
    assert len(asked) == SILENT_IN_A_ROW


def test_a_page_that_stripe_does_not_know_holds_up_no_other_and_is_written_off(
    runtime: Runtime,
    stripe: StandIn,
    environment: dict[str, str],
    advance: Advance,
    now: datetime,
) -> None:
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    for months in (3, 6):
        start_prepaying(runtime, pledge_id, months=months, seen=0, turn=1, title="Ahead")
    run_sql(runtime, "UPDATE checkouts SET stripe_session_id = 'cs_gone' WHERE id = 1")
    advance(timedelta(hours=2))
    assert close_checkouts(environment) != 0
    assert states(runtime) == [("open", None), ("expired", None)]
    advance(timedelta(days=1))
    assert close_checkouts(environment) == 0
    assert states(runtime) == [("expired", "session_missing"), ("expired", None)]
    with runtime.database.transaction() as session:
        lines = attention(session, now=runtime.clock.now())
    assert any("does not know the page of checkout 1 (cs_gone)" in line for line in lines)


def states(runtime: Runtime) -> list[tuple[object, ...]]:
    return rows(runtime, "SELECT status, failure_code FROM checkouts ORDER BY id")


def close_checkouts(environment: dict[str, str]) -> int:
    """Run the task in another process, as a worker would: how that ended."""
    code = "from workers.charges import close_checkouts; close_checkouts()"
    command = [sys.executable, "-c", code]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, check=False, capture_output=True, timeout=60).returncode
