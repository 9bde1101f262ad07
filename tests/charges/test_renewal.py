"""Step 2 of a renewal, against the stand-in: what is taken, and what is known of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update

from billing.audit.report import audit
from billing.charges.attention import attention
from billing.charges.books import reconcile
from billing.charges.domain import AttemptStatus, ChargeStatus
from billing.charges.due import create_due_charges
from billing.charges.events import is_settled, settle_payment
from billing.charges.opening import open_attempt
from billing.charges.resolve import claim_unsettled, resolve
from billing.charges.submit import send
from billing.charges.tables import Attempt, Charge
from billing.gateway import OutcomeUnknownError
from billing.money import Money
from billing.pledges.domain import PledgeStatus
from billing.pledges.service import cancel
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.webhooks import HANDLERS
from tests.support.after import hear
from tests.support.people import (
    NoLimit,
    attempts_of,
    card_of,
    charges_of,
    get_pledge,
    pledge_of,
    stripe_client,
)
from tests.support.standin import StandIn
from tests.support.taking import submit

Advance = Callable[[timedelta], datetime]
MONTH = timedelta(days=31)


@pytest.fixture
def renew(runtime: Runtime, stripe: StandIn, advance: Advance, now: datetime) -> Callable[..., int]:
    """A pledge on a card, moved on until its first renewal is due: the charge's id."""

    def make(token: str = "pm_card_visa", amount: Money = Money(500, "usd")) -> int:  # noqa: B008
        customer_id, card_id = card_of(stripe, token)
        pledge_id = pledge_of(
            runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id, amount=amount
        )
        moment = advance(MONTH)
        with runtime.database.transaction() as session:
            zone = runtime.settings.newsroom.timezone
            create_due_charges(session, zone=zone, now=moment, limit=10)
        [charge] = charges_of(runtime, pledge_id)
        return charge.id

    return make


def the_charge(runtime: Runtime, charge_id: int) -> Charge:
    with runtime.database.transaction() as session:
        return session.get_one(Charge, charge_id)


def payments_at(stripe: StandIn) -> list[str]:
    return [
        intent.status
        for intent in stripe_client(stripe).v1.payment_intents.list(params={"limit": 100})
    ]


def outbox_keys(runtime: Runtime) -> list[str]:
    with runtime.database.transaction() as session:
        return list(session.execute(text("SELECT unique_key FROM outbox ORDER BY id")).scalars())


def assert_audit_is_clean(runtime: Runtime) -> None:
    assert [finding.line() for finding in audit(runtime) if finding.offenders] == []


