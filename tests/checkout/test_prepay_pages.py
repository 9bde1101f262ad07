"""Pages on which months are paid ahead are closed once their pledge is not what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from billing.charges.attention import attention
from billing.charges.cancelling import cancel_pledge
from billing.charges.domain import ChargeStatus
from billing.checkout.closing import close_page, find_outdated
from billing.checkout.domain import CheckoutStatus
from billing.checkout.errors import CheckoutUnavailableError
from billing.checkout.prepay import start_prepaying
from billing.checkout.tables import Checkout
from billing.gateway import Gateway, OutcomeUnknownError
from billing.pledges.domain import PledgeStatus
from billing.runtime import Runtime
from tests.support.after import hear, run_sql, wrong
from tests.support.changes import agree, pause, run_day, skip, turn_of
from tests.support.people import card_of, charges_of, get_pledge, pledge_of, stripe_client
from tests.support.standin import StandIn

Advance = Callable[[timedelta], datetime]
Change = Callable[[Runtime, int], object]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def pledge_id(runtime: Runtime, stripe: StandIn, now: datetime) -> int:
    customer_id, card_id = card_of(stripe)
    return pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)


def open_page(runtime: Runtime, pledge_id: int, months: int = 3) -> str:
    seen, turn = get_pledge(runtime, pledge_id).version, turn_of(runtime, pledge_id)
    return start_prepaying(
        runtime, pledge_id, months=months, seen=seen, turn=turn, title="Three months"
    )


def sweep(runtime: Runtime) -> list[int]:
    """Close what is out of date: which checkouts that were."""
    with runtime.database.transaction() as session:
        found = find_outdated(session, now=runtime.clock.now(), limit=10)
    for checkout_id in found:
        close_page(runtime, checkout_id)
    return found


def at_stripe(stripe: StandIn) -> list[str | None]:
    """How Stripe's pages stand, the first opened first."""
    pages = stripe_client(stripe).v1.checkout.sessions.list()
    return [page.status for page in reversed(list(pages))]


def status_of(runtime: Runtime, checkout_id: int) -> CheckoutStatus:
    with runtime.database.transaction() as session:
        return session.get_one(Checkout, checkout_id).status


def cancel(runtime: Runtime, pledge_id: int) -> None:
    with runtime.database.transaction() as session:
        cancel_pledge(session, runtime, pledge_id, now=runtime.clock.now())


def take_a_break(runtime: Runtime, pledge_id: int) -> None:
    pause(runtime, pledge_id, runtime.clock.now() + timedelta(days=20))


def lower(runtime: Runtime, pledge_id: int) -> None:
    agree(runtime, pledge_id, 300)


@pytest.mark.parametrize("change", [cancel, take_a_break, lower, skip])
def test_a_page_is_closed_when_its_pledge_has_changed(
    runtime: Runtime, stripe: StandIn, pledge_id: int, change: Change
) -> None:
    open_page(runtime, pledge_id)
    change(runtime, pledge_id)
    assert sweep(runtime) == [1]
    assert at_stripe(stripe) == ["expired"]
    assert status_of(runtime, 1) is CheckoutStatus.EXPIRED
    assert sweep(runtime) == []
    assert wrong(runtime) == []


def test_a_page_is_closed_when_its_pledge_is_held(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    open_page(runtime, pledge_id)
    run_sql(runtime, "UPDATE pledges SET held_since = created_at")
    assert sweep(runtime) == [1]
    assert at_stripe(stripe) == ["expired"]


def test_a_page_whose_pledge_is_as_it_was_stays_open(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    open_page(runtime, pledge_id)
    assert sweep(runtime) == []
    assert at_stripe(stripe) == ["open"]


def test_a_decline_meanwhile_leaves_it_open_for_its_payer_may_make_it_good_there(
    runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime
) -> None:
    customer_id, card_id = card_of(stripe, "pm_card_chargeCustomerFail")
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    due = get_pledge(runtime, pledge_id).next_charge_at
    assert due is not None
    advance(due - now - 10 * MINUTE)
    open_page(runtime, pledge_id)
    advance(11 * MINUTE)
    run_day(runtime)
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.PAST_DUE
    assert sweep(runtime) == []


def test_paid_before_it_was_closed_it_is_recorded_and_staff_are_told(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    url = open_page(runtime, pledge_id)
    cancel(runtime, pledge_id)
    stripe.pay(url)
    assert sweep(runtime) == [1]
    assert status_of(runtime, 1) is CheckoutStatus.PAID
    assert [charge.status for charge in charges_of(runtime, pledge_id)] == [ChargeStatus.SUCCEEDED]
    assert get_pledge(runtime, pledge_id).status is PledgeStatus.CANCELLED
    with runtime.database.transaction() as session:
        said = attention(session, now=runtime.clock.now())
    assert any("charge 1 had paid ahead" in line for line in said)
    hear(runtime)
    assert wrong(runtime) == []


def test_the_other_page_is_closed_when_one_was_paid(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    open_page(runtime, pledge_id, 6)
    stripe.pay(open_page(runtime, pledge_id, 3))
    hear(runtime)
    assert sweep(runtime) == [1]
    assert at_stripe(stripe) == ["expired", "complete"]


def test_what_is_to_be_closed_is_not_handed_out_again(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    old = open_page(runtime, pledge_id)
    skip(runtime, pledge_id)
    assert open_page(runtime, pledge_id) != old
    assert sweep(runtime) == [1]
    assert at_stripe(stripe) == ["expired", "open"]


def away(runtime: Runtime) -> Runtime:
    settings = replace(runtime.settings.stripe, api_base="http://127.0.0.1:9")
    return replace(runtime, gateway=Gateway(settings))


def test_while_stripe_is_away_it_is_tried_again(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    open_page(runtime, pledge_id)
    cancel(runtime, pledge_id)
    with pytest.raises(OutcomeUnknownError):
        sweep(away(runtime))
    assert sweep(runtime) == [1]
    assert at_stripe(stripe) == ["expired"]


def test_a_page_whose_opening_nobody_heard_of_is_found_and_closed(
    runtime: Runtime, stripe: StandIn, pledge_id: int
) -> None:
    open_page(runtime, pledge_id)
    run_sql(runtime, "UPDATE checkouts SET stripe_session_id = NULL, stripe_url = NULL")
    cancel(runtime, pledge_id)
    assert sweep(runtime) == [1]
    assert at_stripe(stripe) == ["expired"]


def test_one_that_stripe_never_opened_and_will_not_any_more_is_written_off(
    runtime: Runtime, stripe: StandIn, advance: Advance, pledge_id: int
) -> None:
    with pytest.raises(CheckoutUnavailableError):
        open_page(away(runtime), pledge_id)
    cancel(runtime, pledge_id)
    advance(35 * MINUTE)
    assert sweep(runtime) == [1]
    assert at_stripe(stripe) == []
    assert status_of(runtime, 1) is CheckoutStatus.EXPIRED
