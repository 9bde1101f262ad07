"""How many people stand behind the figures, as far as whoever looks may know."""

from __future__ import annotations

from dataclasses import dataclass

from billing.revenue.today import People
from billing.staff.domain import Role
from billing.staff.suppression import suppress, suppress_row


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of people; None for what is not shown."""

    supporters: int | None
    monthly: int | None
    annual: int | None


def counts_for(role: Role, people: People) -> Counts:
    """The counts of the page of the day: viewers are not shown those of few people.

    The two rhythms with what both have in common come to the whole, so all three are one line.
    """
    both = people.monthly + people.annual - people.all
    if role.covers(Role.DESK):
        return Counts(supporters=people.all, monthly=people.monthly, annual=people.annual)
    if both > 0:
        # Three that overlap are not the parts of a sum; each alone, and none where one is small.
        shown = [suppress(each) for each in (people.all, people.monthly, people.annual, both)]
        hide = None in shown
        return Counts(
            supporters=suppress(people.all),
            monthly=None if hide else people.monthly,
            annual=None if hide else people.annual,
        )
    row = suppress_row([people.monthly, people.annual])
    return Counts(supporters=row.total, monthly=row.cells[0], annual=row.cells[1])
