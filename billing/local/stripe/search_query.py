"""Stripe's search query language, read and held against objects.

Source: https://docs.stripe.com/search#search-query-language. Clauses of a field, an operator and a
value; `-` negates one; all are joined by AND (or a space), or all by OR; at most ten.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

from billing.local.stripe.errors import ApiError, invalid_request
from billing.local.stripe.store import Obj

MOST_CLAUSES = 10
SHORTEST_SUBSTRING = 3


class FieldType(Enum):
    """What a field may be asked: a token is compared whole, a string also in part."""

    WORD = "token"
    STRING = "string"
    NUMERIC = "numeric"


_OPERATORS = {
    FieldType.WORD: (":",),
    FieldType.STRING: (":", "~"),
    FieldType.NUMERIC: (":", ">", "<", ">=", "<=", "="),
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ":": lambda found, wanted: found == wanted,
    "=": lambda found, wanted: found == wanted,
    ">": lambda found, wanted: found > wanted,
    "<": lambda found, wanted: found < wanted,
    ">=": lambda found, wanted: found >= wanted,
    "<=": lambda found, wanted: found <= wanted,
}
_TERM = re.compile(
    r"""\s*(?:
        (?P<word>AND|OR)(?=\s|$)
      | (?P<not>-)?
        (?: metadata\[(?P<q>["'])(?P<key>(?:\\.|(?!(?P=q)).)*)(?P=q)\]
          | (?P<field>[a-z][a-z0-9_.]*) )
        (?P<operator>>=|<=|:|~|>|<|=)
        (?: (?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)
          | (?P<bare>null|true|false|-?\d+(?:\.\d+)?) )
        (?=\s|$)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_UNREADABLE = (
    "We were unable to parse your search query. Try using the format "
    '`metadata["key"]:"value"` to query for metadata or `key:"value"` to query for other fields.'
)


@dataclass(frozen=True)
class Clause:
    """One condition. `wanted` is None for NULL: that the field is empty."""

    path: tuple[str, ...]
    kind: FieldType
    operator: str
    wanted: str | float | None
    negated: bool

    def holds(self, obj: Obj) -> bool:
        """Whether an object meets it."""
        return self._meets(_value(obj, self.path)) is not self.negated

    def _meets(self, found: Any) -> bool:
        if self.wanted is None or found is None:
            return found is None and self.wanted is None
        if isinstance(self.wanted, float):
            return _COMPARE[self.operator](float(found), self.wanted)
        text = str(found).lower()
        wanted = self.wanted.lower()
        return wanted in text if self.operator == "~" else text == wanted


@dataclass(frozen=True)
class Query:
    """Clauses of which all hold, or any."""

    clauses: tuple[Clause, ...]
    any_of: bool

    def finds(self, obj: Obj) -> bool:
        """Whether an object is among what is searched for."""
        held = (clause.holds(obj) for clause in self.clauses)
        return any(held) if self.any_of else all(held)


def read_query(text: str, resource: str, fields: dict[str, FieldType]) -> Query:
    """Read a query about a resource (`customers`); a field may have a `*` for one part of its name.

    Raises:
        ApiError: 400, about the parameter `query`.
    """
    clauses: list[Clause] = []
    joints: list[str] = []
    joint: str | None = None
    for term in _terms(text):
        if term["word"]:
            if joint is not None or not clauses:
                _refuse(_UNREADABLE)
            joint = term["word"].upper()
            continue
        if clauses:
            joints.append(joint or "AND")
        joint = None
        clauses.append(_clause(term, resource, fields))
    if not clauses or joint is not None:
        _refuse(_UNREADABLE)
    if len(set(joints)) > 1:
        _refuse("You can't combine AND and OR in the same search query.")
    if len(clauses) > MOST_CLAUSES:
        _refuse(f"A search query may have up to {MOST_CLAUSES} clauses; yours has {len(clauses)}.")
    return Query(tuple(clauses), any_of="OR" in joints)


def _terms(text: str) -> list[re.Match[str]]:
    terms, place, end = [], 0, len(text.rstrip())
    while place < end:
        term = _TERM.match(text, place)
        if term is None:
            _refuse(_UNREADABLE)
        terms.append(term)
        place = term.end()
    return terms


def _clause(term: re.Match[str], resource: str, fields: dict[str, FieldType]) -> Clause:
    path, kind = _field(term, resource, fields)
    operator = term["operator"]
    if operator not in _OPERATORS[kind]:
        _refuse(
            f"The operator `{operator}` is not supported for the field `{'.'.join(path)}`, which "
            f"is of the type {kind.value}."
        )
    return Clause(path, kind, operator, _wanted(term, kind), negated=bool(term["not"]))


def _field(
    term: re.Match[str], resource: str, fields: dict[str, FieldType]
) -> tuple[tuple[str, ...], FieldType]:
    if term["key"] is not None:
        return ("metadata", _plain(term["key"])), FieldType.WORD
    name = term["field"].lower()
    parts = name.split(".")
    for known, kind in fields.items():
        pattern = known.split(".")
        if len(pattern) == len(parts) and all(
            want in ("*", part) for want, part in zip(pattern, parts, strict=True)
        ):
            return tuple(parts), kind
    raise _refusal(
        f"Field `{name}` is an unsupported search field for resource `{resource}`. See "
        f"http://stripe.com/docs/search#query-fields-for-{resource.replace('_', '')} for a list of "
        "supported fields."
    )


def _wanted(term: re.Match[str], kind: FieldType) -> str | float | None:
    bare, operator = term["bare"], term["operator"]
    if bare is not None and bare.lower() == "null":
        if operator != ":":
            _refuse(f"The operator `{operator}` cannot be used with null.")
        return None
    text = bare if bare is not None else _plain(term["text"])
    if kind is FieldType.NUMERIC:
        try:
            return float(text)
        except ValueError:
            _refuse(f"`{text}` is not a number.")
    if operator == "~" and len(text) < SHORTEST_SUBSTRING:
        _refuse(f"A substring to search for needs at least {SHORTEST_SUBSTRING} characters.")
    return str(text)


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _value(obj: Any, path: tuple[str, ...]) -> Any:
    """What stands there, written as JSON writes it; None where nothing does."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return str(obj).lower() if isinstance(obj, bool) else obj


def _refuse(message: str) -> NoReturn:
    raise _refusal(message)


def _refusal(message: str) -> ApiError:
    return invalid_request(message, param="query")
