"""How many people stand behind the figures, as far as whoever looks may know."""

from __future__ import annotations

from dataclasses import dataclass

from billing.revenue.service import Overview
from billing.staff.domain import Role
from billing.staff.suppression import suppress, suppress_row


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of people; None for what is not shown."""

    supporters_year: int | None
    supporters_month: int | None
    pledges: int | None
    monthly: int | None
    annual: int | None
    paused: int | None


def counts_for(role: Role, seen: Overview) -> Counts:
    """The counts of an overview: viewers are not shown those that few people stand behind."""
    year, month, pledges = seen.supporters_year, seen.supporters_month, seen.pledges
    if role.covers(Role.DESK):
        return Counts(
            supporters_year=year,
            supporters_month=month,
            pledges=pledges.monthly + pledges.annual,
            monthly=pledges.monthly,
            annual=pledges.annual,
            paused=pledges.paused,
        )
    supporters = suppress_row([month, year - month])
    promised = suppress_row([pledges.monthly, pledges.annual])
    return Counts(
        supporters_year=supporters.total,
        supporters_month=supporters.cells[0],
        pledges=promised.total,
        monthly=promised.cells[0],
        annual=promised.cells[1],
        paused=suppress(pledges.paused),
    )