def test_a_renewal_takes_the_money_once_and_tells_everyone(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    submit(runtime, NoLimit(), charge_id)
    submit(runtime, NoLimit(), charge_id)
    charge = the_charge(runtime, charge_id)
    assert charge.status is ChargeStatus.SUCCEEDED
    assert payments_at(stripe) == ["succeeded"]
    assert outbox_keys(runtime) == [f"receipt:charge:{charge_id}"]
    with runtime.database.transaction() as session:
        lines = session.execute(
            text("SELECT account, amount_minor FROM ledger_entries ORDER BY id")
        ).all()
    assert [tuple(line) for line in lines] == [("stripe", 455), ("fees", 45), ("pledges", -500)]
    assert_audit_is_clean(runtime)


def test_news_of_a_payment_that_is_posted_asks_stripe_nothing(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    payment = runtime.gateway.charge_off_session(ready.params, ready.idempotency_key)
    assert not is_settled(runtime, payment.id)
    send(runtime, NoLimit(), ready)
    assert is_settled(runtime, payment.id)
    rule = {"kind": "error_500", "method": "GET", "path": "/v1/payment_intents/*", "times": 9}
    stripe.ask("POST", "/_standin/faults", {"rules": [rule]})
    with pytest.raises(OutcomeUnknownError):
        settle_payment(runtime, payment.id)
    assert HANDLERS["payment_intent.succeeded"](runtime, payment.id)
    stripe.ask("DELETE", "/_standin/faults")


def test_many_workers_at_once_take_it_once(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: submit(runtime, NoLimit(), charge_id), range(8)))
    assert payments_at(stripe) == ["succeeded"]
    assert len(attempts_of(runtime, charge_id)) == 1


def test_a_decline_leaves_the_pledge_past_due_with_its_reason(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew("pm_card_chargeCustomerFail")
    submit(runtime, NoLimit(), charge_id)
    charge = the_charge(runtime, charge_id)
    pledge = get_pledge(runtime, charge.pledge_id)
    assert charge.status is ChargeStatus.DECLINED
    assert pledge.status is PledgeStatus.PAST_DUE
    assert pledge.past_due_reason == charge.decline_code == "generic_decline"
    assert pledge.past_due_since is not None
    [attempt] = attempts_of(runtime, charge_id)
    assert attempt.status is AttemptStatus.DECLINED
    assert outbox_keys(runtime) == [f"payment_failed:charge:{charge_id}:retry_later"]
    assert_audit_is_clean(runtime)


def test_a_card_that_asks_for_its_owner_is_past_due_for_that_reason(
    runtime: Runtime, renew: Callable[..., int]
) -> None:
    charge_id = renew("pm_card_authenticationRequired")
    submit(runtime, NoLimit(), charge_id)
    charge = the_charge(runtime, charge_id)
    assert charge.status is ChargeStatus.DECLINED
    assert get_pledge(runtime, charge.pledge_id).past_due_reason == "authentication_required"


def test_the_last_look_sees_a_cancellation(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    pledge_id = the_charge(runtime, charge_id).pledge_id
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=runtime.clock.now())
    submit(runtime, NoLimit(), charge_id)
    assert the_charge(runtime, charge_id).status is ChargeStatus.CANCELLED
    assert payments_at(stripe) == []
    assert_audit_is_clean(runtime)


def test_the_last_look_never_takes_more_than_was_agreed(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    pledge_id = the_charge(runtime, charge_id).pledge_id
    with runtime.database.transaction() as session:
        session.execute(update(Pledge).where(Pledge.id == pledge_id).values(amount_minor=300))
    submit(runtime, NoLimit(), charge_id)
    [payment] = list(stripe_client(stripe).v1.payment_intents.list())
    assert payment.amount == 300
    assert_audit_is_clean(runtime)


def test_a_pledge_without_a_card_is_past_due_and_holds_nobody_up(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        session.execute(update(Pledge).values(stripe_payment_method_id=None))
    submit(runtime, NoLimit(), charge_id)
    charge = the_charge(runtime, charge_id)
    assert (charge.status, charge.decline_code) == (ChargeStatus.DECLINED, "no_payment_method")
    assert payments_at(stripe) == []


def test_a_customer_deleted_at_stripe_ends_in_a_named_state(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    stripe_client(stripe).v1.customers.delete(the_charge(runtime, charge_id).stripe_customer_id)
    submit(runtime, NoLimit(), charge_id)
    [attempt] = attempts_of(runtime, charge_id)
    assert attempt.status is AttemptStatus.REFUSED
    assert attempt.error_code == "resource_missing"
    assert get_pledge(runtime, the_charge(runtime, charge_id).pledge_id).past_due_reason


def test_a_worker_that_died_before_the_call_is_made_good_by_the_sweep(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn, advance: Advance
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        assert open_attempt(session, runtime, charge_id) is not None
    advance(timedelta(minutes=3))
    sweep(runtime)
    assert the_charge(runtime, charge_id).status is ChargeStatus.SUCCEEDED
    assert payments_at(stripe) == ["succeeded"]


def test_a_worker_that_died_after_the_call_is_made_good_without_a_second_charge(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn, advance: Advance
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    runtime.gateway.charge_off_session(ready.params, ready.idempotency_key)
    advance(timedelta(minutes=3))
    sweep(runtime)
    assert the_charge(runtime, charge_id).status is ChargeStatus.SUCCEEDED
    assert payments_at(stripe) == ["succeeded"]
    assert_audit_is_clean(runtime)


def test_a_charge_made_before_a_long_outage_is_found_in_stripes_list(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn, advance: Advance
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    runtime.gateway.charge_off_session(ready.params, ready.idempotency_key)
    advance(timedelta(days=3))
    sweep(runtime)
    assert the_charge(runtime, charge_id).status is ChargeStatus.SUCCEEDED
    assert payments_at(stripe) == ["succeeded"]


def test_a_charge_never_made_before_a_long_outage_is_made_after_it_with_its_own_key(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn, advance: Advance
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    advance(timedelta(days=3))
    sweep(runtime)
    # The first worker was not dead but frozen: it wakes and sends what it had in hand.
    assert ready is not None
    send(runtime, NoLimit(), ready)
    assert the_charge(runtime, charge_id).status is ChargeStatus.SUCCEEDED
    assert payments_at(stripe) == ["succeeded"]
    assert len(attempts_of(runtime, charge_id)) == 1


def test_one_cancelled_during_a_long_outage_is_not_charged_after_it(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn, advance: Advance
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        open_attempt(session, runtime, charge_id)
    pledge_id = the_charge(runtime, charge_id).pledge_id
    zone = runtime.settings.newsroom.timezone
    now = advance(timedelta(days=3))
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=zone, now=now)
    sweep(runtime)
    submit(runtime, NoLimit(), charge_id)
    assert the_charge(runtime, charge_id).status is ChargeStatus.CANCELLED
    assert payments_at(stripe) == []


@pytest.mark.parametrize("asked", [False, True], ids=["never asked", "asked and taken"])
def test_one_cancelled_within_the_hour_is_not_sent_again_but_what_was_taken_is_known(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn, advance: Advance, *, asked: bool
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    if asked:
        runtime.gateway.charge_off_session(ready.params, ready.idempotency_key)
    pledge_id = the_charge(runtime, charge_id).pledge_id
    now = advance(timedelta(minutes=5))
    with runtime.database.transaction() as session:
        cancel(session, pledge_id, zone=runtime.settings.newsroom.timezone, now=now)
    sweep(runtime)
    submit(runtime, NoLimit(), charge_id)
    expected = ChargeStatus.SUCCEEDED if asked else ChargeStatus.CANCELLED
    assert the_charge(runtime, charge_id).status is expected
    assert payments_at(stripe) == (["succeeded"] if asked else [])


def test_news_by_webhook_and_by_answer_are_the_same_news(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        ready = open_attempt(session, runtime, charge_id)
    assert ready is not None
    payment = runtime.gateway.charge_off_session(ready.params, ready.idempotency_key)
    assert settle_payment(runtime, payment.id)
    assert settle_payment(runtime, payment.id)
    send(runtime, NoLimit(), ready)
    assert outbox_keys(runtime) == [f"receipt:charge:{charge_id}"]
    assert reconcile(runtime) == 0


def test_refunds_disputes_and_payouts_reach_the_ledger(
    runtime: Runtime, renew: Callable[..., int], stripe: StandIn, advance: Advance
) -> None:
    charge_id = renew()
    submit(runtime, NoLimit(), charge_id)
    charge = the_charge(runtime, charge_id)
    stripe_client(stripe).v1.refunds.create(
        params={"payment_intent": charge.stripe_payment_intent_id, "amount": 200}
    )
    advance(timedelta(days=4))
    assert reconcile(runtime) >= 2
    assert reconcile(runtime) == 0
    hear(runtime)
    with runtime.database.transaction() as session:
        refunded = session.execute(
            text("SELECT sum(amount_minor) FROM ledger_entries WHERE account = 'refunds'")
        ).scalar_one()
    assert refunded == 200
    findings = {finding.invariant: finding for finding in audit(runtime)}
    assert findings[5].offenders == []


def test_a_payment_in_another_currency_is_settled_at_stripes_rate(
    runtime: Runtime, renew: Callable[..., int]
) -> None:
    charge_id = renew(amount=Money(1000, "jpy"))
    submit(runtime, NoLimit(), charge_id)
    with runtime.database.transaction() as session:
        sums = session.execute(
            text("SELECT currency, sum(amount_minor) FROM ledger_entries GROUP BY 1 ORDER BY 1")
        ).all()
    assert [tuple(row) for row in sums] == [("jpy", 0), ("usd", 0)]
    assert_audit_is_clean(runtime)


def sweep(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        unsettled = claim_unsettled(session, now=runtime.clock.now(), limit=10)
        assert session.get_one(Attempt, unsettled[0])
    for attempt_id in unsettled:
        resolve(runtime, NoLimit(), attempt_id)


def test_staff_hear_of_an_attempt_that_stays_without_an_outcome(
    runtime: Runtime, renew: Callable[..., int], advance: Advance
) -> None:
    charge_id = renew()
    with runtime.database.transaction() as session:
        assert open_attempt(session, runtime, charge_id) is not None
        assert attention(session, now=runtime.clock.now()) == []
    later = advance(timedelta(hours=2))
    with runtime.database.transaction() as session:
        [line] = attention(session, now=later)
    assert line.startswith(
        f"Nobody knows yet whether attempt 1 of charge {charge_id} took the money"
    )


def test_the_country_of_the_first_card_stays(
    runtime: Runtime, stripe: StandIn, renew: Callable[..., int]
) -> None:
    charge_id = renew("pm_card_de")
    assert the_charge(runtime, charge_id).card_country is None
    submit(runtime, NoLimit(), charge_id)
    assert the_charge(runtime, charge_id).card_country == "DE"
