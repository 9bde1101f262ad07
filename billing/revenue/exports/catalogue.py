"""Every table that can be downloaded. A new page adds its own to `TABLES`."""

from __future__ import annotations

from billing.revenue.exports import income, income_lists, lists, overview, people, people_lists
from billing.revenue.exports.tables import Table
from billing.staff.domain import Role

TABLES: tuple[Table, ...] = (
    *overview.TABLES,
    *lists.TABLES,
    *people.TABLES,
    *people_lists.TABLES,
    *income.TABLES,
    *income_lists.TABLES,
)
_BY_NAME = {each.name: each for each in TABLES}


def find_table(name: str) -> Table | None:
    """The table of that name, if there is one."""
    return _BY_NAME.get(name)


def tables_on(endpoint: str | None, role: Role) -> list[Table]:
    """The tables that a page offers to whoever has this role."""
    return [
        each for each in TABLES if endpoint in (each.page, *each.also_on) and role.covers(each.role)
    ]
