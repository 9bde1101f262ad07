"""Many charges at once: what is taken, by whom, and what happens when something fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from billing.charges.due import create_due_charges
from billing.charges.locks import moment_under_lock
from billing.charges.opening import open_attempts
from billing.charges.resolve import claim_unsettled, resolve
from billing.charges.taking import BATCH, Taking, ahead
from billing.pledges.service import cancel
from billing.runtime import Runtime, build_runtime
from tests.support.after import Advance, rows, run_sql, wrong
from tests.support.newsroom import wait_for
from tests.support.people import NoLimit, card_of, pledge_of, stripe_client
from tests.support.standin import StandIn

THREADS = 8
Due = Callable[..., list[int]]


@pytest.fixture
def due(runtime: Runtime, stripe: StandIn, advance: Advance) -> Due:
    """So many charges of as many pledges, due: their ids, the same as those of their pledges."""

    def make(count: int, *tokens: str) -> list[int]:
        anchor = runtime.clock.now()
        cards = [card_of(stripe, token) for token in tokens or ("pm_card_visa",)]
        for number in range(count):
            customer_id, method_id = cards[number % len(cards)]
            pledge_of(
                runtime, anchor=anchor, customer_id=customer_id, payment_method_id=method_id,
                address=f"reader-{number}@example.org",
            )  # fmt: skip
        now, zone = advance(timedelta(days=31)), runtime.settings.newsroom.timezone
        with runtime.database.transaction() as session:
            create_due_charges(session, zone=zone, now=now, limit=count)
        found = rows(runtime, "SELECT id, pledge_id FROM charges ORDER BY id")
        assert all(charge_id == pledge_id for charge_id, pledge_id in found)
        return [charge_id for charge_id, _ in found]

    return make


def taking(runtime: Runtime, limiter: NoLimit | None = None, threads: int = THREADS) -> Taking:
    return Taking(runtime, limiter or NoLimit(), threads=threads)


def statuses(runtime: Runtime, table: str = "charges") -> dict[str, int]:
    return dict(rows(runtime, f"SELECT status, count(*) FROM {table} GROUP BY 1"))  # type: ignore[arg-type]  # noqa: S608


def payments(stripe: StandIn) -> int:
    listed = stripe_client(stripe).v1.payment_intents.list(params={"limit": 100})
    return sum(payment.status == "succeeded" for payment in listed.auto_paging_iter())


def sweep(runtime: Runtime, advance: Advance) -> None:
    advance(timedelta(minutes=3))
    with runtime.database.transaction() as session:
        unsettled = claim_unsettled(session, now=runtime.clock.now(), limit=1000)
    for attempt_id in unsettled:
        resolve(runtime, NoLimit(), attempt_id)


@contextmanager
def refused_by_the_database(runtime: Runtime, table: str, condition: str) -> Iterator[None]:
    """Rows of a table that meet a condition cannot be added."""
    run_sql(
        runtime,
        "CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'a row that nobody can add'; END $$",
        f"CREATE TRIGGER bad BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) "
        "EXECUTE FUNCTION bad()",
    )
    try:
        yield
    finally:
        run_sql(runtime, "DROP FUNCTION bad CASCADE")


def test_everything_due_is_taken_once_and_everyone_is_told(
    runtime: Runtime, stripe: StandIn, due: Due
) -> None:
    count = len(due(2 * BATCH + 7))
    assert taking(runtime).run() == count
    assert statuses(runtime) == statuses(runtime, "attempts") == {"succeeded": count}
    assert rows(runtime, "SELECT count(DISTINCT unique_key) FROM outbox") == [(count,)]
    assert payments(stripe) == count
    assert wrong(runtime) == []
    assert taking(runtime).run() == 0


def test_what_is_not_plainly_paid_is_recorded_too(runtime: Runtime, due: Due) -> None:
    tokens = ("pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired")
    due(12, *tokens)
    assert taking(runtime).run() == 12
    assert statuses(runtime) == {"succeeded": 4, "declined": 8}
    assert rows(runtime, "SELECT template, count(*) FROM outbox GROUP BY 1 ORDER BY 1") == [
        ("confirm_payment", 4), ("payment_failed", 4), ("receipt", 4)
    ]  # fmt: skip
    assert wrong(runtime) == []


def test_two_processes_at_once_share_the_work(runtime: Runtime, stripe: StandIn, due: Due) -> None:
    count = len(due(3 * BATCH))
    other = build_runtime(runtime.settings)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda parts: taking(parts).run(), (runtime, other)))
    other.database.dispose()
    assert sum(made) == count
    assert rows(runtime, "SELECT count(*), max(number) FROM attempts") == [(count, 1)]
    assert payments(stripe) == count


def test_two_that_open_the_same_charges_open_each_once(runtime: Runtime, due: Due) -> None:
    charges = due(40)

    def open_all(order: list[int]) -> int:
        with runtime.database.transaction() as session:
            return len(open_attempts(session, runtime, order))

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(open_all, [charges, charges[::-1]] * 4))
    assert sum(opened) == 40
    assert statuses(runtime, "attempts") == {"in_flight": 40}


def test_one_run_at_a_time(runtime: Runtime, due: Due) -> None:
    due(3)
    gate = Gate()
    one = taking(runtime, gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one.run)
        wait_for(lambda: gate.waiting, "the first turn")
        assert one.run() == 0
        gate.open.set()
        assert first.result(30) == 3


def test_little_is_open_ahead_and_a_cancellation_meanwhile_is_seen(
    runtime: Runtime, stripe: StandIn, due: Due
) -> None:
    charges, gate = due(60), Gate()
    most = ahead(runtime.settings.stripe.requests_per_second)
    assert most == 20
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(taking(runtime, gate, threads=3).run)
        wait_for(lambda: statuses(runtime, "attempts") == {"in_flight": most}, "the first")
        last = charges[-1]
        with runtime.database.transaction() as session:
            zone = runtime.settings.newsroom.timezone
            cancel(session, last, zone=zone, now=runtime.clock.now())
        assert statuses(runtime, "attempts") == {"in_flight": most}
        gate.open.set()
        assert run.result(60) == 59
    assert statuses(runtime) == {"succeeded": 59, "cancelled": 1}
    assert payments(stripe) == 59


def test_ahead_of_the_senders_is_a_second_of_work() -> None:
    assert [ahead(rate) for rate in (0.1, 25, 100, 100_000)] == [2, 25, 100, 100]


def test_one_that_cannot_be_opened_holds_up_no_other(
    runtime: Runtime, stripe: StandIn, due: Due
) -> None:
    due(10)
    with refused_by_the_database(runtime, "attempts", "NEW.charge_id = 4"), capture_logs() as logs:
        assert taking(runtime).run() == 9
    assert statuses(runtime) == {"succeeded": 9, "due": 1}
    assert payments(stripe) == 9
    assert [line["charge"] for line in logs if line["event"].endswith("be opened")] == [4]


def test_one_that_cannot_be_recorded_holds_up_no_other_and_is_found_by_the_sweep(
    runtime: Runtime, stripe: StandIn, due: Due, advance: Advance
) -> None:
    due(10)
    bad = "NEW.unique_key = 'receipt:charge:4'"
    with refused_by_the_database(runtime, "outbox", bad), capture_logs() as logs:
        taking(runtime).run()
    assert statuses(runtime) == {"succeeded": 9, "submitted": 1}
    assert any(line.get("attempt") for line in logs)
    sweep(runtime, advance)
    assert statuses(runtime) == {"succeeded": 10}
    assert payments(stripe) == 10
    assert wrong(runtime) == []


def test_a_fault_in_a_sender_is_told_and_ends_nothing(
    runtime: Runtime, stripe: StandIn, due: Due, advance: Advance
) -> None:
    due(10)
    with capture_logs() as logs:
        assert taking(runtime, Stumbling()).run() == 10
    assert statuses(runtime) == {"succeeded": 9, "submitted": 1}
    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "an attempt could not be sent"
    ]
    sweep(runtime, advance)
    assert statuses(runtime) == {"succeeded": 10}
    assert payments(stripe) == 10


def test_what_a_process_left_open_is_made_good_by_the_sweep(
    runtime: Runtime, stripe: StandIn, due: Due, advance: Advance
) -> None:
    """Killed with half of a batch at Stripe and nothing of it recorded."""
    charges = due(10)
    with runtime.database.transaction() as session:
        opened = open_attempts(session, runtime, charges)
    for ready in opened[::2]:
        runtime.gateway.charge_off_session(ready.params, ready.idempotency_key)
    assert taking(runtime).run() == 0
    sweep(runtime, advance)
    assert statuses(runtime) == {"succeeded": 10}
    assert payments(stripe) == 10
    assert wrong(runtime) == []


def test_told_to_stop_it_sends_and_records_what_is_open_and_opens_no_more(
    runtime: Runtime, stripe: StandIn, due: Due
) -> None:
    due(60)
    gate, stop = Gate(), threading.Event()
    run = Taking(runtime, gate, threads=3, stopping=stop.is_set)
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(run.run)
        wait_for(lambda: statuses(runtime, "attempts") == {"in_flight": 20}, "the first")
        stop.set()
        gate.open.set()
        assert made.result(30) == 20
    assert statuses(runtime) == {"succeeded": 20, "due": 40}
    assert payments(stripe) == 20


def test_supporters_who_cancel_and_change_meanwhile_wait_for_nobody_for_ever(
    runtime: Runtime, due: Due
) -> None:
    """Whoever locks many locks pledges first, in the order of their ids: nobody is a deadlock."""
    charges = due(3 * BATCH)

    def change(pledge_id: int) -> None:
        if pledge_id % 3:
            with runtime.database.transaction() as session:
                zone = runtime.settings.newsroom.timezone
                now = moment_under_lock(session, pledge_id, runtime.clock)
                cancel(session, pledge_id, zone=zone, now=now)
        else:
            run_sql(
                runtime,
                f"SELECT * FROM pledges WHERE id = {pledge_id} FOR UPDATE",  # noqa: S608
                f"UPDATE charges SET amount_minor = 500 WHERE pledge_id = {pledge_id}",  # noqa: S608
            )

    with capture_logs() as logs, ThreadPoolExecutor(6) as pool:
        run = pool.submit(taking(runtime).run)
        list(pool.map(change, charges[::-1]))
        made = run.result(60)
    assert [line for line in logs if line["log_level"] == "error"] == []
    found = statuses(runtime)
    assert found["succeeded"] == made
    assert found["succeeded"] + found.get("cancelled", 0) == len(charges)
    assert wrong(runtime) == []


class Gate(NoLimit):
    """A pace that lets nobody through until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.waiting = False

    def acquire(self, *, ahead: float = 0.0) -> None:
        self.waiting = True
        assert self.open.wait(60)


class Stumbling(NoLimit):
    """A pace that fails the first time it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self._left = [True]

    def acquire(self, *, ahead: float = 0.0) -> None:
        if self._left:
            self._left.pop()
            raise RuntimeError("out of step")
