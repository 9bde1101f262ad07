"""Whole lives of pledges, changed at random: the audit finds nothing, however they went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.audit import changes as audited, values
from billing.audit.findings import Finding
from billing.charges import changing
from billing.charges.due import create_due_charges
from billing.charges.errors import PaymentUnderWayError
from billing.money import Money
from billing.pledges import changes
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.errors import NotPossibleError
from billing.pledges.service import cancel, get_pledge
from billing.runtime import Runtime
from tests.conftest import empty
from tests.support.people import charges_of, get_pledge as look_at, pledge_of

CHECKS = (
    audited.months_paid_once,
    audited.wishes_kept,
    audited.changes_confirmed,
    audited.revenue_explained,
    values.calendars_kept,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["wait", "wait", "wait", "pause", "resume", "skip", "sum", "rhythm", "ahead", "end"]
        ),
        st.integers(1, 90),
    ),
    min_size=1,
    max_size=14,
)
PAID = "UPDATE charges SET status = 'succeeded', next_attempt_at = NULL WHERE status = 'due'"


def step(session: Session, runtime: Runtime, pledge_id: int, what: str, number: int, now: datetime
         ) -> None:  # fmt: skip
    """One change, as a supporter makes it."""
    zone = runtime.settings.newsroom.timezone
    pledge = get_pledge(session, pledge_id, lock=True)
    common, turn = {"seen": pledge.version, "now": now}, pledge.turn(zone, now)
    if what == "pause":
        until = now + timedelta(days=3 * number)
        changing.pause_pledge(session, runtime, pledge_id, until=until, turn=turn, **common)
    elif what == "resume":
        changing.resume_pledge(session, runtime, pledge_id, **common)
    elif what == "skip":
        changing.skip_payment(session, runtime, pledge_id, turn=turn, **common)
    elif what in ("sum", "rhythm"):
        yearly = pledge.cadence is Cadence.MONTHLY
        other = Cadence.ANNUAL if yearly else Cadence.MONTHLY
        changing.change_pledge(
            session,
            runtime,
            pledge_id,
            amount=Money(200 + 10 * number, "usd"),
            fee_cover=Money(number, "usd"),
            cadence=other if what == "rhythm" else pledge.cadence,
            **common,
        )
    elif what == "ahead":
        changes.prepay(session, pledge, months=2 + number % 11, zone=zone, now=now)
    elif what == "end" and number > 75:
        cancel(session, pledge_id, zone=zone, now=now)


def run(runtime: Runtime, now: datetime) -> None:
    """What the beat does, with a bank that pays at once."""
    zone = runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        changing.resume_due(session, runtime, now=now, limit=10)
        create_due_charges(session, zone=zone, now=now, limit=10)
    with runtime.database.transaction() as session:
        session.execute(text(PAID))


def findings(runtime: Runtime) -> list[Finding]:
    with runtime.database.transaction() as session:
        return [check(runtime, session) for check in CHECKS]


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    anchor=st.datetimes(datetime(2025, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC)),
    steps=STEPS,
)
def test_however_a_pledge_is_changed_its_history_explains_it(
    runtime: Runtime, anchor: datetime, steps: list[tuple[str, int]]
) -> None:
    empty(runtime.database)
    pledge_id = pledge_of(runtime, anchor=anchor)
    now = anchor
    for what, number in steps:
        now += timedelta(days=number if what == "wait" else 1, seconds=1)
        try:
            with runtime.database.transaction() as session:
                step(session, runtime, pledge_id, what, number, now)
        except (NotPossibleError, PaymentUnderWayError):
            pass
        run(runtime, now)
        assert [line for found in findings(runtime) for line in found.offenders] == []
    dues = [charge.due_at for charge in charges_of(runtime, pledge_id)]
    gaps = [later - earlier for earlier, later in pairwise(dues)]
    assert all(gap > timedelta(days=27) for gap in gaps)
    pledge = look_at(runtime, pledge_id)
    if pledge.status is PledgeStatus.ACTIVE:
        assert pledge.next_charge_at is not None
