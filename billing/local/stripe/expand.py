"""`expand[]`: replace ids by the objects they name, as deep as four levels."""

from collections.abc import Callable
from typing import Any, TypeVar

from billing.local.stripe.errors import invalid_request
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

MAX_DEPTH = 4
KIND_OF_FIELD = {
    "balance_transaction": "balance_transaction",
    "failure_balance_transaction": "balance_transaction",
    "charge": "charge",
    "latest_charge": "charge",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "default_price": "price",
    "latest_attempt": "setup_attempt",
    "mandate": "mandate",
    "original_payout": "payout",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "payout": "payout",
    "product": "product",
    "refund": "refund",
    "reversed_by": "payout",
    "setup_intent": "setup_intent",
}
_NOT_THERE_YET = {("refund", "failure_balance_transaction")}
"""Fields that Stripe leaves out until there is something to say, and expands all the same."""

_PREFIXES = {
    "ch": "charge",
    "py": "charge",
    "re": "refund",
    "pyr": "refund",
    "du": "dispute",
    "po": "payout",
}
Includer = TypeVar("Includer", bound=Callable[[Work, Obj], Any])
_includers: dict[tuple[str, str], Callable[[Work, Obj], Any]] = {}


def includable(kind: str, name: str) -> Callable[[Includer], Includer]:
    """Register a field that is only there when asked for, such as a session's `line_items`."""

    def register(function: Includer) -> Includer:
        _includers[kind, name] = function
        return function

    return register


def expand(work: Work, obj: Obj, paths: list[str]) -> Obj:
    """A copy of `obj` with every path filled in; raise `invalid_request` on one that can't be."""
    if not paths:
        return obj
    result = dict(obj)
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_DEPTH + (parts[0] == "data"):
            raise invalid_request(
                f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}",
                param="expand",
                code="property_expansion_max_depth",
            )
        _follow(work, result, parts, path)
    return result


def _follow(work: Work, node: Obj, parts: list[str], path: str) -> None:
    name, rest = parts[0], parts[1:]
    kind = node.get("object", "")
    if (kind, name) in _includers:
        if not isinstance(node.get(name), dict):
            node[name] = _includers[kind, name](work, node)
        if isinstance(node[name], int):
            return
    elif name not in node:
        if (kind, name) in _NOT_THERE_YET:
            return
        raise _cannot(path)
    value = node[name]
    if isinstance(value, list):
        node[name] = [_filled(work, name, item, rest, path) for item in value]
    else:
        node[name] = _filled(work, name, value, rest, path)


def _filled(work: Work, name: str, value: Any, rest: list[str], path: str) -> Any:
    if isinstance(value, str):
        value = _fetch(work, name, value, path)
    elif isinstance(value, dict):
        value = dict(value)
    elif value is not None:
        raise _cannot(path)
    if rest and isinstance(value, dict):
        _follow(work, value, rest, path)
    return value


def _fetch(work: Work, name: str, object_id: str, path: str) -> Obj:
    kind = KIND_OF_FIELD.get(name)
    if name == "source":
        kind = _PREFIXES.get(object_id.partition("_")[0])
    if kind is None:
        raise _cannot(path)
    found = work.find(kind, object_id)
    if found is None:
        return {"id": object_id, "object": kind, "deleted": True}
    return public(found)


def _cannot(path: str) -> Exception:
    return invalid_request(
        f"This property cannot be expanded ({path.rpartition('.')[2]}). You may want to try "
        "expanding another property, or expanding none.",
        param="expand",
    )
