"""How many supporters there are today, as far as whoever looks may know."""

from __future__ import annotations

from dataclasses import dataclass

from billing.revenue.today import People
from billing.revenue.viewers import coarse_count
from billing.staff.domain import Role
from billing.staff.suppression import is_small, suppress, suppress_row


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of people; None for what is not shown."""

    supporters: int | None
    monthly: int | None
    annual: int | None


def counts_for(role: Role, people: People) -> Counts:
    """The counts of the page of the day.

    Viewers are not shown those of few people, and the others to the nearest 5 (ADR 77).
    The two rhythms with what both have in common come to the whole, so all three are one line.
    """
    both = people.monthly + people.annual - people.all
    if role.covers(Role.DESK):
        return Counts(supporters=people.all, monthly=people.monthly, annual=people.annual)
    if both > 0:
        # Three that overlap are not the parts of a sum; each alone, and none where one is small.
        hide = any(map(is_small, (people.all, people.monthly, people.annual, both)))
        shown = (suppress(people.all), *((None, None) if hide else (people.monthly, people.annual)))
    else:
        row = suppress_row([people.monthly, people.annual])
        shown = (row.total, *row.cells)
    supporters, monthly, annual = (None if each is None else coarse_count(each) for each in shown)
    return Counts(supporters=supporters, monthly=monthly, annual=annual)
