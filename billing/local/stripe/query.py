"""A list's question, and the SQL that answers it from the indexes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Filter:
    """What a list asks for.

    `bounds` are (operator, seconds) pairs on `created`; `also` are conditions in SQL on `o`, with
    the values bound in them.
    """

    equals: dict[str, str] = field(default_factory=dict)
    any_of: tuple[str, tuple[str, ...]] | None = None
    bounds: list[tuple[str, int]] = field(default_factory=list)
    also: list[tuple[str, list[Any]]] = field(default_factory=list)
    starting_after: str | None = None
    ending_before: str | None = None
    limit: int = 10


class UnknownCursorError(Exception):
    """`starting_after` or `ending_before` names no object."""

    def __init__(self, object_id: str, param: str) -> None:
        super().__init__(object_id)
        self.object_id, self.param = object_id, param


def link_text(value: Any) -> str:
    """How a field's value is written in `links` (true and false as in JSON)."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def page_query(
    kind: str, wanted: Filter, cursor: Callable[[str], tuple[int, int] | None]
) -> tuple[str, list[Any]]:
    """One page, newest first, walking `objects` or, when there is a filter, `links`."""
    names = sorted(wanted.equals)
    where, values = _first_source(kind, wanted, names)
    age = "l" if names else "o"
    for operator, seconds in wanted.bounds:
        where.append(f"{age}.created {operator} ?")
        values.append(seconds)
    for condition, bound in wanted.also:
        where.append(condition)
        values += bound
    backwards = wanted.ending_before is not None
    for param, operator in (("starting_after", "<"), ("ending_before", ">")):
        object_id = getattr(wanted, param)
        if object_id is not None:
            place = cursor(object_id)
            if place is None:
                raise UnknownCursorError(object_id, param)
            where.append(f"({age}.created, {age}.seq) {operator} (?, ?)")
            values += place
    order = "ASC" if backwards else "DESC"
    table = "objects o JOIN links l ON l.seq = o.seq" if names else "objects o"
    sql = (
        "SELECT o.seq, o.id, o.body, o.created "  # noqa: S608 - only our own words, values bound
        f"FROM {table} WHERE {' AND '.join(where)} "
        f"ORDER BY {age}.created {order}, {age}.seq {order} LIMIT ?"
    )
    return sql, [*values, wanted.limit + 1]


def _first_source(kind: str, wanted: Filter, names: list[str]) -> tuple[list[str], list[Any]]:
    where, values = ["o.kind = ?"], [kind]
    for place, name in enumerate(names):
        pair = [f"{kind}.{name}", wanted.equals[name]]
        if place == 0:
            where = ["l.name = ?", "l.value = ?"]
            values = list(pair)
        else:
            where.append(
                "EXISTS (SELECT 1 FROM links x WHERE x.name = ? AND x.value = ? "
                "AND x.created = o.created AND x.seq = o.seq)"
            )
            values += pair
    if wanted.any_of:
        name, choices = wanted.any_of
        marks = ", ".join("?" * len(choices))
        where.append(
            f"EXISTS (SELECT 1 FROM links x WHERE x.name = ? AND x.value IN ({marks}) "  # noqa: S608
            "AND x.created = o.created AND x.seq = o.seq)"
        )
        values += [f"{kind}.{name}", *choices]
    return where, values
