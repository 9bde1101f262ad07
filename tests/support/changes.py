"""A supporter's changes, made as their page makes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from billing.charges import changing
from billing.charges.due import claim_due_charges, create_due_charges
from billing.money import Money
from billing.pledges.domain import Cadence
from billing.pledges.tables import PledgeChange, PledgeMovement
from billing.runtime import Runtime
from tests.support.people import NoLimit, get_pledge
from tests.support.taking import submit


def change(runtime: Runtime, how: Callable[..., Any], pledge_id: int, **details: Any) -> None:
    """One change in a transaction of its own, by somebody who sees the pledge as it is."""
    details.setdefault("seen", get_pledge(runtime, pledge_id).version)
    with runtime.database.transaction() as session:
        how(session, runtime, pledge_id, now=runtime.clock.now(), **details)


def turn_of(runtime: Runtime, pledge_id: int) -> int:
    """The period that its page shows as the next."""
    zone = runtime.settings.newsroom.timezone
    return get_pledge(runtime, pledge_id).turn(zone, runtime.clock.now())


def pause(runtime: Runtime, pledge_id: int, until: datetime, **details: Any) -> None:
    details.setdefault("turn", turn_of(runtime, pledge_id))
    change(runtime, changing.pause_pledge, pledge_id, until=until, **details)


def resume(runtime: Runtime, pledge_id: int, **details: Any) -> None:
    change(runtime, changing.resume_pledge, pledge_id, **details)


def skip(runtime: Runtime, pledge_id: int, **details: Any) -> None:
    details.setdefault("turn", turn_of(runtime, pledge_id))
    change(runtime, changing.skip_payment, pledge_id, **details)


def agree(
    runtime: Runtime,
    pledge_id: int,
    minor: int,
    cadence: Cadence = Cadence.MONTHLY,
    **details: Any,
) -> None:
    """Another sum or rhythm, without covering the fee."""
    terms = {"amount": Money(minor, "usd"), "fee_cover": Money(0, "usd"), "cadence": cadence}
    change(runtime, changing.change_pledge, pledge_id, **terms, **details)


def run_day(runtime: Runtime) -> None:
    """What the beat does: end pauses, create what is due, and ask for it."""
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    with runtime.database.transaction() as session:
        changing.resume_due(session, runtime, now=now, limit=100)
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=now, limit=100)
    with runtime.database.transaction() as session:
        due = claim_due_charges(session, now=now, limit=100)
    for charge_id in due:
        submit(runtime, NoLimit(), charge_id)


def changes_of(runtime: Runtime, pledge_id: int) -> list[PledgeChange]:
    """The pledge's history."""
    query = select(PledgeChange).where(PledgeChange.pledge_id == pledge_id)
    with runtime.database.transaction() as session:
        return list(session.scalars(query.order_by(PledgeChange.version)).all())


def movements_of(runtime: Runtime, pledge_id: int) -> list[tuple[str, int]]:
    """How it moved revenue: kind and minor units a year, in the order they were noted."""
    query = select(PledgeMovement).where(PledgeMovement.pledge_id == pledge_id)
    with runtime.database.transaction() as session:
        rows = session.scalars(query.order_by(PledgeMovement.id)).all()
        return [(row.kind.value, row.yearly_minor) for row in rows]
