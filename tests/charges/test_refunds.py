"""Money given back: by us or on Stripe, whole or in part, once, and never more than was paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from billing.charges.errors import RefundRefusedError
from billing.charges.refunds import claim_refunds, request_refund, send
from billing.charges.tables import Charge
from billing.pledges.domain import PledgeStatus
from billing.runtime import Runtime, build_runtime
from billing.settings import Settings
from tests.support.after import (
    Advance,
    Reader,
    balance_of,
    hear,
    paid_renewal,
    rows,
    run_sql,
    wrong,
)
from tests.support.people import NoLimit, stripe_client
from tests.support.standin import StandIn

ANOTHER = (
    "INSERT INTO refunds (charge_id, status, amount_minor, currency, asked_by, left_minor,"
    " idempotency_key, params, requested_at, next_try_at, changed_at) SELECT charge_id, status, 1,"
    " currency, asked_by, left_minor, 'another', params, requested_at, next_try_at, changed_at"
    " FROM refunds"
)
Paid = Callable[..., Reader]


@pytest.fixture
def paid(runtime: Runtime, stripe: StandIn, advance: Advance) -> Paid:
    return lambda token="pm_card_visa": paid_renewal(runtime, stripe, advance, token)


@pytest.fixture
def impatient(runtime: Runtime, settings: Settings) -> Iterator[Runtime]:
    """The same newsroom, for which Stripe is too slow after half a second."""
    hurried = replace(settings, stripe=replace(settings.stripe, read_seconds=0.5))
    parts = build_runtime(hurried)
    yield parts
    parts.database.dispose()


def ask(reader: Reader, amount: int | None = None, **options: bool) -> int:
    runtime = reader.runtime
    with runtime.database.transaction() as session:
        return request_refund(
            session,
            runtime,
            reader.charge_id,
            amount_minor=amount,
            asked_by="Anna",
            now=runtime.clock.now(),
            **options,
        )


def work(runtime: Runtime) -> list[int]:
    with runtime.database.transaction() as session:
        claimed = claim_refunds(session, now=runtime.clock.now(), limit=10)
    for refund_id in claimed:
        send(runtime, NoLimit(), refund_id)
    return claimed


def states(runtime: Runtime) -> list[tuple[str, int]]:
    return [
        (s, a) for s, a in rows(runtime, "SELECT status, amount_minor FROM refunds ORDER BY id")
    ]


def letters(runtime: Runtime) -> list[str]:
    query = "SELECT status FROM outbox WHERE template = 'refunded' ORDER BY id"
    return [status for (status,) in rows(runtime, query)]


def at_stripe(stripe: StandIn) -> list[int]:
    return [refund.amount for refund in stripe_client(stripe).v1.refunds.list()]


def test_a_refund_in_full_goes_back_once_and_the_pledge_goes_on(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    ask(reader)
    assert work(runtime) != []
    hear(runtime)
    assert work(runtime) == []
    assert rows(runtime, "SELECT status, failure_code FROM refunds") == [("succeeded", None)]
    assert at_stripe(stripe) == [500]
    assert reader.charge.refunded_minor == 500
    assert reader.pledge.status is PledgeStatus.ACTIVE
    assert balance_of(runtime, "refunds") == 500
    [(context,)] = rows(runtime, "SELECT context FROM outbox WHERE template = 'refunded'")
    assert context.pop("refunded_at")
    assert context == {
        "amount_minor": 500,
        "currency": "usd",
        "full": True,
        "charge_amount_minor": 500,
    }
    assert wrong(runtime) == []


def test_a_refund_may_end_the_pledge_too(runtime: Runtime, paid: Paid) -> None:
    reader = paid()
    ask(reader, also_cancel=True)
    work(runtime)
    assert reader.pledge.status is PledgeStatus.CANCELLED
    assert rows(runtime, "SELECT count(*) FROM outbox WHERE template = 'cancelled'") == [(1,)]


def test_parts_are_given_back_until_nothing_is_left(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    for amount in (200, 300):
        ask(reader, amount)
        work(runtime)
    assert reader.charge.refunded_minor == 500
    contexts = rows(runtime, "SELECT context->>'full' FROM outbox WHERE template = 'refunded'")
    assert sorted(contexts) == [("false",), ("true",)]
    with pytest.raises(RefundRefusedError, match="given back in full already"):
        ask(reader)
    assert at_stripe(stripe) == [300, 200]
    hear(runtime)
    assert wrong(runtime) == []


@pytest.mark.parametrize("amount", [-1, 0, 501])
def test_never_more_than_is_left(paid: Paid, amount: int) -> None:
    with pytest.raises(RefundRefusedError, match="Between 1 and 500"):
        ask(paid(), amount)


def test_a_charge_that_was_not_paid_has_nothing_to_give_back(paid: Paid) -> None:
    with pytest.raises(RefundRefusedError, match="was not paid"):
        ask(paid("pm_card_chargeCustomerFail"))


def test_of_two_at_once_the_second_is_refused_in_words(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()

    def try_to_ask(_: int) -> str:
        try:
            return str(ask(reader, 300))
        except RefundRefusedError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(try_to_ask, range(4)))
    assert [answer.isdigit() for answer in answers] == [True, False, False, False]
    assert all("on its way to Stripe" in answer for answer in answers[1:])
    work(runtime)
    assert at_stripe(stripe) == [300]


def test_the_database_itself_holds_the_rules(runtime: Runtime, paid: Paid) -> None:
    ask(paid(), 300)
    for broken in (
        "UPDATE refunds SET amount_minor = 501",
        "UPDATE refunds SET amount_minor = 0",
        "UPDATE charges SET refunded_minor = 501",
        ANOTHER,
    ):
        with pytest.raises(IntegrityError):
            run_sql(runtime, broken)


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "timeout_before", "error_429"])
def test_an_unknown_outcome_is_replayed_under_its_own_key(
    runtime: Runtime,
    impatient: Runtime,
    stripe: StandIn,
    paid: Paid,
    advance: Advance,
    fault: str,
) -> None:
    reader = paid()
    ask(reader)
    stripe.ask(
        "POST",
        "/_standin/faults",
        {"rules": [{"kind": fault, "method": "POST", "path": "/v1/refunds", "times": 1}]},
    )
    work(impatient)
    assert states(runtime) == [("requested", 500)]
    assert work(runtime) == []
    advance(timedelta(minutes=3))
    work(runtime)
    assert states(runtime) == [("succeeded", 500)]
    assert at_stripe(stripe) == [500]


def test_after_a_long_outage_it_is_found_in_stripes_list(
    runtime: Runtime, stripe: StandIn, paid: Paid, advance: Advance
) -> None:
    reader = paid()
    ask(reader, 200)
    stripe.ask(
        "POST",
        "/_standin/faults",
        {"rules": [{"kind": "reset_after", "method": "POST", "path": "/v1/refunds", "times": 1}]},
    )
    work(runtime)
    advance(timedelta(days=3))
    work(runtime)
    assert states(runtime) == [("succeeded", 200)]
    assert at_stripe(stripe) == [200]


def test_one_that_never_reached_stripe_is_made_after_a_long_outage(
    runtime: Runtime, stripe: StandIn, paid: Paid, advance: Advance
) -> None:
    ask(paid(), 200)
    with runtime.database.transaction() as session:
        claim_refunds(session, now=runtime.clock.now(), limit=10)
    advance(timedelta(days=3))
    work(runtime)
    assert at_stripe(stripe) == [200]
    assert states(runtime) == [("succeeded", 200)]


def test_a_refund_begun_on_stripe_is_taken_over(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    reader.refund_on_stripe(200)
    reader.refund_on_stripe(100)
    hear(runtime)
    hear(runtime)
    assert states(runtime) == [("succeeded", 200), ("succeeded", 100)]
    assert reader.charge.refunded_minor == 300
    assert letters(runtime) == ["waiting", "waiting"]
    assert wrong(runtime) == []


def test_what_stripe_refuses_ends_in_a_named_state(
    runtime: Runtime, stripe: StandIn, paid: Paid
) -> None:
    reader = paid()
    reader.refund_on_stripe()
    ask(reader, 200)
    work(runtime)
    assert rows(runtime, "SELECT status, failure_code FROM refunds") == [
        ("refused", "charge_already_refunded")
    ]
    hear(runtime)
    assert states(runtime) == [("refused", 200), ("succeeded", 500)]
    assert reader.charge.refunded_minor == 500
    assert wrong(runtime) == []


def test_one_that_fails_later_undoes_itself(runtime: Runtime, paid: Paid, advance: Advance) -> None:
    reader = paid("pm_card_refundFail")
    ask(reader)
    work(runtime)
    assert (states(runtime), reader.charge.refunded_minor) == ([("succeeded", 500)], 500)
    advance(timedelta(minutes=1))
    hear(runtime)
    assert (states(runtime), reader.charge.refunded_minor) == ([("failed", 500)], 0)
    assert balance_of(runtime, "refunds") == 0
    assert letters(runtime) == ["dropped"]
    assert wrong(runtime) == []
    ask(reader, 100)


def test_one_that_is_pending_is_written_about_when_it_has_gone(
    runtime: Runtime, paid: Paid, advance: Advance
) -> None:
    reader = paid("pm_card_pendingRefund")
    ask(reader)
    work(runtime)
    assert (states(runtime), letters(runtime)) == ([("pending", 500)], [])
    assert reader.charge.refunded_minor == 500
    advance(timedelta(minutes=1))
    hear(runtime)
    assert (states(runtime), letters(runtime)) == ([("succeeded", 500)], ["waiting"])


def test_news_of_a_payment_not_recorded_yet_waits_for_it(
    runtime: Runtime, paid: Paid, advance: Advance
) -> None:
    reader = paid()
    refund = reader.refund_on_stripe(200)
    known = reader.charge.stripe_charge_id
    run_sql(runtime, "UPDATE charges SET stripe_charge_id = NULL")
    hear(runtime)
    assert states(runtime) == []
    run_sql(runtime, f"UPDATE charges SET stripe_charge_id = '{known}'")  # noqa: S608
    advance(timedelta(minutes=1))
    hear(runtime)
    assert states(runtime) == [("succeeded", 200)]
    assert refund.amount == 200


def test_another_shops_refund_is_no_matter_of_ours(runtime: Runtime, stripe: StandIn) -> None:
    client = stripe_client(stripe)
    charge = client.v1.charges.create(
        params={"amount": 900, "currency": "usd", "source": "tok_visa"}
    )
    client.v1.refunds.create(params={"charge": charge.id})
    hear(runtime)
    assert rows(
        runtime, "SELECT DISTINCT status FROM webhook_events WHERE type LIKE 'refund%'"
    ) == [("ignored",)]
    assert runtime.database is not None
    with runtime.database.transaction() as session:
        assert session.query(Charge).count() == 0
