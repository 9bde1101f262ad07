"""Each invariant, broken in the database on purpose: the audit names it and the offending ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from billing.audit.report import audit
from billing.charges.due import create_due_charges
from billing.cli import main
from billing.runtime import Runtime
from tests.support.people import NoLimit, card_of, charges_of, pledge_of, stripe_client
from tests.support.standin import StandIn
from tests.support.taking import submit

DROP_PERIOD = "ALTER TABLE charges DROP CONSTRAINT uq_charges_pledge_id_period"
ADD_PERIOD = (
    "ALTER TABLE charges ADD CONSTRAINT uq_charges_pledge_id_period UNIQUE (pledge_id, period)"
)
DROP_OPEN = "DROP INDEX uq_attempts_one_open"
ADD_OPEN = (
    "CREATE UNIQUE INDEX uq_attempts_one_open ON attempts (charge_id)"
    " WHERE status IN ('in_flight', 'unknown', 'processing')"
)
AGAIN = (
    "INSERT INTO charges (kind, status, supporter_id, pledge_id, period, currency, amount_minor,"
    " fee_cover_minor, refunded_minor, due_at, created_at, source)"
    " SELECT kind, 'cancelled', supporter_id, pledge_id, {period}, currency, amount_minor,"
    " fee_cover_minor, 0, due_at, created_at, source FROM charges"
)
ANOTHER_ATTEMPT = (
    "INSERT INTO attempts (charge_id, number, kind, status, idempotency_key, params, started_at,"
    " last_sent_at, key_since, finished_at) SELECT charge_id, number + {n}, kind, '{status}',"
    " 'key-{n}', params, {started}, last_sent_at, key_since, {finished} FROM attempts"
    " WHERE number = 1"
)
REFUND = (
    "INSERT INTO refunds (charge_id, status, amount_minor, currency, asked_by, left_minor,"
    " idempotency_key, params, requested_at, next_try_at, stripe_refund_id, changed_at)"
    " SELECT id, '{status}', 100, 'usd', 'Anna', 500, 'key', '{{}}', created_at, {next_try},"
    " 're_1', created_at FROM charges"
)
CHANGE = (
    "INSERT INTO pledge_changes (pledge_id, version, kind, occurred_at, old_cadence, cadence,"
    " old_amount_minor, amount_minor, fee_cover_minor, next_period, from_period, from_month,"
    " spared_from, spared_until) SELECT id, 1, '{kind}', created_at, cadence, cadence, 500,"
    " {agreed}, 0, next_period, 0, 0, {spared} FROM pledges"
)
CHANGED = "UPDATE pledges SET version = 1"
NOW = "started_at + interval '1 hour'"
OFF = "ALTER TABLE {0} DISABLE TRIGGER USER"
ON = "ALTER TABLE {0} ENABLE TRIGGER USER"


class Breach:
    """How to break an invariant, what the audit must say, and how to undo changes of structure."""

    def __init__(self, invariant: int, says: str, *how: str, undo: tuple[str, ...] = ()) -> None:
        self.invariant, self.says, self.how, self.undo = invariant, says, how, undo


BREACHES = {
    "a period charged twice": Breach(
        1, "pledge 1 period 1 has 2 charges (1, 2)", DROP_PERIOD, AGAIN.format(period="period"),
        undo=("DELETE FROM charges WHERE id = 2", ADD_PERIOD),
    ),
    "the index of periods gone": Breach(
        1, "uq_charges_pledge_id_period is missing", DROP_PERIOD, undo=(ADD_PERIOD,)
    ),
    "two attempts open": Breach(
        1, "charge 1 has 2 open attempts (2, 3)", DROP_OPEN,
        ANOTHER_ATTEMPT.format(n=1, status="in_flight", started=NOW, finished="NULL"),
        ANOTHER_ATTEMPT.format(n=2, status="unknown", started=NOW, finished="NULL"),
        undo=("DELETE FROM attempts WHERE id > 1", ADD_OPEN),
    ),
    "paid twice": Breach(
        1, "charge 1 was paid 2 times (attempts 1, 2)",
        ANOTHER_ATTEMPT.format(n=1, status="succeeded", started=NOW, finished=NOW),
    ),
    "charged after cancelling": Breach(
        2, "attempt 1 came after pledge 1 was cancelled",
        "UPDATE pledges SET status = 'cancelled', next_charge_at = NULL,"
        " cancelled_at = anchor_at + interval '1 day'",
    ),
    "charged above what was agreed": Breach(
        2, "attempt 1 of charge 1 asked 500, above the 400 agreed to",
        "UPDATE attempts SET agreed_minor = 400",
    ),
    "asked for more than the charge": Breach(
        2, "attempt 1 asked 900 for charge 1 of 500",
        "UPDATE attempts SET params = jsonb_set(params, '{amount}', '900')",
    ),
    "charged on although disputed": Breach(
        2, "pledge 1 is active though dispute 1 is about its charge 1",
        "INSERT INTO disputes (stripe_dispute_id, charge_id, status, reason, amount_minor,"
        " currency, opened_at) SELECT 'du_1', id, 'needs_response', 'fraudulent', 500, 'usd',"
        " created_at FROM charges",
    ),
    "a month paid ahead and charged again": Breach(
        1, "charge 2 is for period 2 of pledge 1, which charge 1 has paid for",
        "UPDATE charges SET months = 3",
        AGAIN.format(period=2), "UPDATE charges SET status = 'due' WHERE id = 2",
    ),
    "a skipped month charged": Breach(
        2, "charge 1 is for period 1 of pledge 1, which was left out (change 1)",
        CHANGE.format(kind="skipped", agreed=500, spared="1, 2"), CHANGED,
    ),
    "charged in a pause": Breach(
        2, "attempt 1 began while pledge 1 was paused",
        CHANGE.format(kind="paused", agreed=500, spared="NULL, NULL"), CHANGED,
        "UPDATE attempts SET pledge_version = 1",
    ),
    "charged in a pause, before attempts knew the version": Breach(
        2, "attempt 1 began while pledge 1 was paused",
        CHANGE.format(kind="paused", agreed=500, spared="NULL, NULL"), CHANGED,
        "UPDATE attempts SET pledge_version = NULL",
    ),
    "another sum than was agreed to": Breach(
        2, "pledge 1 takes 500 monthly, not the 400 monthly agreed to last",
        CHANGE.format(kind="terms", agreed=400, spared="NULL, NULL"), CHANGED,
    ),
    "a change without a trace": Breach(
        2, "pledge 1 was changed 1 times, its history has 0", CHANGED,
    ),
    "an attempt not recorded": Breach(
        3, "charge 1 is succeeded without an attempt", "DELETE FROM attempts",
    ),
    "a payment at Stripe without its row": Breach(
        3, "has no attempt", "UPDATE attempts SET idempotency_key = 'another'",
    ),
    "parameters not frozen": Breach(
        3, "attempt 1 has no key or no parameters", "UPDATE attempts SET params = '{}'",
    ),
    "another attempt before the first was known": Breach(
        4, "attempt 2 began before attempt 1 was known",
        "UPDATE attempts SET status = 'unknown', finished_at = NULL",
        ANOTHER_ATTEMPT.format(n=1, status="declined", started=NOW, finished=NOW),
    ),
    "an outcome found out when another attempt had begun": Breach(
        4, "attempt 2 began before attempt 1 was known",
        "UPDATE attempts SET finished_at = started_at + interval '91 minutes'",
        ANOTHER_ATTEMPT.format(n=1, status="declined", started=NOW, finished=NOW),
    ),
    "an unknown outcome forgotten": Breach(
        4, "attempt 1 has been unknown since",
        "UPDATE attempts SET status = 'unknown', started_at = started_at - interval '3 days'",
    ),
    "a line changed": Breach(
        5, "ledger transaction 1 is off by 1 usd", OFF.format("ledger_entries"),
        "UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE account = 'stripe'",
        undo=(ON.format("ledger_entries"),),
    ),
    "the trigger off": Breach(
        5, "ledger_entries_append_only is missing or off", OFF.format("ledger_entries"),
        undo=(ON.format("ledger_entries"),),
    ),
    "a payment not in the ledger": Breach(
        5, "in all -455 usd", OFF.format("ledger_entries"), OFF.format("ledger_transactions"),
        "DELETE FROM ledger_entries", "DELETE FROM ledger_transactions",
        undo=(ON.format("ledger_entries"), ON.format("ledger_transactions")),
    ),
    "a line that Stripe does not know": Breach(
        5, "txn_invented is not at Stripe",
        "INSERT INTO ledger_transactions (stripe_balance_transaction_id, category, occurred_at,"
        " recorded_at) SELECT 'txn_invented', 'charge', occurred_at, recorded_at"
        " FROM ledger_transactions",
    ),
    "given back and not counted": Breach(
        5, "charge 1 counts 0 given back, its rows 100", REFUND.format(
            status="succeeded", next_try="NULL"),
    ),
    "counted and not given back": Breach(
        5, "charge 1 counts 100 given back, Stripe 0", "UPDATE charges SET refunded_minor = 100",
    ),
    "a payout that does not add up": Breach(
        5, "payout 1 (po_1) differs by -1 usd, 0 of 2 movements missing",
        "INSERT INTO payouts (stripe_payout_id, status, automatic, amount_minor, currency,"
        " created_at, arrives_at, movements, difference_minor, unposted) SELECT 'po_1', 'paid',"
        " true, 500, 'usd', created_at, created_at, 2, -1, 0 FROM charges",
    ),
    "a receipt lost": Breach(6, "charge 1 has no receipt", "DELETE FROM outbox"),
    "a change that nobody was told of": Breach(
        6, "change 1 of pledge 1 (skipped) has no letter",
        CHANGE.format(kind="skipped", agreed=500, spared="5, 6"), CHANGED,
    ),
    "a pause without an end": Breach(
        7, "pledge 1 was to go on at",
        "UPDATE pledges SET status = 'paused', paused_until = anchor_at + interval '2 days'",
    ),
    "the history no longer append-only": Breach(
        5, "pledge_changes_append_only is missing or off", OFF.format("pledge_changes"),
        undo=(ON.format("pledge_changes"),),
    ),
    "the audit trail no longer append-only": Breach(
        5, "staff_audit_append_only is missing or off", OFF.format("staff_audit"),
        undo=(ON.format("staff_audit"),),
    ),
    "revenue not explained": Breach(
        9, "pledge 1 counts 7200 a year, its movements 6000", CHANGED,
        "UPDATE pledges SET amount_minor = 600",
    ),
    "a message stuck": Breach(
        6, "message 1 has been waiting since",
        "UPDATE outbox SET created_at = created_at - interval '2 days'",
    ),
    "a charge forgotten": Breach(
        7, "charge 1 has been due since",
        "UPDATE charges SET next_attempt_at = due_at - interval '40 days'",
    ),
    "a pledge forgotten": Breach(
        7, "pledge 1 should have been charged at",
        "UPDATE pledges SET next_charge_at = next_charge_at - interval '40 days'",
    ),
    "a refund never sent": Breach(
        7, "refund 1 has been on its way since", REFUND.format(
            status="requested", next_try="created_at - interval '2 days'"),
    ),
    "a pledge held for nothing": Breach(
        7, "pledge 1 is held and no fraud warning waits for a decision",
        "UPDATE pledges SET held_since = anchor_at",
    ),
    "missed periods charged at once": Breach(
        7, "of the same pledge was due already",
        AGAIN.format(period="period + 1"),
    ),
    "an event not acted upon": Breach(
        8, "event evt_1 (row 1) is stored since",
        "INSERT INTO webhook_events (stripe_event_id, type, created_at, received_at, backfilled,"
        " status, next_try_at, tries) SELECT 'evt_1', 'payout.failed', anchor_at, anchor_at, false,"
        " 'stored', anchor_at, 0 FROM pledges",
    ),
    "the calendar moved": Breach(
        9, "pledge 1 is next charged off its day",
        "UPDATE pledges SET next_charge_at = next_charge_at + interval '1 day'",
    ),
    "a charge off its day": Breach(
        9, "charge 1 is due off its pledge's day",
        "UPDATE charges SET due_at = due_at + interval '1 day'",
    ),
    "a sum with fractions": Breach(
        9, "column charges.refunded_minor is double precision",
        "ALTER TABLE charges ALTER refunded_minor TYPE double precision",
        undo=("ALTER TABLE charges ALTER refunded_minor TYPE bigint",),
    ),
    "a moment without a zone": Breach(
        9, "column charges.queued_at is timestamp without time zone",
        "ALTER TABLE charges ALTER queued_at TYPE timestamp",
        undo=("ALTER TABLE charges ALTER queued_at TYPE timestamptz",),
    ),
    "an address in the clear": Breach(
        10, "outbox 1 shows an address in context",
        """UPDATE outbox SET context = '{"to": "reader@example.org"}'""",
    ),
    "an IP address kept": Breach(
        10, "pledges 1 shows an address in source",
        """UPDATE pledges SET source = '{"from": "203.0.113.7"}'""",
    ),
    "an address under a lost key": Breach(
        10, "supporter 1 cannot be decrypted with any key",
        "UPDATE supporters SET email_encrypted = 'rubbish'",
    ),
    "a digest that finds nobody": Breach(
        10, "supporter 1 cannot be found by its digest",
        "UPDATE supporters SET email_digest = 'rubbish'",
    ),
}  # fmt: skip


def run(runtime: Runtime, *statements: str) -> None:
    with runtime.database.transaction() as session:
        for statement in statements:
            session.execute(text(statement.replace(":", "\\:")))


@pytest.fixture
def newsroom(
    runtime: Runtime, stripe: StandIn, now: datetime, advance: Callable[[timedelta], datetime]
) -> Runtime:
    """One pledge, renewed once, with everything in order."""
    customer_id, card_id = card_of(stripe)
    pledge_id = pledge_of(runtime, anchor=now, customer_id=customer_id, payment_method_id=card_id)
    moment = advance(timedelta(days=31))
    with runtime.database.transaction() as session:
        zone = runtime.settings.newsroom.timezone
        create_due_charges(session, zone=zone, now=moment, limit=10)
    submit(runtime, NoLimit(), charges_of(runtime, pledge_id)[0].id)
    return runtime


@pytest.fixture
def broken(newsroom: Runtime, request: pytest.FixtureRequest) -> Iterator[Breach]:
    breach: Breach = BREACHES[request.param]
    run(newsroom, *breach.how)
    yield breach
    run(newsroom, *breach.undo)


def test_a_newsroom_in_order_passes(newsroom: Runtime) -> None:
    findings = audit(newsroom)
    assert [finding.invariant for finding in findings] == list(range(1, 11))
    assert [finding.line() for finding in findings if finding.offenders] == []
    assert all(finding.looked_at for finding in findings if finding.invariant != 8)


@pytest.mark.parametrize("broken", BREACHES, indirect=True)
def test_the_audit_names_what_is_broken(newsroom: Runtime, broken: Breach) -> None:
    failed = {finding.invariant: finding for finding in audit(newsroom) if finding.offenders}
    assert broken.invariant in failed
    assert any(broken.says in offender for offender in failed[broken.invariant].offenders)


def test_a_payment_made_twice_at_stripe_is_named(newsroom: Runtime, stripe: StandIn) -> None:
    with newsroom.database.transaction() as session:
        params = session.execute(text("SELECT params FROM attempts")).scalar_one()
    stripe_client(stripe).v1.payment_intents.create(params=params)
    failed = {finding.invariant: finding for finding in audit(newsroom)}
    assert failed[1].offenders == ["charge 1 was paid 2 times at Stripe"]


def test_the_command_prints_a_line_each_and_fails_when_one_fails(
    newsroom: Runtime, environment: dict[str, str]
) -> None:
    well = CliRunner().invoke(main, ["audit"], env=environment)
    assert well.exit_code == 0, well.output
    lines = [line.split() for line in well.output.splitlines()]
    assert [line[:2] for line in lines] == [["ok", str(number)] for number in range(1, 11)]
    run(newsroom, "DELETE FROM outbox")
    ill = CliRunner().invoke(main, ["audit"], env=environment)
    assert ill.exit_code == 1
    assert "FAIL   6" in ill.output
    assert "charge 1 has no receipt" in ill.output
